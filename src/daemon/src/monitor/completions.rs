//! What worker threads tell the event loop: one queue, one descriptor.

use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::history::Entry;
use ham_sys::poller::EventFd;
use std::sync::{Mutex, PoisonError};

/// Something that a worker has finished.
#[derive(Clone, Debug)]
pub(super) enum Completion {
    Spawned {
        slot: SlotRef,
        pid: i32,
    },
    SpawnFailed {
        slot: SlotRef,
        error: u64,
    },
    Cleared {
        slot: SlotRef,
        left: u32,
    },
    MainLooked {
        slot: SlotRef,
        name: String,
        /// The error says why there is none.
        found: Result<i32, String>,
        /// Whether the entity has any process left.
        left: bool,
    },
    Tidied {
        entity: EntityId,
    },
    /// Something to be told.
    Remark(Entry),
}

impl Completion {
    /// The slot whose process is made, or is not.
    pub(super) fn made(&self) -> Option<SlotRef> {
        match self {
            Completion::Spawned { slot, .. } | Completion::SpawnFailed { slot, .. } => Some(*slot),
            Completion::Cleared { .. }
            | Completion::MainLooked { .. }
            | Completion::Tidied { .. }
            | Completion::Remark(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Completions {
    queue: Mutex<Vec<Completion>>,
    wake: EventFd,
}

impl Completions {
    pub(super) fn new() -> ham_sys::Result<Completions> {
        Ok(Completions { queue: Mutex::new(Vec::new()), wake: EventFd::new()? })
    }

    pub(super) fn push(&self, completion: Completion) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(completion);
        self.wake.post();
    }

    pub(super) fn take(&self) -> Vec<Completion> {
        self.wake.drain();
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn wake(&self) -> &EventFd {
        &self.wake
    }
}
