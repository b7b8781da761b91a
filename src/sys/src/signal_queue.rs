//! Signals that this process takes one at a time from the kernel's queue
//! (rt_sigtimedwait(2)): without a handler, a descriptor or the heap, for a
//! program that passes them on to one child. Owns mask and dispositions until
//! the child has back what this process was started with.

use std::mem::MaybeUninit;
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::raw::{call, set_signal_mask};
use crate::signals::{FAULTS, Received, signal_bit};
use crate::{Result, SysError, process};

/// Whether SIGPIPE was ignored when this program was executed. The runtime of
/// the language ignores it before `main`, so this is found out before that.
static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_pipe() {
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; `action` is a whole sigaction.
    let result = unsafe { libc::sigaction(libc::SIGPIPE, null(), &raw mut action) };
    let ignored = result == 0 && action.sa_sigaction == libc::SIG_IGN;
    PIPE_WAS_IGNORED.store(ignored, Ordering::Relaxed);
}

/// The C library calls what stands in this section before `main`.
// SAFETY: the section holds pointers to functions of the C calling convention,
// and this one needs nothing that is not there so early.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_PIPE: extern "C" fn() = note_pipe;

/// All signals but the faults, blocked, to be taken by [`Queue::take`].
#[derive(Debug)]
pub struct Queue {
    taken: u64,
    mask_before: u64,
    child_was_ignored: bool,
}

impl Queue {
    /// Blocks every signal, those of the C library too, but for the faults
    /// SEGV BUS ILL FPE TRAP SYS ABRT; and makes sure that children of this
    /// process become zombies, whatever its starter thought of SIGCHLD. For a
    /// process with one thread.
    ///
    /// # Errors
    /// None are known; the kernel's answer is passed on.
    pub fn new() -> Result<Queue> {
        let faults = FAULTS.iter().fold(0, |set, fault| set | signal_bit(*fault));
        let mask_before = set_signal_mask(!faults);
        let child_was_ignored = set_disposition(libc::SIGCHLD, libc::SIG_DFL)? == libc::SIG_IGN;
        // The mask before holds for the child; a fault that was blocked in it
        // stays unblocked here.
        Ok(Queue { taken: !faults, mask_before, child_was_ignored })
    }

    /// The next signal, the one of the lowest number first; `None`: none came
    /// within `timeout`, or (without one) the wait was interrupted. Allocates
    /// nothing.
    pub fn take(&self, timeout: Option<Duration>) -> Option<Received> {
        wait_for(self.taken, timeout)
    }

    /// Stops this process and all of its group as the terminal's key does,
    /// until it is continued. Gives whether it was stopped: the kernel stops
    /// no group that nobody could continue, nor the init of a PID namespace.
    /// The SIGCONT that continued it is taken. Allocates nothing.
    ///
    /// # Errors
    /// None are known; the kernel's answer is passed on.
    pub fn stop_with_group(&self) -> Result<bool> {
        let before = set_disposition(libc::SIGTSTP, libc::SIG_DFL)?;
        wait_for(signal_bit(libc::SIGCONT), Some(Duration::ZERO));
        // SAFETY: integers only; 0 is the group of this process.
        unsafe { libc::kill(0, libc::SIGTSTP) };
        let blocked = set_signal_mask(self.taken & !signal_bit(libc::SIGTSTP));
        // Here it stops, or goes on at once.
        set_signal_mask(blocked);
        set_disposition(libc::SIGTSTP, before)?;
        Ok(wait_for(signal_bit(libc::SIGCONT), Some(Duration::ZERO)).is_some())
    }

    /// Puts back the mask and the dispositions of before, in a forked child
    /// that is about to execute a program. A signal that was sent to it
    /// meanwhile is delivered here.
    ///
    /// # Errors
    /// None are known; the kernel's answer is passed on.
    pub fn leave_to_program(&self) -> Result<()> {
        let or_default = |ignored| if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        let pipe = PIPE_WAS_IGNORED.load(Ordering::Relaxed);
        set_disposition(libc::SIGPIPE, or_default(pipe))?;
        set_disposition(libc::SIGCHLD, or_default(self.child_was_ignored))?;
        set_signal_mask(self.mask_before);
        Ok(())
    }

