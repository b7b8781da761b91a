//! `hamctl enable|disable|mask|unmask NAMES…` and `is-enabled NAME`: whether
//! units start with the manager. They work on links in the unit directories
//! and need no manager, except to start or stop something now.

use super::act;
use super::check::directories;
use crate::arguments::{Targets, UnitNames};
use crate::connection::{Manager, Manner, new_tag};
use crate::enablement::{Change, Places, Starts, Unit};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::table::harmless;
use ham_core::wire::{Names, Outcome, Outcomes};
use ham_unit::{Settings, SystemUsers, check_file};
use serde::Serialize;
use std::path::PathBuf;

/// What is to become of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Enable,
    Disable,
    Mask,
    Unmask,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    changes: Vec<Change>,
    /// What became of `--now`.
    outcomes: Option<Vec<Outcome>>,
}

/// What `is-enabled --json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    state: &'a str,
}

/// See the file. `manager` is the one for `--now`.
pub(super) fn run(
    program: &str,
    wish: Wish,
    asked: &UnitNames,
    user: bool,
    manager: Option<&Manager>,
    output: Output,
) -> Result<Exit, Error> {
    let places = Places::new(&directories(&asked.directories, user)?)?;
    // All of them or none: a name that is wrong is found before a link is made.
    let units: Vec<Unit> =
        asked.names.iter().map(|name| places.find(name)).collect::<Result<_, _>>()?;
    let mut changes = Vec::new();
    for unit in &units {
        changes.extend(match wish {
            Wish::Enable => places.enable(unit)?,
            Wish::Disable => places.disable(unit)?,
            Wish::Mask => places.mask(unit)?,
            Wish::Unmask => places.unmask(unit)?,
        });
        if wish == Wish::Enable {
            warn(program, unit);
        }
    }
    let method = if wish == Wish::Enable { "Start" } else { "Stop" };
    if output.json {
        let names = Names { names: asked.names.clone(), wait: true, request: Some(new_tag()) };
        let call = |manager: &Manager| manager.call(method, &names, Manner::WHEN_DONE)?.read();
        let done: Option<Result<Outcomes, Error>> = manager.map(call);
        let outcomes = done.as_ref().and_then(|done| done.as_ref().ok());
        let outcomes = outcomes.map(|done| done.outcomes.clone());
        output.print_document(&Report { changes, outcomes })?;
        let Some(done) = done else { return Ok(Exit::Success) };
        let good = done?.outcomes.iter().all(|outcome| outcome.ok);
        return Ok(if good { Exit::Success } else { Exit::Failed });
    }
    let arrow = if output.look.unicode { "→" } else { "->" };
    output.print(&changes.iter().map(|change| line(change, arrow)).collect::<String>())?;
    if let Some(manager) = manager {
        let targets = Targets { names: asked.names.clone(), no_wait: false };
        return act::run(program, manager, method, targets, output);
    }
    if !changes.is_empty() && output.terminal {
        output.print_line("This takes effect when ham is started the next time.")?;
    }
    Ok(Exit::Success)
}

/// Prints whether a unit starts with the manager; succeeds when it does.
pub(super) fn is(name: &str, given: &[PathBuf], user: bool, output: Output) -> Result<Exit, Error> {
    let places = Places::new(&directories(given, user)?)?;
    let starts = places.starts(&places.find(name)?)?;
    let state = starts.word();
    if output.json {
        output.print_document(&Answer { name, state })?;
    } else {
        output.print_line(state)?;
    }
    Ok(match starts {
        Starts::Enabled | Starts::Auto => Exit::Success,
        Starts::Disabled | Starts::Manual | Starts::Masked => Exit::Failed,
    })
}

/// As systemctl says it, which people and scripts know.
fn line(change: &Change, arrow: &str) -> String {
    match change {
        Change::Created { file, target } => {
            let (file, target) = (file.display().to_string(), target.display().to_string());
            format!("Created symlink {} {arrow} {}.\n", harmless(&file), harmless(&target))
        }
        Change::Removed { file } => {
            format!("Removed \"{}\".\n", harmless(&file.display().to_string()))
        }
    }
}

/// One that has mistakes is enabled too, but does not start before they are
/// mended.
fn warn(program: &str, unit: &Unit) {
    let Some(file) = unit.file() else { return };
    let users = SystemUsers::new();
    let uid = crate::runtime::effective_uid().unwrap_or(0);
    let settings = Settings { look_at_commands: false, ..Settings::new(&users, uid) };
    if check_file(file, &settings).has_errors() {
        let file = harmless(&file.display().to_string());
        complain(program, &format!("{file} has errors (`hamctl check {file}` shows them)"));
    }
}
