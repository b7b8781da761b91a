//! What a child does between clone and exec. It runs in the memory of the
//! monitor, on a stack of its own, while other threads of the monitor go on:
//! so raw system calls only, no allocation, no lock, no thread-local storage,
//! no panic, and no write to any memory but its stack, the error word and the
//! report. (One that has memory of its own runs the same.)
//!
//! The order matters. The descriptor table is left before anything touches a
//! descriptor. The cgroup, limits and files come before the change of user,
//! who may not have the right; the directory after it, so that the user's own
//! right to enter it counts. The mask is emptied last: a signal that waits
//! then finds default dispositions.

use std::ffi::c_void;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::Stage;
use super::own_pid::{NAMES, OwnPid};
use super::report::Report;
use super::settings::Treatment;
use super::terminal;
use crate::raw::call;
use crate::signals::LAST_SIGNAL;

/// All that the child needs, in plain values and pointers into memory that
/// the suspended thread keeps alive.
pub(super) struct Block {
    /// Where the reason of a failure goes.
    pub(super) error: *const AtomicU64,
    /// Where it says what it goes without.
    pub(super) report: *const Report,
    /// The descriptor table is shared with the monitor: leave it, without the
    /// descriptors from here up. 0: the table is the child's own already.
    pub(super) leave_table_from: u32,
    /// Directory of the cgroup to move into, or -1.
    pub(super) cgroup: RawFd,
    /// Signals whose disposition is to be reset, bit n-1 for signal n.
    pub(super) ignored: u64,
    /// Soft and hard limit of open files to restore.
    pub(super) nofile: Option<[u64; 2]>,
    pub(super) umask: u32,
    /// For descriptors 0, 1 and 2.
    pub(super) stdio: [Opening; 3],
    /// The path of what takes the place of all three, or null.
    pub(super) terminal: *const libc::c_char,
    /// Whether all who have it lose it first.
    pub(super) hang_up: bool,
    pub(super) treatment: Treatment,
    pub(super) ids: Option<Identity>,
    /// Working directory, or null.
    pub(super) directory: *const libc::c_char,
    pub(super) passed: *const (RawFd, RawFd),
    pub(super) passed_count: usize,
    /// Candidates, ending in null; unused when `program` is a descriptor.
    pub(super) paths: *const *const libc::c_char,
    /// The open program, or -1.
    pub(super) program: RawFd,
    pub(super) argv: *const *const libc::c_char,
    pub(super) envp: *const *const libc::c_char,
    /// To be filled in, or null.
    pub(super) own_pids: [*const OwnPid; NAMES.len()],
}

/// How a standard stream is filled.
#[derive(Clone, Copy)]
pub(super) enum Opening {
    Keep,
    File { path: *const libc::c_char, flags: i32 },
    Copy(RawFd),
}

/// User and groups.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: *const u32,
    pub(super) group_count: usize,
    pub(super) groups_already_equal: bool,
}

/// Exit status of a child that could not execute its program, as shells use.
const NOT_EXECUTED: usize = 127;

/// The entry of the child.
pub(super) extern "C" fn main(argument: *const c_void) -> ! {
    // SAFETY: `spawn` passes a Block that outlives the vfork.
    let block = unsafe { &*argument.cast::<Block>() };
    let Err(Failure { stage, part, errno }) = block.become_program();
    let word = super::error::word(stage, part, errno.unsigned_abs() as u16);
    // SAFETY: the error word is in a mapping that is never undone.
    unsafe { (*block.error).store(word, Ordering::Release) };
    exit(NOT_EXECUTED)
}

/// Ends the child.
pub(super) fn exit(status: usize) -> ! {
    loop {
        // SAFETY: no pointers.
        unsafe { call(libc::SYS_exit_group, [status, 0, 0, 0, 0]) };
    }
}

/// A failure of a step.
pub(super) struct Failure {
    pub(super) stage: Stage,
    /// Which part of the step, counted from 1; 0: all of it.
    pub(super) part: u16,
    /// Negated.
    pub(super) errno: isize,
}

pub(super) fn check(stage: Stage, result: isize) -> Result<usize, Failure> {
    if result < 0 { Err(Failure { stage, part: 0, errno: result }) } else { Ok(result as usize) }
}

/// The same for one part of a step.
pub(super) fn check_part(stage: Stage, number: usize, result: isize) -> Result<(), Failure> {
    let part = (number as u16).wrapping_add(1);
    if result < 0 { Err(Failure { stage, part, errno: result }) } else { Ok(()) }
}

