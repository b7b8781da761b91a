//! The controlling terminal of this process's session and who has its
//! foreground: job control as far as a program needs it that starts one command
//! in a process group of its own (tcsetpgrp(3), setpgid(2), credentials(7)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpgrp, setpgid, tcgetpgrp, tcsetpgrp};

use crate::{Errno, Result, SysError, process};

/// The terminal of this session.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// That of the standard streams if one of them is it, else /dev/tty; kept
    /// open, close-on-exec. `None`: the session has none, or it cannot be
    /// reached.
    pub fn of_session() -> Option<Terminal> {
        for number in 0..3 {
            // SAFETY: borrowed for these two calls; a number that is not open
            // is an error of the kernel's.
            let stream = unsafe { BorrowedFd::borrow_raw(number) };
            // Answers for the terminal of the own session only.
            if tcgetpgrp(stream).is_err() {
                continue;
            }
            return process::copy_above(stream, 3).ok().map(Terminal);
        }
        open_own(OFlag::O_RDWR).ok().map(Terminal)
    }

    /// The group in the foreground; 0 when that is outside of this PID
    /// namespace. Allocates nothing.
    ///
    /// # Errors
    /// ENOTTY when the terminal was hung up or taken from the session.
    pub fn foreground(&self) -> Result<i32> {
        tcgetpgrp(&self.0)
            .map(Pid::as_raw)
            .map_err(|errno| SysError::new("ask for", "the foreground of the terminal", errno))
    }

    /// Whether the group of this process is in the foreground. Allocates nothing.
    /// The caller blocks or ignores SIGTTIN.
    pub fn is_ours(&self) -> bool {
        let own = own_group();
        if self.foreground() != Ok(own) {
            return false;
        }
        // Of two groups outside of this PID namespace nobody tells whether they
        // are the same.
        own > 0 || reads_in_front()
    }

    /// Brings a group of this session to the foreground. The caller blocks or
    /// ignores SIGTTOU. Allocates nothing.
    ///
    /// # Errors
    /// EPERM when it is no group of this session, ENOTTY as above.
    pub fn give_to(&self, group: i32) -> Result<()> {
        tcsetpgrp(&self.0, Pid::from_raw(group))
            .map_err(|errno| SysError::new("give", "the terminal to a process group", errno))
    }

    /// Puts it at the lowest descriptor behind the standard streams, and closes
    /// all others: whatever this process has inherited, which is its child's.
    /// Nobody else in this process may own any.
    ///
    /// # Errors
    /// EMFILE; those of [`process::close_from`].
    pub fn keep_only(self) -> Result<Terminal> {
        let place = 3;
        let fd = if self.0.as_raw_fd() == place {
            self.0
        } else {
            let fd = process::place_at(self.0, place)?;
            fcntl(&fd, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))
                .map_err(|errno| SysError::new("keep", "the terminal", errno))?;
            fd
        };
        process::close_from(4)?;
        Ok(Terminal(fd))
    }
}

/// A description of this session's terminal that is nobody else's, and waits for
/// nothing.
fn open_own(how: OFlag) -> nix::Result<OwnedFd> {
    let flags = how | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    open("/dev/tty", flags, Mode::empty())
}

/// Who reads in the background with SIGTTIN blocked gets EIO (termios(3)), for
/// nothing, too. Anybody else gets nothing, or EAGAIN while another one reads.
fn reads_in_front() -> bool {
    // Without /dev/tty it is as it would be outside of a namespace for most.
    let Ok(own) = open_own(OFlag::O_RDONLY) else { return true };
    // SAFETY: no byte is written to anywhere.
    let count = unsafe { libc::read(own.as_raw_fd(), std::ptr::null_mut(), 0) };
    count >= 0 || Errno::last() != Errno::EIO
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The process group of this process; 0 when its leader is outside of this PID
/// namespace.
pub fn own_group() -> i32 {
    getpgrp().as_raw()
}

/// Puts a child that has not executed a program yet, or with 0 this process,
/// into a group of its own.
///
/// # Errors
/// EACCES when the child has executed one, ESRCH when it is reaped, EPERM when
/// it leads a session.
pub fn lead_group(pid: i32) -> Result<()> {
    let pid = Pid::from_raw(pid);
    setpgid(pid, Pid::from_raw(0)).map_err(|errno| SysError::new("make", "a process group", errno))
}
