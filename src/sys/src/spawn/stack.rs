//! The stack that a child runs on until it executes its program. One per
//! spawning thread: a vfork child is done with it when the thread goes on.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::report::Report;
use crate::{Result, SysError};

/// A mapping with a guard page below it, and a page for what the child
/// reports.
#[derive(Debug)]
pub struct Stack {
    base: NonNull<c_void>,
    pub(super) report: Report,
}

// SAFETY: the mapping belongs to no thread; `spawn` borrows it mutably, so
// one child at a time uses it.
unsafe impl Send for Stack {}

impl Stack {
    /// The child needs less than 4 KiB even without optimisation; 64 KiB
    /// leaves room for a signal frame with the largest vector state, and
    /// pages that are not touched cost nothing.
    pub(super) const BYTES: usize = 64 * 1024;

    /// One page of the largest size that the architectures have, so that a
    /// runaway child faults and does not write into the heap of the monitor.
    const GUARD: usize = 64 * 1024;

    /// A new one.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Stack> {
        let report = Report::new()?;
        // SAFETY: a fresh private mapping at an address the kernel chooses.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Stack::GUARD + Stack::BYTES,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        let failed = || SysError::last("create", "a stack for spawning");
        if address == libc::MAP_FAILED {
            return Err(failed());
        }
        let Some(base) = NonNull::new(address) else {
            return Err(failed());
        };
        let stack = Stack { base, report };
        // SAFETY: the range is the upper part of the mapping made above.
        let result = unsafe {
            libc::mprotect(stack.bottom(), Stack::BYTES, libc::PROT_READ | libc::PROT_WRITE)
        };
        if result != 0 {
            return Err(failed());
        }
        Ok(stack)
    }

    /// The lowest usable address, as clone3(2) wants it. The top,
    /// [`Stack::BYTES`] above, is page-aligned.
    pub(super) fn bottom(&self) -> *mut c_void {
        self.base.as_ptr().wrapping_byte_add(Stack::GUARD)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`, which nobody uses any more:
        // `spawn` has returned, so its child is gone from this memory.
        unsafe { libc::munmap(self.base.as_ptr(), Stack::GUARD + Stack::BYTES) };
    }
}
