//! `hamctl status [NAMES…]`: the manager and its entities. For one entity
//! the exit code says whether it runs, as LSB has it.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use ham_core::wire::{EntityStatus, Graph, Names, Status};

/// See the file.
pub(super) fn run(manager: &Manager, names: Vec<String>, output: Output) -> Result<Exit, Error> {
    let reply = manager.call("Status", &request(names.clone()), Manner::AT_ONCE)?;
    let status: Status = reply.read()?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let mut text = render::status::text(&status, output.look);
        if let ([name], [entity]) = (names.as_slice(), status.entities.as_slice())
            && !is_pattern(name)
        {
            text.push_str(&about(manager, entity, output)?);
        }
        output.print(&text)?;
    }
    match names.as_slice() {
        [name] if !is_pattern(name) => match status.entities.as_slice() {
            [] => Err(Error::Missing { names: name.clone() }),
            entities if entities.iter().all(runs) => Ok(Exit::Success),
            _ => Ok(Exit::NotRunning),
        },
        [] | [_] | [_, _, ..] => Ok(Exit::Success),
    }
}

/// What it is and what holds it up, for people.
fn about(manager: &Manager, entity: &EntityStatus, output: Output) -> Result<String, Error> {
    match super::graph::whole(manager) {
        Ok(reply) => {
            let graph: Graph = reply.read()?;
            Ok(render::about::text(entity, &graph.entities, output.look))
        }
        // An older manager: the table was all that it has.
        Err(Error::UnknownMethod { .. }) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Parameters of a `Status` call.
pub(super) fn request(names: Vec<String>) -> Names {
    Names { names, wait: true, request: None }
}

/// Whether the manager would expand it.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether an entity counts as running: its process is there and, as far as
/// it says so, ready; or it stands for its group without a process.
pub(super) fn runs(entity: &EntityStatus) -> bool {
    entity.state == "running" || entity.ready
}
