//! System calls without a C library: no errno, no thread-local storage, no
//! lock, no cancellation point. A vfork child shares the memory of the
//! monitor, thread-local storage included, so it may use nothing else. Also
//! the entry of such a child, which starts on a stack of its own.
//!
//! Results are the kernel's: from -4095 to -1 a negated error number.

use std::arch::asm;
use std::ffi::c_void;

/// What a cloned child runs. It never returns: there is no frame to return to.
pub(crate) type Entry = extern "C" fn(*const c_void) -> !;

/// clone3(2) only, beyond the 32 bits of libc's flags: every handler of the
/// caller is the default in the child (Linux 5.5).
pub(crate) const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;

/// clone3(2) only: the child is created in the cgroup of a descriptor (5.7).
pub(crate) const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// struct clone_args of linux/sched.h, as of CLONE_ARGS_SIZE_VER2 (Linux 5.7).
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

const _: () = assert!(size_of::<CloneArgs>() == 88);

/// A system call of up to five arguments; unused ones are zero.
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    // SAFETY: the calling convention of syscall(2) for this architecture: the
    // kernel changes rax, rcx and r11 only. Memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call of up to five arguments; unused ones are zero.
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    // SAFETY: the calling convention of syscall(2) for this architecture: the
    // kernel changes x0 only. Memory is the caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            options(nostack),
        );
    }
    result
}

/// clone3(2); the child runs `entry(argument)` on the stack of `args`.
/// Returns in the caller only: the child's pid, or a negated error number.
///
/// # Safety
/// `args` must name a stack that is writable, aligned to 16 bytes at its top
/// and used by nobody else; `argument` must be what `entry` expects, and both
/// must stay valid until the child has executed a program or ended
/// (CLONE_VFORK sees to that while the caller lives).
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone3(args: &CloneArgs, entry: Entry, argument: *const c_void) -> isize {
    let result: isize;
    // SAFETY: the parent falls through with rax, rcx and r11 changed. The
    // child has rsp at the top of its stack, aligned as the ABI wants it
    // before a call, the kernel kept r12 and r13, and `entry` never returns.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") argument,
            in("r13") entry as usize,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// clone(2) with the same meaning; see [`clone3`]. `pidfd`, `set_tid` and
/// `cgroup` of `args` do not exist for it.
///
/// # Safety
/// As for [`clone3`].
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone(args: &CloneArgs, entry: Entry, argument: *const c_void) -> isize {
    let result: isize;
    // SAFETY: as in clone3; the order of arguments is that of x86-64:
    // flags, stack, parent_tid, child_tid, tls.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone as isize => result,
            in("rdi") args.flags | args.exit_signal,
            in("rsi") args.stack.wrapping_add(args.stack_size),
            in("rdx") args.parent_tid,
            in("r10") args.child_tid,
            in("r8") args.tls,
            in("r12") argument,
            in("r13") entry as usize,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// clone3(2); the child runs `entry(argument)` on the stack of `args`.
/// Returns in the caller only: the child's pid, or a negated error number.
///
/// # Safety
/// `args` must name a stack that is writable, aligned to 16 bytes at its top
/// and used by nobody else; `argument` must be what `entry` expects, and both
/// must stay valid until the child has executed a program or ended
/// (CLONE_VFORK sees to that while the caller lives).
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone3(args: &CloneArgs, entry: Entry, argument: *const c_void) -> isize {
    let result: isize;
    // SAFETY: the parent falls through with x0 changed. The child has sp at
    // the top of its stack, the kernel kept x9 and x10, and `entry` never
    // returns.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") std::ptr::from_ref(args) => result,
            in("x1") size_of::<CloneArgs>(),
            in("x9") argument,
            in("x10") entry as usize,
        );
    }
    result
}

/// clone(2) with the same meaning; see [`clone3`]. `pidfd`, `set_tid` and
/// `cgroup` of `args` do not exist for it.
///
/// # Safety
/// As for [`clone3`].
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone(args: &CloneArgs, entry: Entry, argument: *const c_void) -> isize {
    let result: isize;
    // SAFETY: as in clone3; the order of arguments is that of aarch64:
    // flags, stack, parent_tid, tls, child_tid.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone,
            inlateout("x0") args.flags | args.exit_signal => result,
            in("x1") args.stack.wrapping_add(args.stack_size),
            in("x2") args.parent_tid,
            in("x3") args.tls,
            in("x4") args.child_tid,
            in("x9") argument,
            in("x10") entry as usize,
        );
    }
    result
}

/// Sets the signal mask of the calling thread, all 64 bits: pthread_sigmask(3)
/// would leave out the two that the C library uses itself, whose handlers
/// must not run in a child that shares its memory. Returns the mask of before.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: both pointers are to eight bytes, which is the size given. A
    // thread may block any signal of its own.
    unsafe {
        call(
            libc::SYS_rt_sigprocmask,
            [
                libc::SIG_SETMASK as usize,
                (&raw const mask) as usize,
                (&raw mut old) as usize,
                size_of::<u64>(),
                0,
            ],
        )
    };
    old
}
