//! The part of a child's work that takes a terminal: it becomes what controls
//! the new session, and the three streams. The rules of `child` hold here.
//!
//! It is opened without waiting for a carrier: who waits for a call is the
//! program's business, not that of a start.

use std::os::fd::RawFd;

use super::child::{Failure, check, place};
use super::error::Stage;
use crate::raw::call;

/// ioctl(2), as <asm-generic/ioctls.h> has it.
const TIOCVHANGUP: usize = 0x5437;

/// Opens the terminal at `path`, a C string, for a session that has none yet.
pub(super) fn take(path: *const libc::c_char, hang_up: bool) -> Result<(), Failure> {
    if hang_up {
        // What has been open at that time reads and writes nothing any more, this
        // descriptor too.
        let before = open(path)?;
        let hung = control(before, TIOCVHANGUP, 0);
        close(before);
        check(Stage::Terminal, hung)?;
    }
    let terminal = open(path)?;
    // 1: also one that controls another session, for whoever may (root).
    check(Stage::Terminal, control(terminal, libc::TIOCSCTTY as usize, 1))?;
    let arguments = [terminal as usize, libc::F_SETFL as usize, libc::O_RDWR as usize, 0, 0];
    // SAFETY: no pointers.
    check(Stage::Terminal, unsafe { call(libc::SYS_fcntl, arguments) })?;
    for stream in 0..3 {
        place(Stage::Terminal, terminal, stream)?;
    }
    if terminal > 2 {
        close(terminal);
    }
    Ok(())
}

fn open(path: *const libc::c_char) -> Result<RawFd, Failure> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let here = libc::AT_FDCWD as isize as usize;
    // SAFETY: a C string of the block.
    let file = unsafe { call(libc::SYS_openat, [here, path as usize, flags as usize, 0, 0]) };
    check(Stage::Terminal, file).map(|file| file as RawFd)
}

fn control(terminal: RawFd, request: usize, argument: usize) -> isize {
    // SAFETY: neither request takes a pointer.
    unsafe { call(libc::SYS_ioctl, [terminal as usize, request, argument, 0, 0]) }
}

fn close(file: RawFd) {
    // SAFETY: a descriptor that was made here, in the child's own table.
    unsafe { call(libc::SYS_close, [file as usize, 0, 0, 0, 0]) };
}

/// Lets this process, which must have no threads and no children that share its
/// descriptors, lead a session that this terminal controls, with all three
/// standard streams. Does not wait for a carrier.
///
/// # Errors
/// Those of open(2); ENOTTY for what is no terminal; EPERM when it controls
/// another session and this process is not root.
pub fn take_terminal(path: &std::ffi::CStr) -> crate::Result<()> {
    // Refused to who leads one already, which is as well.
    let _ = crate::process::new_session();
    take(path.as_ptr(), false).map_err(|failure| {
        let errno = crate::Errno(failure.errno.unsigned_abs() as i32);
        crate::SysError::new("take", format!("the terminal {}", path.to_string_lossy()), errno)
    })
}
