//! What is to be started, as its caller describes it, and its translation
//! into the plain pointers that the child can use without allocating.

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::AtomicU64;

use super::child::{Block, Identity, Opening};
use super::error::{SpawnError, Stage};
use super::own_pid::{NAMES, OwnPid};
use super::report::Report;
use super::settings::{self, Settings};
use crate::{Errno, process, signals};

/// A program and the surroundings it starts in. Everything else is reset to
/// what a fresh login would have: own session, empty signal mask, default
/// dispositions and timer slack, the soft limit of open files that ham itself
/// was started with, and no descriptor but those named here.
#[derive(Debug)]
pub struct Program {
    /// Which file.
    pub exec: Exec,
    /// Its arguments, the zeroth included.
    pub argv: Vec<CString>,
    /// Its whole environment, "NAME=value" each.
    pub envp: Vec<CString>,
    /// Its working directory; `None` keeps the manager's. Entered with the
    /// rights of `ids`.
    pub directory: Option<CString>,
    /// Its file mode creation mask, three octal digits.
    pub umask: u32,
    /// Descriptor 0.
    pub stdin: Stdio,
    /// Descriptor 1.
    pub stdout: Stdio,
    /// Descriptor 2.
    pub stderr: Stdio,
    /// User and groups; `None` keeps the manager's.
    pub ids: Option<Ids>,
    /// How the kernel treats it.
    pub settings: Settings,
    /// The directory of the cgroup to start in.
    pub cgroup: Option<OwnedFd>,
    /// Whether that may lack memory. The kernel then ends whoever uses the memory
    /// of what it has chosen there, so the child gets memory of its own.
    pub little_memory: bool,
    /// Descriptors to hand over: from which number (64 or more) to which (3 or
    /// more, and below every number that one is taken from).
    pub passed: Vec<(RawFd, RawFd)>,
    /// Whether `LISTEN_PID`, its own process id, is added to its environment.
    pub listen_pid: bool,
    /// Likewise `WATCHDOG_PID`.
    pub watchdog_pid: bool,
}

/// The file to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exec {
    /// The first of these that can be executed, as execvp(3) does: one that
    /// is missing or forbidden leads to the next.
    Paths(Vec<CString>),
    /// An open file (execveat(2), AT_EMPTY_PATH).
    Fd(RawFd),
}

/// Where a standard stream goes. Files are opened with the manager's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// The manager's own.
    Inherit,
    /// /dev/null.
    Null,
    /// A file, read from its start.
    Read(CString),
    /// A file, appended to; made with mode 0640 (less the umask) if missing.
    Append(CString),
    /// Standard error only: the same as standard output.
    Same,
    /// A copy of this descriptor (3 or more).
    Fd(RawFd),
}

/// User, group and supplementary groups, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Real, effective and saved user.
    pub uid: u32,
    /// Real, effective and saved group.
    pub gid: u32,
    /// Supplementary groups, all of them.
    pub groups: Vec<u32>,
}

/// The pointer arrays of a [`Program`]. Borrows it, so they stay valid.
pub(super) struct Prepared<'a> {
    program: &'a Program,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// Pointed to by `envp`.
    own_pids: [Option<Box<OwnPid>>; NAMES.len()],
    paths: Vec<*const libc::c_char>,
    stdio: [Opening; 3],
    settings: settings::Prepared,
    groups_already_equal: bool,
}

impl Program {
    /// Does all that allocates, and refuses what cannot work.
    pub(super) fn prepare(&self) -> Result<Prepared<'_>, SpawnError> {
        let refused = |stage| SpawnError::new(stage, Errno::EINVAL);
        // None may be overwritten before it is handed over.
        let lowest = self.passed.iter().map(|(from, _)| *from).min().unwrap_or(64);
        let sound = |pair: &(RawFd, RawFd)| lowest >= 64 && (3..lowest).contains(&pair.1);
        if !self.passed.iter().all(sound) {
            return Err(refused(Stage::Descriptors));
        }
        let paths = match &self.exec {
            Exec::Paths(paths) => process::pointers(paths),
            Exec::Fd(_) => Vec::new(),
        };
        let stdio = [
            opening(&self.stdin, false).ok_or(refused(Stage::Stdin))?,
            opening(&self.stdout, false).ok_or(refused(Stage::Stdout))?,
            opening(&self.stderr, true).ok_or(refused(Stage::Stderr))?,
        ];
        let [listen, watchdog] = NAMES;
        let own_pids = [
            self.listen_pid.then(|| Box::new(OwnPid::new(listen))),
            self.watchdog_pid.then(|| Box::new(OwnPid::new(watchdog))),
        ];
        let mut envp = process::pointers(&self.envp);
        for text in own_pids.iter().flatten() {
            // The order of variables means nothing; the null stays the last.
            envp.insert(0, text.text());
        }
        Ok(Prepared {
            program: self,
            argv: process::pointers(&self.argv),
            envp,
            own_pids,
            paths,
            stdio,
            settings: self.settings.prepare()?,
            groups_already_equal: self.ids.as_ref().is_some_and(has_groups),
        })
    }
}

