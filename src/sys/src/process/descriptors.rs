//! The descriptor table of this process: which numbers ham uses, what closes
//! at exec, and how many there may be.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{Errno, Result, SysError};

/// Moves a descriptor to the lowest free number from `lowest` up, and makes
/// it close-on-exec. The numbers below 64 belong to entities.
///
/// # Errors
/// EMFILE, or EINVAL when RLIMIT_NOFILE is not above `lowest`.
pub fn move_above(fd: OwnedFd, lowest: i32) -> Result<OwnedFd> {
    let number = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(lowest))
        .map_err(|errno| SysError::new("move", format!("descriptor {}", fd.as_raw_fd()), errno))?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A copy, close-on-exec, of a descriptor that whoever executed this program
/// has left open under that number.
///
/// # Errors
/// EBADF when there is none.
pub fn inherited(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: borrowed for this one call; a number that is not open is an
    // error of the kernel's, not a fault.
    let original = unsafe { BorrowedFd::borrow_raw(number) };
    let copy = fcntl(original, FcntlArg::F_DUPFD_CLOEXEC(3))
        .map_err(|errno| SysError::new("use", format!("descriptor {number}"), errno))?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Marks all descriptors from `lowest` up close-on-exec, whoever opened them
/// (close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11; before that each one
/// that /proc/self/fd lists).
///
/// # Errors
/// ENOENT when neither way exists (no /proc).
pub fn close_on_exec_from(lowest: u32) -> Result<()> {
    // SAFETY: close_range takes integers only; with this flag it closes
    // nothing now.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            lowest,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let listing = std::fs::read_dir("/proc/self/fd")
        .map_err(|error| SysError::new("list", "/proc/self/fd", error))?;
    for entry in listing.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        if let Some(number) = number.filter(|number| *number as u32 >= lowest) {
            // SAFETY: the descriptor is only borrowed for this call; one that
            // is closed meanwhile (that of the listing) gives EBADF.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

/// A descriptor of the program that this process runs, for [`crate::spawn::Exec::Fd`]:
/// valid even after an upgrade has replaced the file. Close-on-exec.
///
/// # Errors
/// ENOENT without /proc.
pub fn open_own_program() -> Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    open("/proc/self/exe", OFlag::O_PATH | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())
        .map_err(|errno| SysError::new("open", "/proc/self/exe", errno))
}

/// The NOFILE limits before [`raise_nofile`]: soft and hard, `u64::MAX` in
/// the first when it was never called (a soft limit cannot be that: the
/// kernel's fs.nr_open is far below).
static FIRST_SOFT: AtomicU64 = AtomicU64::new(u64::MAX);
static FIRST_HARD: AtomicU64 = AtomicU64::new(u64::MAX);

/// Raises the soft limit of open files to the hard one, for ham itself, and
/// returns it. Spawned programs get back the limit of before: many close
/// every number up to the limit, or use select(2).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn raise_nofile() -> Result<u64> {
    let failed = |errno| SysError::new("raise", "the limit of open files", errno);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
        FIRST_HARD.store(hard, Ordering::Relaxed);
        FIRST_SOFT.store(soft, Ordering::Relaxed);
    }
    Ok(hard)
}

/// The NOFILE limits (soft, hard) that a spawned program gets, if they differ
/// from those of this process.
pub(crate) fn original_nofile() -> Option<(u64, u64)> {
    let soft = FIRST_SOFT.load(Ordering::Relaxed);
    (soft != u64::MAX).then(|| (soft, FIRST_HARD.load(Ordering::Relaxed)))
}

/// Whether a number is an open descriptor of this process.
pub(crate) fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointer, and a closed number gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 || Errno::last() != Errno::EBADF }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_moves_up_and_closes_on_exec() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let moved = move_above(file.into(), 64).unwrap();
        assert!(moved.as_raw_fd() >= 64);
        let flags = fcntl(&moved, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}
