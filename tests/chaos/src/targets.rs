//! Whom to kill, by process ids as this program sees them: monitor, guardian,
//! reaper and entities, also when ham lives in a namespace of its own and
//! writes other ids into its state.

use crate::state::State;
use ham_snapshot::header::Field;
use ham_tests::chaos::children;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// The kernel's names of the processes.
const MONITOR: &str = "ham-monitor";
const GUARDIAN: &str = "ham-guardian";

/// The processes of one ham.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets {
    /// The reaper.
    pub(crate) reaper: i32,
    /// It is PID 1 of a namespace.
    pub(crate) inside: bool,
}

/// Sends a signal; false when there is no such process.
pub(crate) fn strike(pid: i32, signal: Signal) -> bool {
    // 0 and what is below mean groups.
    pid > 0 && kill(Pid::from_raw(pid), signal).is_ok()
}

impl Targets {
    /// The monitor that is there now.
    pub(crate) fn monitor(&self, state: &State) -> Option<i32> {
        if self.inside {
            // Asked first, since it is faster: 0 while there is none.
            return (state.get(Field::MonitorPid) != 0).then(|| self.named(MONITOR)).flatten();
        }
        i32::try_from(state.get(Field::MonitorPid)).ok().filter(|pid| *pid > 0)
    }

    /// The guardian, if there is one.
    pub(crate) fn guardian(&self, state: &State) -> Option<i32> {
        if self.inside {
            return (state.get(Field::GuardianPid) != 0).then(|| self.named(GUARDIAN)).flatten();
        }
        i32::try_from(state.get(Field::GuardianPid)).ok().filter(|pid| *pid > 0)
    }

    fn named(&self, name: &str) -> Option<i32> {
        let reaper = self.reaper.unsigned_abs();
        let mut all = children(reaper).into_iter().filter(|child| !child.zombie);
        all.find(|child| child.name == name).and_then(|child| i32::try_from(child.pid).ok())
    }

    /// Whether the reaper lives.
    pub(crate) fn reaper_lives(&self) -> bool {
        ham_tests::chaos::lives(self.reaper.unsigned_abs())
    }

    /// The entity that knows itself by this id.
    pub(crate) fn entity(&self, own: u64) -> Option<i32> {
        if !self.inside {
            return i32::try_from(own).ok();
        }
        let list = format!("/proc/{0}/task/{0}/children", self.reaper);
        let list = fs::read_to_string(list).unwrap_or_default();
        let mut pids = list.split_ascii_whitespace().filter_map(|word| word.parse::<i32>().ok());
        pids.find(|pid| inner(*pid) == Some(own))
    }
}

/// The id of a process in the innermost namespace that it is in.
fn inner(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}
