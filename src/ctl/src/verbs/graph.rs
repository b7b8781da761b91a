//! `hamctl graph [NAMES…]` and `list --tree [NAMES…]`: what entities are to
//! each other.

use crate::connection::{Manager, Manner, Reply};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use ham_core::wire::{Chosen, Graph};

/// See the file.
pub(super) fn run(manager: &Manager, names: Vec<String>, output: Output) -> Result<Exit, Error> {
    let (reply, chosen) = ask(manager, names)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let graph: Graph = reply.read()?;
        let chosen = chosen.into_iter().collect();
        output.print(&render::dot::text(&graph.entities, &chosen))?;
    }
    Ok(Exit::Success)
}

/// As a tree.
pub(super) fn tree(
    manager: &Manager,
    names: Vec<String>,
    reverse: bool,
    output: Output,
) -> Result<Exit, Error> {
    let (reply, roots) = ask(manager, names)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let graph: Graph = reply.read()?;
        output.print(&render::tree::text(&graph.entities, &roots, reverse, output.look))?;
    }
    Ok(Exit::Success)
}

/// The whole graph, and which of its entities the names and patterns mean:
/// the manager expands them, and whoever stands beside them is wanted too.
fn ask(manager: &Manager, names: Vec<String>) -> Result<(Reply, Vec<String>), Error> {
    let mut chosen = Vec::new();
    if !names.is_empty() {
        let asked = names.join(" ");
        let some: Graph = manager.call("Graph", &Chosen { names }, Manner::AT_ONCE)?.read()?;
        chosen.extend(some.entities.into_iter().map(|entity| entity.name));
        if chosen.is_empty() {
            return Err(Error::Missing { names: asked });
        }
    }
    Ok((whole(manager)?, chosen))
}

/// The whole graph.
pub(super) fn whole(manager: &Manager) -> Result<Reply, Error> {
    manager.call("Graph", &Chosen::default(), Manner::AT_ONCE)
}
