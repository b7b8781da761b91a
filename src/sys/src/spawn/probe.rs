//! Finding out how children can be made here, by making one. What a kernel
//! version promises, a container's filter may refuse and a sandbox may ignore
//! in silence, so only a child that was really made and asked counts.
//!
//! Probe children belong to the reaper, as every child does; it reaps them as
//! processes that no slot knows.

use std::ffi::c_void;
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Abilities, Method, Request, SlotWords, Stack, child};
use crate::raw::call;
use crate::{Errno, SysError, process};

/// Why nothing can be spawned here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// CLONE_PARENT is refused, or ignored as gVisor does.
    NoCloneParent,
    /// The kernel did not write the pid where it was told to.
    NoTidWords,
    /// No process could be made.
    Clone(Errno),
    /// A resource for the probe itself was missing.
    Resource(SysError),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::NoCloneParent => out.write_str(
                "this kernel or sandbox does not make children for the parent process \
                 (CLONE_PARENT), without which ham cannot supervise: use \"ham init\" here",
            ),
            ProbeError::NoTidWords => out.write_str(
                "this kernel or sandbox does not report process ids to memory \
                 (CLONE_PARENT_SETTID), without which ham cannot supervise: use \"ham init\" here",
            ),
            ProbeError::Clone(errno) => write!(out, "could not create a process: {errno}"),
            ProbeError::Resource(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for ProbeError {}

/// Asks the kernel, by trying, how children can be made. To be called by a
/// child of the reaper that is otherwise set up as the monitor will be.
///
/// The environment variables `HAM_NO_CLONE3=1` and `HAM_NO_CLONE_FILES=1`
/// force the fallbacks.
///
/// # Errors
/// When no way would give the reaper a child whose pid is known for sure.
pub fn probe() -> Result<Abilities, ProbeError> {
    let mut stack = Stack::new().map_err(ProbeError::Resource)?;
    let mut answer = Err(Errno::ENOSYS);
    let mut method = Method::Clone3;
    if !switched_off("HAM_NO_CLONE3") {
        answer = ask(&mut stack, method, &Question::default());
    }
    // EPERM and ENOSYS come from filters, EINVAL and E2BIG from kernels that
    // lack a flag or a field.
    if let Err(Errno(libc::ENOSYS | libc::EPERM | libc::EINVAL | libc::E2BIG)) = answer {
        method = Method::Clone;
        answer = ask(&mut stack, method, &Question::default());
    }
    match answer {
        Err(Errno::EINVAL) => return Err(ProbeError::NoCloneParent),
        Err(errno) => return Err(ProbeError::Clone(errno)),
        Ok(answer) if !answer.parent_is_ours => return Err(ProbeError::NoCloneParent),
        Ok(answer) if !answer.words_written => return Err(ProbeError::NoTidWords),
        Ok(_) => (),
    }
    let own_fd_table = !switched_off("HAM_NO_CLONE_FILES")
        && can_leave_table(&mut stack, method).map_err(ProbeError::Resource)?;
    let into_cgroup = method == Method::Clone3 && knows_cgroup_flag(&mut stack);
    Ok(Abilities { method, own_fd_table, into_cgroup })
}

impl Abilities {
    /// Makes sure that a child can be born in a cgroup, given an empty one.
    /// Some kernels (6.12 to 6.18 at least) kill every child that a process
    /// in a once-killed cgroup, or one that targets such a cgroup, makes with
    /// CLONE_INTO_CGROUP. Then children join by themselves.
    pub fn check_cgroup(&mut self, dir: BorrowedFd<'_>) {
        if !self.into_cgroup {
            return;
        }
        let question = Question { cgroup: Some(dir.as_raw_fd()), ..Question::default() };
        let lived = Stack::new().is_ok_and(|mut stack| {
            ask(&mut stack, self.method, &question).is_ok_and(|answer| answer.ran)
        });
        self.into_cgroup = lived;
    }
}

fn switched_off(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

#[derive(Default)]
struct Question {
    share_table: bool,
    cgroup: Option<RawFd>,
    /// Leave the shared table without this one descriptor.
    leave: Option<RawFd>,
}

#[derive(Clone, Copy)]
struct Answer {
    /// The child ran at all.
    ran: bool,
    /// Its parent is the parent of this process.
    parent_is_ours: bool,
    /// Both pid words held its pid.
    words_written: bool,
    /// It could leave the shared table.
    left: bool,
}

/// What the child finds, and what it leaves behind. -1: nothing yet.
struct Talk {
    leave: RawFd,
    parent: AtomicI64,
    left: AtomicI64,
}

extern "C" fn answer(argument: *const c_void) -> ! {
    // SAFETY: `ask` passes a Talk that outlives the vfork.
    let talk = unsafe { &*argument.cast::<Talk>() };
    if talk.leave >= 0 {
        let number = talk.leave as usize;
        let flags = libc::CLOSE_RANGE_UNSHARE as usize;
        // One descriptor only, so that a kernel that closes without
        // unsharing takes nothing from the caller but the one made for this.
        // SAFETY: no pointers.
        let result = unsafe { call(libc::SYS_close_range, [number, number, flags, 0, 0]) };
        talk.left.store(result as i64, Ordering::Relaxed);
    }
    // SAFETY: no pointers.
    let parent = unsafe { call(libc::SYS_getppid, [0; 5]) };
    talk.parent.store(parent as i64, Ordering::Release);
    child::exit(0)
}

fn ask(stack: &mut Stack, method: Method, question: &Question) -> Result<Answer, Errno> {
    let talk = Talk {
        leave: question.leave.unwrap_or(-1),
        parent: AtomicI64::new(-1),
        left: AtomicI64::new(-1),
    };
    let (pid_word, child_word, error) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let words = SlotWords { pid: &pid_word, child_pid: &child_word, error: &error };
    let request = Request {
        method,
        share_table: question.share_table,
        share_memory: true,
        cgroup: question.cgroup,
        words,
    };
    let before = process::parent_pid();
    // SAFETY: `answer` expects a Talk; it lives in this frame.
    let pid = unsafe { request.run(stack, answer, (&raw const talk).cast()) }?;
    // The parent of this process may die at any moment; either is an answer.
    let after = process::parent_pid();
    let parent = talk.parent.load(Ordering::Acquire);
    let written = [&pid_word, &child_word]
        .iter()
        .all(|word| word.load(Ordering::Acquire) == u64::from(pid.unsigned_abs()));
    Ok(Answer {
        ran: parent >= 0,
        parent_is_ours: parent == i64::from(before) || parent == i64::from(after),
        words_written: written,
        left: talk.left.load(Ordering::Relaxed) == 0,
    })
}

/// Whether a child that shares the descriptor table can leave it without
/// closing anything of ours.
fn can_leave_table(stack: &mut Stack, method: Method) -> crate::Result<bool> {
    let bait = std::fs::File::open("/proc/self/stat")
        .or_else(|_| std::fs::File::open("/"))
        .map_err(|error| SysError::new("open", "/", error))?;
    let number = bait.as_raw_fd();
    let question = Question { share_table: true, leave: Some(number), ..Question::default() };
    let left = ask(stack, method, &question).is_ok_and(|answer| answer.ran && answer.left);
    if process::is_open(number) {
        return Ok(left);
    }
    // The child closed it for us too: dropping it would close whatever
    // another thread opens at this number.
    std::mem::forget(bait);
    Ok(false)
}

/// Whether clone3 knows CLONE_INTO_CGROUP: it then looks at the descriptor,
/// and this number is one that can never be open. No child is made.
fn knows_cgroup_flag(stack: &mut Stack) -> bool {
    let question = Question { cgroup: Some(RawFd::MAX), ..Question::default() };
    matches!(ask(stack, Method::Clone3, &question), Err(Errno::EBADF))
}
