//! Signals as data: everything is blocked and read from a signalfd, and the
//! dispositions are put into a known state. Owns mask and dispositions of
//! ham's own processes; sends nothing (see `process::PidFd` for that).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Errno, Result, SysError};

/// Faults are raised by the instruction itself: blocked, they would kill
/// without the handler that re-executes the reaper.
pub(crate) const FAULTS: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// Highest signal number of the architectures ham runs on (signal(7)).
pub(crate) const LAST_SIGNAL: i32 = 64;

/// The kernel's first real-time signal; the C library's is [`rtmin`].
const FIRST_REAL_TIME: i32 = 32;

/// Signals that may be ignored in this process, one bit each (bit n-1 for
/// signal n). A spawned child resets exactly these, because exec keeps
/// "ignored". All of them until [`reset_dispositions`] has made it certain.
static MAY_BE_IGNORED: AtomicU64 = AtomicU64::new(u64::MAX);

pub(crate) fn may_be_ignored() -> u64 {
    MAY_BE_IGNORED.load(Ordering::Relaxed)
}

/// A child has ended, stopped or continued.
pub const SIGCHLD: i32 = libc::SIGCHLD;
/// Please end.
pub const SIGTERM: i32 = libc::SIGTERM;
/// `SIGHUP`.
pub const SIGHUP: i32 = libc::SIGHUP;
/// The terminal's interrupt key.
pub const SIGINT: i32 = libc::SIGINT;
/// Go on, after a stop.
pub const SIGCONT: i32 = libc::SIGCONT;
/// A process in the background reads from its terminal.
pub const SIGTTIN: i32 = libc::SIGTTIN;
/// It writes to it, or changes it.
pub const SIGTTOU: i32 = libc::SIGTTOU;
/// BusyBox: stand still.
pub const SIGUSR1: i32 = libc::SIGUSR1;
/// BusyBox: power off.
pub const SIGUSR2: i32 = libc::SIGUSR2;
/// The power fails.
pub const SIGPWR: i32 = libc::SIGPWR;
/// At once, whatever the process thinks of it.
pub const SIGKILL: i32 = libc::SIGKILL;

/// Blocks every signal in the calling thread (and in the threads it will
/// make), except the synchronous faults SEGV BUS ILL FPE TRAP SYS ABRT.
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn block_all() -> Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set, sigdelset changes the
    // initialised one, pthread_sigmask only reads it.
    let result = unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        // pthread functions return the number instead of setting errno.
        number => Err(SysError::new("block", "all signals", Errno(number))),
    }
}

/// Lets every signal through again in the calling thread: for a process that is
/// about to become another program, which would begin with what is blocked.
pub fn unblock_all() {
    crate::raw::set_signal_mask(0);
}

/// Sets every disposition to the default, whatever was inherited (`nohup`
/// ignores HUP) or installed by the language runtime. Two differ: SIGPIPE is
/// ignored, so that a write to a closed socket is an error and not a death,
/// and SIGCHLD has SA_NOCLDSTOP, since a stopped entity is not an exit.
///
/// # Errors
/// The kernel's reason for the first signal it refused.
pub fn reset_dispositions() -> Result<()> {
    let mut may_be_ignored = signal_bit(libc::SIGPIPE);
    for signal in 1..=LAST_SIGNAL {
        // These two cannot be changed.
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
            continue;
        }
        // These belong to the C library, which refuses them. Whoever started
        // ham may have left them ignored all the same (seen).
        if (FIRST_REAL_TIME..libc::SIGRTMIN()).contains(&signal) {
            may_be_ignored |= signal_bit(signal);
            continue;
        }
        // SAFETY: all-zero is a valid sigaction: default, empty mask, no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        if signal == libc::SIGPIPE {
            action.sa_sigaction = libc::SIG_IGN;
        }
        if signal == libc::SIGCHLD {
            action.sa_flags = libc::SA_NOCLDSTOP;
        }
        // SAFETY: `action` is initialised and installs no handler.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(SysError::last("reset", format!("signal {signal}")));
        }
    }
    MAY_BE_IGNORED.store(may_be_ignored, Ordering::Relaxed);
    Ok(())
}

