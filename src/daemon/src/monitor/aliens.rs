//! Main processes that ham has not made: the reaper is told to take them for
//! those of their slots. One that is not its child (its parent lives on) ends
//! without anybody telling, so it is watched; these are the exception to "no
//! descriptor per entity" (details 19).

use super::exits::exit_status;
use super::{ALIENS, Engine, target};
use crate::facts::Weight;
use crate::keep::Verb;
use ham_core::event::Event;
use ham_core::ids::{EntityId, RunRef, SlotRef};
use ham_core::signal::Signal;
use ham_core::time::Mono;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::poller::Interest;
use ham_sys::process::{self, PidFd};
use ham_sys::{Errno, clock};
use std::collections::BTreeMap;

/// How long after one that could not be watched is looked at again.
const PAUSE_NS: u64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Aliens {
    /// Those that are watched, by the index of their slot.
    watched: BTreeMap<u32, (SlotRef, i32, PidFd)>,
    /// Those that should be, and there was no descriptor for it.
    unwatched: BTreeMap<u32, (SlotRef, i32)>,
    /// When these are looked at again.
    again_at: Option<u64>,
    /// Slots whose process the reaper has been told and has not taken yet, with
    /// the signals that were sent meanwhile: until then the slot does not say
    /// whom they are for.
    told: BTreeMap<SlotRef, Vec<Sent>>,
    /// Slots that the reaper is to let hold a process, with the start time of
    /// the one that is meant.
    joining: BTreeMap<SlotRef, u64>,
}

/// A signal: code and value where it is queued, and the action that it is.
type Sent = (Signal, Option<(i32, i32)>, Option<RunRef>);

impl Aliens {
    /// When those that could not be watched are looked at.
    pub(super) fn due(&self) -> Option<u64> {
        self.again_at
    }

    /// This slot is to hold the process that started then.
    pub(super) fn joins(&mut self, slot: SlotRef, start: u64) {
        self.joining.insert(slot, start);
    }

    /// That is answered; `None`: it was before.
    pub(super) fn joined(&mut self, slot: SlotRef) -> Option<u64> {
        self.joining.remove(&slot)
    }
}

impl Engine {
    /// The core has decided that this is the process of that slot.
    pub(super) fn adopt_main(&mut self, slot: SlotRef, entity: EntityId, pid: i32) {
        self.unwatch_alien(slot.index);
        self.aliens.told.entry(slot).or_default();
        if !self.keeper.ask_about(Verb::Adopt, slot, pid) {
            // The next takeover asks again.
            let text = format!(
                "the reaper could not be told of the main process of {}",
                self.name(entity)
            );
            self.remark(Weight::Always, &text);
            self.alien_taken(slot);
        }
    }

    /// Sends a signal to the process of a slot, at once or as soon as it is
    /// known there.
    pub(super) fn signal(&mut self, slot: SlotRef, sent: Sent) {
        if let Some(waiting) = self.aliens.told.get_mut(&slot) {
            waiting.push(sent);
            return;
        }
        let (signal, queued, run) = sent;
        // One that is not our child is signalled by the descriptor that watches
        // it: when it ends, its number is free before we hear of it.
        let watched = self.aliens.watched.get(&slot.index).filter(|alien| alien.0 == slot);
        let ok = match watched {
            Some((_, _, process)) => target::send(process, signal, queued),
            None => {
                let unwatched = self.aliens.unwatched.get(&slot.index);
                let is_it = unwatched.is_none_or(|(_, pid)| self.is_still(slot, *pid));
                is_it && target::signal(self.state, slot, signal, queued)
            }
        };
        if let Some(run) = run {
            self.feed(Event::ActionDone { run, ok });
        }
    }

    /// The reaper has answered, whatever it says.
    pub(super) fn alien_taken(&mut self, slot: SlotRef) {
        for sent in self.aliens.told.remove(&slot).unwrap_or_default() {
            self.signal(slot, sent);
        }
    }

