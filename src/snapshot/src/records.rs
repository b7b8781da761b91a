//! Records, each in two versions stamped with the turn that wrote them. A
//! commit writes the older version of each record it changes and then the one
//! word [`Field::CommittedTurn`]; what a kill leaves half written has a stamp
//! beyond that word and does not count (details 1). A record is verified when
//! it is read, not before (details 2).

use crate::State;
use crate::header::Field;
use crate::layout::{BODIES_AT, BODY_WORDS, HEAD_WORDS, HEADS_AT, RECORDS, VERSIONS};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const STAMP: usize = 0;
const CHECK: usize = 1;
const DUE: usize = 2;
const SLOT: usize = 3;

const PRESENT: u64 = 1 << 32;
const OPEN: u64 = 1 << 33;
const ACTIVE: u64 = 1 << 34;
const FLAGS: u64 = PRESENT | OPEN | ACTIVE;

/// No turn comes as far as this, with a thousand million in every second for a
/// hundred years.
const FAR: u64 = 1 << 62;

/// What can be told of a record without reading its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Deadline in nanoseconds; 0: none.
    pub due: u64,
    /// Slot and generation that it owns; 0: none.
    pub slot: u64,
    /// Something is in progress.
    pub open: bool,
    /// It is not at rest.
    pub active: bool,
}

/// The words of a record.
pub type Body = [u64; BODY_WORDS];

/// A record that is there and fails its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The records.
#[derive(Clone, Copy, Debug)]
pub struct Records {
    state: State,
}

impl State {
    /// The records.
    #[must_use]
    pub fn records(&self) -> Records {
        Records { state: *self }
    }
}

impl Records {
    fn head_at(record: usize, version: usize, place: usize) -> usize {
        HEADS_AT + (record * VERSIONS + version) * HEAD_WORDS + place
    }

    fn body_at(record: usize, version: usize) -> usize {
        BODIES_AT + (record * VERSIONS + version) * BODY_WORDS
    }

