//! A process that shares this one's memory and does nothing: it keeps the death
//! of a process with threads short. When the first thread of such a process
//! ends, the kernel looks for somebody else who has the memory (kernel/exit.c,
//! `mm_update_next_owner`, with CONFIG_MEMCG): among the children, then among
//! the siblings, in order of birth. The siblings of a monitor are all entities,
//! and each of its threads but the last walks them: measured 1 ms a walk at
//! 10,000, before anybody is told of the death. A child that has the memory is
//! found at once; and since it still has it, the memory is given back by that
//! child afterwards, and nobody waits for that either.

use std::ffi::c_void;

use crate::raw::{self, CloneArgs, call};
use crate::spawn::Stack;
use crate::{Errno, Result, SysError, process};

/// Makes the heir of this process; it ends with the calling thread, which must
/// be the first of this process. Called once in the life of a process: what the
/// heir stands on is never given back.
///
/// # Errors
/// EAGAIN, ENOMEM: without one the death of this process takes longer.
pub fn leave_heir() -> Result<()> {
    let stack = Stack::new()?;
    let args = CloneArgs {
        flags: libc::CLONE_VM as u64,
        // Its end is told to nobody while this process lives.
        exit_signal: 0,
        stack: stack.bottom() as u64,
        stack_size: Stack::BYTES as u64,
        ..CloneArgs::default()
    };
    let parent = process::pid() as usize;
    // No handler of ours may run in the child; it keeps them blocked.
    let mask = raw::set_signal_mask(u64::MAX);
    // SAFETY: the stack is its own and stays mapped; the argument is a number.
    let result = unsafe { raw::clone(&args, inherit, parent as *const c_void) };
    raw::set_signal_mask(mask);
    if result <= 0 {
        return Err(SysError::new("make", "the heir of this process", Errno(-result as i32)));
    }
    std::mem::forget(stack);
    Ok(())
}

/// The heir: waits to be ended by the end of its parent. It shares the memory,
/// so it uses system calls only; of descriptors it has copies, which it closes,
/// so that nothing stays open by it.
extern "C" fn inherit(parent: *const c_void) -> ! {
    // SAFETY: integers, but for the name, a C string that lives for ever.
    unsafe {
        call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0, 0]);
        call(libc::SYS_prctl, [libc::PR_SET_NAME as usize, c"ham-heir".as_ptr() as usize, 0, 0, 0]);
        let closed = call(libc::SYS_close_range, [0, u32::MAX as usize, 0, 0, 0]);
        // Its parent may have ended before it asked to be told.
        if closed == 0 && call(libc::SYS_getppid, [0; 5]) == parent as isize {
            loop {
                call(libc::SYS_ppoll, [0; 5]);
            }
        }
        loop {
            call(libc::SYS_exit_group, [0; 5]);
        }
    }
}
