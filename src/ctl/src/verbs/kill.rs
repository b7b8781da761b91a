//! `hamctl kill [-s SIG] NAMES…`: a signal to main processes.

use super::act::report;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::signal::Signal;
use ham_core::wire::KillParameters;

/// See the file.
pub(super) fn run(
    program: &str,
    manager: &Manager,
    signal: Signal,
    names: Vec<String>,
    output: Output,
) -> Result<Exit, Error> {
    let asked = names.join(" ");
    let parameters = KillParameters { names, signal: signal.0, request: Some(new_tag()) };
    let reply = manager.call("Kill", &parameters, Manner::AT_ONCE)?;
    report(program, &reply, asked, output)
}
