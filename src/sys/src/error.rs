//! The error of every system call: what was tried, on what, and the kernel's
//! reason. Owns the wording; may not swallow or translate a reason.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// An error number as errno(3) lists them. Zero never occurs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const EPERM: Errno = Errno(libc::EPERM);
    /// No such file or directory.
    pub const ENOENT: Errno = Errno(libc::ENOENT);
    /// The other end is closed.
    pub const EPIPE: Errno = Errno(libc::EPIPE);
    /// No such process.
    pub const ESRCH: Errno = Errno(libc::ESRCH);
    /// Interrupted by a signal.
    pub const EINTR: Errno = Errno(libc::EINTR);
    /// Input or output error; also stands for an `io::Error` without a number.
    pub const EIO: Errno = Errno(libc::EIO);
    /// Bad file descriptor.
    pub const EBADF: Errno = Errno(libc::EBADF);
    /// No child processes.
    pub const ECHILD: Errno = Errno(libc::ECHILD);
    /// Try again, or a limit on processes was reached.
    pub const EAGAIN: Errno = Errno(libc::EAGAIN);
    /// Out of memory.
    pub const ENOMEM: Errno = Errno(libc::ENOMEM);
    /// Permission denied.
    pub const EACCES: Errno = Errno(libc::EACCES);
    /// Device or resource busy.
    pub const EBUSY: Errno = Errno(libc::EBUSY);
    /// File exists.
    pub const EEXIST: Errno = Errno(libc::EEXIST);
    /// Not a directory.
    pub const ENOTDIR: Errno = Errno(libc::ENOTDIR);
    /// Invalid argument.
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// Text file busy: the program is open for writing.
    pub const ETXTBSY: Errno = Errno(libc::ETXTBSY);
    /// Too many open files in this process.
    pub const EMFILE: Errno = Errno(libc::EMFILE);
    /// Too many open files in the system; here: a table of ours is full.
    pub const ENFILE: Errno = Errno(libc::ENFILE);
    /// No space left on device.
    pub const ENOSPC: Errno = Errno(libc::ENOSPC);
    /// The device does not know this request.
    pub const ENOTTY: Errno = Errno(libc::ENOTTY);
    /// The file system is mounted read-only.
    pub const EROFS: Errno = Errno(libc::EROFS);
    /// The user's share of the disk is used up.
    pub const EDQUOT: Errno = Errno(libc::EDQUOT);
    /// No such device.
    pub const ENODEV: Errno = Errno(libc::ENODEV);
    /// File name too long.
    pub const ENAMETOOLONG: Errno = Errno(libc::ENAMETOOLONG);
    /// The kernel does not have this call.
    pub const ENOSYS: Errno = Errno(libc::ENOSYS);
    /// Directory not empty.
    pub const ENOTEMPTY: Errno = Errno(libc::ENOTEMPTY);
    /// Operation not supported.
    pub const EOPNOTSUPP: Errno = Errno(libc::EOPNOTSUPP);

    /// What the last failed libc call of this thread left behind.
    pub(crate) fn last() -> Errno {
        Errno(nix::errno::Errno::last_raw())
    }
}

impl fmt::Display for Errno {
    /// "No such file or directory (ENOENT)".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::errno::Errno::from_raw(self.0) {
            nix::errno::Errno::UnknownErrno => write!(out, "error number {}", self.0),
            known => write!(out, "{} ({known:?})", known.desc()),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl From<nix::Error> for Errno {
    fn from(error: nix::Error) -> Errno {
        Errno(error as i32)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// A system call that failed. Reads "could not VERB OBJECT: reason".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysError {
    /// What was tried, as an infinitive: "open".
    pub verb: &'static str,
    /// On what: a path, a name, a process. Borrowed where that is known
    /// beforehand: the reaper makes errors without its heap.
    pub object: Cow<'static, str>,
    /// Why the kernel refused.
    pub errno: Errno,
}

impl SysError {
    pub(crate) fn new(
        verb: &'static str,
        object: impl Into<Cow<'static, str>>,
        errno: impl Into<Errno>,
    ) -> SysError {
        SysError { verb, object: object.into(), errno: errno.into() }
    }

    /// The error that errno holds now.
    pub(crate) fn last(verb: &'static str, object: impl Into<Cow<'static, str>>) -> SysError {
        let errno = Errno::last();
        SysError { verb, object: object.into(), errno }
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "could not {} {}: {}", self.verb, self.object, self.errno)
    }
}

impl std::error::Error for SysError {}

/// What the calls of this crate return.
pub type Result<T> = std::result::Result<T, SysError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_verb_object_and_cause() {
        let error = SysError::new("open", "/x", Errno::ENOENT);
        assert_eq!(error.to_string(), "could not open /x: No such file or directory (ENOENT)");
        assert_eq!(Errno(4093).to_string(), "error number 4093");
    }

    #[test]
    fn an_io_error_keeps_its_number() {
        assert_eq!(Errno::from(io::Error::from_raw_os_error(libc::EACCES)), Errno::EACCES);
        assert_eq!(Errno::from(io::Error::other("text")), Errno::EIO);
    }
}
