//! What the groups of keys share while one unit is translated: taking keys,
//! saying what became of them, and what one group knows that another needs.

use super::Context;
use super::command::Command;
use super::draft::Draft;
use super::name::Name;
use super::parse::Assignment;
use super::report::{Entry, Outcome};
use super::specifiers::expand;
use super::values::truth;
use super::words;

pub(crate) const UNIT: &str = "Unit";
pub(crate) const SERVICE: &str = "Service";
pub(crate) const INSTALL: &str = "Install";

/// What `Type=` has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Oneshot,
    Forking,
}

/// See the file.
pub(crate) struct Work<'a> {
    pub(crate) name: &'a Name,
    pub(crate) context: &'a Context,
    pub(crate) draft: Draft,
    pub(crate) entries: Vec<Entry>,
    assignments: Vec<Assignment>,
    /// Which of them something was said about.
    said: Vec<bool>,
    pub(crate) kind: Kind,
    /// `ExecStart=`.
    pub(crate) start: Vec<Command>,
    /// `User=`.
    pub(crate) user: Option<String>,
    /// The entity has no user of its own although there is one: the main
    /// command starts as root.
    pub(crate) elevated: bool,
    /// `Documentation=`.
    pub(crate) documentation: Vec<String>,
    /// What is done when it has failed for good.
    pub(crate) gave_up: Vec<String>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        name: &'a Name,
        context: &'a Context,
        assignments: Vec<Assignment>,
    ) -> Work<'a> {
        let said = vec![false; assignments.len()];
        Work {
            name,
            context,
            draft: Draft::default(),
            entries: Vec::new(),
            assignments,
            said,
            kind: Kind::Service,
            start: Vec::new(),
            user: None,
            elevated: false,
            documentation: Vec::new(),
            gave_up: Vec::new(),
        }
    }

    fn of(&self, section: &str, key: &str) -> Vec<Assignment> {
        let fits = |a: &&Assignment| a.section == section && a.key == key;
        self.assignments.iter().filter(fits).cloned().collect()
    }

    /// All that nothing was said about.
    pub(crate) fn rest(&self) -> Vec<Assignment> {
        let unsaid = self.assignments.iter().zip(&self.said).filter(|(_, said)| !**said);
        unsaid.map(|(assignment, _)| assignment.clone()).collect()
    }

    /// Whether a key has a value in the end, without taking it.
    pub(crate) fn has(&self, section: &str, key: &str) -> bool {
        self.of(section, key).last().is_some_and(|last| !last.value.is_empty())
    }

    /// Whether a key has one of these values in the end, without taking it.
    pub(crate) fn has_value(&self, section: &str, key: &str, values: &[&str]) -> bool {
        self.of(section, key).last().is_some_and(|last| values.contains(&last.value.as_str()))
    }

    /// A key with one value: the last counts, and an empty one is none.
    pub(crate) fn last(&mut self, section: &str, key: &str) -> Option<Assignment> {
        let mut all = self.of(section, key);
        let last = all.pop();
        for earlier in &all {
            if let Some(last) = &last {
                let place = place(earlier, last);
                self.no_meaning(earlier, format!("{place} says otherwise"));
            }
        }
        let last = last?;
        if last.value.is_empty() {
            self.no_meaning(&last, "empty is as if it were not there");
            return None;
        }
        Some(last)
    }

    /// The key by its name of today, or by the one that it had.
    pub(crate) fn last_of(&mut self, keys: &[(&str, &str)]) -> Option<Assignment> {
        let mut found: Option<Assignment> = None;
        for (section, key) in keys {
            let Some(next) = self.last(section, key) else { continue };
            if let Some(before) = found.take() {
                let (earlier, later) =
                    if before.id < next.id { (before, next) } else { (next, before) };
                self.no_meaning(&earlier, format!("{} says otherwise", place(&earlier, &later)));
                found = Some(later);
            } else {
                found = Some(next);
            }
        }
        found
    }

    /// A key with many values: they add up, and an empty one drops those
    /// before it.
    pub(crate) fn list(&mut self, section: &str, key: &str) -> Vec<Assignment> {
        let mut kept: Vec<Assignment> = Vec::new();
        for next in self.of(section, key) {
            if !next.value.is_empty() {
                kept.push(next);
                continue;
            }
            for dropped in std::mem::take(&mut kept) {
                let place = place(&dropped, &next);
                self.no_meaning(&dropped, format!("{place} drops what was before it"));
            }
            self.no_meaning(&next, "empty: drops what was before it");
        }
        kept
    }

    /// All values of a key, empty ones too, for whoever gives those a meaning.
    pub(crate) fn every(&self, section: &str, key: &str) -> Vec<Assignment> {
        self.of(section, key)
    }

    /// The words of all values of such a key, each with where it stands.
    /// Specifiers are filled in.
    pub(crate) fn words(&mut self, section: &str, key: &str) -> Vec<(Assignment, String)> {
        let mut all = Vec::new();
        for from in self.list(section, key) {
            match words::texts(&from.value) {
                Ok(texts) => {
                    for text in texts {
                        let text = self.resolved(&from, &text);
                        all.push((from.clone(), text));
                    }
                }
                Err(why) => self.unreadable(&from, &why),
            }
        }
        all
    }

    /// Truth; says so when it is neither.
    pub(crate) fn truth(&mut self, from: &Assignment) -> Option<bool> {
        let value = truth(&from.value);
        if value.is_none() {
            self.unreadable(from, "it is neither yes nor no");
        }
        value
    }

    /// The value with its specifiers filled in.
    pub(crate) fn text(&mut self, from: &Assignment) -> String {
        self.resolved(from, &from.value.clone())
    }

    /// A text of a value with its specifiers filled in.
    pub(crate) fn resolved(&mut self, from: &Assignment, text: &str) -> String {
        let found = expand(text, self.name, &self.context.owner);
        if !found.left.is_empty() {
            let which = found.left.join(", ");
            self.no_equivalent(from, format!("{which} is not filled in: write what it stands for"));
        }
        if found.unescaped {
            let how = "the instance is filled in as it is, not unescaped: the template is for \
                       instances without - and \\; or import FILE@INSTANCE.service";
            self.approximated(from, None, how);
        }
        found.text
    }

    fn say(&mut self, from: &Assignment, outcome: Outcome, text: impl Into<String>) {
        if let Some(said) = self.said.get_mut(from.id) {
            *said = true;
        }
        let entry = Entry {
            file: from.file.clone(),
            line: Some(from.line),
            key: from.key.clone(),
            outcome,
            text: text.into(),
        };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    /// The unit says the same.
    pub(crate) fn translated(&mut self, from: &Assignment, text: impl Into<String>) {
        self.say(from, Outcome::Translated, text);
    }

    /// It means nothing here.
    pub(crate) fn no_meaning(&mut self, from: &Assignment, text: impl Into<String>) {
        self.say(from, Outcome::NoMeaning, text);
    }

    /// The unit says something near it, which a comment above `key` tells too.
    pub(crate) fn approximated(
        &mut self,
        from: &Assignment,
        key: Option<&'static str>,
        text: impl Into<String>,
    ) {
        let text = text.into();
        if let Some(key) = key {
            self.draft.remark(key, &from.key, &text);
        }
        self.say(from, Outcome::Approximated, text);
    }

    /// The unit lacks it.
    pub(crate) fn no_equivalent(&mut self, from: &Assignment, text: impl Into<String>) {
        self.say(from, Outcome::NoEquivalent, text);
    }

    /// It cannot be read.
    pub(crate) fn unreadable(&mut self, from: &Assignment, why: &str) {
        self.no_equivalent(from, format!("not read: {why}"));
    }

    /// What the file leaves to a default of systemd that differs from ham's.
    pub(crate) fn default(&mut self, key: &str, outcome: Outcome, text: impl Into<String>) {
        let file = self.name.file.clone();
        let key = format!("{key} (not set)");
        self.entries.push(Entry { file, line: None, key, outcome, text: text.into() });
    }
}

fn place(from: &Assignment, of: &Assignment) -> String {
    if from.file == of.file {
        format!("line {}", of.line)
    } else {
        format!("{}:{}", of.file, of.line)
    }
}
