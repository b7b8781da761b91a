//! Taking processes that ham did not start, and letting go of any. A slot holds
//! the process first, by the reaper, and only then it is looked at whether it
//! is the one that was meant: from then on its number is watched, so that no
//! later process can be taken for it.

use super::Engine;
use super::holder::Held;
use super::spawners::Job;
use crate::facts::{ERROR_STATE_FULL, Weight};
use crate::keep::Verb;
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::slots::Phase;
use ham_sys::{Errno, process};

/// The error word of a process that was not there: nobody reads more into it.
const NOT_THERE: u64 = ham_core::monitor::ERROR_NO_PLAN;

impl Engine {
    /// This slot is to hold that process.
    pub(super) fn attach(&mut self, slot: SlotRef, entity: EntityId, pid: i32, start: u64) {
        if let Err(error) = self.store.reserve_slot(slot.index) {
            let errno = u64::try_from(error.errno.0).unwrap_or(0);
            self.feed(Event::SpawnFailed { slot, error: ERROR_STATE_FULL | errno });
            return;
        }
        let Some(place) = self.state.slot(slot.index) else { return };
        let (generation, phase) = place.word();
        if generation != slot.generation {
            place.intend(slot.generation);
            place.set_name(&self.name(entity));
        } else if phase == Phase::Exited {
            // It has joined and ended before a takeover: its end is told.
            return;
        }
        self.aliens.joins(slot, start);
        if !self.keeper.ask_about(Verb::Join, slot, pid) {
            self.join_answered(slot, pid, Errno::EPIPE);
        }
    }

    /// The slot holds it now, or cannot.
    pub(super) fn join_answered(&mut self, slot: SlotRef, pid: i32, errno: Errno) {
        let Some(start) = self.aliens.joined(slot) else { return };
        let Some(place) = self.state.slot(slot.index) else { return };
        if place.word() == (slot.generation, Phase::Exited) {
            return;
        }
        if errno.0 == 0 && process::start_time(pid) == Some(start) {
            place.set_start_time(start);
            self.watch_alien(slot, pid);
            self.feed(Event::Spawned { slot, pid });
            return;
        }
        if !self.keeper.ask_about(Verb::Release, slot, pid) {
            self.released(slot);
        }
    }

    /// The process of this slot goes on, and is nobody's.
    pub(super) fn release(&mut self, slot: SlotRef) {
        self.let_alien_go(slot);
        // Before it is in no slot any more: a successor finds it in neither.
        self.note_detached(slot);
        if !self.keeper.ask_about(Verb::Release, slot, 0) {
            self.released(slot);
        }
    }

    /// The slot holds nothing any more.
    pub(super) fn released(&mut self, slot: SlotRef) {
        // One that was to be taken and was not, or one that was let go of: each
        // of the two means only one of these.
        self.feed(Event::SpawnFailed { slot, error: NOT_THERE });
        if let Some((entity, false)) = self.core.owner_of(slot) {
            let held = Held { slot, name: self.name(entity), command: false };
            if self.holder.has_cgroup(&held) {
                self.clearers.let_go(held);
                return;
            }
        }
        self.feed(Event::Cleared { slot, left: 0 });
    }

    /// Which process a file names is read by a thread.
    pub(super) fn read_pid(&mut self, entity: EntityId, path: String) {
        // No slot is concerned.
        let slot = SlotRef { index: u32::MAX, generation: 0 };
        let held = Held { slot, name: self.name(entity), command: false };
        self.spawners.submit(Job::ReadPid { held, entity, path });
    }

    /// What the file names; the error says why nothing is taken.
    pub(super) fn pid_looked(&mut self, entity: EntityId, found: Result<(i32, u64), String>) {
        let name = self.name(entity);
        let found = found.and_then(|(pid, start)| match self.holder_of(pid) {
            None => Ok((pid, start)),
            Some(whose) => Err(format!("its pid-file names process {pid}, which is {whose}")),
        });
        let process = match found {
            Ok(process) => {
                self.no_main.remove(&name);
                Some(process)
            }
            Err(why) => {
                // Read again and again: told once.
                if self.no_main.get(&name) != Some(&why) {
                    self.remark(Weight::Event, &format!("{name}: {why}"));
                    self.no_main.insert(name, why);
                }
                None
            }
        };
        self.feed(Event::PidRead { entity, process });
    }

    /// Whose a process is that has a slot, or is ham's own; in words.
    pub(super) fn holder_of(&self, pid: i32) -> Option<String> {
        if pid <= 1 || self.is_own(pid) {
            return Some("ham's own, or the first of the system".to_owned());
        }
        let slot = self.state.slot_of_pid(pid)?;
        let (generation, phase) = slot.word();
        if !matches!(phase, Phase::Intent | Phase::Running) {
            return None;
        }
        let reference = SlotRef { index: slot.index(), generation };
        match self.core.owner_of(reference) {
            Some((entity, false)) => Some(format!("that of {}", self.name(entity))),
            Some((entity, true)) => Some(format!("a command of {}", self.name(entity))),
            None => Some("one of ham's helpers".to_owned()),
        }
    }
}
