//! `hamctl verbosity [N|+|-]`: how much the log tells.

use crate::arguments::Level;
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::wire::{Verbosity, VerbosityParameters};

/// The highest there is.
const MOST: u64 = 9;

/// See the file.
pub(super) fn run(manager: &Manager, level: Option<Level>, output: Output) -> Result<Exit, Error> {
    let call = |set| manager.call("Verbosity", &VerbosityParameters { set }, Manner::AT_ONCE);
    let now = || -> Result<u64, Error> {
        let Verbosity { verbosity } = call(None)?.read()?;
        Ok(verbosity)
    };
    let set = match level {
        None => None,
        Some(Level::To(level)) => Some(level),
        // A number is sent, not a step: a repeat after a takeover is harmless.
        Some(Level::More) => Some(now()?.saturating_add(1).min(MOST)),
        Some(Level::Less) => Some(now()?.saturating_sub(1)),
    };
    let reply = call(set)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let Verbosity { verbosity } = reply.read()?;
        output.print_line(&verbosity.to_string())?;
    }
    Ok(Exit::Success)
}
