//! `hamctl show NAME`: everything about one entity.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use crate::zone::{self, Zone};
use ham_core::wire::OneName;
use serde_json::json;

/// See the file.
pub(super) fn run(
    manager: &Manager,
    name: String,
    toml: bool,
    output: Output,
) -> Result<Exit, Error> {
    if toml {
        let reply = manager.call("Definition", &OneName { name }, Manner::AT_ONCE)?;
        let text = render::toml::text(&reply.read()?);
        if output.json {
            output.print_line(&json!({ "toml": text }).to_string())?;
        } else {
            output.print(&text)?;
        }
        return Ok(Exit::Success);
    }
    let reply = manager.call("Show", &OneName { name }, Manner::AT_ONCE)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let shown = reply.read()?;
        output.print(&render::show::text(&shown, output.look, &Zone::local(), zone::now()))?;
    }
    Ok(Exit::Success)
}
