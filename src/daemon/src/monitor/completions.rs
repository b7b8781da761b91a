//! What worker threads tell the event loop: one queue, one descriptor.

use super::Engine;
use super::watchdog::Opened;
use crate::facts;
use crate::shared::{DISK_SLOTS, LOADER_SLOT, OUTPUT_SLOT, WATCHER_SLOTS};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::history::Entry;
use ham_sys::allocation;
use ham_sys::poller::EventFd;
use std::sync::{Mutex, PoisonError};

/// Something that a worker has finished.
#[derive(Debug)]
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
    PidLooked {
        entity: EntityId,
        /// The error says why there is none.
        found: Result<(i32, u64), String>,
    },
    Tidied {
        entity: EntityId,
    },
    /// The hardware watchdog was opened, or set; the error says why not.
    Watchdog(Box<Result<Opened, String>>),
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
            | Completion::PidLooked { .. }
            | Completion::Tidied { .. }
            | Completion::Watchdog(_)
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

impl Engine {
    pub(super) fn take_completions(&mut self) {
        for completion in self.completions.take() {
            let made = completion.made();
            match completion {
                Completion::Spawned { slot, pid } => {
                    self.making.remove(&slot.index);
                    match slot.index {
                        LOADER_SLOT => {}
                        OUTPUT_SLOT => self.outputs.made(),
                        index if WATCHER_SLOTS.contains(&index) => self.paths.made(),
                        index if DISK_SLOTS.contains(&index) => self.watchdog.disk.made(),
                        _ => self.feed(Event::Spawned { slot, pid }),
                    }
                }
                Completion::SpawnFailed { slot, error } => {
                    self.making.remove(&slot.index);
                    match slot.index {
                        LOADER_SLOT => self.loader_lost(&facts::spawn_error(error)),
                        OUTPUT_SLOT => self.outputs.ended(),
                        index if WATCHER_SLOTS.contains(&index) => self.paths.ended(index),
                        index if DISK_SLOTS.contains(&index) => self.watchdog.disk.ended(index),
                        _ => self.feed(Event::SpawnFailed { slot, error }),
                    }
                }
                Completion::Cleared { slot, left } => self.feed(Event::Cleared { slot, left }),
                Completion::PidLooked { entity, found } => self.pid_looked(entity, found),
                Completion::Tidied { entity } => self.feed(Event::Tidied { entity }),
                Completion::Watchdog(opened) => self.watchdog_opened(*opened),
                Completion::Remark(entry) => self.remarks.push(entry),
                Completion::MainLooked { slot, name, found: Ok(pid), .. } => {
                    self.main_looked(name, None);
                    self.feed(Event::MainFound { slot, pid });
                }
                Completion::MainLooked { slot, name, found: Err(why), left } => {
                    self.main_looked(name, Some(why));
                    self.feed(Event::MainMissing { slot, left });
                }
            }
            if let Some(slot) = made
                && self.early_exits.remove(&slot.index)
            {
                self.exited(slot.index);
            }
        }
        if self.made_many && self.making.is_empty() {
            self.made_many = false;
            allocation::give_back();
        }
    }
}
