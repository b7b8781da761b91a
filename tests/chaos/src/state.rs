//! The shared state of a running ham, read from outside: to know when a moment
//! to kill has come, and what the history says. Only reads, by pread(2) on the
//! file, which takes a fraction of a microsecond.

use crate::facts::Fact;
use ham_snapshot::header::Field;
use ham_snapshot::layout::{
    HEAD_WORDS, HEADS_AT, HISTORY, HISTORY_AT, HISTORY_WORDS, SLOT_WORDS, SLOTS_AT, VERSION,
    VERSIONS, WORD,
};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The state of a manager.
#[derive(Debug)]
pub(crate) struct State {
    file: File,
    path: PathBuf,
}

/// A slot, as far as aiming needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// A process is about to be made, or just made.
    pub(crate) intent: bool,
    /// The kernel has stored its process id.
    pub(crate) has_pid: bool,
}

/// What stands at a place of the history.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A committed fact.
    Fact(Fact),
    /// It is not committed yet.
    NotYet,
    /// It was overwritten before it was read.
    Gone,
}

impl State {
    /// That of the manager on this runtime directory, once it is complete.
    pub(crate) fn open(runtime: &Path) -> io::Result<State> {
        let path = runtime.join("state");
        let state = State { file: File::open(&path)?, path };
        // The last that the start writes into the header.
        if state.get(Field::StartedReal) == 0 {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        if state.word(1) != VERSION {
            return Err(io::Error::other(format!("a state of version {}", state.word(1))));
        }
        Ok(state)
    }

    fn words<const N: usize>(&self, at: usize) -> [u64; N] {
        let mut words = [0; N];
        self.read(at, &mut words);
        words
    }

    fn read(&self, at: usize, words: &mut [u64]) {
        let mut bytes = vec![0u8; words.len() * WORD];
        // What cannot be read is 0, which means nothing everywhere.
        if self.file.read_exact_at(&mut bytes, (at * WORD) as u64).is_ok() {
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(WORD)) {
                *word = bytes.try_into().map_or(0, u64::from_le_bytes);
            }
        }
    }

    /// One word of it.
    pub(crate) fn word(&self, at: usize) -> u64 {
        let mut bytes = [0u8; WORD];
        match self.file.read_exact_at(&mut bytes, (at * WORD) as u64) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }

    /// A word of the header.
    pub(crate) fn get(&self, field: Field) -> u64 {
        self.word(field as usize)
    }

    /// The slots that were ever used.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let used = usize::try_from(self.get(Field::SlotsUsed)).unwrap_or(0).min(4_096);
        let mut words = vec![0; used * SLOT_WORDS];
        self.read(SLOTS_AT, &mut words);
        let slots = words.chunks_exact(SLOT_WORDS);
        slots.map(|slot| Slot { intent: slot[0] & 0xf == 1, has_pid: slot[1] != 0 }).collect()
    }

    /// Whether a record of an entity was written for a turn that does not
    /// count yet.
    pub(crate) fn in_commit(&self) -> bool {
        let entities = usize::try_from(self.get(Field::EntitiesUsed)).unwrap_or(0).min(4_096);
        let mut words = vec![0; entities * VERSIONS * HEAD_WORDS];
        self.read(HEADS_AT + VERSIONS * HEAD_WORDS, &mut words);
        let committed = self.get(Field::CommittedTurn);
        words.chunks_exact(HEAD_WORDS).any(|head| head[0] > committed)
    }

    /// What the history has at that number.
    pub(crate) fn history(&self, number: u64) -> Found {
        let place = usize::try_from(number % HISTORY as u64).unwrap_or(0);
        let at = HISTORY_AT + place * HISTORY_WORDS;
        let words: [u64; HISTORY_WORDS] = self.words(at);
        let counts = |number_found: u64, turn: u64| {
            number_found == number && turn != 0 && turn <= self.get(Field::CommittedTurn)
        };
        let next = self.get(Field::HistoryNext);
        // Read while it was being overwritten?
        let again: [u64; 2] = self.words(at);
        if number.saturating_add(HISTORY as u64) <= next {
            return Found::Gone;
        }
        if number >= next || !counts(words[0], words[1]) || !counts(again[0], again[1]) {
            return Found::NotYet;
        }
        Fact::from_words(&words).map_or(Found::NotYet, Found::Fact)
    }

    /// Where a process has mapped it; monitors are forked, so all have it at
    /// the same place.
    pub(crate) fn mapped_at(&self, pid: i32) -> Option<u64> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let path = self.path.to_str()?;
        let line = maps.lines().find(|line| line.ends_with(path))?;
        u64::from_str_radix(line.split('-').next()?, 16).ok()
    }
}
