//! Starting a program as a child of the reaper, losslessly: the kernel itself
//! writes the pid into shared memory before the child can run, so whoever
//! takes over after a kill at any instant knows whether it was started.
//!
//! The order around it is the caller's: pid, child pid and error word zero,
//! then the intent in the slot word, then [`spawn`]. The child is made with
//! CLONE_PARENT, so its parent is the parent of the calling process, and runs
//! nothing but `child` until it executes the program. [`spawn`] blocks its
//! thread until then, for as long as exec takes: never call it from an event
//! loop.

mod child;
mod error;
mod own_pid;
mod probe;
mod program;
mod report;
mod settings;
mod stack;
mod terminal;
mod treatment;

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::{SpawnError, Stage};
pub use probe::{ProbeError, probe};
pub use program::{Exec, Ids, Program, Stdio, Terminal};
pub use settings::{Capabilities, Policy, Scheduling, Settings};
pub use stack::Stack;
pub use terminal::take_terminal;

use crate::raw::{self, CloneArgs};
use child::Block;

/// How children are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// clone3(2).
    Clone3,
    /// clone(2), where a filter such as a container's refuses clone3.
    Clone,
}

/// What the kernel, and the filters on this process, allow; found by trying
/// ([`probe`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// How children are made.
    pub method: Method,
    /// The child starts in the descriptor table of the caller and leaves it
    /// by close_range(2): no copy, so the cost does not grow with the number
    /// of open descriptors.
    pub own_fd_table: bool,
    /// The child is created inside its cgroup (CLONE_INTO_CGROUP); else it
    /// moves there before it executes the program.
    pub into_cgroup: bool,
}

/// Where the kernel and the child report, in shared memory. All zero before.
#[derive(Clone, Copy, Debug)]
pub struct SlotWords<'a> {
    /// The kernel writes the pid into the low half before the child can run
    /// (CLONE_PARENT_SETTID).
    pub pid: &'a AtomicU64,
    /// A second copy, written in the child's own context (CLONE_CHILD_SETTID).
    pub child_pid: &'a AtomicU64,
    /// The child writes why it could not execute the program, then exits with
    /// 127: see [`SpawnError::from_word`].
    pub error: &'a AtomicU64,
}

/// The lowest descriptor of ham's own: an entity's are below. The child
/// leaves everything from here up to the caller's table.
const OWN_DESCRIPTORS: RawFd = 64;

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its process.
    pub pid: i32,
    /// The optional settings that it was started without, and why.
    pub without: Vec<SpawnError>,
}

/// Starts `program`; returns its pid once it runs (or was killed before it
/// could: the reaper has its exit then). The kernel lets the caller go on when
/// the new program has its memory, microseconds before it closes what is
/// close-on-exec and clears the flag of [`crate::process::forked_not_execed`].
///
/// # Errors
/// [`Stage::Clone`] when no child could be made (EAGAIN at a limit on
/// processes, ENOMEM, EINTR); any other stage when the program's description
/// or surroundings were at fault. Whether there was a child tells the pid
/// word alone: if it is not zero, the child has stored the same error in the
/// error word and ended with 127, and the reaper gets that exit; if it is
/// zero, no exit will come.
pub fn spawn(
    abilities: &Abilities,
    stack: &mut Stack,
    program: &Program,
    words: SlotWords<'_>,
) -> Result<Started, SpawnError> {
    let prepared = program.prepare()?;
    let mut block = prepared.block(words.error, &stack.report);
    let cgroup = program.cgroup.as_ref().map(AsRawFd::as_raw_fd);
    let by_kernel = abilities.into_cgroup && abilities.method == Method::Clone3;
    if !by_kernel && let Some(dir) = cgroup {
        block.cgroup = dir;
    }
    if abilities.method == Method::Clone {
        // Without CLONE_CLEAR_SIGHAND the handlers of this process are still
        // in place when the child empties its mask.
        block.ignored = u64::MAX;
    }
    if abilities.own_fd_table {
        block.leave_table_from = first_unneeded(&block, program);
    }
    let request = Request {
        method: abilities.method,
        share_table: abilities.own_fd_table,
        share_memory: !prepared.own_memory(),
        cgroup: cgroup.filter(|_| by_kernel),
        words,
    };
    words.error.store(0, Ordering::Relaxed);
    stack.report.clear();
    // SAFETY: `child::main` expects a Block; it and everything it points to
    // live in this frame and in `prepared`, which outlive the vfork.
    let made = unsafe { request.run(stack, child::main, (&raw const block).cast()) };
    drop(prepared);
    let pid = made.map_err(|errno| SpawnError::new(request.stage_of(errno), errno))?;
    match SpawnError::from_word(words.error.load(Ordering::Acquire)) {
        Some(error) => Err(error),
        None => Ok(Started { pid, without: stack.report.read() }),
    }
}

