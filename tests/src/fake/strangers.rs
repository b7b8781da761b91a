//! Processes that ham did not start, and those that it has let go of.

use super::SlotWord;
use super::kernel::{Kernel, Process, World};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::memory::SlotState;
use ham_core::plan::EntityPlan;
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use std::sync::Arc;

/// Nobody's: no slot of ham's is below its own helpers', no entity is so far up.
const NOBODY: (SlotRef, EntityId) = (SlotRef { index: 0, generation: 0 }, EntityId(u32::MAX));

/// When each of them has started; their ids are not used again.
pub const START: u64 = 77;

impl Kernel {
    /// One begins to run, for an entity of that plan if it is attached; its id.
    pub fn stranger(&mut self, plan: Arc<EntityPlan>) -> i32 {
        let pid = self.next_pid;
        self.next_pid += 1;
        let (slot, entity) = NOBODY;
        let process = Process {
            slot,
            entity,
            main: true,
            alive: true,
            executed: true,
            stubborn: false,
            deaf_before_exec: false,
            plan,
            status: None,
        };
        self.processes.insert(pid, process);
        if let Some(life) = self.life(true) {
            let status = self.status(true);
            self.happen(life, World::Ends(pid, status));
        }
        pid
    }

    /// A slot is to hold one of them.
    pub(super) fn attach(&mut self, slot: SlotRef, entity: EntityId, pid: i32) {
        let word = self.word(slot.index);
        if word.generation == slot.generation {
            match word.state {
                SlotState::Running => self.post(Event::Spawned { slot, pid }),
                // Its end is told by who has found it.
                SlotState::Exited => {}
                SlotState::Free | SlotState::Intent => {
                    self.fault(format!("{slot} is to be attached and holds {word:?}"));
                }
            }
            return;
        }
        if word.state != SlotState::Free || word.pid != 0 {
            self.fault(format!("{slot} is to be attached and holds {word:?}"));
            return;
        }
        let living = self.living(entity);
        if !living.is_empty() {
            self.fault(format!("{pid} is attached to {}, which runs as {living:?}", entity.0));
        }
        let Some(process) = self.processes.get_mut(&pid) else {
            self.fault(format!("{pid}, which never was, is to be attached"));
            return;
        };
        let mut word =
            SlotWord { generation: slot.generation, last_pid: pid, ..SlotWord::default() };
        if process.alive {
            (process.slot, process.entity) = (slot, entity);
            (word.state, word.pid) = (SlotState::Running, pid);
            self.set_word(slot.index, word);
            self.post(Event::Spawned { slot, pid });
        } else {
            let status = process.status.unwrap_or(ExitStatus::Unknown);
            word.state = SlotState::Exited;
            word.exit = Some((status, self.now));
            self.set_word(slot.index, word);
            self.post(Event::Exited { slot, pid, status, at: self.now });
        }
    }

    /// A slot is to hold nothing any more.
    pub(super) fn release(&mut self, slot: SlotRef) {
        let mut word = self.word(slot.index);
        if word.generation == slot.generation {
            for pid in self.living_of(slot) {
                // What it had begun under ham it goes on with, and ends some time.
                let after = self.random.micros(0, 3_000_000);
                self.end_soon(pid, after, Signal::TERM);
                if let Some(process) = self.processes.get_mut(&pid) {
                    (process.slot, process.entity) = NOBODY;
                }
            }
            if word.state == SlotState::Running {
                (word.state, word.pid) = (SlotState::Intent, 0);
                self.set_word(slot.index, word);
            }
            self.remains.remove(&slot);
        }
        self.post(Event::Cleared { slot, left: 0 });
    }
}