/// What others mean by SIGRTMIN when they send one by number: glibc's, whatever
/// this program is linked with (35 is the first that musl leaves to programs).
pub fn rtmin() -> i32 {
    34
}

/// The bit of a signal in the kernel's 64-bit set.
pub(crate) fn signal_bit(signal: i32) -> u64 {
    1u64.checked_shl(signal.wrapping_sub(1) as u32).unwrap_or(0)
}

/// One signal as it was received (signalfd(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Who sent it, or whose state it tells of (SIGCHLD). 0 from the kernel.
    pub pid: i32,
    /// The sender's real user.
    pub uid: u32,
    /// `si_code`: SI_USER 0, SI_QUEUE -1, CLD_EXITED 1 and so on.
    pub code: i32,
    /// The value of sigqueue(3).
    pub value: i32,
}

/// How many signals one read(2) takes: a burst beyond it costs one more call.
const BATCH: usize = 16;

/// A descriptor from which blocked signals are read.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// For these signals, which must be blocked already ([`block_all`]).
    /// Non-blocking and close-on-exec.
    ///
    /// # Errors
    /// EINVAL for a number that is no signal; else those of signalfd(2).
    pub fn new(signals: &[i32]) -> Result<SignalFd> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        for signal in signals {
            // SAFETY: the set was initialised above.
            if unsafe { libc::sigaddset(set.as_mut_ptr(), *signal) } != 0 {
                return Err(SysError::last("receive", format!("signal {signal}")));
            }
        }
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: the set is initialised and only read.
        let fd = unsafe { libc::signalfd(-1, set.as_ptr(), flags) };
        if fd < 0 {
            return Err(SysError::last("create", "a signal descriptor"));
        }
        // SAFETY: the kernel just made this descriptor, nobody else owns it.
        Ok(SignalFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes what is pending, at most `out.len()` signals; 0 when none is.
    /// Allocates nothing.
    ///
    /// # Errors
    /// Those of read(2) other than EAGAIN and EINTR.
    pub fn read(&self, out: &mut [Received]) -> Result<usize> {
        let mut buffer = [MaybeUninit::<libc::signalfd_siginfo>::uninit(); BATCH];
        let mut filled = 0;
        while filled < out.len() {
            let wanted = out.len().saturating_sub(filled).min(BATCH);
            let bytes = wanted.saturating_mul(size_of::<libc::signalfd_siginfo>());
            // SAFETY: `bytes` is at most the size of the buffer.
            let got = unsafe { libc::read(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), bytes) };
            if got < 0 {
                match Errno::last() {
                    Errno::EAGAIN => break,
                    Errno::EINTR => continue,
                    errno => return Err(SysError::new("read", "signals", errno)),
                }
            }
            let count = got as usize / size_of::<libc::signalfd_siginfo>();
            for (slot, raw) in out.iter_mut().skip(filled).zip(buffer.iter().take(count)) {
                // SAFETY: the kernel has written the first `count` whole.
                let info = unsafe { raw.assume_init_ref() };
                *slot = Received {
                    signal: info.ssi_signo as i32,
                    pid: info.ssi_pid as i32,
                    uid: info.ssi_uid,
                    code: info.ssi_code,
                    value: info.ssi_int,
                };
            }
            filled = filled.saturating_add(count);
            if count < wanted {
                break;
            }
        }
        Ok(filled)
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_has_its_bit() {
        assert_eq!(signal_bit(1), 1);
        assert_eq!(signal_bit(64), 1 << 63);
        assert_eq!(signal_bit(0), 0);
        assert_eq!(signal_bit(65), 0);
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        assert_eq!(SignalFd::new(&[4711]).unwrap_err().errno, Errno::EINVAL);
    }
}
