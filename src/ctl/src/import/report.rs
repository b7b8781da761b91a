//! What became of each key of a service file, as lines and as JSON.

use serde::Serialize;
use std::fmt;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The unit says the same.
    Translated,
    /// It means nothing to ham, or asks for what is so anyway.
    NoMeaning,
    /// The unit says something near it; what differs is told.
    Approximated,
    /// The unit lacks it, and it was of weight; what to do instead is told.
    NoEquivalent,
}

impl Outcome {
    pub(crate) const ALL: [Outcome; 4] =
        [Outcome::Translated, Outcome::Approximated, Outcome::NoEquivalent, Outcome::NoMeaning];

    /// In words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Outcome::Translated => "translated",
            Outcome::NoMeaning => "no meaning here",
            Outcome::Approximated => "approximated",
            Outcome::NoEquivalent => "no equivalent",
        }
    }

    /// As a count of them.
    fn counted(self) -> &'static str {
        match self {
            Outcome::Translated | Outcome::Approximated => self.word(),
            Outcome::NoMeaning => "of no meaning here",
            Outcome::NoEquivalent => "without equivalent",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// The file, as it was given.
    pub(crate) file: String,
    /// Line of the key; none for what the file leaves to systemd's defaults.
    pub(crate) line: Option<usize>,
    pub(crate) key: String,
    pub(crate) outcome: Outcome,
    /// What it became, how it differs, or what to do instead.
    pub(crate) text: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { file, line, key, outcome, text } = self;
        match line {
            Some(line) => write!(f, "{file}:{line}: ")?,
            None => write!(f, "{file}: ")?,
        }
        let equals = if key.contains(' ') { "" } else { "=" };
        write!(f, "{key}{equals}: {}", outcome.word())?;
        if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
    }
}

/// How many of each outcome, in words.
pub(crate) fn summary(entries: &[Entry]) -> String {
    let counts: Vec<String> = Outcome::ALL
        .iter()
        .filter_map(|outcome| {
            let count = entries.iter().filter(|entry| entry.outcome == *outcome).count();
            (count > 0).then(|| format!("{count} {}", outcome.counted()))
        })
        .collect();
    if counts.is_empty() { "nothing to translate".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_what_and_how() {
        let mut entry = Entry {
            file: "a.service".to_owned(),
            line: Some(7),
            key: "Nice".to_owned(),
            outcome: Outcome::Translated,
            text: "`nice`".to_owned(),
        };
        assert_eq!(entry.to_string(), "a.service:7: Nice=: translated: `nice`");
        entry.line = None;
        entry.outcome = Outcome::NoEquivalent;
        entry.text.clear();
        assert_eq!(entry.to_string(), "a.service: Nice=: no equivalent");
        assert_eq!(summary(&[entry.clone(), entry]), "2 without equivalent");
    }
}
