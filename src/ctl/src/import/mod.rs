//! systemd's service files as units of ham: texts in, a unit and a report out.
//! No file is opened here and no manager asked. Every key of a file is in the
//! report; docs/import.md has what becomes of each.

mod capabilities;
mod command;
mod conditions;
mod draft;
mod exec;
mod hints;
mod identity;
mod install;
mod kind;
mod limits;
mod name;
mod nothing;
mod order;
mod parse;
mod places;
mod process;
mod report;
mod restart;
mod specifiers;
mod stop;
mod streams;
mod toml;
mod values;
mod words;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use name::Name;
pub(crate) use order::instead_of;
pub(crate) use report::{Entry, Outcome, summary};
pub(crate) use specifiers::Owner;

use std::collections::BTreeMap;
use work::Work;

/// What a translation depends on beside the texts.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// For whose manager the units are.
    pub(crate) owner: Owner,
    /// Other names of units that are imported with it, by `Alias=`: the name
    /// of the file, with `.service`.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// A unit, and what became of each key.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    /// The name of the entity.
    pub(crate) entity: String,
    /// The text of `ENTITY.toml`.
    pub(crate) text: String,
    /// In order of the files.
    pub(crate) entries: Vec<Entry>,
}

/// Translates one service: its file, then its drop-ins, each with its name for
/// messages.
pub(crate) fn import(name: &Name, texts: &[(String, String)], context: &Context) -> Imported {
    let mut assignments = Vec::new();
    for (file, text) in texts {
        parse::read(file, text, &mut assignments);
    }
    let order: Vec<String> = texts.iter().map(|(file, _)| file.clone()).collect();
    let mut work = Work::new(name, context, assignments);
    work.kind();
    work.main_command();
    work.identity();
    work.conditions();
    work.places();
    work.commands();
    work.stop();
    work.order();
    work.watchdog();
    work.on_failure();
    work.restart();
    work.streams();
    work.process();
    work.limits();
    work.capabilities();
    work.install();
    work.nothing();
    head(&mut work, &order);
    let text = work.draft.text();
    let mut entries = work.entries;
    let place = |entry: &Entry| {
        let file = order.iter().position(|file| *file == entry.file).unwrap_or(order.len());
        (entry.line.is_none(), file, entry.line)
    };
    entries.sort_by_key(place);
    Imported { entity: name.entity.clone(), text, entries }
}

/// The aliases that a service gives itself, for [`Context::aliases`].
pub(crate) fn aliases(name: &Name, texts: &[(String, String)], context: &Context) -> Vec<String> {
    let mut assignments = Vec::new();
    for (file, text) in texts {
        parse::read(file, text, &mut assignments);
    }
    let mut work = Work::new(name, context, assignments);
    work.words(work::INSTALL, "Alias").into_iter().map(|(_, alias)| alias).collect()
}

/// What stands above the unit: where it is from, and what it lacks.
fn head(work: &mut Work<'_>, files: &[String]) {
    let mut head = vec![format!("From {}.", files.join(" and "))];
    if !work.documentation.is_empty() {
        head.push(format!("See {}", work.documentation.join(" ")));
    }
    let mut lost: Vec<String> = Vec::new();
    for entry in work.entries.iter().filter(|entry| entry.outcome == Outcome::NoEquivalent) {
        let key = format!("{}=", entry.key.trim_end_matches(" (not set)"));
        if !lost.contains(&key) {
            lost.push(key);
        }
    }
    if !lost.is_empty() {
        head.push(format!("systemd: no equivalent: {}", lost.join(", ")));
    }
    work.draft.head = head;
}
