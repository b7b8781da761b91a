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

/// Takes the code of this program out of its memory, but for what runs from here
/// on: its pages come again from the file when they are needed, as they do after
/// the kernel has taken them. For a large program that has begun to do something
/// small for a long time. Without /proc nothing happens.
pub fn give_back_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let own = give_back_code as fn() as usize;
    for line in maps.lines() {
        // 55d0c0a00000-55d0c0b46000 r-xp ... (proc_pid_maps(5))
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let number = |text| usize::from_str_radix(text, 16).unwrap_or(0);
        let (from, to) = (number(from), number(to));
        if rest.starts_with("r-xp") && (from..to).contains(&own) {
            // SAFETY: a private mapping of a file that was never writable: what
            // is in it is what is in the file.
            unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
        }
    }
}

/// Allocations since [`seal`].
#[must_use]
pub fn after_seal() -> u64 {
    AFTER_SEAL.load(Ordering::Relaxed)
}
