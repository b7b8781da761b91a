//! `hamctl plan` and `hamctl apply`: what unit files change of the manager that
//! runs.

use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render;
use ham_core::wire::{ReloadParameters, Reloaded};

/// What would change. With `exit_code` the exit code says whether anything
/// does.
pub(super) fn plan(
    manager: &Manager,
    what: ReloadParameters,
    exit_code: bool,
    output: Output,
) -> Result<Exit, Error> {
    let reloaded = call(manager, "Plan", &what, output)?;
    Ok(match () {
        () if !reloaded.errors.is_empty() => Exit::NotLoaded,
        () if exit_code && !reloaded.changes.is_empty() => Exit::Changes,
        () => Exit::Success,
    })
}

/// Changes it.
pub(super) fn apply(
    manager: &Manager,
    what: ReloadParameters,
    output: Output,
) -> Result<Exit, Error> {
    let reloaded = call(manager, "Apply", &what, output)?;
    Ok(if reloaded.errors.is_empty() { Exit::Success } else { Exit::NotLoaded })
}

fn call(
    manager: &Manager,
    method: &str,
    what: &ReloadParameters,
    output: Output,
) -> Result<Reloaded, Error> {
    let reply = manager.call(method, what, Manner::WHEN_DONE)?;
    let reloaded: Reloaded = reply.read()?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        output.print(&render::reload::text(&reloaded, what, method == "Apply", output.look))?;
    }
    Ok(reloaded)
}