impl Block {
    fn become_program(&self) -> Result<std::convert::Infallible, Failure> {
        self.own_descriptors()?;
        self.join_cgroup()?;
        // SAFETY: no pointers.
        check(Stage::Session, unsafe { call(libc::SYS_setsid, [0; 5]) })?;
        self.reset_dispositions();
        self.reset_limits()?;
        self.open_stdio()?;
        // SAFETY: part of the caller's Stack, which outlives the vfork.
        let report = unsafe { &*self.report };
        self.treatment.before_identity(report)?;
        self.take_identity()?;
        if !self.directory.is_null() {
            let directory = self.directory as usize;
            // SAFETY: a C string of the block.
            let result = unsafe { call(libc::SYS_chdir, [directory, 0, 0, 0, 0]) };
            check(Stage::Directory, result)?;
        }
        self.pass_descriptors()?;
        self.treatment.after_identity(report)?;
        self.tell_own_pid();
        crate::raw::set_signal_mask(0);
        Err(Failure { stage: Stage::Exec, part: 0, errno: self.execute() })
    }

    fn own_descriptors(&self) -> Result<(), Failure> {
        if self.leave_table_from > 0 {
            let range = [self.leave_table_from as usize, u32::MAX as usize];
            let flags = libc::CLOSE_RANGE_UNSHARE as usize;
            // SAFETY: no pointers; the table is unshared before anything is
            // closed, and if that fails nothing is.
            let result = unsafe {
                let [from, to] = range;
                call(libc::SYS_close_range, [from, to, flags, 0, 0])
            };
            check(Stage::Descriptors, result)?;
        }
        let flags = libc::CLOSE_RANGE_CLOEXEC as usize;
        // Whatever ham was started with, or a library opened carelessly. EINVAL
        // before Linux 5.11, where the manager has marked them at its start.
        // SAFETY: no pointers; marks descriptors of this table only.
        unsafe { call(libc::SYS_close_range, [3, u32::MAX as usize, flags, 0, 0]) };
        Ok(())
    }

    fn join_cgroup(&self) -> Result<(), Failure> {
        if self.cgroup < 0 {
            return Ok(());
        }
        let path = c"cgroup.procs".as_ptr() as usize;
        let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
        // SAFETY: a static C string.
        let file = unsafe { call(libc::SYS_openat, [self.cgroup as usize, path, flags, 0, 0]) };
        let file = check(Stage::Cgroup, file)?;
        // "0" stands for the writing process (cgroups(7)).
        let text = c"0".as_ptr() as usize;
        // SAFETY: one byte of a static string; then a descriptor made above.
        let written = unsafe {
            let written = call(libc::SYS_write, [file, text, 1, 0, 0]);
            call(libc::SYS_close, [file, 0, 0, 0, 0]);
            written
        };
        check(Stage::Cgroup, written).map(|_| ())
    }

    /// To the default, what exec would keep: ignored signals. Handlers it
    /// resets itself, but until then none may run.
    fn reset_dispositions(&self) {
        // struct sigaction of the kernel: all zero is SIG_DFL, no flags.
        let action = [0u64; 4];
        let mut rest = self.ignored;
        let mut signal = 1;
        while signal <= LAST_SIGNAL {
            if rest & 1 == 1 {
                // KILL and STOP are refused, which is right.
                // SAFETY: `action` is as large as the kernel's struct; the
                // table of dispositions is the child's own (no CLONE_SIGHAND).
                unsafe {
                    let arguments =
                        [signal as usize, (&raw const action) as usize, 0, size_of::<u64>(), 0];
                    call(libc::SYS_rt_sigaction, arguments);
                }
            }
            rest >>= 1;
            signal = signal.wrapping_add(1);
        }
    }

    fn reset_limits(&self) -> Result<(), Failure> {
        if let Some(limits) = &self.nofile {
            let arguments =
                [0, libc::RLIMIT_NOFILE as usize, std::ptr::from_ref(limits) as usize, 0, 0];
            // SAFETY: struct rlimit64 is two 64-bit words.
            check(Stage::Limits, unsafe { call(libc::SYS_prlimit64, arguments) })?;
        }
        // SAFETY: no pointers. Neither call can fail: 0 is the default slack.
        unsafe {
            call(libc::SYS_prctl, [libc::PR_SET_TIMERSLACK as usize, 0, 0, 0, 0]);
            call(libc::SYS_umask, [self.umask as usize, 0, 0, 0, 0]);
        }
        Ok(())
    }

    fn open_stdio(&self) -> Result<(), Failure> {
        if !self.terminal.is_null() {
            return terminal::take(self.terminal, self.hang_up);
        }
        let [stdin, stdout, stderr] = self.stdio;
        fill(Stage::Stdin, stdin, 0)?;
        fill(Stage::Stdout, stdout, 1)?;
        fill(Stage::Stderr, stderr, 2)
    }

