//! When monitor after monitor gives up over a mistake of its own, what it finds
//! in the state is what it stumbles over. Then less of that is used, a step at
//! a time and loudly, until one gets something done: the least loss that works
//! (details 14). Entities are touched by none of it.

use ham_core::ids::EntityId;
use ham_core::memory::{Head, Memory, RecordId, SlotView};
use ham_core::words::{Odd, Words};

/// How much is left aside, each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Salvage {
    /// Nothing: as always.
    Nothing,
    /// Action lists in progress end; commands of theirs run on by themselves.
    Lists,
    /// What is known of an entity is what its slot tells.
    Entities,
    /// All but the manager's own record: while there is no plan.
    Manager,
}

impl Salvage {
    /// After so many monitors in a row that gave up. The first ones may have
    /// met something that passes: no memory, no descriptors.
    pub(super) fn after(faults: u64) -> Salvage {
        match faults {
            0..=2 => Salvage::Nothing,
            3..=4 => Salvage::Lists,
            _ => Salvage::Entities,
        }
    }

    /// What is said about it.
    pub(super) fn remark(self) -> Option<&'static str> {
        match self {
            Salvage::Nothing | Salvage::Manager => None,
            Salvage::Lists => Some(
                "monitors have failed three times in a row: action lists in progress are dropped",
            ),
            Salvage::Entities => Some(
                "monitors have failed five times in a row: entities are known by their \
                 processes only, action lists in progress are dropped",
            ),
        }
    }
}

/// A memory of which a part is left aside.
#[derive(Debug)]
pub(super) struct Salvaged<M> {
    memory: M,
    aside: Salvage,
}

impl<M> Salvaged<M> {
    pub(super) fn new(memory: M, aside: Salvage) -> Salvaged<M> {
        Salvaged { memory, aside }
    }
}

impl<M: Memory> Memory for Salvaged<M> {
    fn load(&self, id: RecordId) -> Result<Option<Words>, Odd> {
        match (id, self.aside) {
            (RecordId::Entity(EntityId(_)) | RecordId::Beat(_), Salvage::Entities)
            | (RecordId::Run(_) | RecordId::Command(_), Salvage::Lists | Salvage::Entities) => {
                Err(Odd)
            }
            _ => self.memory.load(id),
        }
    }

    fn heads(&self, visit: &mut dyn FnMut(RecordId, Head)) {
        if self.aside != Salvage::Manager {
            return self.memory.heads(visit);
        }
        self.memory.heads(&mut |id, head| {
            if id == RecordId::Global {
                visit(id, head);
            }
        });
    }

    fn slots_used(&self) -> u32 {
        if self.aside == Salvage::Manager { 0 } else { self.memory.slots_used() }
    }

    fn slot(&self, index: u32) -> SlotView {
        self.memory.slot(index)
    }
}
