//! `hamctl is-active NAME` and `is-failed NAME`: a state for scripts, told by
//! the exit code.

use super::status::{is_pattern, request, runs};
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::table::harmless;
use ham_core::wire::{EntityStatus, Refusal, Status};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    state: &'a str,
}

/// Success when the entity runs.
pub(super) fn active(manager: &Manager, name: String, output: Output) -> Result<Exit, Error> {
    let entity = ask(manager, name, output)?;
    Ok(if runs(&entity) { Exit::Success } else { Exit::NotRunning })
}

/// Success when the entity has failed.
pub(super) fn failed(manager: &Manager, name: String, output: Output) -> Result<Exit, Error> {
    let entity = ask(manager, name, output)?;
    Ok(if entity.state == "failed" { Exit::Success } else { Exit::Failed })
}

/// Refuses a pattern where one entity is asked about.
pub(super) fn one_name(name: &str) -> Result<(), Error> {
    if is_pattern(name) {
        let why = format!("`{name}` is a pattern, and one entity is asked about");
        return Err(Error::Refused(Refusal::BadParameter { parameter: "NAME".into(), why }));
    }
    Ok(())
}

fn ask(manager: &Manager, name: String, output: Output) -> Result<EntityStatus, Error> {
    one_name(&name)?;
    let reply = manager.call("Status", &request(vec![name.clone()]), Manner::AT_ONCE)?;
    let status: Status = reply.read()?;
    let found = status.entities.into_iter().next();
    let entity = found.ok_or(Error::Missing { names: name })?;
    if output.json {
        output.print_document(&Answer { name: &entity.name, state: &entity.state })?;
    } else {
        output.print_line(&harmless(&entity.state))?;
    }
    Ok(entity)
}
