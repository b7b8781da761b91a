//! Which conditions and actions of an entity are gone, a bit each.

use crate::plan::MAX_ACTIONS;

/// Bits for conditions and actions of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub(super) conditions: u64,
    pub(super) actions: [u64; MAX_ACTIONS / 64],
}

impl Marks {
    /// Whether a condition is marked.
    #[must_use]
    pub fn condition(&self, place: usize) -> bool {
        place < 64 && (self.conditions >> place) & 1 == 1
    }

    /// Whether an action is marked, by its bit in the entity's flat list.
    #[must_use]
    pub fn action(&self, bit: usize) -> bool {
        self.actions.get(bit / 64).is_some_and(|word| (word >> (bit % 64)) & 1 == 1)
    }

    /// Whether any action is marked.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        self.actions != [0; MAX_ACTIONS / 64]
    }

    pub(super) fn mark_condition(&mut self, place: usize) {
        if place < 64 {
            self.conditions |= 1 << place;
        }
    }

    pub(super) fn unmark_condition(&mut self, place: usize) {
        if place < 64 {
            self.conditions &= !(1 << place);
        }
    }

    pub(super) fn unmark_action(&mut self, bit: usize) {
        if let Some(word) = self.actions.get_mut(bit / 64) {
            *word &= !(1 << (bit % 64));
        }
    }

    pub(super) fn mark_action(&mut self, bit: usize) {
        if let Some(word) = self.actions.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }
}
