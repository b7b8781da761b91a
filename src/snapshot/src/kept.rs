//! Descriptors that the reaper keeps for others (details 12): whose they are,
//! and their names. Which number they have follows from their place; only the
//! reaper writes here.

use crate::State;
use crate::header::Field;
use crate::layout::{KEPT, KEPT_AT, KEPT_NAMES_AT, KEPT_WORDS, NAME_WORDS, WORD};

const USED: usize = 0;
const OWNER: usize = 1;
const TAG: usize = 2;

/// What a kept descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kept {
    /// Whom it belongs to.
    pub owner: Owner,
    /// Which of the owner's it is: no two of one owner have the same.
    pub tag: u64,
}

/// Whom a kept descriptor belongs to. The kind stands in the word, so that no
/// two owners can be taken for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The manager itself.
    Manager,
    /// An entity, by its id: over its restarts.
    Entity(u32),
    /// The process of a slot, of one generation.
    Slot {
        /// Place in the table of slots.
        index: u32,
        /// Which use of it, from 1.
        generation: u32,
    },
}

/// Where the kind of an owner stands in its word; below is the number, the
/// generation is the high half.
const KIND: u32 = 24;
const NUMBER: u64 = (1 << KIND) - 1;

impl Owner {
    /// As it stands in the table, and goes to the reaper. The manager is 0.
    #[must_use]
    pub fn to_word(self) -> u64 {
        match self {
            Owner::Manager => 0,
            Owner::Entity(id) => 1 << KIND | (u64::from(id) & NUMBER),
            Owner::Slot { index, generation } => {
                u64::from(generation) << 32 | 2 << KIND | (u64::from(index) & NUMBER)
            }
        }
    }

    /// The inverse of [`Owner::to_word`]; `None` for what is no owner.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Owner> {
        let number = u32::try_from(word & NUMBER).ok()?;
        let generation = u32::try_from(word >> 32).ok()?;
        let owner = match (word >> KIND) & 0xff {
            0 => Owner::Manager,
            1 => Owner::Entity(number),
            2 => Owner::Slot { index: number, generation },
            _ => return None,
        };
        (owner.to_word() == word).then_some(owner)
    }
}

/// Bytes that a name can have.
pub const MOST_NAME: usize = NAME_WORDS * WORD - 1;

/// The name of a kept descriptor, filled with NUL bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name([u8; NAME_WORDS * WORD]);

impl Name {
    /// No name.
    pub const NONE: Name = Name([0; NAME_WORDS * WORD]);

    /// `None`: longer than [`MOST_NAME`] bytes, or with a NUL byte.
    #[must_use]
    pub fn new(text: &str) -> Option<Name> {
        let mut name = Name::NONE;
        let fits = text.len() <= MOST_NAME && !text.as_bytes().contains(&0);
        name.0.get_mut(..text.len()).filter(|_| fits)?.copy_from_slice(text.as_bytes());
        Some(name)
    }

    /// As it goes over a channel.
    #[must_use]
    pub fn bytes(&self) -> &[u8; NAME_WORDS * WORD] {
        &self.0
    }

    /// What came over a channel: up to the first NUL byte.
    #[must_use]
    pub fn from_bytes(bytes: [u8; NAME_WORDS * WORD]) -> Name {
        let mut name = Name(bytes);
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(MOST_NAME);
        if let Some(rest) = name.0.get_mut(length..) {
            rest.fill(0);
        }
        name
    }

    /// The text; empty when it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(0);
        self.0.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}", self.text())
    }
}

impl State {
    /// What is kept at a place; `None`: nothing.
    #[must_use]
    pub fn kept(&self, place: usize) -> Option<Kept> {
        let at = kept_at(place)?;
        if self.load(at + USED) != 1 {
            return None;
        }
        let owner = Owner::from_word(self.load(at + OWNER))?;
        Some(Kept { owner, tag: self.load(at + TAG) })
    }

    /// One more than the highest place in use: as many as there are, should
    /// that be more.
    #[must_use]
    pub fn kept_used(&self) -> usize {
        usize::try_from(self.get(Field::KeptUsed)).map_or(KEPT, |used| used.min(KEPT))
    }

    /// All that is kept, with its place.
    pub fn all_kept(&self) -> impl Iterator<Item = (usize, Kept)> + use<> {
        let state = *self;
        (0..state.kept_used()).filter_map(move |place| Some((place, state.kept(place)?)))
    }

    /// Where the descriptor of this owner and tag is kept.
    #[must_use]
    pub fn find_kept(&self, wanted: Kept) -> Option<usize> {
        self.all_kept().find(|(_, kept)| *kept == wanted).map(|(place, _)| place)
    }

