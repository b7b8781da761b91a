//! `hamctl shutdown [--code N]` (QNX: `hamctl -stop`): asks the manager to
//! stop everything and end, and returns when it has ended.

use super::status::request;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::wire::{RoleStatus, ShutdownParameters, Status};
use serde::Serialize;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the manager may take. Entities are stopped one after the other
/// where one needs the other, each with its own time limit; after a minute a
/// person wants to know.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two looks: short beside what a person notices.
const PAUSE: Duration = Duration::from_millis(20);

/// The kernel's name of the reaper, as ham(8) promises it.
const REAPER_NAME: &str = "ham";

/// What `--json` prints.
#[derive(Serialize)]
struct Ended {
    reaper: RoleStatus,
    ended: bool,
}

/// See the file.
pub(super) fn run(manager: &Manager, code: u8, output: Output) -> Result<Exit, Error> {
    // The reaper ends last, so it is the one to wait for. No entity is asked
    // about, but there is no way to say "none"; the answer is short enough.
    let status: Status = manager.call("Status", &request(Vec::new()), Manner::AT_ONCE)?.read()?;
    let reaper = status.ham.reaper;
    let process = Process::find(reaper.pid);
    let parameters = ShutdownParameters { code, into: None, request: Some(new_tag()) };
    match manager.call("Shutdown", &parameters, Manner::AT_ONCE) {
        Ok(_) => {}
        // It had taken the request and was gone before the answer, or before
        // the repeat: what was asked for.
        Err(Error::NoManager { .. }) => {}
        Err(error) => return Err(error),
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    // The socket tells less: a service manager may have started the next ham
    // on it by the time that this one looks.
    let lives = || process.as_ref().map_or_else(|| manager.listens(), Process::lives);
    while lives() {
        if Instant::now() >= deadline {
            return Err(Error::StillRuns { reaper: reaper.pid, after: ENDS_WITHIN });
        }
        sleep(PAUSE);
    }
    if output.json {
        output.print_document(&Ended { reaper, ended: true })?;
    } else {
        output.print_line(&format!("the manager (reaper {}) has ended", reaper.pid))?;
    }
    Ok(Exit::Success)
}

/// A process that cannot be mistaken for a later one of the same number.
struct Process {
    pid: i32,
    start_time: String,
}

impl Process {
    /// `None` when /proc does not show a reaper by that number: the manager
    /// may live in another pid namespace, and then its socket alone tells of
    /// it.
    fn find(pid: i32) -> Option<Process> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        if name.trim_end() != REAPER_NAME {
            return None;
        }
        Some(Process { pid, start_time: stat(pid)?.1 })
    }

    /// Whether it still runs. A zombie has ended; that its parent has not
    /// looked yet is no concern of ours.
    fn lives(&self) -> bool {
        stat(self.pid)
            .is_some_and(|(state, start_time)| state != "Z" && start_time == self.start_time)
    }
}

/// State and start time: fields 3 and 22 of proc_pid_stat(5), counted from
/// after the name, which may itself hold blanks and parentheses.
fn stat(pid: i32) -> Option<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.to_owned();
    let start_time = fields.nth(18)?.to_owned();
    Some((state, start_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_lives_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process { pid, start_time: stat(pid).unwrap().1 };
        assert!(process.lives());
        let impostor = Process { pid: process.pid, start_time: "1".into() };
        assert!(!impostor.lives(), "another start time is another process");
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while process.lives() && Instant::now() < deadline {
            sleep(PAUSE);
        }
        assert!(!process.lives(), "a zombie has ended");
        child.wait().unwrap();
        assert!(!process.lives());
        assert!(Process::find(-1).is_none());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Process::find(own).is_none(), "this is no reaper");
    }
}
