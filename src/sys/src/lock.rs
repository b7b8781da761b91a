//! The lock of a runtime directory: one manager at a time. Owns the file
//! "lock" in it, and nothing that the lock protects.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::{Errno, Result, SysError};

/// Locks a runtime directory by flock(2) on the file "lock" in it. `None`
/// when another manager holds it. The lock lives as long as any copy of the
/// descriptor: the three processes of a manager share it, and as it is
/// close-on-exec no entity ever gets one. The file is never removed, or two
/// managers could lock two files of the same name.
///
/// # Errors
/// ELOOP for a symbolic link; the reasons of open(2) and flock(2).
pub fn lock_directory(dir: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let flags =
        OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = openat(dir, c"lock", flags, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|errno| SysError::new("open", "the lock file of the runtime directory", errno))?;
    loop {
        // SAFETY: flock takes integers only.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(file));
        }
        match Errno::last() {
            Errno::EINTR => (),
            // EWOULDBLOCK has this number on Linux.
            Errno::EAGAIN => return Ok(None),
            errno => return Err(SysError::new("lock", "the runtime directory", errno)),
        }
    }
}
