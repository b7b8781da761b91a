//! `hamctl history [NAMES…]`: what has happened, as far as the ring holds it.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use crate::zone::Zone;
use ham_core::wire::{History, HistoryParameters};

/// See the file.
pub(super) fn run(
    manager: &Manager,
    names: Vec<String>,
    since: Option<f64>,
    limit: Option<u64>,
    output: Output,
) -> Result<Exit, Error> {
    let asked = HistoryParameters { names, since, limit, ..HistoryParameters::default() };
    let reply = manager.call("History", &asked, Manner::AT_ONCE)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let history: History = reply.read()?;
        output.print(&render::history::lines(&history.facts, &Zone::local(), output.look))?;
    }
    Ok(Exit::Success)
}