    /// Sends a signal to this process itself: it waits in the queue, or, being
    /// SIGKILL or SIGSTOP, acts at once.
    pub fn put(&self, signal: i32) {
        // SAFETY: integers only.
        unsafe { libc::kill(process::pid(), signal) };
    }
}

/// Gives the disposition of before.
fn set_disposition(signal: i32, to: libc::sighandler_t) -> Result<libc::sighandler_t> {
    // SAFETY: all-zero is a valid sigaction: no flags, empty mask.
    let (mut action, mut before): (libc::sigaction, libc::sigaction) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    action.sa_sigaction = to;
    // SAFETY: both are whole; the disposition is one that was there before, the
    // default one or "ignored".
    if unsafe { libc::sigaction(signal, &raw const action, &raw mut before) } != 0 {
        return Err(SysError::last("set", "what a signal does"));
    }
    Ok(before.sa_sigaction)
}

fn wait_for(set: u64, timeout: Option<Duration>) -> Option<Received> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(null(), std::ptr::from_ref);
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: a set of eight bytes, room for a whole siginfo_t, and a timespec
    // or null, all of which outlive the call.
    let signal = unsafe {
        call(
            libc::SYS_rt_sigtimedwait,
            [
                (&raw const set) as usize,
                info.as_mut_ptr() as usize,
                timeout as usize,
                size_of::<u64>(),
                0,
            ],
        )
    };
    if signal <= 0 {
        return None;
    }
    // SAFETY: zeroed above, and all-zero is a valid siginfo_t.
    let info = unsafe { info.assume_init_ref() };
    // SAFETY: fields of a signal that was sent; of others they are numbers
    // without a meaning, which `code` tells.
    let (pid, uid, value) = unsafe { (info.si_pid(), info.si_uid(), info.si_value()) };
    Some(Received {
        signal: signal as i32,
        pid,
        uid,
        code: info.si_code,
        value: value.sival_ptr as usize as i32,
    })
}

/// The `code` of a signal that was sent with a value (sigqueue(3)).
pub const QUEUED: i32 = libc::SI_QUEUE;

/// Whom [`send`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// One process: a child that has not been reaped.
    Process(i32),
    /// A process group, by the number of its leader.
    Group(i32),
    /// Every process of this PID namespace but its init: for the init alone.
    Everybody,
}

/// Sends a signal as kill(2) does. Allocates nothing.
///
/// # Errors
/// ESRCH when nobody is there, EPERM when it may be sent to nobody of them.
pub fn send(whom: Whom, signal: i32) -> Result<()> {
    let number = match whom {
        Whom::Process(pid) if pid > 0 => pid,
        // 1 would be everybody.
        Whom::Group(group) if group > 1 => group.wrapping_neg(),
        Whom::Everybody if process::pid() == 1 => -1,
        Whom::Process(_) | Whom::Group(_) | Whom::Everybody => {
            return Err(SysError::new("send", "a signal", crate::Errno::ESRCH));
        }
    };
    // SAFETY: integers only.
    if unsafe { libc::kill(number, signal) } != 0 {
        return Err(SysError::last("send", "a signal"));
    }
    Ok(())
}

/// Sends a signal with a value to a child, as sigqueue(3) does. Allocates
/// nothing.
///
/// # Errors
/// As [`send`]; EAGAIN when too many signals are queued (RLIMIT_SIGPENDING).
pub fn send_value(pid: i32, signal: i32, value: i32) -> Result<()> {
    let value = libc::sigval { sival_ptr: value as isize as *mut libc::c_void };
    // SAFETY: integers only: the kernel passes the value on, it is no pointer.
    if pid <= 0 || unsafe { libc::sigqueue(pid, signal, value) } != 0 {
        return Err(SysError::last("send", "a signal"));
    }
    Ok(())
}
