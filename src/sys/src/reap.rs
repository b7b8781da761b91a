//! Waiting for children, in two steps: look at an exit while the zombie still
//! holds its pid, then let it go. Owns waitid(2); allocates nothing and never
//! waits.
//!
//! `__WALL` is always given: a monitor that was made with another exit signal
//! would else hide its children (kernel facts: exit signals are inherited
//! through CLONE_PARENT).

use std::mem::MaybeUninit;

/// The end of a child as waitid(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Which child.
    pub pid: i32,
    /// CLD_EXITED (1), CLD_KILLED (2) or CLD_DUMPED (3).
    pub code: i32,
    /// The exit status, or the number of the signal that killed it.
    pub status: i32,
}

impl Exit {
    /// Ended by itself, with `status` as exit code.
    pub const EXITED: i32 = libc::CLD_EXITED;
    /// Killed by signal `status`.
    pub const KILLED: i32 = libc::CLD_KILLED;
    /// Killed by signal `status`, and a core was dumped.
    pub const DUMPED: i32 = libc::CLD_DUMPED;

    /// What a wait status (waitpid(2)) says.
    pub(crate) fn of_wait_status(pid: i32, status: i32) -> Exit {
        let (code, status) = match status & 0x7f {
            0 => (Exit::EXITED, (status >> 8) & 0xff),
            signal if status & 0x80 != 0 => (Exit::DUMPED, signal),
            signal => (Exit::KILLED, signal),
        };
        Exit { pid, code, status }
    }
}

/// Looks whether child `pid` has ended, and leaves it a zombie.
pub fn peek(pid: i32) -> Option<Exit> {
    if pid <= 0 {
        return None;
    }
    wait(libc::P_PID, pid as libc::id_t, libc::WNOWAIT).ok().flatten()
}

/// Whether `pid` is a child, alive or not yet reaped.
pub fn is_child(pid: i32) -> bool {
    pid > 0 && wait(libc::P_PID, pid as libc::id_t, libc::WNOWAIT).is_ok()
}

/// Looks for any child that has ended, and leaves it a zombie. Walks all
/// children: 0.5 ms at 10,000, so it is the sweep, not the usual way.
pub fn peek_any() -> Option<Exit> {
    wait(libc::P_ALL, 0, libc::WNOWAIT).ok().flatten()
}

/// Reaps child `pid` if it has ended; its number is free afterwards. False
/// when it lives, or is no child.
pub fn collect(pid: i32) -> bool {
    pid > 0 && matches!(wait(libc::P_PID, pid as libc::id_t, 0), Ok(Some(_)))
}

/// What [`take_any`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This one has ended; it is reaped, and its number is free.
    Exit(Exit),
    /// All children live.
    Nothing,
    /// There is no child.
    NoChild,
}

/// Looks for any child that has ended, and reaps it: for who keeps no account
/// of children.
pub fn take_any() -> Taken {
    match wait(libc::P_ALL, 0, 0) {
        Ok(Some(exit)) => Taken::Exit(exit),
        Ok(None) => Taken::Nothing,
        Err(()) => Taken::NoChild,
    }
}

/// The signal that has stopped child `pid`, told once for each stop.
pub fn take_stop(pid: i32) -> Option<i32> {
    if pid <= 0 {
        return None;
    }
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WSTOPPED | libc::WNOHANG | libc::__WALL;
    // SAFETY: waitid writes at most one siginfo_t to where we point.
    let result =
        unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), options) };
    if result != 0 {
        return None;
    }
    // SAFETY: zeroed above, and all-zero is a valid siginfo_t.
    let info = unsafe { info.assume_init_ref() };
    // SAFETY: these fields are the ones that waitid fills.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    (pid != 0 && info.si_code == libc::CLD_STOPPED).then_some(status)
}

/// Whether there is any child, alive or not yet reaped.
pub fn has_children() -> bool {
    wait(libc::P_ALL, 0, libc::WNOWAIT).is_ok()
}

/// `Err` means that there is no such child (ECHILD).
fn wait(kind: libc::idtype_t, id: libc::id_t, more: i32) -> Result<Option<Exit>, ()> {
    let options = libc::WEXITED | libc::WNOHANG | libc::__WALL | more;
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: waitid writes at most one siginfo_t to where we point.
        if unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options) } != 0 {
            if crate::Errno::last() == crate::Errno::EINTR {
                continue;
            }
            return Err(());
        }
        // SAFETY: zeroed above, and all-zero is a valid siginfo_t; with
        // WNOHANG and nobody ended, waitid leaves si_pid zero.
        let info = unsafe { info.assume_init_ref() };
        // SAFETY: these fields are the ones that waitid fills.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Ok(None);
        }
        return Ok(Some(Exit { pid, code: info.si_code, status }));
    }
}
