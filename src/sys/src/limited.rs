//! A system call that may never come back (umount(2) or sync(2) on a dead
//! server), made by a child that nobody has to wait for.

use crate::process::{self, Forked, PidFd};
use crate::{Errno, Result, poller, reap};
use std::time::Duration;

/// How such a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Done,
    /// It did not, for this reason.
    Failed(Errno),
    /// It has not come back, and its child was killed; that goes when the kernel
    /// lets it.
    Late,
}

/// Makes a call in a child, and waits for its end no longer than `patience`. To
/// be called with one thread ([`process::fork`]).
///
/// # Errors
/// There could be no child.
pub fn within(
    patience: Duration,
    call: impl FnOnce() -> std::result::Result<(), Errno>,
) -> Result<Outcome> {
    let pid = match process::fork()? {
        // An errno is a small number, so it is the exit code.
        Forked::Child => process::exit_now(call().err().map_or(0, |errno| errno.0)),
        Forked::Parent(pid) => pid,
    };
    let ended = PidFd::of_child(pid).is_ok_and(|fd| poller::is_readable_within(fd, patience));
    let exit = reap::peek(pid).filter(|_| ended);
    if exit.is_none() {
        process::kill_child(pid);
    }
    // One that was killed just now is left to whoever reaps orphans.
    reap::collect(pid);
    Ok(match exit {
        None => Outcome::Late,
        Some(exit) if exit.code != reap::Exit::EXITED => Outcome::Failed(Errno::EINTR),
        Some(exit) if exit.status == 0 => Outcome::Done,
        Some(exit) => Outcome::Failed(Errno(exit.status)),
    })
}
