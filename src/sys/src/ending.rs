//! How the manager ends otherwise than by an exit: another program takes its
//! place, or the machine starts anew. Called when nothing is left to lose; what
//! comes back is an error.

use crate::process::{self, Forked, original_nofile};
use crate::{Errno, Result, SysError, reap};
use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null;

/// Words of a command that is executed in place: their pointers stand on the
/// stack, since whoever calls this does not allocate.
pub const MOST_WORDS: usize = 64;

/// The inode of the first PID namespace (`PROC_PID_INIT_INO` of linux/proc_ns.h,
/// a part of the kernel's ABI): that of the machine itself.
pub(crate) const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether the process with this id, as this process sees it, is the init of
/// the machine. Without /proc nobody knows, and it is not.
pub fn is_init_of_machine(pid: i32) -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    pid == 1 && namespace.is_ok_and(|name| name.as_os_str() == FIRST_PID_NAMESPACE)
}

/// The inode of the first user namespace (`PROC_USER_INIT_INO`, likewise).
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

/// Whether this process is in the machine's own user namespace, where what it may
/// do to a file system it does to the machine's. Without /proc nobody knows, and
/// it is.
pub fn is_user_of_machine() -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/user");
    namespace.map_or(true, |name| name.as_os_str() == FIRST_USER_NAMESPACE)
}

/// Executes a command in the place of this process, with its environment; each
/// word has a NUL behind it, and the first is the path of the program.
/// Descriptors but the first three are closed, signals are as they are in a
/// fresh process, and so is the limit of open files. To be called with one
/// thread. Allocates nothing where close_range(2) is there, but for an error.
///
/// # Errors
/// Why it could not be executed (execve(2)); EINVAL for no words, E2BIG for too
/// many.
pub fn execute_in_place(words: &[u8]) -> Result<()> {
    execute(None, words, true)
}

/// The same, where the command is a manager again: signals that are blocked stay
/// so, and none that comes meanwhile is lost, or ends the process. With `program`
/// it is that of an open file, whatever stands at its path by now, and the first
/// word is its name only.
///
/// # Errors
/// As of [`execute_in_place`].
pub fn begin_again_in_place(program: Option<BorrowedFd<'_>>, words: &[u8]) -> Result<()> {
    execute(program, words, false)
}

fn execute(file: Option<BorrowedFd<'_>>, words: &[u8], unblock: bool) -> Result<()> {
    let mut pointers: [*const c_char; MOST_WORDS + 1] = [null(); MOST_WORDS + 1];
    let mut rest = words;
    let mut count = 0;
    while let Ok(word) = CStr::from_bytes_until_nul(rest) {
        let place = pointers.get_mut(count).filter(|_| count < MOST_WORDS);
        let Some(place) = place else {
            return Err(SysError::new("execute", "a command", Errno(libc::E2BIG)));
        };
        *place = word.as_ptr();
        count = count.saturating_add(1);
        rest = rest.get(word.count_bytes().saturating_add(1)..).unwrap_or_default();
    }
    let Some(program) = pointers.first().copied().filter(|program| !program.is_null()) else {
        return Err(SysError::new("execute", "a command", Errno::EINVAL));
    };
    leave_nothing_behind();
    if unblock {
        crate::raw::set_signal_mask(0);
    }
    // SAFETY: `program`, the pointers and the empty path are C strings, the
    // array ends with null, and so does that of the environment, which nobody
    // changes in a process with one thread.
    unsafe {
        match file {
            None => libc::execve(program, pointers.as_ptr(), environ),
            Some(file) => libc::syscall(
                libc::SYS_execveat,
                file.as_raw_fd(),
                c"".as_ptr(),
                pointers.as_ptr(),
                environ,
                libc::AT_EMPTY_PATH,
            ) as i32,
        };
    }
    Err(SysError::last("execute", "a command"))
}

unsafe extern "C" {
    /// environ(7).
    static environ: *const *const c_char;
}

/// What would be the next program's, and is of this one only. What cannot be
/// put back is left as it is: there is nobody to be told.
fn leave_nothing_behind() {
    let _ = process::close_on_exec_from(3);
    let _ = nix::sys::prctl::set_child_subreaper(false);
    if let Some((soft, hard)) = original_nofile() {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the pointer is to a whole rlimit.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
    // Ignored since its start, and nothing else is: handlers end with exec.
    // SAFETY: the default disposition is valid for every signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// It starts anew.
    Restarts,
    /// It is switched off.
    Ends,
    /// It stands still, with its power on.
    Halts,
}

/// Lets the machine start anew or end, at once: nothing is written out before
/// (reboot(2)). In a PID namespace of its own that ends its init, and its parent
/// sees which of the two was asked for. Allocates nothing, but for an error.
///
/// A child asks for it: of whom the kernel does not end it ends the calling
/// process, which an init must outlive. So this may come back without an error;
/// then all is said and there is nothing to do but to wait. To be called with one
/// thread.
///
/// # Errors
/// EPERM without CAP_SYS_BOOT.
pub fn end_machine(how: Machine) -> Result<()> {
    let child = match process::fork() {
        Ok(Forked::Child) => process::exit_now(reboot(how).0),
        Ok(Forked::Parent(pid)) => pid,
        // Without memory for a child it is still better than nothing.
        Err(_) => return Err(SysError::new("reboot", "the machine", reboot(how))),
    };
    while reap::is_child(child) {
        if let Some(exit) = reap::peek(child) {
            reap::collect(child);
            return match exit.status {
                0 => Ok(()),
                errno => Err(SysError::new("reboot", "the machine", Errno(errno))),
            };
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// How often the child is looked after; it takes microseconds.
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);

/// Comes back only when it is refused.
fn reboot(how: Machine) -> Errno {
    let command = match how {
        Machine::Restarts => libc::RB_AUTOBOOT,
        Machine::Ends => libc::RB_POWER_OFF,
        Machine::Halts => libc::RB_HALT_SYSTEM,
    };
    // SAFETY: none of them takes a pointer.
    match unsafe { libc::reboot(command) } {
        0 => Errno(0),
        _ => Errno::last(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_none_is_refused() {
        let errno = |words: &[u8]| execute_in_place(words).unwrap_err().errno;
        assert_eq!(errno(b""), Errno::EINVAL);
        assert_eq!(errno(b"no end"), Errno::EINVAL);
        assert_eq!(errno(&b"x\0".repeat(MOST_WORDS + 1)), Errno(libc::E2BIG));
        assert!(!is_init_of_machine(2));
    }
}
