//! Processes by their number, as /proc shows them, and the means to end one.

use std::fs;
use std::process::Command;

/// Whether a process runs: a zombie does not, whoever has to look at it yet.
#[must_use]
pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // pid (name) state, and the name may hold anything (proc_pid_stat(5)).
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The children of a process that run, for a process with one thread.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let numbers = children.split_whitespace().filter_map(|word| word.parse().ok());
    numbers.filter(|pid| lives(*pid)).collect()
}

/// Sends a signal, by its name without SIG.
///
/// # Panics
/// When that is refused, or there is no such process.
pub fn send(signal: &str, pid: u32) {
    let words = ["-s", signal, &pid.to_string()];
    let status = Command::new("kill").args(words).status().expect("kill is there");
    assert!(status.success(), "could not send {signal} to {pid}");
}
