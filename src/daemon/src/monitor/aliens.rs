//! Main processes that ham has not made: the reaper is told to take them for
//! those of their slots. One that is not its child (its parent lives on) ends
//! without anybody telling, so it is watched; these are the exception to "no
//! descriptor per entity" (details 19).

use super::{ALIENS, Engine};
use crate::facts::Weight;
use crate::keep::Verb;
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::status::ExitStatus;
use ham_core::time::Mono;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::clock;
use ham_sys::poller::Interest;
use ham_sys::process::{self, PidFd};
use std::collections::BTreeMap;

/// Those that are watched, by the index of their slot.
#[derive(Debug, Default)]
pub(super) struct Aliens(BTreeMap<u32, (SlotRef, i32, PidFd)>);

impl Engine {
    /// The core has decided that this is the process of that slot.
    pub(super) fn adopt_main(&mut self, slot: SlotRef, entity: EntityId, pid: i32) {
        self.unwatch_alien(slot.index);
        if !self.keeper.ask_about(Verb::Adopt, slot, pid) {
            // The next takeover asks again.
            let text = format!(
                "the reaper could not be told of the main process of {}",
                self.name(entity)
            );
            self.remark(Weight::Always, &text);
        }
    }

    /// The reaper has taken it.
    pub(super) fn watch_alien(&mut self, slot: SlotRef, pid: i32) {
        let Some(place) = self.state.slot(slot.index) else { return };
        place.set_start_time(process::start_time(pid).unwrap_or(0));
        let reaper = i32::try_from(self.state.get(Field::ReaperPid)).unwrap_or(0);
        if process::parent_of(pid) == Some(reaper) {
            return;
        }
        let is_it =
            || place.word() == (slot.generation, Phase::Running) && place.live_pid() == Some(pid);
        match PidFd::open(pid) {
            // Opened while the slot has it: it is that one.
            Ok(watched) if is_it() => {
                let token = ALIENS.saturating_add(u64::from(slot.index));
                if self.poller.add(&watched, token, Interest::READ).is_ok() {
                    self.aliens.0.insert(slot.index, (slot, pid, watched));
                }
            }
            Ok(_) => {}
            Err(_) if is_it() => {
                self.keeper.ask_about(Verb::Gone, slot, pid);
            }
            Err(_) => {}
        }
    }

    /// A watched process has ended.
    pub(super) fn alien_ended(&mut self, index: u32) {
        if let Some((slot, pid, _)) = self.unwatch_alien(index)
            && !self.keeper.ask_about(Verb::Gone, slot, pid)
        {
            let at = Mono(clock::monotonic());
            self.feed(Event::Exited { slot, pid, status: ExitStatus::Unknown, at });
        }
    }

    fn unwatch_alien(&mut self, index: u32) -> Option<(SlotRef, i32, PidFd)> {
        let alien = self.aliens.0.remove(&index)?;
        let _ = self.poller.remove(&alien.2);
        Some(alien)
    }
}
