//! Processes by descriptor (pidfd_open(2)), the only way in which ham signals
//! one that is not its own child.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::pid;
use super::stat::zombie_status;
use crate::poller::is_readable;
use crate::reap::Exit;
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

    /// How it has ended, for who is not its parent: as the kernel keeps it with
    /// the descriptor once the process was reaped (PIDFD_GET_INFO with
    /// PIDFD_INFO_EXIT, Linux 6.15), before that from its zombie, which has
    /// this number and `start_time`. `None`: it lives, or nobody can tell.
    pub fn exit_of(&self, pid: i32, start_time: u64) -> Option<Exit> {
        if !self.has_exited() {
            return None;
        }
        let kept = || self.kept_status();
        // Reaped between the first look and the second.
        let status = kept().or_else(|| zombie_status(pid, start_time)).or_else(kept)?;
        Some(Exit::of_wait_status(pid, status))
    }

    /// Its wait status, if the kernel keeps that.
    fn kept_status(&self) -> Option<i32> {
        let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
        let number = self.0.as_raw_fd();
        // SAFETY: the request says how long the structure is that `info` is, and
        // the kernel writes no more than that.
        let result = unsafe { libc::ioctl(number, GET_INFO as _, &raw mut info) };
        (result == 0 && info.mask & INFO_EXIT != 0).then_some(info.exit_code)
    }

    /// Whether all threads of it have ended (it may still be a zombie).
    pub fn has_exited(&self) -> bool {
        is_readable(&self.0)
    }
}

impl From<OwnedFd> for PidFd {
    /// Of a descriptor that the kernel has given as one of a process.
    fn from(fd: OwnedFd) -> PidFd {
        PidFd(fd)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// PIDFD_GET_INFO of linux/pidfd.h, for the first form of the structure.
const GET_INFO: u32 = 0xc040_ff0b;
/// PIDFD_INFO_EXIT.
const INFO_EXIT: u64 = 1 << 3;

/// struct pidfd_info of linux/pidfd.h, as far as its first form goes.
#[derive(Default)]
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// Process, thread group, parent, then eight user and group ids.
    ids: [u32; 11],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::start_time;
    use std::process::Command;

    #[test]
    fn who_is_not_the_parent_learns_how_a_process_has_ended() {
        for (script, code, status) in
            [("exit 7", Exit::EXITED, 7), ("exit 0", Exit::EXITED, 0), ("kill -KILL $$", 2, 9)]
        {
            let script = format!("read _; {script}");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).stdin(std::process::Stdio::piped());
            let mut child = command.spawn().unwrap();
            let pid = i32::try_from(child.id()).unwrap();
            let (process, start) = (PidFd::open(pid).unwrap(), start_time(pid).unwrap());
            assert_eq!(process.exit_of(pid, start), None);
            drop(child.stdin.take());
            while !process.has_exited() {
                std::thread::yield_now();
            }
            let expected = Exit { pid, code, status };
            assert_eq!(process.exit_of(pid, start), Some(expected));
            assert_eq!(zombie_status(pid, start + 1), None);
            child.wait().unwrap();
            // Linux 6.15 keeps it.
            assert!(process.exit_of(pid, start).is_none_or(|exit| exit == expected));
        }
    }
}
