//! What the core needs from the memory that outlives it: records to be read
//! again one by one, and the words of the slots. The daemon implements this
//! on shared memory, the simulation on a vector.

use crate::ids::{EntityId, SlotRef};
use crate::time::Mono;
use crate::words::{Odd, Words};
use std::fmt;

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// The one about the manager itself.
    Global,
    /// An entity.
    Entity(EntityId),
    /// A run, by its place in the run table.
    Run(u32),
    /// A command, by the slot of its process.
    Command(u32),
    /// The last request of a client, by its place in the table of clients.
    Client(u32),
    /// What an entity says of itself.
    Said(EntityId),
    /// The heartbeat of an entity.
    Beat(EntityId),
    /// What was changed of an entity at run time: where its text stands.
    Overlay(EntityId),
    /// A part of such a text.
    Chunk(u32),
    /// A pulse that nobody has received yet.
    Pulse(u32),
}

/// What can be told of a record without decoding it: a takeover looks at
/// nothing else of most entities (details 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its deadline.
    pub due: Option<Mono>,
    /// The process that it owns.
    pub slot: Option<SlotRef>,
    /// Whether it must be decoded at once: an effect may not have run, or it
    /// is an action list in progress.
    pub open: bool,
    /// Whether the entity is anything else than down.
    pub active: bool,
}

/// A record as it is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What can be told without decoding.
    pub head: Head,
    /// The rest.
    pub words: Words,
}

/// What a slot's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Not in use.
    Free,
    /// A process is about to be made, or has been made and not yet seen.
    Intent,
    /// Its process was seen to run.
    Running,
    /// Its process has ended and the reaper has recorded how.
    Exited,
}

/// A slot as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// Of its last use; 0: never used.
    pub generation: u32,
    /// Of that use.
    pub state: SlotState,
    /// Whether the process id is there: of an intent, that its process was
    /// made. Otherwise it means nothing.
    pub has_pid: bool,
}

/// The memory that outlives a monitor.
pub trait Memory: fmt::Debug + Send {
    /// The last committed version of a record; `Ok(None)`: none was written.
    ///
    /// # Errors
    /// When it is there and fails its checksum.
    fn load(&self, id: RecordId) -> Result<Option<Words>, Odd>;
    /// Visits the heads of all records that were written.
    fn heads(&self, visit: &mut dyn FnMut(RecordId, Head));
    /// One more than the highest slot that was ever used.
    fn slots_used(&self) -> u32;
    /// A slot as it is now.
    fn slot(&self, index: u32) -> SlotView;
}