    fn take_identity(&self) -> Result<(), Failure> {
        let Some(ids) = &self.ids else {
            return Ok(());
        };
        let (count, groups) = (ids.group_count, ids.groups as usize);
        // SAFETY: `count` numbers at `groups`.
        let result = unsafe { call(libc::SYS_setgroups, [count, groups, 0, 0, 0]) };
        if result != -(libc::EPERM as isize) || !ids.groups_already_equal {
            check(Stage::Groups, result)?;
        }
        let (gid, uid) = (ids.gid as usize, ids.uid as usize);
        // SAFETY: no pointers. The kernel's call, unlike libc's, changes this
        // process only and not the threads of the monitor.
        check(Stage::Group, unsafe { call(libc::SYS_setresgid, [gid, gid, gid, 0, 0]) })?;
        // SAFETY: as above.
        check(Stage::User, unsafe { call(libc::SYS_setresuid, [uid, uid, uid, 0, 0]) })?;
        Ok(())
    }

    fn pass_descriptors(&self) -> Result<(), Failure> {
        let mut index = 0usize;
        while index < self.passed_count {
            // SAFETY: `index` is below the count.
            let (from, to) = unsafe { *self.passed.wrapping_add(index) };
            place(Stage::Descriptors, from, to)?;
            index = index.wrapping_add(1);
        }
        Ok(())
    }

    fn tell_own_pid(&self) {
        for own in self.own_pids {
            // SAFETY: null, or a text of atomics of the block.
            if let Some(text) = unsafe { own.as_ref() } {
                // SAFETY: no pointers; it cannot fail.
                text.fill(unsafe { call(libc::SYS_getpid, [0; 5]) } as u32);
            }
        }
    }

    /// Returns only on failure, with the negated error number.
    fn execute(&self) -> isize {
        let (argv, envp) = (self.argv as usize, self.envp as usize);
        if self.program >= 0 {
            let empty = c"".as_ptr() as usize;
            let flags = libc::AT_EMPTY_PATH as usize;
            // SAFETY: null-terminated arrays of C strings of the block.
            return unsafe {
                call(libc::SYS_execveat, [self.program as usize, empty, argv, envp, flags])
            };
        }
        let mut reason = -(libc::ENOENT as isize);
        let mut forbidden = false;
        let mut next = self.paths;
        loop {
            // SAFETY: the array ends in null, and we stop there.
            let path = unsafe { *next };
            if path.is_null() {
                break;
            }
            // SAFETY: as above.
            reason = unsafe { call(libc::SYS_execve, [path as usize, argv, envp, 0, 0]) };
            match -reason as i32 {
                libc::EACCES => forbidden = true,
                libc::ENOENT | libc::ENOTDIR => (),
                _ => return reason,
            }
            next = next.wrapping_add(1);
        }
        // As execvp(3): a file that was found but forbidden is the better
        // explanation than the last place where there was none.
        if forbidden { -(libc::EACCES as isize) } else { reason }
    }
}

/// Fills standard stream `target`.
fn fill(stage: Stage, opening: Opening, target: RawFd) -> Result<(), Failure> {
    match opening {
        Opening::Keep => Ok(()),
        Opening::Copy(number) => place(stage, number, target),
        Opening::File { path, flags } => {
            // O_NOCTTY: a session leader must not get a terminal by accident.
            let flags = (flags | libc::O_NOCTTY | libc::O_CLOEXEC) as usize;
            let here = libc::AT_FDCWD as isize as usize;
            // SAFETY: a C string of the block.
            let file = unsafe { call(libc::SYS_openat, [here, path as usize, flags, 0o640, 0]) };
            let file = check(stage, file)? as RawFd;
            place(stage, file, target)?;
            if file != target {
                // SAFETY: the descriptor made above.
                unsafe { call(libc::SYS_close, [file as usize, 0, 0, 0, 0]) };
            }
            Ok(())
        }
    }
}

/// Puts a copy of `from` at `to`, not close-on-exec.
pub(super) fn place(stage: Stage, from: RawFd, to: RawFd) -> Result<(), Failure> {
    let (from, to) = (from as usize, to as usize);
    // SAFETY: no pointers; the descriptor table is the child's own.
    let result = unsafe {
        if from == to {
            call(libc::SYS_fcntl, [from, libc::F_SETFD as usize, 0, 0, 0])
        } else {
            call(libc::SYS_dup3, [from, to, 0, 0, 0])
        }
    };
    check(stage, result).map(|_| ())
}
