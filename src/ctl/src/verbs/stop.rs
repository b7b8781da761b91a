//! `hamctl stop --plan NAMES…`: what a stop would take with it. Nothing is
//! done. Without `--plan` a stop is in `act`.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::table::harmless;
use ham_core::wire::{Chosen, Stops};

/// See the file.
pub(super) fn plan(manager: &Manager, names: Vec<String>, output: Output) -> Result<Exit, Error> {
    let asked = names.join(" ");
    let reply = manager.call("StopPlan", &Chosen { names }, Manner::AT_ONCE)?;
    let Stops { stops } = reply.read()?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let line = |name: &String| format!("{}\n", harmless(name));
        output.print(&stops.iter().map(line).collect::<String>())?;
    }
    if stops.is_empty() { Err(Error::Missing { names: asked }) } else { Ok(Exit::Success) }
}
