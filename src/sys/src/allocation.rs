//! A heap that can tell whether it was used when it should not have been: the
//! reaper allocates nothing after its start, and this is how a test (and
//! `hamctl status --json`) can see that it keeps to that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static SEALED: AtomicBool = AtomicBool::new(false);
static AFTER_SEAL: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting what is asked for after [`seal`].
#[derive(Debug, Default)]
pub struct Counting;

fn count() {
    if SEALED.load(Ordering::Relaxed) {
        AFTER_SEAL.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed on unchanged to the system's allocator, which
// keeps the contract; counting touches two atomics and nothing else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// From here on every allocation of this process is counted.
pub fn seal() {
    SEALED.store(true, Ordering::Relaxed);
}

/// A child of a sealed process may use its heap as it likes.
pub fn unseal() {
    SEALED.store(false, Ordering::Relaxed);
    AFTER_SEAL.store(0, Ordering::Relaxed);
}

/// Gives back to the system what the C library keeps of memory that was freed
/// (malloc_trim(3); only glibc keeps it): after something large that will not
/// come again soon.
pub fn give_back() {
    // SAFETY: it takes an integer, and touches nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Takes the code and the constants of this program and its libraries out of its
/// memory, but for what runs from here on: these pages come again from their files
/// when they are needed, as they do after the kernel has taken them. For a large
/// program that has begun to do something small for a long time.
pub fn give_back_code() {
    // SAFETY: the function has the signature that is asked for, and takes its
    // arguments as described there; it unloads and loads nothing.
    unsafe { libc::dl_iterate_phdr(Some(give_back_object), std::ptr::null_mut()) };
}

/// For dl_iterate_phdr(3): `info` is of one loaded object, and valid meanwhile.
unsafe extern "C" fn give_back_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: that is what the caller promises.
    let info = unsafe { &*info };
    /// Relocations were written among what is else read only (elf.h).
    const DT_TEXTREL: u64 = 22;
    const DT_FLAGS: u64 = 30;
    const DF_TEXTREL: u64 = 4;
    // SAFETY: so many headers are there.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let address = |header: &libc::Elf64_Phdr| info.dlpi_addr.wrapping_add(header.p_vaddr);
    let is_patched =
        headers.iter().filter(|header| header.p_type == libc::PT_DYNAMIC).any(|header| {
            let entries = address(header) as *const [u64; 2];
            let count = header.p_memsz as usize / size_of::<[u64; 2]>();
            // SAFETY: the table of this object, mapped and aligned as it says.
            unsafe { std::slice::from_raw_parts(entries, count) }.iter().any(|[tag, flags]| {
                *tag == DT_TEXTREL || (*tag == DT_FLAGS && flags & DF_TEXTREL != 0)
            })
        });
    if is_patched {
        return 0;
    }
    // SAFETY: it takes an integer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64 - 1;
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = address(header) & !page;
        let length = address(header).wrapping_add(header.p_memsz).wrapping_sub(start);
        // SAFETY: a private mapping of a file to which nobody has written, not
        // for relocations either: what is in it is what is in the file. Of what
        // is none the kernel refuses it.
        unsafe {
            libc::madvise(start as *mut libc::c_void, length as usize, libc::MADV_DONTNEED);
        }
    }
    0
}

/// Allocations since [`seal`].
#[must_use]
pub fn after_seal() -> u64 {
    AFTER_SEAL.load(Ordering::Relaxed)
}
