//! Which slots are free, and which generation comes next in each. Not part
//! of any record: it follows from the records and the words of the slots. Of
//! the two the words are right: in a slot that says that it holds a process
//! nothing is made, whatever records say.

use crate::ids::{EntityId, MAX_SLOTS, RESERVED_SLOTS, SlotRef};
use crate::memory::{Memory, SlotState, SlotView};
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
    pub(super) fn take(&mut self, owner: Owner, memory: &dyn Memory) -> Option<SlotRef> {
        loop {
            let index = match self.free.pop_first() {
                Some(index) => index,
                None => u32::try_from(self.places.len()).ok()?,
            };
            let place = self.place(index)?;
            // One beyond all that were told of has a word too.
            let view = memory.slot(index);
            place.generation = place.generation.max(view.generation);
            if !is_unused(view) {
                continue;
            }
            // A slot that has been used four thousand million times rests.
            let Some(generation) = place.generation.checked_add(1) else { continue };
            *place = Place::new(generation, owner);
            return Some(SlotRef { index, generation });
        }
    }

    /// One more than the highest slot that is known.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(MAX_SLOTS)
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

    /// Restoring: a record says that it owns this slot. Gives who has said so
    /// before, and then that one does.
    pub(super) fn own(&mut self, slot: SlotRef, owner: Owner) -> Option<Owner> {
        if slot.index < RESERVED_SLOTS {
            return None;
        }
        let place = self.place(slot.index)?;
        if place.owner() != Owner::None {
            return Some(place.owner());
        }
        *place = Place::new(slot.generation, owner);
        None
    }

    /// Restoring: whoever owns that slot does not.
    pub(super) fn deny(&mut self, index: u32) {
        if let Some(place) = self.place(index) {
            *place = Place::default();
        }
    }

    /// Restoring: what the slot's word says of its last use. Gives its owner,
    /// who owns it no more if the word says otherwise (false).
    pub(super) fn seen(&mut self, index: u32, view: SlotView) -> (Owner, bool) {
        let Some(place) = self.place(index) else { return (Owner::None, true) };
        let (generation, owner) = (place.generation, place.owner());
        // Its record is committed before a process is made in the slot, and no
        // more owns it when the slot is given back.
        let is_so = match view.state {
            SlotState::Free => view.generation < generation && !view.has_pid,
            SlotState::Intent | SlotState::Running | SlotState::Exited => {
                view.generation == generation
            }
        };
        let owned = if is_so { owner } else { Owner::None };
        *place = Place::new(generation.max(view.generation), owned);
        (owner, is_so)
    }

    /// Restoring: nobody owns it and its word says that it is free.
    pub(super) fn is_free(&mut self, index: u32) {
        if index >= RESERVED_SLOTS {
            self.free.insert(index);
        }
    }
}

/// Whether the word of a slot says that there is no process: one that is free
/// has no process id either.
pub(super) fn is_unused(view: SlotView) -> bool {
    view.state == SlotState::Free && !view.has_pid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Head, RecordId};
    use crate::words::{Odd, Words};

    /// No records; in the first so many slots a process runs.
    #[derive(Debug)]
    struct Slots(u32);

    impl Memory for Slots {
        fn load(&self, _: RecordId) -> Result<Option<Words>, Odd> {
            Ok(None)
        }

        fn heads(&self, _: &mut dyn FnMut(RecordId, Head)) {}

        fn slots_used(&self) -> u32 {
            0
        }

        fn slot(&self, index: u32) -> SlotView {
            let runs = index < self.0;
            let state = if runs { SlotState::Running } else { SlotState::Free };
            SlotView { generation: u32::from(runs), state, has_pid: runs }
        }
    }

    #[test]
    fn a_generation_is_never_given_twice() {
        let mut pool = Pool::new();
        let first = pool.take(Owner::Command, &Slots(0)).unwrap();
        assert!(first.index >= RESERVED_SLOTS);
        assert_eq!(pool.owner(first), Owner::Command);
        pool.disown(first);
        let other = pool.take(Owner::Command, &Slots(0)).unwrap();
        assert_ne!(other.index, first.index, "not given before the reaper lets go");
        pool.freed(first);
        let again = pool.take(Owner::Main(EntityId(1)), &Slots(0)).unwrap();
        assert_eq!((again.index, again.generation), (first.index, first.generation + 1));
        assert_eq!(pool.owner(first), Owner::None);
        pool.freed(first);
        // Told twice, or of one that is in use: neither makes it free.
        pool.freed(again);
        assert_ne!(pool.take(Owner::Command, &Slots(0)).unwrap().index, again.index);
    }

    #[test]
    fn all_slots_in_use_is_no_slot() {
        let mut pool = Pool::new();
        let count = (0..).map_while(|_: u32| pool.take(Owner::Command, &Slots(0))).count();
        assert_eq!(count, (MAX_SLOTS - RESERVED_SLOTS) as usize);
    }

    #[test]
    fn a_slot_that_says_it_holds_a_process_is_not_taken() {
        let mut pool = Pool::new();
        let slot = pool.take(Owner::Command, &Slots(20)).unwrap();
        assert_eq!((slot.index, slot.generation), (20, 1));
    }

    #[test]
    fn who_owns_a_slot_of_a_later_generation_owns_nothing() {
        let mut pool = Pool::new();
        let owner = Owner::Main(EntityId(4));
        let own = |pool: &mut Pool, index| {
            assert_eq!(pool.own(SlotRef { index, generation: 5 }, owner), None);
        };
        let cases = [
            (4, SlotState::Free, true),
            (4, SlotState::Running, false),
            (5, SlotState::Free, false),
            (5, SlotState::Intent, true),
            (5, SlotState::Exited, true),
            (6, SlotState::Running, false),
            (6, SlotState::Free, false),
        ];
        for (index, (generation, state, holds)) in (8..).zip(cases) {
            own(&mut pool, index);
            let view = SlotView { generation, state, has_pid: false };
            assert_eq!(pool.seen(index, view), (owner, holds), "{view:?}");
            let slot = SlotRef { index, generation: generation.max(5) };
            assert_eq!(pool.owner(slot) == owner, holds, "{view:?}");
        }
        assert_eq!(pool.own(SlotRef { index: 8, generation: 9 }, Owner::Command), Some(owner));
        assert_eq!(pool.own(SlotRef { index: 3, generation: 9 }, Owner::Command), None);
        assert_eq!(pool.owner(SlotRef { index: 3, generation: 9 }), Owner::None);
    }
}