/// From where up the child needs no descriptor of the caller.
fn first_unneeded(block: &Block, program: &Program) -> u32 {
    let stdio = [&program.stdin, &program.stdout, &program.stderr].map(|stdio| match stdio {
        Stdio::Fd(number) => *number,
        _ => -1,
    });
    let program_fd = match program.exec {
        Exec::Fd(number) => number,
        Exec::Paths(_) => -1,
    };
    let passed = program.passed.iter().map(|(from, _)| *from);
    let highest = passed.chain(stdio).chain([program_fd, block.cgroup]).max().unwrap_or(-1);
    highest.saturating_add(1).max(OWN_DESCRIPTORS) as u32
}

/// One call of clone, by either method.
struct Request<'a> {
    method: Method,
    share_table: bool,
    /// The child runs in the memory of the caller, not in a copy.
    share_memory: bool,
    cgroup: Option<RawFd>,
    words: SlotWords<'a>,
}

impl Request<'_> {
    /// Makes the child and waits until it has executed a program or ended.
    ///
    /// # Safety
    /// `argument` is what `entry` expects, and lives until this returns.
    unsafe fn run(
        &self,
        stack: &mut Stack,
        entry: raw::Entry,
        argument: *const std::ffi::c_void,
    ) -> Result<i32, crate::Errno> {
        let mut flags = (libc::CLONE_PARENT
            | libc::CLONE_VFORK
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_SETTID) as u64;
        if self.share_memory {
            flags |= libc::CLONE_VM as u64;
        }
        if self.share_table {
            flags |= libc::CLONE_FILES as u64;
        }
        let mut args = CloneArgs {
            parent_tid: self.words.pid.as_ptr() as u64,
            child_tid: self.words.child_pid.as_ptr() as u64,
            // With CLONE_PARENT the kernel wants 0 here, and gives the child
            // the exit signal of this process: SIGCHLD.
            exit_signal: 0,
            stack: stack.bottom() as u64,
            stack_size: Stack::BYTES as u64,
            ..CloneArgs::default()
        };
        // No handler of ours may run in the child, where it would see the
        // memory of this process but another pid.
        let mask = raw::set_signal_mask(u64::MAX);
        let result = match self.method {
            Method::Clone3 => {
                flags |= raw::CLONE_CLEAR_SIGHAND;
                if let Some(dir) = self.cgroup {
                    flags |= raw::CLONE_INTO_CGROUP;
                    args.cgroup = dir as u64;
                }
                args.flags = flags;
                // SAFETY: the stack is `stack`'s, borrowed alone; the rest is
                // this function's own contract.
                unsafe { raw::clone3(&args, entry, argument) }
            }
            Method::Clone => {
                args.flags = flags;
                // SAFETY: as above.
                unsafe { raw::clone(&args, entry, argument) }
            }
        };
        raw::set_signal_mask(mask);
        i32::try_from(result)
            .ok()
            .filter(|pid| *pid > 0)
            .ok_or(crate::Errno(result.unsigned_abs() as i32))
    }

    /// What a refusal of clone was about: these errors can only come from
    /// CLONE_INTO_CGROUP.
    fn stage_of(&self, errno: crate::Errno) -> Stage {
        let about_cgroup = matches!(
            errno.0,
            libc::EBADF
                | libc::ENOENT
                | libc::ENODEV
                | libc::EBUSY
                | libc::EACCES
                | libc::EOPNOTSUPP
        );
        if self.cgroup.is_some() && about_cgroup { Stage::Cgroup } else { Stage::Clone }
    }
}