impl Prepared<'_> {
    /// Whether the child must not share the caller's memory.
    pub(super) fn own_memory(&self) -> bool {
        self.program.little_memory || self.settings.own_memory()
    }

    /// The block for the child. `cgroup` and `leave_table_from` are the
    /// caller's to set.
    pub(super) fn block(&self, error: &AtomicU64, report: &Report) -> Block {
        let ids = self.program.ids.as_ref().map(|ids| Identity {
            uid: ids.uid,
            gid: ids.gid,
            groups: ids.groups.as_ptr(),
            group_count: ids.groups.len(),
            groups_already_equal: self.groups_already_equal,
        });
        Block {
            error: std::ptr::from_ref(error),
            report: std::ptr::from_ref(report),
            leave_table_from: 0,
            cgroup: -1,
            ignored: signals::may_be_ignored(),
            nofile: process::original_nofile().map(|(soft, hard)| [soft, hard]),
            umask: self.program.umask & 0o777,
            stdio: self.stdio,
            treatment: self.settings.treatment(&self.program.settings),
            ids,
            directory: self
                .program
                .directory
                .as_ref()
                .map_or(std::ptr::null(), |directory| directory.as_ptr()),
            passed: self.program.passed.as_ptr(),
            passed_count: self.program.passed.len(),
            paths: self.paths.as_ptr(),
            program: match self.program.exec {
                Exec::Fd(number) => number,
                Exec::Paths(_) => -1,
            },
            argv: self.argv.as_ptr(),
            envp: self.envp.as_ptr(),
            own_pids: self
                .own_pids
                .each_ref()
                .map(|own| own.as_deref().map_or(std::ptr::null(), std::ptr::from_ref)),
        }
    }
}

/// `None` for what makes no sense at this place.
fn opening(stdio: &Stdio, is_stderr: bool) -> Option<Opening> {
    Some(match stdio {
        Stdio::Inherit => Opening::Keep,
        Stdio::Null => Opening::File { path: c"/dev/null".as_ptr(), flags: libc::O_RDWR },
        Stdio::Read(path) => Opening::File { path: path.as_ptr(), flags: libc::O_RDONLY },
        Stdio::Append(path) => Opening::File {
            path: path.as_ptr(),
            flags: libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT,
        },
        Stdio::Same if is_stderr => Opening::Copy(1),
        // 0 to 2 may have been replaced by the time they would be copied.
        Stdio::Fd(number) if *number >= 3 => Opening::Copy(*number),
        Stdio::Same | Stdio::Fd(_) => return None,
    })
}

/// Whether this process has exactly these supplementary groups already, so
/// that a refusal to set them (no CAP_SETGID, or a user namespace that denies
/// setgroups) changes nothing.
fn has_groups(ids: &Ids) -> bool {
    let Ok(current) = nix::unistd::getgroups() else {
        return false;
    };
    let ordered = |mut groups: Vec<u32>| {
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    let current = current.into_iter().map(|group| group.as_raw()).collect();
    ordered(current) == ordered(ids.groups.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That it is what saves the manager shows `tests/qemu`, on a kernel with a
    /// memory controller.
    #[test]
    fn where_memory_may_lack_the_child_has_its_own() {
        let settings =
            Settings { oom_score_adjust: process::oom_score_adjust(), ..Settings::default() };
        let mut program = Program {
            exec: Exec::Paths(vec![c"/bin/true".to_owned()]),
            argv: vec![c"true".to_owned()],
            envp: Vec::new(),
            directory: None,
            umask: 0o022,
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            ids: None,
            settings,
            cgroup: None,
            little_memory: false,
            passed: Vec::new(),
            listen_pid: false,
            watchdog_pid: false,
        };
        assert!(!program.prepare().unwrap().own_memory());
        program.little_memory = true;
        assert!(program.prepare().unwrap().own_memory());
    }
}
