//! What two plans of one entity say otherwise, key by key, as units would, and
//! what that means for a process that runs (`ham_core::plan::carry`).

use ham_core::wire::{Consequence, KeyChange};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// These say how an entity is looked after: they hold at once.
const AT_ONCE: &[&str] = &[
    "description",
    "start",
    "main",
    "requires",
    "wants",
    "after",
    "conflicts",
    "on-dependency-restart",
    "on-change",
    "attach-by",
    "heartbeat",
    "states",
    "condition",
    "action",
];
/// These say how a process is told things, and ends: they hold at once, unless
/// there is another process to come, which they may belong to.
const WITH_PROCESS: &[&str] =
    &["reload", "post-stop", "stop", "success-exit", "no-restart-exit", "fd-store"];
/// These say how a start goes.
const NEXT_START: &[&str] = &["start-timeout", "pre-start", "ready", "start-when"];

/// What two texts of [`crate::write_unit`] say otherwise, in order of key.
#[must_use]
pub fn differences(old: &str, new: &str) -> Vec<KeyChange> {
    let (old, new) = (keys_of(old), keys_of(new));
    let all: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes: Vec<KeyChange> = all
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| KeyChange {
            key: key.clone(),
            old: old.get(key).cloned(),
            new: new.get(key).cloned(),
            when: when(key),
        })
        .collect();
    if changes.iter().any(|change| change.when == Consequence::Restarts) {
        for change in &mut changes {
            if WITH_PROCESS.contains(&root(&change.key)) {
                change.when = Consequence::NextStart;
            }
        }
    }
    changes
}

/// The first part of a key.
fn root(key: &str) -> &str {
    key.split(['.', ' ']).next().unwrap_or(key)
}

fn when(key: &str) -> Consequence {
    let root = root(key);
    if AT_ONCE.contains(&root) || WITH_PROCESS.contains(&root) {
        Consequence::AtOnce
    } else if NEXT_START.contains(&root) {
        Consequence::NextStart
    } else {
        Consequence::Restarts
    }
}

fn keys_of(text: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    // What ham has written itself can be read.
    let Ok(table) = DeTable::parse(text) else { return keys };
    for (name, value) in table.get_ref() {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("entity" | "target" | "global", DeValue::Table(table)) => {
                keys.insert("kind".to_owned(), name.get_ref().to_string());
                for (name, value) in table {
                    put(&mut keys, name.get_ref(), value.get_ref());
                }
            }
            ("condition", DeValue::Array(conditions)) => {
                for condition in conditions {
                    if let DeValue::Table(table) = condition.get_ref() {
                        condition_of(&mut keys, table);
                    }
                }
            }
            (name, value) => put(&mut keys, name, value),
        }
    }
    // What every entity is need not be said.
    if keys.get("kind").is_some_and(|kind| kind == "entity") {
        keys.remove("kind");
    }
    keys
}

/// Tables are compared key by key.
fn put(keys: &mut BTreeMap<String, String>, name: &str, value: &DeValue<'_>) {
    match value {
        DeValue::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                put(keys, &format!("{name}.{}", key.get_ref()), value.get_ref());
            }
        }
        value => {
            keys.insert(name.to_owned(), shown(value));
        }
    }
}

fn condition_of(keys: &mut BTreeMap<String, String>, table: &DeTable<'_>) {
    let text = |key: &str| match table.get(key).map(|value| value.get_ref()) {
        Some(DeValue::String(text)) => Some(text.to_string()),
        Some(DeValue::Table(on)) => on.keys().next().map(|key| key.get_ref().to_string()),
        _ => None,
    };
    let name = text("name").or_else(|| text("on")).unwrap_or_default();
    let mut own = String::new();
    for (key, value) in table {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("actions", DeValue::Array(actions)) => {
                for (place, action) in actions.iter().enumerate() {
                    let DeValue::Table(action) = action.get_ref() else { continue };
                    let verb = action.keys().next().map(|key| key.get_ref().to_string());
                    let called = match action.get("name").map(|value| value.get_ref()) {
                        Some(DeValue::String(text)) => text.to_string(),
                        _ => verb.unwrap_or_default(),
                    };
                    let key = format!("action {name}/{called}");
                    // The order counts, too.
                    keys.insert(key, format!("{}. {}", place.saturating_add(1), inline(action)));
                }
            }
            (key, value) => {
                own.push_str(if own.is_empty() { "" } else { ", " });
                own.push_str(&format!("{key} = {}", shown(value)));
            }
        }
    }
    keys.insert(format!("condition {name}"), own);
}

fn inline(table: &DeTable<'_>) -> String {
    let each = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| -> String {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        format!("{key} = {}", shown(value.get_ref()))
    };
    let all: Vec<String> = table.iter().map(each).collect();
    if all.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", all.join(", ")) }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => crate::write::quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(when) => when.to_string(),
        DeValue::Array(items) => {
            let all: Vec<String> = items.iter().map(|item| shown(item.get_ref())).collect();
            format!("[{}]", all.join(", "))
        }
        DeValue::Table(table) => inline(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_with_what_it_means() {
        let old = "[entity]\ncommand = [\"/bin/a\"]\nstop = { timeout = \"5s\" }\n\
                   [[condition]]\non = \"death\"\nactions = [{ restart = {} }]\n";
        let new = "description = \"x\"\n[entity]\ncommand = [\"/bin/b\"]\n\
                   stop = { timeout = \"9s\" }\n[[condition]]\non = \"death\"\n\
                   actions = [{ log = \"x\" }, { restart = {} }]\n";
        let told: Vec<_> = differences(old, new)
            .into_iter()
            .map(|change| (change.key, change.old, change.new, change.when))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                (
                    "action death/log".to_owned(),
                    None,
                    some("1. { log = \"x\" }"),
                    Consequence::AtOnce
                ),
                (
                    "action death/restart".to_owned(),
                    some("1. { restart = {} }"),
                    some("2. { restart = {} }"),
                    Consequence::AtOnce
                ),
                (
                    "command".to_owned(),
                    some("[\"/bin/a\"]"),
                    some("[\"/bin/b\"]"),
                    Consequence::Restarts
                ),
                ("description".to_owned(), None, some("\"x\""), Consequence::AtOnce),
                ("stop.timeout".to_owned(), some("\"5s\""), some("\"9s\""), Consequence::NextStart),
            ]
        );
        assert_eq!(differences(new, new), []);
    }
}
