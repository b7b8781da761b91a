//! The memory that outlives a monitor, as two maps: records as committed and
//! slots as the last of monitor, kernel and reaper left them. A turn is stored
//! at once and whole; that the real memory can do the same is the snapshot's
//! matter and tested there.

use ham_core::memory::{Head, Memory, Record, RecordId, SlotState, SlotView};
use ham_core::monitor::{Monitor, Turn};
use ham_core::status::ExitStatus;
use ham_core::time::Mono;
use ham_core::words::{Odd, Words};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotWord {
    /// Of its last use; 0: never used.
    pub generation: u32,
    /// Of that use.
    pub state: SlotState,
    /// Process id while the reaper has not let go; 0: none.
    pub pid: i32,
    /// Process id of the last use, also later.
    pub last_pid: i32,
    /// Stage and errno of an exec that failed; 0: none.
    pub error: u64,
    /// How and when it ended.
    pub exit: Option<(ExitStatus, Mono)>,
}

impl Default for SlotWord {
    fn default() -> SlotWord {
        SlotWord {
            generation: 0,
            state: SlotState::Free,
            pid: 0,
            last_pid: 0,
            error: 0,
            exit: None,
        }
    }
}

/// What the memory holds.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Records of the last committed turn.
    pub records: BTreeMap<RecordId, Record>,
    /// Records that fail their checksum.
    pub broken: Vec<RecordId>,
    /// Slots by index.
    pub slots: BTreeMap<u32, SlotWord>,
}

/// A handle on the memory: the monitor has one, the machine another.
#[derive(Clone, Debug, Default)]
pub struct SharedMemory(Arc<Mutex<Store>>);

impl SharedMemory {
    /// A memory of its own with these contents.
    #[must_use]
    pub fn holding(store: Store) -> SharedMemory {
        SharedMemory(Arc::new(Mutex::new(store)))
    }

    /// The contents, to read or to change.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // A test that failed while it held the lock has said so already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores what a turn has changed.
    pub fn commit(&self, monitor: &Monitor, turn: &Turn) {
        let records: Vec<(RecordId, Option<Record>)> =
            turn.dirty.iter().map(|id| (*id, monitor.record(*id))).collect();
        let mut store = self.store();
        for (id, record) in records {
            match record {
                Some(record) => store.records.insert(id, record),
                None => store.records.remove(&id),
            };
            store.broken.retain(|broken| *broken != id);
        }
    }
}

impl Memory for SharedMemory {
    fn load(&self, id: RecordId) -> Result<Option<Words>, Odd> {
        let store = self.store();
        if store.broken.contains(&id) {
            return Err(Odd);
        }
        Ok(store.records.get(&id).map(|record| record.words))
    }

    fn heads(&self, visit: &mut dyn FnMut(RecordId, Head)) {
        let heads: Vec<(RecordId, Head)> =
            self.store().records.iter().map(|(id, record)| (*id, record.head)).collect();
        for (id, head) in heads {
            visit(id, head);
        }
    }

    fn slots_used(&self) -> u32 {
        self.store().slots.last_key_value().map_or(0, |(index, _)| index + 1)
    }

    fn slot(&self, index: u32) -> SlotView {
        let word = self.store().slots.get(&index).copied().unwrap_or_default();
        SlotView { generation: word.generation, state: word.state, has_pid: word.pid != 0 }
    }
}
