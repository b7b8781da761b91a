//! What has gone by itself: not re-armed after a restart, or failed and not
//! kept. One that was made at run time has no other trace, and of one of the unit
//! only the mark says that it is gone, not since when.

use super::{Item, Overlay};
use crate::time::Mono;
use serde::{Deserialize, Serialize};

/// So many are remembered of an entity: a program may add, under ever new names,
/// what goes at each restart.
pub const MOST_GONE: usize = 32;

/// An item that has gone by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Which.
    pub item: Item,
    /// Since when.
    pub since: Mono,
    /// It was not re-armed after this restart, by the count of the entity that its
    /// condition is about; `None`: it has failed and was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<u64>,
}

impl Overlay {
    /// Puts down that an item has gone, in place of the oldest if they are many.
    pub fn has_gone(&mut self, gone: Gone) {
        self.gone.retain(|other| other.item != gone.item);
        let most = MOST_GONE.saturating_sub(1);
        self.gone.drain(..self.gone.len().saturating_sub(most));
        self.gone.push(gone);
    }

    /// There is an item of that name again, with all below it.
    pub fn is_back(&mut self, item: &Item) {
        self.gone.retain(|other| !item.holds(&other.item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_each_once() {
        let mut overlay = Overlay::default();
        let item = |number: usize| Item::Condition(format!("c{number}"));
        for number in 0..MOST_GONE + 3 {
            let since = Mono(number as u64);
            overlay.has_gone(Gone { item: item(number), since, restart: Some(1) });
        }
        assert_eq!(overlay.gone.len(), MOST_GONE);
        assert_eq!(overlay.gone[0].item, item(3));
        overlay.has_gone(Gone { item: item(5), since: Mono(99), restart: None });
        assert_eq!(overlay.gone.len(), MOST_GONE);
        assert_eq!(overlay.gone.last().map(|gone| gone.since), Some(Mono(99)));
        overlay.is_back(&item(5));
        assert!(!overlay.gone.iter().any(|gone| gone.item == item(5)));
    }
}