    /// The name of what is kept at a place; of something else when the reaper
    /// has just used it anew, so whoever reads it looks at that afterwards.
    #[must_use]
    pub fn kept_name(&self, place: usize) -> Name {
        let mut name = Name::NONE;
        if place < KEPT {
            for (to, at) in name.0.chunks_exact_mut(WORD).zip(name_at(place)..) {
                to.copy_from_slice(&self.load(at).to_le_bytes());
            }
        }
        Name::from_bytes(name.0)
    }

    /// Reaper: a place is in use. Its pages are there already.
    pub fn keep(&self, place: usize, what: Kept, name: &Name) {
        let Some(at) = kept_at(place) else { return };
        self.raise(Field::KeptUsed, place as u64 + 1);
        self.store(at + OWNER, what.owner.to_word());
        self.store(at + TAG, what.tag);
        // A page of names that are all empty is never touched.
        if *name != Name::NONE || self.kept_name(place) != Name::NONE {
            for (from, at) in name.0.chunks_exact(WORD).zip(name_at(place)..) {
                self.store(at, from.try_into().map_or(0, u64::from_le_bytes));
            }
        }
        self.store(at + USED, 1);
    }

    /// Reaper: a place is free again.
    pub fn keep_no_more(&self, place: usize) {
        let Some(at) = kept_at(place) else { return };
        self.store(at + USED, 0);
        let mut used = self.kept_used();
        while let Some(last) = used.checked_sub(1).filter(|last| self.kept(*last).is_none()) {
            used = last;
        }
        self.set(Field::KeptUsed, used as u64);
    }
}

fn kept_at(place: usize) -> Option<usize> {
    (place < KEPT).then_some(KEPT_AT + place * KEPT_WORDS)
}

fn name_at(place: usize) -> usize {
    KEPT_NAMES_AT + place * NAME_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    const LISTENER: Kept = Kept { owner: Owner::Manager, tag: u64::from_le_bytes(*b"control\0") };

    #[test]
    fn what_is_kept_is_found_by_owner_and_tag() {
        let state = test_state();
        assert_eq!((state.find_kept(LISTENER), state.kept_used()), (None, 0));
        state.keep(3, LISTENER, &Name::NONE);
        assert_eq!((state.find_kept(LISTENER), state.kept_used()), (Some(3), 4));
        assert_eq!(state.find_kept(Kept { owner: Owner::Entity(0), ..LISTENER }), None);
        state.keep(KEPT - 1, Kept { owner: Owner::Entity(7), tag: 1 }, &Name::NONE);
        assert_eq!((state.all_kept().count(), state.kept_used()), (2, KEPT));
        state.keep_no_more(KEPT - 1);
        assert_eq!(state.kept_used(), 4);
        state.keep_no_more(3);
        assert_eq!((state.kept(3), state.kept(KEPT), state.kept_used()), (None, None, 0));
        // A count that is damaged.
        state.set(Field::KeptUsed, u64::MAX);
        assert_eq!(state.all_kept().count(), 0);
    }

    #[test]
    fn no_owner_can_be_taken_for_another() {
        let owners = [
            Owner::Manager,
            Owner::Entity(0),
            Owner::Entity(65_535),
            Owner::Slot { index: 0, generation: 1 },
            Owner::Slot { index: 0, generation: u32::MAX },
            Owner::Slot { index: 65_535, generation: 1 },
        ];
        let words: std::collections::BTreeSet<u64> =
            owners.iter().map(|owner| owner.to_word()).collect();
        assert_eq!((words.len(), Owner::Manager.to_word()), (owners.len(), 0));
        for owner in owners {
            assert_eq!(Owner::from_word(owner.to_word()), Some(owner));
        }
        for odd in [1, 3 << KIND, 1 << 32, 1 << 32 | 1 << KIND, u64::MAX] {
            assert_eq!(Owner::from_word(odd), None, "{odd:#x}");
        }
    }

    #[test]
    fn names_are_kept_whole_or_refused() {
        let state = test_state();
        let longest = "é".repeat(MOST_NAME / 2);
        for text in ["", "stored", longest.as_str()] {
            let name = Name::new(text).unwrap();
            state.keep(5, LISTENER, &name);
            assert_eq!(state.kept_name(5).text(), text);
            assert_eq!(Name::from_bytes(*name.bytes()), name);
        }
        state.keep(5, LISTENER, &Name::NONE);
        assert_eq!(state.kept_name(5), Name::NONE);
        assert_eq!((Name::new(&"x".repeat(MOST_NAME + 1)), Name::new("a\0b")), (None, None));
        assert_eq!(state.kept_name(KEPT), Name::NONE);
        assert_eq!(Name::from_bytes([b'x'; NAME_WORDS * WORD]).text().len(), MOST_NAME);
    }
}
