//! What a fatal signal does to a process that must not end: it executes its
//! own program again, in place. Children, pid and inherited descriptors stay
//! (execve(2)); everything else begins anew. Owns the handler and nothing of
//! what the new image does.

use std::ffi::{CString, OsString, c_char};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use crate::raw::call;
use crate::{Errno, Result, SysError, process};

/// Signals that end a process over its own mistake. ABRT is a failed
/// assertion, of ours or of the C library's heap; TRAP and SYS come from
/// debuggers and filters.
const FATAL: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Room for the frame of a signal with the largest vector state (about 11 KiB
/// with AMX) and for the handler.
const STACK_BYTES: usize = 64 * 1024;

/// The exit code of a process that could not execute itself: `EX_SOFTWARE`.
const LOST: usize = 70;

/// How long one that must not end waits before it tries again.
static AGAIN: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };

static PROGRAM: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);
static NEVER_ENDS: AtomicBool = AtomicBool::new(false);
static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());
static ENVIRONMENT: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());

/// From here on a fatal signal executes `program` again, with these arguments
/// (the first is the program's name) and the environment as it is now. In a
/// process that is forked from this one it is fatal as ever. To be called once,
/// by a process with one thread: the signal stack is that thread's. The new image
/// begins with all signals blocked, and must let faults through again
/// ([`crate::signals::block_all`]) once it has called this.
///
/// Where it cannot be executed (there is no memory, a disk does not answer), the
/// process ends, or with `never_ends` tries again until it can.
///
/// # Errors
/// EINVAL for an argument with a NUL byte; the reasons of mmap(2) for the
/// stack and of sigaction(2).
pub fn execute_again_on_fault(
    program: impl AsFd,
    arguments: Vec<OsString>,
    never_ends: bool,
) -> Result<()> {
    let strings =
        |texts: Vec<OsString>| -> Result<Vec<CString>> {
            let to_c = |text: OsString| CString::new(text.into_vec());
            texts.into_iter().map(to_c).collect::<std::result::Result<_, _>>().map_err(|_| {
                SysError::new("keep", "an argument with a NUL byte in it", Errno::EINVAL)
            })
        };
    let environment = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    ARGUMENTS.store(forever(strings(arguments)?), Ordering::Relaxed);
    ENVIRONMENT.store(forever(strings(environment.collect())?), Ordering::Relaxed);
    PROGRAM.store(program.as_fd().as_raw_fd(), Ordering::Relaxed);
    NEVER_ENDS.store(never_ends, Ordering::Relaxed);
    OWNER.store(process::pid(), Ordering::Relaxed);
    use_signal_stack()?;
    for signal in FATAL {
        handle(signal)?;
    }
    Ok(())
}

/// Strings that the handler may use at any time, as execve(2) wants them.
fn forever(strings: Vec<CString>) -> *mut *const c_char {
    let strings: &'static [CString] = strings.leak();
    process::pointers(strings).leak().as_mut_ptr()
}

/// A stack overflow leaves no room for its own handler.
fn use_signal_stack() -> Result<()> {
    // SAFETY: a fresh private mapping at an address the kernel chooses.
    let address = unsafe {
        libc::mmap(
            null_mut(),
            STACK_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(SysError::last("create", "a stack for signals"));
    }
    let stack = libc::stack_t { ss_sp: address, ss_flags: 0, ss_size: STACK_BYTES };
    // SAFETY: the mapping made above, never undone and used for nothing else.
    if unsafe { libc::sigaltstack(&raw const stack, null_mut()) } != 0 {
        return Err(SysError::last("use", "a stack for signals"));
    }
    Ok(())
}

fn handle(signal: i32) -> Result<()> {
    // SAFETY: all-zero is a valid sigaction: default, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = faulted as extern "C" fn(i32) as usize;
    // All are blocked from here until the new image unblocks them, with its own
    // handlers in place: in between the default action would end it.
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: sigfillset writes to the set only.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the handler uses nothing but system calls and atomics.
    if unsafe { libc::sigaction(signal, &raw const action, null_mut()) } != 0 {
        return Err(SysError::last("handle", format!("signal {signal}")));
    }
    Ok(())
}

/// Only system calls: whatever has just gone wrong may hold any lock and have
/// spoilt any memory.
extern "C" fn faulted(signal: i32) {
    // SAFETY: no pointers.
    let own = unsafe { call(libc::SYS_getpid, [0; 5]) };
    if own != OWNER.load(Ordering::Relaxed) as isize {
        // A child that has not yet gone its own way: as if nobody handled it.
        // SAFETY: all-zero is a valid sigaction.
        let action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: `action` is initialised; kill takes integers only. The signal
        // is delivered when the handler returns and the mask is as it was.
        unsafe {
            libc::sigaction(signal, &raw const action, null_mut());
            call(libc::SYS_kill, [own as usize, signal as usize, 0, 0, 0]);
        }
        return;
    }
    let program = PROGRAM.load(Ordering::Relaxed) as usize;
    let arguments = ARGUMENTS.load(Ordering::Relaxed) as usize;
    let environment = ENVIRONMENT.load(Ordering::Relaxed) as usize;
    let empty = c"".as_ptr() as usize;
    loop {
        // SAFETY: null-terminated arrays of C strings that live for ever, and a
        // whole timespec.
        unsafe {
            call(
                libc::SYS_execveat,
                [program, empty, arguments, environment, libc::AT_EMPTY_PATH as usize],
            );
            if !NEVER_ENDS.load(Ordering::Relaxed) {
                call(libc::SYS_exit_group, [LOST, 0, 0, 0, 0]);
            }
            call(libc::SYS_nanosleep, [(&raw const AGAIN) as usize, 0, 0, 0, 0]);
        }
    }
}