    /// The reaper has taken it.
    pub(super) fn watch_alien(&mut self, slot: SlotRef, pid: i32) {
        let Some(place) = self.state.slot(slot.index) else { return };
        if place.start_time() == 0 {
            place.set_start_time(process::start_time(pid).unwrap_or(0));
        }
        let reaper = i32::try_from(self.state.get(Field::ReaperPid)).unwrap_or(0);
        if process::parent_of(pid) == Some(reaper) {
            return;
        }
        if !self.begin_watching(slot, pid) {
            let text = format!(
                "process {pid} of {} cannot be watched at the moment: its end may be seen late",
                place.name()
            );
            self.remark(Weight::Always, &text);
            self.aliens.unwatched.insert(slot.index, (slot, pid));
            self.aliens.again_at = Some(clock::monotonic().saturating_add(PAUSE_NS));
        }
    }

    /// False when it goes on, as far as can be told, and nobody watches it.
    fn begin_watching(&mut self, slot: SlotRef, pid: i32) -> bool {
        let Some(place) = self.state.slot(slot.index) else { return true };
        let is_it =
            || place.word() == (slot.generation, Phase::Running) && place.live_pid() == Some(pid);
        match PidFd::open(pid) {
            // It has gone, and the number is another's.
            Ok(_) if is_it() && !self.is_still(slot, pid) && process::exists(pid) => {
                self.keeper.ask_about(Verb::Gone, slot, pid);
                true
            }
            // Opened while the slot has it: it is that one.
            Ok(watched) if is_it() => {
                let token = ALIENS.saturating_add(u64::from(slot.index));
                let is_watched = self.poller.add(&watched, token, Interest::READ).is_ok();
                if is_watched {
                    self.aliens.watched.insert(slot.index, (slot, pid, watched));
                }
                is_watched
            }
            Ok(_) => true,
            Err(_) if !is_it() => true,
            // Only this says that it has ended; with too many open files, for
            // one, nothing was looked at.
            Err(error) if error.errno == Errno::ESRCH || !process::exists(pid) => {
                self.keeper.ask_about(Verb::Gone, slot, pid);
                true
            }
            Err(_) => false,
        }
    }

    /// Those that could not be watched, once more.
    pub(super) fn look_at_unwatched(&mut self, now: u64) {
        if self.aliens.again_at.is_none_or(|due| due > now) {
            return;
        }
        let mut unwatched = std::mem::take(&mut self.aliens.unwatched);
        unwatched.retain(|_, (slot, pid)| !self.begin_watching(*slot, *pid));
        self.aliens.again_at = (!unwatched.is_empty()).then(|| now.saturating_add(PAUSE_NS));
        self.aliens.unwatched = unwatched;
    }

    /// A watched process has ended.
    pub(super) fn alien_ended(&mut self, index: u32) {
        let Some((slot, pid, process)) = self.unwatch_alien(index) else { return };
        let start = self.state.slot(index).map_or(0, |place| place.start_time());
        let (code, status) =
            process.exit_of(pid, start).map_or((0, 0), |exit| (exit.code, exit.status));
        let ended = u64::from(code.cast_unsigned()) << 32 | u64::from(status.cast_unsigned());
        if !self.keeper.tell_about(Verb::Gone, slot, pid, ended) {
            let at = Mono(clock::monotonic());
            self.feed(Event::Exited { slot, pid, status: exit_status(code, status), at });
        }
    }

    /// Whether the process of that number is the one that the slot has been
    /// given, as far as can be told.
    fn is_still(&self, slot: SlotRef, pid: i32) -> bool {
        let known = self.state.slot(slot.index).map_or(0, |place| place.start_time());
        known == 0 || process::start_time(pid).is_none_or(|start| start == known)
    }

    /// It is nobody's from here on.
    pub(super) fn let_alien_go(&mut self, slot: SlotRef) {
        self.aliens.told.remove(&slot);
        self.aliens.joining.remove(&slot);
        if self.aliens.watched.get(&slot.index).is_some_and(|alien| alien.0 == slot)
            || self.aliens.unwatched.get(&slot.index).is_some_and(|alien| alien.0 == slot)
        {
            self.unwatch_alien(slot.index);
        }
    }

    fn unwatch_alien(&mut self, index: u32) -> Option<(SlotRef, i32, PidFd)> {
        self.aliens.unwatched.remove(&index);
        let alien = self.aliens.watched.remove(&index)?;
        let _ = self.poller.remove(&alien.2);
        Some(alien)
    }
}
