//! `hamctl start|stop|restart|reload NAMES…`: asks, waits for the outcome unless
//! told not to, and reports it by entity.

use crate::arguments::Targets;
use crate::connection::{Manager, Manner, Reply, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::render;
use ham_core::wire::{Names, Outcomes};

/// See the file. `method` is `Start`, `Stop`, `Restart` or `Reload`.
pub(super) fn run(
    program: &str,
    manager: &Manager,
    method: &str,
    targets: Targets,
    output: Output,
) -> Result<Exit, Error> {
    let wait = !targets.no_wait;
    let manner = if wait { Manner::WHEN_DONE } else { Manner::AT_ONCE };
    let names = targets.names.join(" ");
    let parameters = Names { names: targets.names, wait, request: Some(new_tag()) };
    let reply = manager.call(method, &parameters, manner)?;
    report(program, &reply, names, output)
}

/// Prints outcomes: what went well on standard output, the rest on standard
/// error.
pub(super) fn report(
    program: &str,
    reply: &Reply,
    names: String,
    output: Output,
) -> Result<Exit, Error> {
    let Outcomes { outcomes } = reply.read()?;
    if output.json {
        output.print_line(reply.json())?;
    }
    if outcomes.is_empty() {
        return Err(Error::Missing { names });
    }
    let failed = outcomes.iter().any(|outcome| !outcome.ok);
    if !output.json {
        for outcome in &outcomes {
            let line = render::outcomes::line(outcome);
            if outcome.ok {
                output.print_line(&line)?;
            } else {
                complain(program, &line);
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Success })
}
