//! This process and others, one at a time: making a role process, naming it,
//! what /proc tells of another, and signalling one without ever hitting a
//! stranger that got its number. The making of entities is in `spawn`.

mod descriptors;
mod execute;
mod pidfd;
mod stat;

use std::ffi::{CStr, CString};

pub(crate) use descriptors::original_nofile;
pub use descriptors::{
    close_by_child, close_by_sibling, close_from, close_on_exec_from, close_range, copy_above,
    copy_to, fingerprint, first_nofile, inherited, is_open, move_above, open_own_program, place_at,
    raise_nofile, remember_nofile, take,
};
pub use execute::{
    descendants, execute, is_child_subreaper, own_pidfd_inode, set_parent_death_signal,
};
pub use pidfd::PidFd;
pub(crate) use stat::Stat;
pub use stat::{
    forked_not_execed, lives, may_be_signalled_by, name_of, parent_of, relatives_of, start_time,
    uid_of,
};

use crate::{Errno, Result, SysError};

/// What [`fork`] returns to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// In the new process.
    Child,
    /// In the old one: the pid of the new one.
    Parent(i32),
}

/// A copy of this process, child of this one, that ends with SIGCHLD (which
/// is what its own CLONE_PARENT children then inherit). The caller must be
/// single-threaded: only the calling thread exists in the child, and a lock
/// that another one held would stay held.
///
/// # Errors
/// EAGAIN at RLIMIT_NPROC or pids.max, ENOMEM.
pub fn fork() -> Result<Forked> {
    // SAFETY: by contract no other thread exists, so the child starts in a
    // consistent state and may run any code.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid)),
        _ => Err(SysError::last("fork", "this process")),
    }
}

/// Ends this process at once, without destructors or exit handlers, which
/// belong to the process that it was forked from.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and has no precondition.
    unsafe { libc::_exit(code) }
}

/// The array that execve(2) wants: a pointer to each string, then null.
pub(crate) fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Names the calling thread as ps and /proc/PID/comm show it; the kernel
/// keeps 15 bytes.
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_name(name: &CStr) -> Result<()> {
    nix::sys::prctl::set_name(name)
        .map_err(|errno| SysError::new("set", "the name of this process", errno))
}

/// Makes this process the parent of orphans below it (Linux 3.4).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_child_subreaper() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| SysError::new("become", "a child subreaper", errno))
}

/// Leaves the session and process group of the terminal, so that Ctrl-C and
/// a hang-up do not reach this process.
///
/// # Errors
/// EPERM when this process leads a process group already.
pub fn new_session() -> Result<()> {
    nix::unistd::setsid()
        .map(|_| ())
        .map_err(|errno| SysError::new("start", "a new session", errno))
}

/// Whether this process dumps core and may be looked into by others of its
/// user (PR_SET_DUMPABLE).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_dumpable(on: bool) -> Result<()> {
    nix::sys::prctl::set_dumpable(on)
        .map_err(|errno| SysError::new("set", "whether this process dumps core", errno))
}

/// Ends a child that has not been reaped, at once. Allocates nothing.
pub fn kill_child(pid: i32) {
    if pid > 0 {
        // SAFETY: kill takes integers only; the number is the child's until
        // it is reaped, which only this process can do.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Whether some process has this number, be it a zombie. Allocates nothing.
pub fn exists(pid: i32) -> bool {
    // SAFETY: signal 0 only asks.
    pid > 0 && (unsafe { libc::kill(pid, 0) } == 0 || Errno::last() != Errno::ESRCH)
}

/// How much this process is inclined to be chosen by the OOM killer, -1000 to
/// 1000 (proc_pid_oom_score_adj(5)); `None` without /proc.
pub fn oom_score_adjust() -> Option<i16> {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok()?.trim().parse().ok()
}

/// This process.
pub fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Its parent; 0 when that is outside of the PID namespace.
pub fn parent_pid() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// The user whose rights this process has.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The group whose rights this process has.
pub fn effective_gid() -> u32 {
    nix::unistd::getegid().as_raw()
}
