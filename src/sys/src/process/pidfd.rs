//! Processes by descriptor (pidfd_open(2)), the only way in which ham signals
//! one that is not its own child.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::pid;
use crate::poller::is_readable;
use crate::{Errno, Result, SysError};

/// A process that cannot be mistaken for a later one of the same number
/// (pidfd_open(2), Linux 5.3). Close-on-exec.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Of a process that exists; afterwards the caller checks that it is the
    /// one it means (slot word or start time), for the number may have been
    /// given to another one before this call.
    ///
    /// # Errors
    /// ESRCH when there is no such process; EMFILE.
    pub fn open(pid: i32) -> Result<PidFd> {
        PidFd::open_as(pid, || format!("process {pid}").into())
    }

    /// Of a child that has not been reaped, so that the number is its own.
    /// Allocates nothing.
    ///
    /// # Errors
    /// ESRCH when it was reaped; EMFILE.
    pub fn of_child(pid: i32) -> Result<PidFd> {
        PidFd::open_as(pid, || "a child".into())
    }

    /// `name`: what an error calls it.
    fn open_as(pid: i32, name: impl FnOnce() -> Cow<'static, str>) -> Result<PidFd> {
        // SAFETY: pidfd_open takes integers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            let errno = Errno::last();
            return Err(SysError::new("open", name(), errno));
        }
        // SAFETY: the kernel just made this descriptor, nobody else owns it.
        Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Sends a signal as kill(2) does. Signal 0 only asks whether it could.
    ///
    /// # Errors
    /// ESRCH when it was reaped, EPERM, EINVAL for no signal.
    pub fn send(&self, signal: i32) -> Result<()> {
        self.send_raw(signal, std::ptr::null())
    }

    /// Sends a signal with a value, as sigqueue(3) does with `code` SI_QUEUE
    /// (-1). Another negative code is delivered as it is, except SI_TKILL
    /// (-6), which like all codes from 0 up the kernel reserves for itself.
    ///
    /// # Errors
    /// As [`PidFd::send`]; EPERM for a reserved code; EAGAIN when the
    /// receiver's user has too many signals queued (RLIMIT_SIGPENDING).
    pub fn queue(&self, signal: i32, code: i32, value: i32) -> Result<()> {
        let mut info = Siginfo {
            signal,
            error: 0,
            code,
            gap: 0,
            pid: pid(),
            // SAFETY: getuid has no precondition.
            uid: unsafe { libc::getuid() },
            value,
            rest: [0; 25],
        };
        self.send_raw(signal, (&raw mut info).cast())
    }

    fn send_raw(&self, signal: i32, info: *const libc::siginfo_t) -> Result<()> {
        // SAFETY: `info` is null or points to a whole siginfo that lives over
        // the call and that the kernel only reads.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, info, 0)
        };
        if result != 0 {
            return Err(SysError::last("send", format!("signal {signal}")));
        }
        Ok(())
    }

    /// Whether all threads of it have ended (it may still be a zombie).
    pub fn has_exited(&self) -> bool {
        is_readable(&self.0)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// siginfo_t of a queued signal on 64-bit Linux: 128 bytes in all.
#[repr(C, align(8))]
struct Siginfo {
    signal: i32,
    error: i32,
    code: i32,
    gap: i32,
    pid: i32,
    uid: u32,
    value: i32,
    rest: [i32; 25],
}

const _: () = assert!(size_of::<Siginfo>() == size_of::<libc::siginfo_t>());
