//! `hamctl add PATH [FILE|-]`: conditions, an action, an item of an on-fail
//! list or a whole entity, from a text as it would stand in a unit.

use super::change::{decided, of};
use super::check::standard_input;
use crate::connection::{Manager, Manner, new_tag};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::render::diagnostics;
use ham_core::change::Objection;
use ham_core::plan::Item;
use ham_core::wire::{AddParameters, Added, Decided, Names, Refusal, Status};
use ham_unit::{Diagnostic, Settings, SystemUsers, read_action, read_conditions, read_entity};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What is to be added, and how.
#[derive(Debug)]
pub(super) struct Addition<'a> {
    pub(super) path: String,
    pub(super) file: &'a Path,
    pub(super) now: bool,
    pub(super) keep: bool,
}

/// See the file.
pub(super) fn run(
    program: &str,
    manager: &Manager,
    addition: &Addition<'_>,
    uid: Option<u32>,
    output: Output,
) -> Result<Exit, Error> {
    let Addition { path, file, now, keep } = addition;
    let shown = file.display().to_string();
    let text = match shown.as_str() {
        "-" => standard_input()?,
        _ => fs::read_to_string(file)
            .map_err(|cause| Error::Read { path: file.to_path_buf(), cause })?,
    };
    let users = SystemUsers::new();
    let settings = Settings::new(&users, uid.unwrap_or(0));
    let (items, found) = match Item::parse(path).map(|(name, item)| (name.to_owned(), item)) {
        Some((name, Item::Entity)) if is_entity(&text) => entity(&name, &shown, &text, &settings),
        Some((_, Item::Entity)) => {
            let read = read_conditions(&shown, &text, &settings);
            let all = read.items.into_iter().map(|plan| Added::Condition(Box::new(plan)));
            (all.collect(), read.diagnostics)
        }
        Some((_, item @ (Item::Condition(_) | Item::OnFail(..)))) => {
            let read = read_action(&shown, &text, &settings);
            let late = matches!(item, Item::OnFail(..));
            let all = read.items.into_iter().map(|plan| match late {
                true => Added::OnFail(Box::new(plan.verb)),
                false => Added::Action(Box::new(plan)),
            });
            (all.collect(), read.diagnostics)
        }
        Some((_, Item::Action(..))) | None => {
            let parameter = "path".to_owned();
            let why = "NAME for conditions or a new entity, NAME/CONDITION for an action, \
                       NAME/CONDITION/ACTION/ITEM for an item of an on-fail list"
                .to_owned();
            return Err(Error::Refused(Refusal::BadParameter { parameter, why }));
        }
    };
    if !found.is_empty() {
        complain(program, diagnostics::plain(&found).trim_end());
    }
    if found.iter().any(Diagnostic::is_error) || items.is_empty() {
        return Ok(Exit::Failed);
    }
    let mut done: Vec<Value> = Vec::new();
    for item in items {
        let (flags, added) = match &item {
            Added::Condition(plan) => {
                (keep.then_some("keep-on-empty"), format!("{path}/{}", plan.name))
            }
            Added::Action(plan) => (now.then_some("do-now"), format!("{path}/{}", plan.name)),
            Added::OnFail(_) => (None, path.clone()),
            Added::Entity(_) => (keep.then_some("keep-on-death"), path.clone()),
        };
        let flags = flags.into_iter().map(str::to_owned).collect();
        let request = Some(new_tag());
        let parameters = AddParameters { path: path.clone(), item, flags, request };
        let reply = match manager.call("Add", &parameters, Manner::AT_ONCE) {
            Ok(reply) => reply,
            Err(error) => {
                if output.json && !done.is_empty() {
                    output.print_document(&json!({ "added": done }))?;
                }
                return Err(is_there(manager, of(error, path), &added));
            }
        };
        if output.json {
            let Decided { changed } = reply.read()?;
            done.push(json!({ "path": added, "changed": changed }));
        } else {
            decided(&reply, &added, "added", output)?;
        }
    }
    if output.json {
        output.print_document(&json!({ "added": done }))?;
    }
    Ok(Exit::Success)
}

/// That there is one of that name already is said with the name, and whether it
/// is disarmed: it may seem not to be there for that.
fn is_there(manager: &Manager, error: Error, path: &str) -> Error {
    let what = match error {
        Error::Refused(Refusal::NotChanged { what, .. }) if what == Objection::Exists.word() => {
            what
        }
        other => return other,
    };
    let name = path.split('/').next().unwrap_or_default().to_owned();
    let asked = Names { names: vec![name], wait: true, request: None };
    let status = manager.call("Status", &asked, Manner::AT_ONCE).and_then(|reply| reply.read());
    let is_off = |status: Status| status.disarmed.iter().any(|off| off.path == path);
    let why = match status.is_ok_and(is_off) {
        true => format!(
            "{path} is there already, and disarmed (hamctl arm {path} has it count again); give \
             this one another name, or remove that, if it was added at run time"
        ),
        false => format!(
            "{path} is there already; give this one another name, or remove that, if it was added \
             at run time"
        ),
    };
    Error::Refused(Refusal::NotChanged { what, why })
}

/// Whether a text is a whole unit.
fn is_entity(text: &str) -> bool {
    let heads = |line: &str| line.starts_with("[entity]") || line.starts_with("[target]");
    text.lines().any(|line| heads(line.trim_start()))
}

fn entity(
    name: &str,
    shown: &str,
    text: &str,
    settings: &Settings<'_>,
) -> (Vec<Added>, Vec<Diagnostic>) {
    let read = read_entity(name, shown, text, settings);
    let all = read.items.into_iter().map(|plan| Added::Entity(Box::new(plan)));
    (all.collect(), read.diagnostics)
}
