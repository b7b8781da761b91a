//! Templates, `NAME@.toml`: the text that their instances, `NAME@INSTANCE`,
//! have in common, with `{instance}` in it. Which instances there are follows
//! from files, from links, and from what other units name.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::draft::Draft;
use crate::heartbeat;
use crate::layers::Layers;
use crate::load::Settings;
use crate::users::{UserEntry, Users};
use crate::watching;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is replaced, and how it is written to stay as it is.
const INSTANCE: &str = "{instance}";
const AS_IT_IS: &str = "{{instance}}";

/// A name for an instance that nobody has asked for, to check a template by.
const ANY: &str = "instance";

/// Template and instance of a name; `None`: it is no instance.
pub(crate) fn parts(name: &str) -> Option<(&str, &str)> {
    let at = name.find('@')?.checked_add(1)?;
    let (template, instance) = name.split_at_checked(at)?;
    (!instance.is_empty()).then_some((template, instance))
}

/// Whether a name is that of a template.
pub(crate) fn is_template(name: &str) -> bool {
    name.ends_with('@')
}

/// For a look at the names that a unit holds: a directory server that does not
/// answer must not be waited for twice.
#[derive(Debug)]
struct Nobody;

impl Users for Nobody {
    fn user(&self, _: &str) -> Result<Option<UserEntry>, String> {
        Ok(None)
    }

    fn group(&self, _: &str) -> Result<Option<u32>, String> {
        Ok(None)
    }

    fn groups_of(&self, _: &str) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }
}

/// Which texts have placeholders, and are filled in by the manager when they
/// are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// Keys of the unit; none have.
    Unit,
    /// Keys of [entity] with lists of actions.
    Entity,
    /// An action, or a list of them.
    Action,
    /// All strings below have them.
    Placeholders,
    /// The string `command` below does.
    Command,
    /// The string `path` below does.
    Path,
    Stop,
}

impl Inside {
    fn key(self, key: &str) -> Inside {
        match (self, key) {
            (Inside::Unit, "entity") => Inside::Entity,
            (Inside::Unit, "condition")
            | (Inside::Entity, "pre-start" | "reload" | "post-stop") => Inside::Action,
            (Inside::Entity, "stop") => Inside::Stop,
            (Inside::Action, "actions" | "on-fail") => Inside::Action,
            (Inside::Action, "execute") | (Inside::Stop, "command") => Inside::Command,
            (Inside::Action, "waitfor") => Inside::Path,
            (Inside::Action, "log")
            | (Inside::Command, "command")
            | (Inside::Path, "path")
            | (Inside::Placeholders, _) => Inside::Placeholders,
            _ => Inside::Unit,
        }
    }
}

/// Puts the name of the instance into all strings of a unit but those that the
/// manager fills in itself. Returns where they stand.
pub(crate) fn fill(table: &mut DeTable<'_>, instance: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    in_table(table, instance, Inside::Unit, &mut places);
    places
}

/// The parser limits how deep values nest, so the recursion has an end.
fn in_table(table: &mut DeTable<'_>, instance: &str, at: Inside, places: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter_mut() {
        in_value(value, instance, at.key(key.get_ref()), places);
    }
}

fn in_value(
    value: &mut Spanned<DeValue<'_>>,
    instance: &str,
    at: Inside,
    places: &mut Vec<Range<usize>>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains(INSTANCE) => {
            places.push(span);
            // `execute` as a list or a string is the command itself.
            if !matches!(at, Inside::Placeholders | Inside::Command) {
                *text = Cow::Owned(filled(text, instance));
            }
        }
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                in_value(item, instance, at, places);
            }
        }
        DeValue::Table(table) => in_table(table, instance, at, places),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Other braces are left alone, since they have no meaning in such a text;
/// `${instance}` is a variable of a shell, or of `expand`.
fn filled(text: &str, instance: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        if let Some(after) = from.strip_prefix(AS_IT_IS) {
            out.push_str(INSTANCE);
            rest = after;
        } else if let Some(after) = from.strip_prefix(INSTANCE).filter(|_| !before.ends_with('$')) {
            out.push_str(instance);
            rest = after;
        } else {
            out.push('{');
            rest = from.strip_prefix('{').unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The instances that a unit names: those that it needs, and those that its
/// actions are about. Most units have no `@` and are not read for that.
pub(crate) fn named_by(name: &str, layers: &Layers, settings: &Settings<'_>) -> BTreeSet<String> {
    if !layers.texts().any(|text| text.text.contains('@')) {
        return BTreeSet::new();
    }
    let named = names_in(name, layers, settings);
    named.into_iter().filter(|name| parts(name).is_some()).collect()
}

/// The units that a unit names.
pub(crate) fn names_in(name: &str, layers: &Layers, settings: &Settings<'_>) -> BTreeSet<String> {
    let quick = Settings { look_at_commands: false, users: &Nobody, ..*settings };
    let draft = Draft::new(name, layers, &quick);
    let named = draft.references.into_iter().map(|reference| reference.name);
    let neighbours = draft.neighbours.into_iter().map(|neighbour| neighbour.name);
    named.chain(neighbours).collect()
}

/// What is wrong with a template that has no instance: what it says of an
/// instance of any name is left out, and so is what it is to others.
pub(crate) fn check(name: &str, layers: &Layers, settings: &Settings<'_>) -> Vec<Diagnostic> {
    let layers = layers.clone().instance(ANY);
    let mut drafts = [Draft::new(name, &layers, settings)];
    watching::resolve(&mut drafts);
    heartbeat::check(&mut drafts);
    let found = drafts.into_iter().flat_map(|mut draft| {
        let filled = std::mem::take(&mut draft.filled);
        draft.report.retain(|at, _| !filled.iter().any(|span| span.contains(&at)));
        draft.report.finish()
    });
    found.collect()
}

/// The note about a template that is checked by itself.
pub(crate) fn note(file: &str) -> Diagnostic {
    let message = "a template is no entity by itself; its instances are".to_owned();
    Diagnostic::of_file(Severity::Note, codes::TEMPLATE, file, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_parts_or_one() {
        assert_eq!(parts("getty@tty1"), Some(("getty@", "tty1")));
        assert_eq!(parts("getty@"), None);
        assert_eq!(parts("getty"), None);
        assert!(is_template("getty@") && !is_template("getty@a"));
    }

    #[test]
    fn only_its_own_braces_are_replaced() {
        assert_eq!(filled("/run/{instance}/{instance}.sock", "a"), "/run/a/a.sock");
        assert_eq!(filled("awk '{print $1} {{instance}}'", "a"), "awk '{print $1} {instance}'");
        assert_eq!(filled("${instance} {{x}} {", "a"), "${instance} {{x}} {");
    }

    #[test]
    fn what_the_manager_fills_in_is_left_to_it() {
        let text = "[entity]\ncommand = [\"/bin/a\", \"{instance}\"]\n\
                    stop = { command = { command = \"/bin/b {instance}\", user = \"{instance}\" } }\n\
                    [[condition]]\nactions = [\n\
                    { log = \"{instance}\" },\n\
                    { execute = [\"/bin/c\", \"{instance}\"] },\n\
                    { waitfor = { path = \"/{instance}\", timeout = \"1s\" } },\n\
                    { start = \"x@{instance}\" } ]\n";
        let mut tree = DeTable::parse(text).unwrap().into_inner();
        assert_eq!(fill(&mut tree, "I").len(), 7);
        let shown = format!("{tree:?}");
        assert_eq!(shown.matches("{instance}").count(), 4, "{shown}");
        assert!(shown.contains("x@I"), "{shown}");
    }
}
