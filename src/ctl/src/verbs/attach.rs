//! `hamctl attach NAME PID`, `hamctl detach NAME`, `hamctl guard NAME --
//! COMMAND`: processes that ham did not start.

use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use ham_core::wire::{
    AttachHeartbeat, AttachParameters, AttachSelfParameters, Decided, DetachParameters, Refusal,
};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A process is to become that of an entity.
pub(super) fn attach(
    manager: &Manager,
    name: String,
    pid: i32,
    (keep_on_death, heartbeat): (bool, Option<AttachHeartbeat>),
    output: Output,
) -> Result<Exit, Error> {
    let parameters = AttachParameters {
        name: name.clone(),
        pid,
        keep_on_death,
        heartbeat,
        request: Some(new_tag()),
    };
    let reply = manager
        .call("Attach", &parameters, Manner::AT_ONCE)
        .map_err(|error| about(error, "attach to", &name))?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let Decided { changed } = reply.read()?;
        let already = if changed { "" } else { " already" };
        output.print_line(&format!("{name}: attached{already}, pid {pid}"))?;
    }
    Ok(Exit::Success)
}

/// An entity is to let go of its process.
pub(super) fn detach(manager: &Manager, name: String, output: Output) -> Result<Exit, Error> {
    let parameters = DetachParameters { name: Some(name.clone()), request: Some(new_tag()) };
    let reply = manager
        .call("Detach", &parameters, Manner::AT_ONCE)
        .map_err(|error| about(error, "detach", &name))?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        output.print_line(&format!("{name}: detached; its process goes on"))?;
    }
    Ok(Exit::Success)
}

/// This process becomes that of the entity and then the command: one process
/// from the first instruction to the last, so that its exit status and the
/// signals that it gets are its own.
pub(super) fn guard(
    manager: &Manager,
    name: String,
    (keep_on_death, heartbeat): (bool, Option<AttachHeartbeat>),
    command: &[OsString],
) -> Result<Exit, Error> {
    let Some((program, words)) = command.split_first() else { return Ok(Exit::Usage) };
    let parameters = AttachSelfParameters {
        name: Some(name.clone()),
        keep_on_death,
        heartbeat,
        request: Some(new_tag()),
    };
    manager
        .call("AttachSelf", &parameters, Manner::AT_ONCE)
        .map_err(|error| about(error, "guard", &name))?;
    // Only comes back when it could not be done.
    let cause = Command::new(program).args(words).exec();
    let parameters = DetachParameters { name: Some(name), request: Some(new_tag()) };
    // The end of this process would be a death of the entity. If nobody answers
    // it is, and says why it was not executed all the same.
    let _ = manager.call("Detach", &parameters, Manner::AT_ONCE);
    Err(Error::Execute { program: program.to_string_lossy().into_owned(), cause })
}

/// What is refused says of whom.
fn about(error: Error, verb: &str, name: &str) -> Error {
    match error {
        Error::Refused(Refusal::NotPossible { reason, why }) => {
            let why = format!("could not {verb} {name}: {why}");
            Error::Refused(Refusal::NotPossible { reason, why })
        }
        other => other,
    }
}
