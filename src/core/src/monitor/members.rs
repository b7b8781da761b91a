//! A set of entities that is cheap to build for thousands: a takeover does.

use crate::ids::EntityId;

const BITS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Members {
    words: Vec<u64>,
    count: usize,
}

impl Members {
    pub(super) fn set(&mut self, id: EntityId, member: bool) {
        let (place, bit) = at(id);
        if self.words.len() <= place {
            if !member {
                return;
            }
            self.words.resize(place.saturating_add(1), 0);
        }
        let Some(word) = self.words.get_mut(place) else { return };
        let was = *word & bit != 0;
        if member && !was {
            *word |= bit;
            self.count = self.count.saturating_add(1);
        } else if !member && was {
            *word &= !bit;
            self.count = self.count.saturating_sub(1);
        }
    }

    pub(super) fn has(&self, id: EntityId) -> bool {
        let (place, bit) = at(id);
        self.words.get(place).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// In order of id.
    pub(super) fn all(&self) -> Vec<EntityId> {
        let words = self.words.iter().enumerate();
        words
            .flat_map(|(place, word)| {
                let set = move |bit: &usize| word.checked_shr(bit32(*bit)).unwrap_or(0) & 1 == 1;
                (0..BITS).filter(set).map(move |bit| place.saturating_mul(BITS).saturating_add(bit))
            })
            .filter_map(|index| u32::try_from(index).ok().map(EntityId))
            .collect()
    }
}

fn bit32(bit: usize) -> u32 {
    u32::try_from(bit).unwrap_or(u32::MAX)
}

fn at(id: EntityId) -> (usize, u64) {
    let bit = bit32(id.index() % BITS);
    (id.index() / BITS, 1u64.checked_shl(bit).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let mut members = Members::default();
        for index in [0, 63, 64, 9_999, 63] {
            members.set(EntityId(index), true);
        }
        assert_eq!(members.all(), [0, 63, 64, 9_999].map(EntityId));
        members.set(EntityId(64), false);
        members.set(EntityId(65_000), false);
        assert!(members.has(EntityId(63)));
        assert!(!members.has(EntityId(64)) && !members.has(EntityId(65_000)));
        assert_eq!(members.all(), [0, 63, 9_999].map(EntityId));
        for index in [0, 63, 9_999] {
            assert!(!members.is_empty());
            members.set(EntityId(index), false);
        }
        assert!(members.is_empty());
    }
}