    /// The last turn that counts.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.state.get(Field::CommittedTurn)
    }

    /// The version that counts, and its stamp.
    fn current(&self, record: usize) -> Option<(usize, u64)> {
        let committed = self.committed();
        let stamp = |version| {
            let stamp = self.state.load(Self::head_at(record, version, STAMP));
            if stamp <= committed { stamp } else { 0 }
        };
        match (stamp(0), stamp(1)) {
            (0, 0) => None,
            (first, second) if first > second => Some((0, first)),
            (_, second) => Some((1, second)),
        }
    }

    /// Writes a record for turn `turn`, which is one more than the committed
    /// one; `None`: the record is no more. At most once per record and turn.
    pub fn write(&self, record: usize, turn: u64, contents: Option<(&Head, &Body)>) {
        if record >= RECORDS {
            return;
        }
        let version = self.current(record).map_or(0, |(current, _)| 1 - current);
        let (head, body) = match contents {
            Some((head, body)) => (*head, *body),
            None => (Head::default(), [0; BODY_WORDS]),
        };
        let mut flags = 0;
        for (set, flag) in [(contents.is_some(), PRESENT), (head.open, OPEN), (head.active, ACTIVE)]
        {
            if set {
                flags |= flag;
            }
        }
        // While it is being written it does not count, whatever it was.
        self.state.store(Self::head_at(record, version, STAMP), 0);
        for (place, word) in body.iter().enumerate() {
            self.state.word(Self::body_at(record, version) + place).store(*word, Ordering::Relaxed);
        }
        let check = u64::from(checksum(record, turn, flags, &head, &body));
        self.state.store(Self::head_at(record, version, CHECK), flags | check);
        self.state.store(Self::head_at(record, version, DUE), head.due);
        self.state.store(Self::head_at(record, version, SLOT), head.slot);
        self.state.store(Self::head_at(record, version, STAMP), turn);
    }

    /// From here on the turn counts.
    pub fn commit(&self, turn: u64) {
        self.state.set(Field::CommittedTurn, turn);
    }

    /// The head of a record as committed, without verifying anything.
    #[must_use]
    pub fn head(&self, record: usize) -> Option<Head> {
        let (version, _) = self.current(record)?;
        let check = self.state.load(Self::head_at(record, version, CHECK));
        (check & PRESENT != 0).then(|| self.read_head(record, version, check))
    }

    fn read_head(&self, record: usize, version: usize, check: u64) -> Head {
        Head {
            due: self.state.load(Self::head_at(record, version, DUE)),
            slot: self.state.load(Self::head_at(record, version, SLOT)),
            open: check & OPEN != 0,
            active: check & ACTIVE != 0,
        }
    }

    /// A record as committed; `Ok(None)`: there is none.
    ///
    /// # Errors
    /// When it fails its checksum.
    pub fn load(&self, record: usize) -> Result<Option<Body>, Damaged> {
        match self.current(record) {
            Some((version, stamp)) => self.verify(record, version, stamp),
            None => Ok(None),
        }
    }

    fn verify(&self, record: usize, version: usize, stamp: u64) -> Result<Option<Body>, Damaged> {
        let check = self.state.load(Self::head_at(record, version, CHECK));
        let head = self.read_head(record, version, check);
        let mut body: Body = [0; BODY_WORDS];
        for (place, word) in body.iter_mut().enumerate() {
            *word = self.state.word(Self::body_at(record, version) + place).load(Ordering::Relaxed);
        }
        let expected = u64::from(checksum(record, stamp, check & FLAGS, &head, &body));
        if check & !FLAGS != expected {
            return Err(Damaged);
        }
        Ok((check & PRESENT != 0).then_some(body))
    }

    /// A successor begins: the word that says which turn counts is put right
    /// when it cannot be so. Were it too low, all that was done since then
    /// would be done a second time; so the newest turn that a whole record is
    /// of counts, of those that are in use. Only looked for when something
    /// speaks against the word: what was cut off is one turn and no more.
    pub fn mend(&self, used: impl Iterator<Item = usize>) {
        let committed = self.committed();
        let most = committed.saturating_add(1);
        let seen = [0, 1].map(|version| self.state.load(Self::head_at(0, version, STAMP)));
        let seen = seen.into_iter().chain([self.state.turn_of_last_entry()]).max().unwrap_or(0);
        if committed < FAR && seen <= most {
            return;
        }
        let newest = used.map(|record| self.newest_whole(record)).max().unwrap_or(0);
        if committed >= FAR || newest > most {
            self.commit(newest);
        }
    }

    /// The newest turn that a whole version of this record is of; 0: none.
    fn newest_whole(&self, record: usize) -> u64 {
        let stamps = [0, 1].map(|version| {
            let stamp = self.state.load(Self::head_at(record, version, STAMP));
            let whole = stamp != 0 && stamp < FAR && self.verify(record, version, stamp).is_ok();
            if whole { stamp } else { 0 }
        });
        stamps.into_iter().max().unwrap_or(0)
    }

    /// A successor begins: what a turn that was never committed has left must
    /// not count when a later turn gets its number. Gives the heads of the
    /// records that are there, as [`Records::head`] does. A takeover goes over
    /// all records once, so each word is read once here.
    pub fn settle(&self, records: Range<usize>, mut visit: impl FnMut(usize, Head)) {
        let committed = self.committed();
        let from = Self::head_at(records.start, 0, 0);
        let words = self.state.words.get(from..).unwrap_or(&[]);
        let (heads, _) = words.as_chunks::<HEAD_WORDS>();
        let (pairs, _) = heads.as_chunks::<VERSIONS>();
        for (record, [first, second]) in records.zip(pairs) {
            let stamps = (settled_stamp(first, committed), settled_stamp(second, committed));
            let [_, check, due, slot] = match stamps {
                (0, 0) => continue,
                (one, other) if one > other => first,
                (_, _) => second,
            };
            let check = check.load(Ordering::Acquire);
            if check & PRESENT != 0 {
                let (due, slot) = (due.load(Ordering::Acquire), slot.load(Ordering::Acquire));
                let (open, active) = (check & OPEN != 0, check & ACTIVE != 0);
                visit(record, Head { due, slot, open, active });
            }
        }
    }
}

