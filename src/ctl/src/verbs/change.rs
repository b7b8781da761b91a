//! `hamctl arm|disarm|flags|remove PATH`: what is changed of entities,
//! conditions and actions at run time, by path.

use crate::arguments::Flags;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::table::harmless;
use ham_core::change::Objection;
use ham_core::time::Span;
use ham_core::wire::{ArmParameters, Decided, FlagsNow, FlagsParameters, PathParameters, Refusal};

/// `hamctl arm PATH` and `hamctl disarm PATH [--for TIME]`.
pub(super) fn arming(
    manager: &Manager,
    method: &str,
    (path, recursive, time): (String, bool, Option<Span>),
    output: Output,
) -> Result<Exit, Error> {
    let for_ns = time.map(|time| time.0);
    let request = Some(new_tag());
    let parameters = ArmParameters { path: path.clone(), recursive, for_ns, request };
    let reply =
        manager.call(method, &parameters, Manner::AT_ONCE).map_err(|error| of(error, &path))?;
    let until = time.map_or_else(String::new, |time| format!(" for {time}"));
    let done = match method {
        "Arm" => "armed".to_owned(),
        _ => format!("disarmed{until}"),
    };
    decided(&reply, &path, &done, output)
}

/// `hamctl flags PATH [+FLAG…] [-FLAG…] [=FLAG…]`.
pub(super) fn flags(
    manager: &Manager,
    path: String,
    flags: Flags,
    output: Output,
) -> Result<Exit, Error> {
    let Flags { set, add, remove } = flags;
    if set.is_some() || !add.is_empty() || !remove.is_empty() {
        let request = Some(new_tag());
        let parameters = FlagsParameters { path: path.clone(), set, add, remove, request };
        let reply = manager
            .call("SetFlags", &parameters, Manner::AT_ONCE)
            .map_err(|error| of(error, &path))?;
        let _: Decided = reply.read()?;
    }
    let parameters = PathParameters { path: path.clone(), request: None };
    let reply =
        manager.call("Flags", &parameters, Manner::AT_ONCE).map_err(|error| of(error, &path))?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let FlagsNow { flags } = reply.read()?;
        let words = if flags.is_empty() { "none".to_owned() } else { flags.join(" ") };
        output.print_line(&harmless(&words))?;
    }
    Ok(Exit::Success)
}

/// `hamctl remove PATH`.
pub(super) fn remove(manager: &Manager, path: String, output: Output) -> Result<Exit, Error> {
    let parameters = PathParameters { path: path.clone(), request: Some(new_tag()) };
    let reply =
        manager.call("Remove", &parameters, Manner::AT_ONCE).map_err(|error| of(error, &path))?;
    decided(&reply, &path, "removed", output)
}

/// An error about an item that is not there says which.
pub(super) fn of(error: Error, path: &str) -> Error {
    match error {
        Error::Refused(Refusal::NotChanged { what, .. }) if what == Objection::Missing.word() => {
            Error::NoItem { path: path.to_owned() }
        }
        other => other,
    }
}

/// Says what has come of it.
pub(super) fn decided(
    reply: &crate::connection::Reply,
    path: &str,
    done: &str,
    output: Output,
) -> Result<Exit, Error> {
    let Decided { changed } = reply.read()?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let word = if changed { done } else { "already so" };
        output.print_line(&format!("{}: {word}", harmless(path)))?;
    }
    Ok(Exit::Success)
}
