//! The unit as it comes into being, and its text in the order in which a
//! person would have written it.

use super::toml;
use std::collections::BTreeMap;

/// The order of the keys of `[entity]`.
const ORDER: [&str; 48] = [
    "type",
    "remain",
    "command",
    "expand",
    "pid-file",
    "start",
    "restart",
    "requires",
    "wants",
    "after",
    "before",
    "conflicts",
    "on-dependency-restart",
    "start-when",
    "ready",
    "notify-access",
    "start-timeout",
    "pre-start",
    "reload",
    "post-stop",
    "stop",
    "success-exit",
    "no-restart-exit",
    "fd-store",
    "user",
    "group",
    "groups",
    "directory",
    "umask",
    "environment",
    "environment-file",
    "inherit-environment",
    "stdin",
    "stdout",
    "stderr",
    "tty",
    "runtime-directory",
    "state-directory",
    "cache-directory",
    "logs-directory",
    "limits",
    "nice",
    "scheduling",
    "affinity",
    "oom-score-adjust",
    "no-new-privileges",
    "capabilities",
    "optional",
];

/// And of those in `stop`.
const STOP: [&str; 5] = ["signal", "send-to", "command", "timeout", "kill"];

/// A `[[condition]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) name: Option<&'static str>,
    pub(crate) on: &'static str,
    pub(crate) actions: Vec<String>,
}

/// See the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// What stands above all.
    pub(crate) head: Vec<String>,
    pub(crate) description: Option<String>,
    values: BTreeMap<&'static str, String>,
    /// Tables that several keys fill.
    tables: BTreeMap<&'static str, Vec<(String, String)>>,
    /// Lists that several keys fill, of values that are written already.
    lists: BTreeMap<&'static str, Vec<String>>,
    remarks: BTreeMap<&'static str, Vec<(Vec<String>, String)>>,
    pub(crate) heartbeat: Vec<(&'static str, String)>,
    pub(crate) conditions: Vec<Condition>,
}

impl Draft {
    /// Gives a key of `[entity]` a value, which is written already.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.values.insert(key, value.into());
    }

    /// Gives a key a string.
    pub(crate) fn set_string(&mut self, key: &'static str, text: &str) {
        self.set(key, toml::string(text));
    }

    /// Gives a field of a table a value.
    pub(crate) fn field(&mut self, key: &'static str, field: &str, value: impl Into<String>) {
        let fields = self.tables.entry(key).or_default();
        fields.retain(|(known, _)| known != field);
        fields.push((field.to_owned(), value.into()));
    }

    /// Whether a table has a field.
    pub(crate) fn has_field(&self, key: &str, field: &str) -> bool {
        self.tables.get(key).is_some_and(|fields| fields.iter().any(|(known, _)| known == field))
    }

    /// Adds to a list, once.
    pub(crate) fn push(&mut self, key: &'static str, item: String) {
        let items = self.lists.entry(key).or_default();
        if !items.contains(&item) {
            items.push(item);
        }
    }

    /// Adds to a list, even what it has.
    pub(crate) fn append(&mut self, key: &'static str, item: String) {
        self.lists.entry(key).or_default().push(item);
    }

    /// What a list has.
    pub(crate) fn items(&self, key: &str) -> &[String] {
        self.lists.get(key).map_or(&[], Vec::as_slice)
    }

    /// Says something above a key, about a key of systemd.
    pub(crate) fn remark(&mut self, key: &'static str, theirs: &str, text: &str) {
        let remarks = self.remarks.entry(key).or_default();
        let theirs = format!("{theirs}=");
        match remarks.iter_mut().find(|(_, known)| known == text) {
            Some((all, _)) if !all.contains(&theirs) => all.push(theirs),
            Some(_) => {}
            None => remarks.push((vec![theirs], text.to_owned())),
        }
    }

    fn value(&self, key: &str) -> Option<String> {
        if let Some(value) = self.values.get(key) {
            return Some(value.clone());
        }
        if let Some(fields) = self.tables.get(key).filter(|fields| !fields.is_empty()) {
            let mut fields = fields.clone();
            if key == "stop" {
                fields.sort_by_key(|(field, _)| STOP.iter().position(|known| known == field));
            }
            return Some(toml::table(&fields));
        }
        let items = self.lists.get(key).filter(|items| !items.is_empty())?;
        Some(match key {
            "environment-file" | "requires" | "wants" | "after" | "before" | "conflicts" => {
                toml::one_or_more(key, items)
            }
            _ => toml::long_list(key, items),
        })
    }

    /// The text of the unit.
    pub(crate) fn text(&self) -> String {
        let mut text: String = self.head.iter().map(|line| toml::comment(line)).collect();
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(description) = &self.description {
            text.push_str(&format!("description = {}\n\n", toml::string(description)));
        }
        text.push_str("[entity]\n");
        for key in ORDER {
            let Some(value) = self.value(key) else { continue };
            self.remarks_of(key, &mut text);
            text.push_str(&format!("{key} = {value}\n"));
        }
        if !self.heartbeat.is_empty() {
            text.push('\n');
            self.remarks_of("heartbeat", &mut text);
            text.push_str("[heartbeat]\n");
            for (key, value) in &self.heartbeat {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        for condition in &self.conditions {
            text.push('\n');
            self.remarks_of(condition.name.unwrap_or(condition.on), &mut text);
            text.push_str("[[condition]]\n");
            if let Some(name) = condition.name {
                text.push_str(&format!("name = \"{name}\"\n"));
            }
            text.push_str(&format!("on = \"{}\"\n", condition.on));
            let actions = toml::long_list("actions", &condition.actions);
            text.push_str(&format!("actions = {actions}\n"));
        }
        text
    }

    fn remarks_of(&self, key: &str, text: &mut String) {
        for (keys, remark) in self.remarks.get(key).into_iter().flatten() {
            text.push_str(&toml::comment(&format!("systemd: {}: {remark}", keys.join(", "))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_written_in_order() {
        let mut draft = Draft::default();
        draft.head.push("From here".to_owned());
        draft.description = Some("A".to_owned());
        draft.field("stop", "signal", "\"INT\"");
        draft.field("stop", "signal", "\"QUIT\"");
        draft.push("after", "\"a?\"".to_owned());
        draft.push("after", "\"a?\"".to_owned());
        draft.set_string("command", "/bin/a");
        draft.remark("stop", "A", "other");
        draft.remark("stop", "B", "other");
        draft.heartbeat.push(("interval", "\"1s\"".to_owned()));
        draft.conditions.push(Condition {
            name: None,
            on: "death",
            actions: vec!["{ log = \"x\" }".to_owned()],
        });
        let expected = "# From here\n\ndescription = \"A\"\n\n[entity]\ncommand = \"/bin/a\"\n\
                        after = \"a?\"\n# systemd: A=, B=: other\nstop = { signal = \"QUIT\" }\n\n\
                        [heartbeat]\ninterval = \"1s\"\n\n[[condition]]\non = \"death\"\n\
                        actions = [ { log = \"x\" } ]\n";
        assert_eq!(draft.text(), expected);
    }

    #[test]
    fn every_key_that_is_set_is_written() {
        // A key that ORDER lacks would be lost.
        let known: Vec<&str> = ham_unit::keys::KEYS
            .iter()
            .filter(|key| key.path.starts_with("entity.") && key.path.matches('.').count() == 1)
            .filter_map(|key| key.path.strip_prefix("entity."))
            .collect();
        for key in ORDER {
            assert!(known.contains(&key), "{key}");
        }
    }
}
