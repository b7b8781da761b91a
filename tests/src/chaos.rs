//! The means to take processes of a manager away at chosen moments, and to see
//! what is left of them.

use crate::own_units::wait_until;
use crate::programs::{Manager, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A monitor that has lived for this long is not taken for one that dies at
/// once (100 ms, `AT_ONCE_NS` of the reaper).
const SETTLED: Duration = Duration::from_millis(150);

/// A process as its parent's list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub name: String,
    /// Ended, and not reaped yet.
    pub zombie: bool,
}

/// Sends a signal. False when there is no such process.
pub fn strike(pid: u32, signal: Signal) -> bool {
    let number = i32::try_from(pid).unwrap_or(0);
    // 0 and what is below mean groups.
    number > 0 && kill(Pid::from_raw(number), signal).is_ok()
}

/// Whether a process is there and has not ended.
#[must_use]
pub fn lives(pid: u32) -> bool {
    look_at(pid).is_some_and(|child| !child.zombie)
}

fn look_at(pid: u32) -> Option<Child> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let name = text.get(text.find('(')? + 1..text.rfind(')')?)?.to_owned();
    let state = text.get(text.rfind(')')? + 2..)?.chars().next()?;
    Some(Child { pid, name, zombie: matches!(state, 'Z' | 'X') })
}

/// The children of a process.
#[must_use]
pub fn children(pid: u32) -> Vec<Child> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|word| word.parse().ok()).filter_map(look_at).collect()
}

impl Manager {
    /// A child of the reaper that lives, by its kernel name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<u32> {
        let is_it = |child: &Child| child.name == name && !child.zombie;
        children(self.pid()).into_iter().find(is_it).map(|child| child.pid)
    }

    /// Waits for one, looking without pause: some live only for milliseconds.
    ///
    /// # Panics
    /// When there is none for [`PATIENCE`]; shows the log.
    #[must_use]
    pub fn catch_child(&self, name: &str) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(pid) = self.child(name) {
                return pid;
            }
            assert!(Instant::now() < deadline, "no {name}. The log:\n{}", self.log());
        }
    }

    /// Kills the monitor that is there, or comes; gives its process id.
    ///
    /// # Panics
    /// When there is none for [`PATIENCE`].
    pub fn take_monitor(&self) -> u32 {
        loop {
            let pid = self.catch_child("ham-monitor");
            if strike(pid, Signal::SIGKILL) {
                return pid;
            }
        }
    }

    /// Waits until a monitor is there that is not `last`.
    ///
    /// # Panics
    /// When there is none for [`PATIENCE`]; shows the log.
    pub fn next_monitor(&self, last: u32) -> u32 {
        let mut next = None;
        let deadline = Instant::now() + PATIENCE;
        while next.is_none() {
            assert!(Instant::now() < deadline, "no monitor. The log:\n{}", self.log());
            next = self.monitor().filter(|pid| *pid != last);
            std::thread::sleep(Duration::from_micros(500));
        }
        next.unwrap_or(last)
    }

    /// Kills the monitor and waits for the next.
    pub fn replace_monitor(&self) -> u32 {
        let last = self.take_monitor();
        self.next_monitor(last)
    }

    /// As [`Manager::replace_monitor`], but one that has lived for so long that
    /// it is not taken for one that dies at once: those are slowed down.
    pub fn replace_settled_monitor(&self) -> u32 {
        std::thread::sleep(SETTLED);
        self.replace_monitor()
    }

    /// Waits until the manager answers with a plan in force, and gives its
    /// part of the status.
    ///
    /// # Panics
    /// When that does not happen within [`PATIENCE`]; shows the log.
    pub fn wait_for_plan(&self) -> serde_json::Value {
        let mut ham = serde_json::Value::Null;
        wait_until("a plan in force", || {
            let output = self.hamctl(&["--json", "status"]);
            let status: serde_json::Value =
                serde_json::from_slice(&output.stdout).unwrap_or_default();
            ham = status["ham"].clone();
            ham["plan"]["generation"].as_u64().is_some_and(|generation| generation > 0)
        });
        ham
    }
}

/// The directory of a process's cgroup (version 2), if it is in one that can
/// be seen.
#[must_use]
pub fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let inside = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" cgroup2 "))?;
    let directory = Path::new(mount.split(' ').nth(1)?).join(inside);
    directory.is_dir().then_some(directory)
}

/// The names of the directories in a directory.
#[must_use]
pub fn directories(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
