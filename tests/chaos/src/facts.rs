//! A fact of the history, wherever it was read: in the ring of the shared
//! state, or from `hamctl events --json`.

use ham_core::status::ExitStatus;
use serde_json::Value;

/// Between the name and the text of an entry of the ring.
const SEPARATOR: char = '\u{1f}';

/// What a fact is about, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Log,
    Started,
    StartFailed,
    Died,
    Stopped,
    RestartLimit,
    Leftovers,
    ActionFailed,
    ListCancelled,
    RecordLost,
    ListRefused,
    Trouble,
    /// Nothing that is compared.
    Other,
}

/// Number in the ring (schema/state.md), and word in JSON.
const KINDS: [(u64, &str, About); 13] = [
    (2, "log", About::Log),
    (3, "started", About::Started),
    (4, "start-failed", About::StartFailed),
    (5, "start-timeout", About::StartFailed),
    (6, "died", About::Died),
    (7, "stopped", About::Stopped),
    (9, "restart-limit", About::RestartLimit),
    (12, "leftovers", About::Leftovers),
    (13, "action-failed", About::ActionFailed),
    (14, "list-cancelled", About::ListCancelled),
    (15, "record-lost", About::RecordLost),
    (16, "list-refused", About::ListRefused),
    (17, "trouble", About::Trouble),
];

/// In the ring: the action has failed by the end of its command.
const BY_ITS_END: u64 = 2;

/// A fact of the history.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// Its number.
    pub(crate) number: u64,
    /// When, CLOCK_MONOTONIC, ns.
    pub(crate) mono: u64,
    /// What it is about.
    pub(crate) about: About,
    /// The entity.
    pub(crate) name: String,
    /// The process that started or ended; else 0.
    pub(crate) pid: u64,
    /// How it ended, or the command of an action; else empty.
    pub(crate) exit: String,
    /// The line, or condition and action.
    pub(crate) text: String,
}

impl Fact {
    /// From the words of an entry of the ring.
    pub(crate) fn from_words(words: &[u64]) -> Option<Fact> {
        let [number, _turn, mono, _real, kind, first, second, length, text @ ..] = words else {
            return None;
        };
        let length = usize::try_from(*length).unwrap_or(0);
        let bytes: Vec<u8> = text.iter().flat_map(|word| word.to_le_bytes()).take(length).collect();
        let all = String::from_utf8_lossy(&bytes);
        let (name, text) = all.split_once(SEPARATOR).unwrap_or(("?", &all));
        let about = KINDS.iter().find(|(known, ..)| known == kind);
        let about = about.map_or(About::Other, |(.., about)| *about);
        let has_exit = match about {
            About::Died | About::Stopped => true,
            About::ActionFailed => *first == BY_ITS_END,
            _ => false,
        };
        let exit = ExitStatus::from_word(*second).filter(|_| has_exit);
        let has_pid = matches!(about, About::Started | About::Died | About::Stopped);
        Some(Fact {
            number: *number,
            mono: *mono,
            about,
            name: name.to_owned(),
            pid: if has_pid { *first } else { 0 },
            exit: exit.map(|exit| exit.to_string()).unwrap_or_default(),
            text: text.to_owned(),
        })
    }

    /// From a line of `hamctl events --json`.
    pub(crate) fn from_json(line: &str) -> Option<Fact> {
        let fact: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| fact[name].as_str().unwrap_or_default().to_owned();
        let word = text("kind");
        let about = KINDS.iter().find(|(_, known, _)| *known == word);
        let about = about.map_or(About::Other, |(.., about)| *about);
        let text = match about {
            About::ActionFailed => format!("{}/{}", text("condition"), text("action")),
            _ => text("text"),
        };
        Some(Fact {
            number: fact["number"].as_u64()?,
            mono: fact["mono_ns"].as_u64()?,
            about,
            name: fact["name"].as_str().unwrap_or_default().to_owned(),
            pid: fact["pid"].as_u64().unwrap_or(0),
            exit: fact["exit"]["text"].as_str().unwrap_or_default().to_owned(),
            text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sources_tell_the_same() {
        let text = b"web\x1fdeath/page";
        let mut words = vec![7, 1, 9_000, 0, 13, 2, 0x103, text.len() as u64];
        for chunk in text.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            words.push(u64::from_le_bytes(bytes));
        }
        let line = r#"{"number":7,"mono_ns":9000,"name":"web","kind":"action-failed","pid":null,
            "exit":{"code":3,"signal":null,"abnormal":false,"text":"exit 3"},
            "condition":"death","action":"page","text":"..."}"#;
        let [one, other] = [Fact::from_words(&words), Fact::from_json(line)].map(Option::unwrap);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!((one.about, one.exit.as_str()), (About::ActionFailed, "exit 3"));
    }
}
