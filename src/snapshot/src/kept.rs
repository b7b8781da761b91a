//! Descriptors that the reaper keeps for others (details 12): what they are
//! for. Which number they have follows from their place; only the reaper
//! writes here.

use crate::State;
use crate::layout::{KEPT, KEPT_AT, KEPT_WORDS};

const USED: usize = 0;
const OWNER: usize = 1;
const TAG: usize = 2;

/// What a kept descriptor is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Slot and generation of the process that it belongs to, as one word; 0:
    /// the manager itself.
    pub owner: u64,
    /// Its name among those of the owner: eight bytes of text.
    pub tag: u64,
}

impl State {
    /// What is kept at a place; `None`: nothing.
    #[must_use]
    pub fn kept(&self, place: usize) -> Option<Kept> {
        let at = kept_at(place)?;
        (self.load(at + USED) == 1)
            .then(|| Kept { owner: self.load(at + OWNER), tag: self.load(at + TAG) })
    }

    /// Where the descriptor of this owner and tag is kept.
    #[must_use]
    pub fn find_kept(&self, wanted: Kept) -> Option<usize> {
        (0..KEPT).find(|place| self.kept(*place) == Some(wanted))
    }

    /// Reaper: a place is in use, or (`None`) free again.
    pub fn keep(&self, place: usize, what: Option<Kept>) {
        let Some(at) = kept_at(place) else { return };
        if let Some(Kept { owner, tag }) = what {
            self.store(at + OWNER, owner);
            self.store(at + TAG, tag);
        }
        self.store(at + USED, u64::from(what.is_some()));
    }
}

fn kept_at(place: usize) -> Option<usize> {
    (place < KEPT).then_some(KEPT_AT + place * KEPT_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn what_is_kept_is_found_by_owner_and_tag() {
        let state = test_state();
        let listener = Kept { owner: 0, tag: u64::from_le_bytes(*b"control\0") };
        assert_eq!(state.find_kept(listener), None);
        state.keep(3, Some(listener));
        assert_eq!(state.find_kept(listener), Some(3));
        assert_eq!(state.find_kept(Kept { owner: 9, ..listener }), None);
        state.keep(3, None);
        assert_eq!((state.kept(3), state.kept(KEPT)), (None, None));
    }
}
