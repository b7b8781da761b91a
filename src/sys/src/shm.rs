//! Shared memory as an array of atomic words: a file on tmpfs that outlives
//! ham, or a sealed memfd. Owns creating, checking, reserving and locking;
//! knows nothing of what the words mean.
//!
//! A mapping is never undone: its words are handed out as `'static`, and the
//! three processes use them until they end. So there is no `Drop`, on purpose.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, fstatfs};
use nix::unistd::{Whence, ftruncate, geteuid, lseek};

use crate::{Errno, Result, SysError};

/// A shared mapping. Copies are handles to the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    words: &'static [AtomicU64],
}

/// Whether a directory is on a filesystem that lives in memory (tmpfs, ramfs):
/// a mapping of a file there is never written to a disk.
///
/// # Errors
/// Those of fstatfs(2).
pub fn is_in_memory(dir: BorrowedFd<'_>) -> Result<bool> {
    /// `RAMFS_MAGIC` of linux/magic.h, which nix does not name.
    const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);
    let kind = fstatfs(dir)
        .map_err(|errno| SysError::new("look at", "a filesystem", errno))?
        .filesystem_type();
    Ok(kind == TMPFS_MAGIC || kind == RAMFS_MAGIC)
}

impl Map {
    /// Opens (or, with `create`, makes) the file `name` in `dir` and maps its
    /// first `bytes` bytes, shared. A file that is too small is extended,
    /// sparsely; a larger one keeps its size, since a page that another
    /// process has mapped must not vanish under it.
    ///
    /// # Errors
    /// ELOOP for a symbolic link, EPERM for a file that is not a regular one,
    /// not owned by the effective user, or open to anyone else; EINVAL when
    /// `bytes` is zero or no multiple of eight.
    pub fn file(
        dir: BorrowedFd<'_>,
        name: &CStr,
        bytes: usize,
        create: bool,
    ) -> Result<(Map, OwnedFd)> {
        let mut flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        if create {
            flags |= OFlag::O_CREAT;
        }
        let fd = openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| SysError::new("open", shown(name), errno))?;
        let status = fstat(&fd).map_err(|errno| SysError::new("look at", shown(name), errno))?;
        let regular = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        let private = status.st_mode & 0o077 == 0;
        if !regular || !private || status.st_uid != geteuid().as_raw() {
            return Err(SysError::new(
                "trust (a regular file, owned by this user, mode 0600, is needed)",
                shown(name),
                Errno::EPERM,
            ));
        }
        let map = Map::from_fd(fd.as_fd(), name, bytes)?;
        Ok((map, fd))
    }

    /// A new anonymous memory file of `bytes` bytes, mapped, close-on-exec,
    /// sealed so that nobody can shrink or grow it. `name` appears in
    /// /proc/PID/fd only.
    ///
    /// # Errors
    /// The kernel's reasons of memfd_create(2); EINVAL for a bad size.
    pub fn memfd(name: &CStr, bytes: usize) -> Result<(Map, OwnedFd)> {
        let wanted = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // Kernels before 6.3 answer an unknown flag with EINVAL.
        let fd = match create_memfd(name, wanted | libc::MFD_NOEXEC_SEAL) {
            Err(Errno::EINVAL) => create_memfd(name, wanted),
            other => other,
        }
        .map_err(|errno| SysError::new("create shared memory", shown(name), errno))?;
        let map = Map::from_fd(fd.as_fd(), name, bytes)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: F_ADD_SEALS takes an integer and touches no memory of ours.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(SysError::last("seal", shown(name)));
        }
        Ok((map, fd))
    }

    /// Maps the first `bytes` bytes of an open file, extending it first when
    /// it is shorter: for a descriptor that was inherited over an exec.
    /// `name` is for messages.
    ///
    /// # Errors
    /// EINVAL when `bytes` is zero or no multiple of eight; the reasons of
    /// ftruncate(2) and mmap(2).
    pub fn from_fd(fd: BorrowedFd<'_>, name: &CStr, bytes: usize) -> Result<Map> {
        let wanted = i64::try_from(bytes).unwrap_or(0);
        if wanted == 0 || !bytes.is_multiple_of(size_of::<AtomicU64>()) {
            return Err(SysError::new("map", shown(name), Errno::EINVAL));
        }
        let size = lseek(fd, 0, Whence::SeekEnd)
            .map_err(|errno| SysError::new("measure", shown(name), errno))?;
        if size < wanted {
            ftruncate(fd, wanted).map_err(|errno| SysError::new("extend", shown(name), errno))?;
        }
        // SAFETY: a fresh mapping at an address the kernel chooses; it aliases
        // nothing of this process.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(SysError::last("map", shown(name)));
        }
        // SAFETY: the mapping is `bytes` long, page-aligned, readable and
        // writable, never unmapped, and only ever seen as atomics, for which
        // every bit pattern is valid.
        let words = unsafe {
            std::slice::from_raw_parts(address.cast::<AtomicU64>(), bytes / size_of::<AtomicU64>())
        };
        Ok(Map { words })
    }

    /// All words of the mapping.
    pub fn words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// Allocates the pages of a range, so that no later store into it can end
    /// in SIGBUS because the file system is full. `fd` is the one the map was
    /// made with.
    ///
    /// # Errors
    /// ENOSPC or ENOMEM when there is no room, EOPNOTSUPP when the file system
    /// cannot promise it (touching the pages would promise nothing either),
    /// EINVAL for a range outside of the map.
    pub fn reserve(&self, fd: BorrowedFd<'_>, from_byte: usize, bytes: usize) -> Result<()> {
        // No number in it: the reaper comes here, which makes no text.
        let object = "pages of shared memory";
        self.check_range(from_byte, bytes)
            .map_err(|errno| SysError::new("reserve", object, errno))?;
        let (offset, length) = (from_byte as i64, bytes as i64);
        loop {
            // SAFETY: fallocate takes integers only.
            let result = unsafe {
                libc::fallocate(fd.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, offset, length)
            };
            if result == 0 {
                return Ok(());
            }
            match Errno::last() {
                Errno::EINTR => (),
                errno => return Err(SysError::new("reserve", object, errno)),
            }
        }
    }

    /// Fills the page tables for a range, so that reading it later faults
    /// nowhere (madvise(2), MADV_POPULATE_READ, Linux 5.14; before that the
    /// first reading faults). Pages that do not exist yet are made: for ranges
    /// that are reserved.
    pub fn touch(&self, from_byte: usize, bytes: usize) {
        const PAGE: usize = 4096;
        let from = from_byte / PAGE * PAGE;
        let bytes = bytes + (from_byte - from);
        if self.check_range(from, bytes).is_err() {
            return;
        }
        let address = self.words.as_ptr() as usize + from;
        // SAFETY: inside of the mapping; it changes no contents. Where the
        // kernel does not know it nothing happens.
        unsafe { libc::madvise(address as *mut libc::c_void, bytes, libc::MADV_POPULATE_READ) };
    }

    /// Keeps the pages of a range in memory once they were touched
    /// (mlock2(2), MLOCK_ONFAULT, Linux 4.4). Ends with exec and is not
    /// inherited over fork.
    ///
    /// # Errors
    /// EPERM or ENOMEM when RLIMIT_MEMLOCK forbids it; EINVAL for a range
    /// outside of the map.
    pub fn lock_on_fault(&self, from_byte: usize, bytes: usize) -> Result<()> {
        let object = || format!("{bytes} bytes of shared memory");
        self.check_range(from_byte, bytes)
            .map_err(|errno| SysError::new("lock", object(), errno))?;
        let address = self.words.as_ptr() as usize + from_byte;
        // SAFETY: mlock2 changes how pages are kept, never what they hold.
        let result =
            unsafe { libc::syscall(libc::SYS_mlock2, address, bytes, libc::MLOCK_ONFAULT) };
        if result != 0 {
            return Err(SysError::last("lock", object()));
        }
        Ok(())
    }

    fn check_range(&self, from_byte: usize, bytes: usize) -> std::result::Result<(), Errno> {
        match from_byte.checked_add(bytes) {
            Some(end) if bytes > 0 && end <= size_of_val(self.words) => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn create_memfd(name: &CStr, flags: u32) -> std::result::Result<OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: `name` is a C string that lives over the call.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    NixErrno::result(fd).map_err(Errno::from)?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn shown(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
