//! Names for things that live in tables. An index alone is never trusted:
//! where a place in a table is used again, a generation or a serial number
//! goes with it, so that a late completion for its former holder is dropped.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of slots, and with it of processes, that the state is laid out
/// for (design §2). Areas are sparse: what is not used costs nothing.
pub const MAX_SLOTS: u32 = 65_536;

/// The first slots belong to the daemon's own helpers (loader, path watcher)
/// and are never handed out by the core.
pub const RESERVED_SLOTS: u32 = 8;

/// The number of entities that the state is laid out for.
pub const MAX_ENTITIES: u32 = 65_536;

/// Of these so many are for entities that no unit has, made at run time. Their
/// ids are the last ones, from the last downwards, so that those of units need
/// not make way.
pub const MAX_MADE: u32 = 16_384;

/// The number of entities that units can have.
pub const MAX_PLANNED: u32 = MAX_ENTITIES - MAX_MADE;

/// The number of action lists that can be in progress at the same time.
pub const MAX_RUNS: u32 = 65_536;

/// The number of clients of root and of the manager's own user whose last
/// request is kept: as many as may be connected at the same time.
pub const MAX_OWN_CLIENTS: u32 = 256;

/// The number of clients of all users whose last request is kept. Places beyond
/// [`MAX_OWN_CLIENTS`] are those of other users, so that neither makes way for
/// the other: as many again.
pub const MAX_CLIENTS: u32 = 2 * MAX_OWN_CLIENTS;

/// Of these so many may be of one user that is neither root nor the manager's
/// own: as many as it may have connected at the same time.
pub const MAX_CLIENTS_OF_USER: u32 = 32;

/// Parts of texts of what was changed at run time, 256 bytes each.
pub const MAX_CHUNKS: u32 = 65_536;

/// Pulses that wait for their receivers, over all channels.
pub const MAX_PULSES: u32 = 4_096;

/// An entity: its place in the plan, stable over reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub u32);

impl EntityId {
    /// The place in the entity table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One process in one slot: the slot's index and the generation of its use.
/// A generation is never used twice in a slot, so this names one process for
/// ever, which a process id does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRef {
    /// The place in the slot table, below [`MAX_SLOTS`].
    pub index: u32,
    /// The use of that place, counted from 1.
    pub generation: u32,
}

impl SlotRef {
    /// Both numbers in one word, for records.
    #[must_use]
    pub fn to_word(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// The inverse of [`SlotRef::to_word`]; `None` for an index out of range
    /// or generation 0, which no process ever has.
    #[must_use]
    pub fn from_word(word: u64) -> Option<SlotRef> {
        let index = u32::try_from(word & 0xffff_ffff).ok()?;
        let generation = u32::try_from(word >> 32).ok()?;
        (index < MAX_SLOTS && generation != 0).then_some(SlotRef { index, generation })
    }
}

impl fmt::Display for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}.{}", self.index, self.generation)
    }
}

/// One run of action lists: the conditions of one class that one occurrence
/// has fired on one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef {
    /// The place in the run table, below [`MAX_RUNS`].
    pub index: u32,
    /// The use of that place; with `step` it names one action of one run.
    pub serial: u32,
    /// Which action of the run, counted up at every action that begins.
    pub step: u32,
}

/// A request of a client, to be answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
