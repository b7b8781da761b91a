//! Which slots are free, and which generation comes next in each. Not part
//! of any record: it follows from the records and the words of the slots.

use crate::ids::{EntityId, MAX_SLOTS, RESERVED_SLOTS, SlotRef};
use std::collections::BTreeSet;

/// Whose process a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's.
    #[default]
    None,
    /// An entity's own.
    Main(EntityId),
    /// An action's command.
    Command,
}

/// One word: a takeover fills in thousands of them.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    generation: u32,
    /// 0 nobody, 1 a command, from 2 on an entity by its id.
    owner: u32,
}

impl Place {
    fn new(generation: u32, owner: Owner) -> Place {
        let owner = match owner {
            Owner::None => 0,
            Owner::Command => 1,
            Owner::Main(entity) => entity.0.saturating_add(2),
        };
        Place { generation, owner }
    }

    fn owner(self) -> Owner {
        match (self.owner, self.owner.checked_sub(2)) {
            (_, Some(entity)) => Owner::Main(EntityId(entity)),
            (0, None) => Owner::None,
            (_, None) => Owner::Command,
        }
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    places: Vec<Place>,
    free: BTreeSet<u32>,
}

impl Pool {
    pub(super) fn new() -> Pool {
        let places = vec![Place::default(); RESERVED_SLOTS as usize];
        Pool { places, free: BTreeSet::new() }
    }

    fn place(&mut self, index: u32) -> Option<&mut Place> {
        if index >= MAX_SLOTS {
            return None;
        }
        let need = (index as usize).saturating_add(1);
        if self.places.len() < need {
            self.places.resize(need, Place::default());
        }
        self.places.get_mut(index as usize)
    }

    /// Restoring: so many slots will be told of.
    pub(super) fn expect(&mut self, slots: u32) {
        if let Some(last) = slots.min(MAX_SLOTS).checked_sub(1) {
            self.place(last);
        }
    }

    /// A slot for a new process; `None`: all are in use. The lowest comes
    /// first: it needs no history, so a successor goes on with the same one,
    /// and slots stay where memory is already in use.
    pub(super) fn take(&mut self, owner: Owner) -> Option<SlotRef> {
        loop {
            let index = match self.free.pop_first() {
                Some(index) => index,
                None => u32::try_from(self.places.len()).ok()?,
            };
            let place = self.place(index)?;
            // A slot that has been used four thousand million times rests.
            let Some(generation) = place.generation.checked_add(1) else { continue };
            *place = Place::new(generation, owner);
            return Some(SlotRef { index, generation });
        }
    }

    /// Whose process this is; nobody's, if its generation has passed.
    pub(super) fn owner(&self, slot: SlotRef) -> Owner {
        match self.places.get(slot.index as usize) {
            Some(place) if place.generation == slot.generation => place.owner(),
            Some(_) | None => Owner::None,
        }
    }

    /// The slot of an entity's record that could not be read.
    pub(super) fn slot_of(&self, entity: EntityId) -> Option<SlotRef> {
        let index = self.places.iter().position(|place| place.owner() == Owner::Main(entity))?;
        let generation = self.places.get(index)?.generation;
        Some(SlotRef { index: u32::try_from(index).ok()?, generation })
    }

    /// Nobody owns it any more; it can be taken again when `freed` was told.
    pub(super) fn disown(&mut self, slot: SlotRef) {
        if self.owner(slot) != Owner::None
            && let Some(place) = self.place(slot.index)
        {
            *place = Place::new(slot.generation, Owner::None);
        }
    }

    /// The reaper has let go of it.
    pub(super) fn freed(&mut self, slot: SlotRef) {
        let current = self.places.get(slot.index as usize).map(|place| place.generation);
        if current == Some(slot.generation) && self.owner(slot) == Owner::None {
            self.free.insert(slot.index);
        }
    }

    /// Restoring: a record owns this slot.
    pub(super) fn own(&mut self, slot: SlotRef, owner: Owner) {
        if let Some(place) = self.place(slot.index) {
            *place = Place::new(slot.generation, owner);
        }
    }

    /// Restoring: what the slot's word says of its last use. True when a
    /// record owns the slot.
    pub(super) fn seen(&mut self, index: u32, generation: u32) -> bool {
        self.place(index).is_some_and(|place| {
            place.generation = place.generation.max(generation);
            place.owner() != Owner::None
        })
    }

    /// Restoring: nobody owns it and its word says that it is free.
    pub(super) fn is_free(&mut self, index: u32) {
        if index >= RESERVED_SLOTS {
            self.free.insert(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_never_given_twice() {
        let mut pool = Pool::new();
        let first = pool.take(Owner::Command).unwrap();
        assert!(first.index >= RESERVED_SLOTS);
        assert_eq!(pool.owner(first), Owner::Command);
        pool.disown(first);
        let other = pool.take(Owner::Command).unwrap();
        assert_ne!(other.index, first.index, "not given before the reaper lets go");
        pool.freed(first);
        let again = pool.take(Owner::Main(EntityId(1))).unwrap();
        assert_eq!((again.index, again.generation), (first.index, first.generation + 1));
        assert_eq!(pool.owner(first), Owner::None);
        pool.freed(first);
        // Told twice, or of one that is in use: neither makes it free.
        pool.freed(again);
        assert_ne!(pool.take(Owner::Command).unwrap().index, again.index);
    }

    #[test]
    fn all_slots_in_use_is_no_slot() {
        let mut pool = Pool::new();
        let count = (0..).map_while(|_: u32| pool.take(Owner::Command)).count();
        assert_eq!(count, (MAX_SLOTS - RESERVED_SLOTS) as usize);
    }
}
