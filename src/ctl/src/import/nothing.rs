//! What is left: keys that ham has nothing for, by the table of hints, and
//! keys that nobody knows.

use super::hints::{HINTS, Hint};
use super::values::truth;
use super::work::{SERVICE, UNIT, Work};

impl Work<'_> {
    pub(crate) fn nothing(&mut self) {
        self.without_command();
        self.uses();
        if let Some(from) = self.last(UNIT, "Description") {
            let text = self.text(&from);
            self.draft.description = Some(text);
            self.translated(&from, "`description`");
        }
        for from in self.list(UNIT, "Documentation") {
            let text = self.text(&from);
            self.documentation.push(text);
            self.translated(&from, "a comment");
        }
        for from in self.rest() {
            let known = HINTS.iter().find(|(keys, _)| keys.contains(&from.key.as_str()));
            let right = matches!(from.section.as_str(), UNIT | SERVICE);
            match known.filter(|_| right) {
                Some((_, hint)) => self.hint(&from, *hint),
                None if from.section.starts_with("X-") || from.key.starts_with("X-") => {
                    self.no_meaning(&from, "for other programs");
                }
                None => {
                    let section = &from.section;
                    let how = format!("import does not know this key in [{section}]");
                    self.no_equivalent(&from, how);
                }
            }
        }
    }

    fn hint(&mut self, from: &super::parse::Assignment, hint: Hint) {
        let off = from.value.is_empty() || truth(&from.value) == Some(false);
        let none = off || ["infinity", "100%", "default", "inherit"].contains(&from.value.as_str());
        match hint {
            Hint::NoMeaning(why) => self.no_meaning(from, why),
            Hint::Lost(_) | Hint::Near(_) if none => {
                self.no_meaning(from, "asks for what is so anyway");
            }
            Hint::Lost(instead) => self.no_equivalent(from, instead),
            Hint::Near(how) => self.approximated(from, None, how),
        }
    }
}
