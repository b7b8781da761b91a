//! `hamctl poweroff`, `reboot`, `halt` and `soft-reboot`: a shutdown that ends in
//! something else than the manager's exit. Whoever runs them may be an entity's
//! process, and ends with it: so the machine's end is not waited for.

use super::status::request;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::way::Way;
use ham_core::wire::{ShutdownParameters, Status};
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
    ask(manager, way)?;
    tell(way, None, output)
}

/// Asks it to begin again in place, and waits until it has.
pub(super) fn begin_again(manager: &Manager, output: Output) -> Result<Exit, Error> {
    let before = status(manager)?.ham;
    ask(manager, Way::SoftReboot)?;
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

fn ask(manager: &Manager, way: Way) -> Result<(), Error> {
    let into = way.word().map(str::to_owned);
    let parameters = ShutdownParameters { code: 0, into, request: Some(new_tag()) };
    match manager.call("Shutdown", &parameters, Manner::AT_ONCE) {
        // It had taken the request and was gone before the answer, or before the
        // repeat: what was asked for.
        Ok(_) | Err(Error::NoManager { .. }) => Ok(()),
        Err(error) => Err(error),
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
