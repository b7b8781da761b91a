//! `hamctl show NAME`: everything about one entity.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use ham_core::wire::OneName;

/// See the file.
pub(super) fn run(manager: &Manager, name: String, output: Output) -> Result<Exit, Error> {
    let reply = manager.call("Show", &OneName { name }, Manner::AT_ONCE)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        output.print(&render::show::text(&reply.read()?, output.look))?;
    }
    Ok(Exit::Success)
}
