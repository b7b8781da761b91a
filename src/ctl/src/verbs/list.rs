//! `hamctl list [NAMES…]`: names and states, for eyes and for `while read`.

use super::status::request;
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::table::harmless;
use ham_core::wire::Status;
use serde::Serialize;

/// What `list --json` prints.
#[derive(Serialize)]
struct List<'a> {
    entities: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    state: &'a str,
}

/// See the file.
pub(super) fn run(manager: &Manager, names: Vec<String>, output: Output) -> Result<Exit, Error> {
    let reply = manager.call("Status", &request(names), Manner::AT_ONCE)?;
    let status: Status = reply.read()?;
    let lines = status.entities.iter();
    let entities: Vec<Line<'_>> =
        lines.map(|entity| Line { name: &entity.name, state: &entity.state }).collect();
    if output.json {
        output.print_document(&List { entities })?;
    } else {
        let line = |line: &Line<'_>| format!("{} {}\n", harmless(line.name), harmless(line.state));
        output.print(&entities.iter().map(line).collect::<String>())?;
    }
    Ok(Exit::Success)
}