/// The stamp of one version, which is taken away when it was not committed.
fn settled_stamp([stamp, ..]: &[AtomicU64; HEAD_WORDS], committed: u64) -> u64 {
    let turn = stamp.load(Ordering::Acquire);
    if turn <= committed {
        return turn;
    }
    stamp.store(0, Ordering::Release);
    0
}

/// Which record it is and which turn wrote it are part of what is checked: a
/// body that stands in the wrong place is damaged.
fn checksum(record: usize, turn: u64, flags: u64, head: &Head, body: &Body) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = [0u8; (BODY_WORDS + 5) * 8];
    let words = [record as u64, turn, flags, head.due, head.slot];
    for (to, from) in bytes.chunks_exact_mut(8).zip(words.iter().chain(body)) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    hasher.update(&bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    fn body(value: u64) -> Body {
        let mut body = [0; BODY_WORDS];
        body[3] = value;
        body
    }

    #[test]
    fn a_turn_counts_as_a_whole_or_not_at_all() {
        let records = test_state().records();
        let head = Head { due: 5, slot: 0, open: true, active: false };
        records.write(7, 1, Some((&head, &body(10))));
        records.write(8, 1, Some((&head, &body(20))));
        assert_eq!(records.load(7), Ok(None), "not committed yet");
        records.commit(1);
        assert_eq!(records.load(7), Ok(Some(body(10))));
        assert_eq!(records.head(8), Some(head));
        records.write(7, 2, Some((&head, &body(11))));
        assert_eq!(records.load(7), Ok(Some(body(10))), "the turn was cut off here");
        // A successor uses the number of the turn that was cut off.
        records.settle(7..8, |_, _| {});
        records.write(8, 2, None);
        records.commit(2);
        assert_eq!(records.load(7), Ok(Some(body(10))));
        assert_eq!((records.load(8), records.head(8)), (Ok(None), None));
    }

    #[test]
    fn the_versions_alternate_over_many_turns() {
        let records = test_state().records();
        let head = Head::default();
        for turn in 1..100 {
            records.write(1, turn, Some((&head, &body(turn))));
            if turn % 3 == 0 {
                // The monitor died before the commit; its successor goes on.
                records.settle(1..2, |_, _| {});
                records.write(1, turn, Some((&head, &body(turn))));
            }
            records.commit(turn);
            assert_eq!(records.load(1), Ok(Some(body(turn))));
        }
    }

    #[test]
    fn every_damaged_word_is_noticed() {
        let state = test_state();
        let records = state.records();
        let head = Head { due: 9, slot: 3, open: false, active: true };
        records.write(2, 1, Some((&head, &body(42))));
        records.commit(1);
        let places = (0..BODY_WORDS)
            .map(|place| Records::body_at(2, 0) + place)
            .chain([CHECK, DUE, SLOT].map(|place| Records::head_at(2, 0, place)));
        for place in places {
            let good = state.load(place);
            state.store(place, good ^ 4);
            assert_eq!(records.load(2), Err(Damaged), "word {place}");
            state.store(place, good);
        }
        assert_eq!(records.load(2), Ok(Some(body(42))));
    }

    #[test]
    fn a_committed_turn_that_cannot_be_is_put_right() {
        let state = test_state();
        let records = state.records();
        let head = Head::default();
        for turn in 1..20 {
            for record in [0, 5, 6] {
                records.write(record, turn, Some((&head, &body(turn))));
            }
            records.commit(turn);
        }
        for wrong in [0, 3, 17, FAR, u64::MAX - 1, u64::MAX] {
            records.commit(wrong);
            records.mend([0, 5, 6].into_iter());
            assert_eq!(records.committed(), 19, "{wrong}");
        }
        // A turn that was cut off is none, even if it is nearly whole.
        records.write(0, 20, Some((&head, &body(20))));
        records.mend([0, 5, 6].into_iter());
        assert_eq!(records.committed(), 19);
        // Nor is a stamp that is damaged a turn.
        state.store(Records::head_at(0, 0, STAMP), 4_000);
        records.mend([0, 5, 6].into_iter());
        assert_eq!(records.committed(), 19);
    }
}
