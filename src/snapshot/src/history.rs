//! The history: a ring of facts, each part of the turn that it happened in.
//! It survives the monitor, so the log is written from here: what was
//! committed and not yet written when a monitor died is written by the next.

use crate::State;
use crate::header::Field;
use crate::layout::{HISTORY, HISTORY_AT, HISTORY_WORDS};

const TEXT_AT: usize = 8;
/// Bytes of text in one entry.
pub const TEXT_BYTES: usize = (HISTORY_WORDS - TEXT_AT) * 8;

/// No number comes as far as this, with a thousand million in every second
/// for a hundred years.
const FAR: u64 = 1 << 62;

/// One fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub number: u64,
    /// When, CLOCK_MONOTONIC.
    pub mono: u64,
    /// When, nanoseconds since the epoch.
    pub real: u64,
    /// What kind of fact; the daemon's own numbers.
    pub kind: u32,
    /// What belongs to it.
    pub details: [u64; 2],
    /// Name and text, cut at [`TEXT_BYTES`].
    pub text: String,
}

impl State {
    /// Writes an entry as part of turn `turn`; its number is ignored and given.
    pub fn push_history(&self, turn: u64, entry: &Entry) -> u64 {
        let number = self.get(Field::HistoryNext);
        let at = entry_at(number);
        let text = cut(&entry.text).as_bytes();
        self.store(at + 1, 0);
        self.store(at, number);
        self.store(at + 2, entry.mono);
        self.store(at + 3, entry.real);
        self.store(at + 4, u64::from(entry.kind));
        self.store(at + 5, entry.details[0]);
        self.store(at + 6, entry.details[1]);
        self.store(at + 7, text.len() as u64);
        for (place, chunk) in text.chunks(8).enumerate() {
            let mut bytes = [0u8; 8];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.store(at + TEXT_AT + place, u64::from_le_bytes(bytes));
        }
        self.store(at + 1, turn);
        self.set(Field::HistoryNext, number.wrapping_add(1));
        number
    }

    /// An entry that counts; `None`: not written, not committed, overwritten.
    #[must_use]
    pub fn history(&self, number: u64) -> Option<Entry> {
        let at = entry_at(number);
        if number >= self.get(Field::HistoryNext) || !self.counts(number) {
            return None;
        }
        let length = usize::try_from(self.load(at + 7)).unwrap_or(0).min(TEXT_BYTES);
        let words = (0..length.div_ceil(8)).map(|place| self.load(at + TEXT_AT + place));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(length);
        let entry = Entry {
            number,
            mono: self.load(at + 2),
            real: self.load(at + 3),
            kind: u32::try_from(self.load(at + 4)).unwrap_or(0),
            details: [self.load(at + 5), self.load(at + 6)],
            text: String::from_utf8_lossy(&bytes).into_owned(),
        };
        // Overwritten while it was read?
        self.counts(number).then_some(entry)
    }

    /// The first number from this one on whose entry counts; `None`: none does
    /// yet. What lies between is damaged: all is judged by the same turn, so that
    /// a commit in the middle leaves nothing out.
    #[must_use]
    pub fn history_from(&self, number: u64) -> Option<u64> {
        let committed = self.get(Field::CommittedTurn);
        let mut there = (number..self.get(Field::HistoryNext)).take(HISTORY);
        there.find(|number| self.counts_by(*number, committed))
    }

    /// The oldest number that can still be in the ring.
    #[must_use]
    pub fn history_oldest(&self) -> u64 {
        self.get(Field::HistoryNext).saturating_sub(HISTORY as u64)
    }

    /// A successor begins: entries of a turn that was never committed go, and
    /// numbers go on after the newest that counts, should their count be
    /// damaged.
    pub fn forget_uncommitted_history(&self) {
        let oldest = self.history_oldest();
        let mut next = self.get(Field::HistoryNext);
        while next > oldest && !self.counts(next.wrapping_sub(1)) {
            next = next.wrapping_sub(1);
            let turn_at = entry_at(next) + 1;
            if self.load(turn_at) > self.get(Field::CommittedTurn) {
                self.store(turn_at, 0);
            }
            self.set(Field::HistoryNext, next);
        }
        // None of those that should be there is, or one that should not.
        if next == oldest || self.counts(next) {
            next = self.newest_that_counts().map_or(0, |newest| newest.wrapping_add(1));
            self.set(Field::HistoryNext, next);
        }
        // The log goes on where it was, or where all of it begins anew.
        if self.get(Field::HistoryLogged) > next {
            self.set(Field::HistoryLogged, next);
        }
    }

