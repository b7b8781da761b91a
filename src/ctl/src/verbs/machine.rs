//! `hamctl poweroff`, `reboot`, `halt` and `soft-reboot`: a shutdown that ends in
//! something else than the manager's exit. Whoever runs them may be an entity's
//! process, and ends with it: so the machine's end is not waited for.

use super::status::request;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::way::Way;
use ham_core::wire::{ManagerStatus, ShutdownParameters, Status};
use serde::Serialize;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// As `shutdown` waits for the end.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two looks: short beside what a person notices.
const PAUSE: Duration = Duration::from_millis(20);

/// Managers that end before they answer, one after the other: as every other
/// request has it.
const MOST_ATTEMPTS: u32 = 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Taken {
    into: &'static str,
    /// With `soft-reboot`: the manager that has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// Asks the manager to end the machine.
pub(super) fn end(manager: &Manager, way: Way, output: Output) -> Result<Exit, Error> {
    status(manager)?;
    match ask(manager, way, Manner::AT_ONCE) {
        // It had taken the request and was gone before the answer, or before the
        // repeat: what was asked for.
        Ok(()) | Err(Error::NoManager { .. }) => tell(way, None, output),
        Err(error) => Err(error),
    }
}

/// Asks it to begin again in place, and waits until it has.
pub(super) fn begin_again(manager: &Manager, output: Output) -> Result<Exit, Error> {
    let before = status(manager)?.ham;
    ask_once(manager, &before)?;
    let deadline = Instant::now() + AGAIN_WITHIN;
    loop {
        // In between nobody answers.
        if let Ok(now) = status(manager)
            && now.ham.started_time != before.started_time
        {
            return tell(Way::SoftReboot, Some(now.ham.version), output);
        }
        if Instant::now() >= deadline {
            return Err(Error::StillRuns { reaper: before.reaper.pid, after: AGAIN_WITHIN });
        }
        sleep(PAUSE);
    }
}

/// So that whoever is not there later was there before.
fn status(manager: &Manager) -> Result<Status, Error> {
    manager.call("Status", &request(Vec::new()), Manner::AT_ONCE)?.read()
}

fn ask(manager: &Manager, way: Way, manner: Manner) -> Result<(), Error> {
    let into = way.word().map(str::to_owned);
    let parameters = ShutdownParameters { code: 0, into, request: Some(new_tag()) };
    manager.call("Shutdown", &parameters, manner).map(|_| ())
}

/// A request that was repeated blindly could reach the manager that has begun
/// again because of it, and make that begin again, too. One that a monitor has
/// taken and not committed before it died is lost, and its successor tells so: it
/// does not stop.
fn ask_once(manager: &Manager, before: &ManagerStatus) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        match ask(manager, Way::SoftReboot, Manner::ONCE) {
            Ok(()) | Err(Error::NoManager { .. }) => return Ok(()),
            Err(Error::Lost { .. }) if attempts < MOST_ATTEMPTS => attempts += 1,
            Err(error) => return Err(error),
        }
        match status(manager) {
            Ok(now) if now.ham.stopping || now.ham.started_time != before.started_time => {
                return Ok(());
            }
            Ok(_) => {}
            Err(Error::NoManager { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn tell(way: Way, version: Option<String>, output: Output) -> Result<Exit, Error> {
    let into = way.word().unwrap_or_default();
    if output.json {
        output.print_document(&Taken { into, version })?;
        return Ok(Exit::Success);
    }
    output.print_line(&match version {
        Some(version) => format!("the manager (version {version}) has begun again"),
        None => format!("all entities are being stopped for {into}"),
    })?;
    Ok(Exit::Success)
}

/// At once, whatever runs: not by the manager, which may be what is broken, but
/// by `ham`, which is called so.
pub(super) fn force(way: Way) -> Result<Exit, Error> {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name("ham"));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("ham"));
    let cause = Command::new(&program).arg0(way.word().unwrap_or_default()).arg("-f").exec();
    Err(Error::Execute { program: program.display().to_string(), cause })
}
