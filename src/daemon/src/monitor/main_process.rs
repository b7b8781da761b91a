//! The process that a forking daemon has left behind: which one it is says a
//! file, and that is believed only of a process that is the entity's (details
//! 20).

use super::Engine;
use super::holder::{Held, Holder};
use crate::facts;
use ham_core::effect::{Effect, Fact};
use ham_snapshot::history::Entry;
use ham_sys::files::read_short;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::time::UNIX_EPOCH;

/// A process id and a line end, with room for blanks.
pub(super) const FILE_LIMIT: u64 = 64;

/// The process that the file names; the error says why there is none, or none
/// yet, or not one of this entity, which runs as user `uid`. Blocks: for a spawner thread.
pub(super) fn find(path: &str, held: &Held, uid: u32, holder: &Holder) -> Result<i32, String> {
    let bytes = read_short(path, FILE_LIMIT).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no pid-file {path}"),
        ErrorKind::InvalidInput => format!("pid-file {path} is no regular file"),
        _ => format!("could not read pid-file {path}: {error}"),
    })?;
    let pid = named(&bytes).ok_or_else(|| format!("pid-file {path} holds no process id"))?;
    if holder.holds(held, pid) || holder.may_be_left_by(held, pid, uid, written(path)) {
        Ok(pid)
    } else {
        Err(format!("pid-file {path} names {pid}, which is not a process of its own"))
    }
}

/// When, in nanoseconds since 1970; 0: nobody knows.
fn written(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |status| written_at(&status))
}

/// The same of a file whose status is known.
pub(super) fn written_at(status: &Metadata) -> u64 {
    let since = status.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn named(bytes: &[u8]) -> Option<i32> {
    std::str::from_utf8(bytes).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

impl Engine {
    /// What the last look came to. While the start may still succeed that is
    /// no trouble: many daemons write their file late.
    pub(super) fn main_looked(&mut self, name: String, why: Option<String>) {
        match why {
            Some(why) => self.no_main.insert(name, why),
            None => self.no_main.remove(&name),
        };
    }

    /// A start that took too long: why there was no main process, where one
    /// was looked for.
    pub(super) fn explain_main(&mut self, effect: &Effect) -> Option<Entry> {
        let Effect::Notice(notice) = effect else { return None };
        // What an earlier start came to says nothing about another.
        if self.no_main.is_empty()
            || !matches!(notice.fact, Fact::Started { .. } | Fact::StartTimeout)
        {
            return None;
        }
        let name = self.name(notice.entity);
        let why = self.no_main.remove(&name)?;
        (notice.fact == Fact::StartTimeout).then(|| facts::of_trouble(&name, &why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_a_process_by_its_first_word() {
        for (bytes, expected) in [
            (b"12\n".as_slice(), Some(12)),
            (b" 12 some more", Some(12)),
            (b"", None),
            (b"\n", None),
            (b"twelve\n", None),
            (b"99999999999\n", None),
            (b"\xff\n", None),
        ] {
            assert_eq!(named(bytes), expected, "{bytes:?}");
        }
    }
}
