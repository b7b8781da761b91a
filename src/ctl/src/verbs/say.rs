//! `hamctl state`, `raise` and `heartbeat`: what is said of entities.

use crate::arguments::Beats;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::wire::{Decided, HeartbeatParameters, Heartbeats, RaiseParameters, StateParameters};
use serde_json::json;

/// `hamctl state NAME STATE`
pub(super) fn state(
    manager: &Manager,
    name: String,
    state: String,
    output: Output,
) -> Result<Exit, Error> {
    let said = format!("{name}: state {state}");
    let parameters = StateParameters { name: Some(name), state, request: Some(new_tag()) };
    let reply = manager.call("State", &parameters, Manner::AT_ONCE)?;
    if output.json {
        output.print_line(reply.json())?;
        return Ok(Exit::Success);
    }
    let Decided { changed } = reply.read()?;
    output.print_line(&if changed { said } else { format!("{said} already") })?;
    Ok(Exit::Success)
}

/// `hamctl raise NAME`
pub(super) fn raise(
    manager: &Manager,
    name: String,
    (kind, class, severity): (u32, u32, u32),
    output: Output,
) -> Result<Exit, Error> {
    let said = format!("{name}: raised type {kind}, class {class}, severity {severity}");
    let request = Some(new_tag());
    let parameters = RaiseParameters { name: Some(name), kind, class, severity, request };
    let reply = manager.call("Raise", &parameters, Manner::AT_ONCE)?;
    let text = if output.json { reply.json() } else { said.as_str() };
    output.print_line(text)?;
    Ok(Exit::Success)
}

/// `hamctl heartbeat [suspend|resume|query] [NAME]`
pub(super) fn heartbeat(
    manager: &Manager,
    to: Beats,
    name: Option<String>,
    output: Output,
) -> Result<Exit, Error> {
    let request = (to != Beats::Query).then(new_tag);
    let of = name.clone().unwrap_or_else(|| "all heartbeats".to_owned());
    let parameters = HeartbeatParameters { name: name.clone(), to: to.word().to_owned(), request };
    let reply = manager.call("Heartbeat", &parameters, Manner::AT_ONCE)?;
    let Heartbeats { before } = reply.read()?;
    if output.json {
        let done = json!({ "name": name, "to": to.word(), "before": before });
        output.print_document(&done)?;
        return Ok(Exit::Success);
    }
    output.print_line(&match to {
        Beats::Query => before,
        Beats::Suspend => format!("{of}: suspended, {before} before"),
        Beats::Resume => format!("{of}: active, {before} before"),
    })?;
    Ok(Exit::Success)
}