    /// Whether the entry of that number is there, and of a turn that counts.
    fn counts(&self, number: u64) -> bool {
        self.counts_by(number, self.get(Field::CommittedTurn))
    }

    fn counts_by(&self, number: u64, committed: u64) -> bool {
        let at = entry_at(number);
        let turn = self.load(at + 1);
        turn != 0 && turn <= committed && self.load(at) == number
    }

    /// The turn of the last entry, whether it counts or not; 0: none is there.
    pub(crate) fn turn_of_last_entry(&self) -> u64 {
        let last = self.get(Field::HistoryNext).wrapping_sub(1);
        let at = entry_at(last);
        if self.load(at) == last { self.load(at + 1) } else { 0 }
    }

    fn newest_that_counts(&self) -> Option<u64> {
        let numbers = (0..HISTORY as u64).map(|place| (place, self.load(entry_at(place))));
        let its_own = |(place, number): &(u64, u64)| {
            number % HISTORY as u64 == *place && *number < FAR && self.counts(*number)
        };
        numbers.filter(its_own).map(|(_, number)| number).max()
    }
}

fn entry_at(number: u64) -> usize {
    HISTORY_AT + usize::try_from(number % HISTORY as u64).unwrap_or(0) * HISTORY_WORDS
}

/// At most [`TEXT_BYTES`] bytes of it, and no half characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn entries_count_with_their_turn() {
        let state = test_state();
        let entry = |text: &str| Entry { text: text.to_owned(), ..Entry::default() };
        state.push_history(1, &entry("one"));
        assert_eq!(state.history(0), None);
        state.set(Field::CommittedTurn, 1);
        assert_eq!(state.history(0).map(|entry| entry.text), Some("one".to_owned()));
        assert_eq!((state.history_from(0), state.history_from(1)), (Some(0), None));
        state.push_history(2, &entry("cut off"));
        assert_eq!(state.history_from(1), None);
        state.forget_uncommitted_history();
        assert_eq!(state.push_history(2, &entry(&"ü".repeat(200))), 1);
        state.set(Field::CommittedTurn, 2);
        let text = state.history(1).map(|entry| entry.text).unwrap();
        assert_eq!(text, "ü".repeat(TEXT_BYTES / 2));
    }

    #[test]
    fn the_ring_keeps_the_newest() {
        let state = test_state();
        state.set(Field::CommittedTurn, 1);
        let all = HISTORY as u64 + 952;
        for number in 0..all {
            let details = [number, 0];
            state.push_history(1, &Entry { details, ..Entry::default() });
        }
        assert_eq!(state.history_oldest(), 952);
        assert_eq!(state.history(900), None);
        assert_eq!(state.history(all - 1).map(|entry| entry.details[0]), Some(all - 1));
    }

    #[test]
    fn numbers_go_on_after_the_newest_when_their_count_is_damaged() {
        let state = test_state();
        state.set(Field::CommittedTurn, 1);
        let push = || state.push_history(1, &Entry::default());
        for number in 0..10 {
            assert_eq!(push(), number);
        }
        let mut newest = 9;
        for wrong in [0, 3, 12, 5_000, 1 << 63, u64::MAX - 1, u64::MAX] {
            state.set(Field::HistoryNext, wrong);
            state.set(Field::HistoryLogged, wrong);
            state.forget_uncommitted_history();
            assert_eq!(push(), newest + 1, "{wrong}");
            newest += 1;
            assert!(state.get(Field::HistoryLogged) <= newest, "{wrong}");
        }
        // And without a successor nothing worse happens than that some are lost.
        state.set(Field::HistoryNext, u64::MAX);
        assert_eq!((push(), push()), (u64::MAX, 0));
    }
}
