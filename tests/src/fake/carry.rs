//! Carrying out effects, as the daemon does: each that takes time is answered
//! by exactly one event, and one that comes again for a past generation does
//! nothing.

use super::SlotWord;
use super::kernel::{Kernel, Task};
use ham_core::effect::{Effect, Process, Spawn};
use ham_core::event::{Event, Wait};
use ham_core::ids::{RunRef, SlotRef};
use ham_core::memory::SlotState;
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use std::sync::Arc;

impl Kernel {
    /// Carries out one effect. Notices and replies are the caller's.
    pub fn carry(&mut self, effect: &Effect) {
        self.carried += 1;
        match effect {
            Effect::Spawn(spawn) => self.spawn(spawn),
            Effect::Signal { slot, signal, run, .. } => self.signal(*slot, *signal, *run),
            Effect::Clear { slot, .. } => {
                let after = self.delay();
                self.task(after, Task::Clear { slot: *slot });
            }
            Effect::Free { slot } => self.task(Span::ZERO, Task::Free { slot: *slot }),
            Effect::Watch { wait, path, .. } => self.watch(*wait, path),
            Effect::Unwatch { wait } => {
                self.watches.remove(wait);
            }
            Effect::SignalAll { slot, signal, .. } => self.signal(*slot, *signal, None),
            Effect::FindMain { slot, .. } => {
                let after = self.delay();
                self.task(after, Task::FindMain { slot: *slot });
            }
            Effect::Adopt { slot, entity, pid } => self.adopt(*slot, *entity, *pid),
            Effect::Tidy { entity, .. } => {
                let after = self.delay();
                self.task(after, Task::Deliver(Event::Tidied { entity: *entity }));
            }
            Effect::Log { run, .. } => {
                let ok = !self.random.chance(self.temper.refused);
                self.action_done(*run, ok);
            }
            Effect::Finish { last } => self.finished.push(last.clone()),
            // Of processes with such ids none is its own: they have ended.
            Effect::SignalProcess { run, .. } => self.action_done(*run, false),
            Effect::Attach { slot, entity, pid, .. } => self.attach(*slot, *entity, *pid),
            Effect::Release { slot } => self.release(*slot),
            // Files that name processes are of the world outside.
            Effect::ReadPid { entity, .. } => {
                let after = self.delay();
                let event = Event::PidRead { entity: *entity, process: None };
                self.task(after, Task::Deliver(event));
            }
            Effect::WatchBeats { entity, slot, interval, from, every } => {
                self.watch_beats(*entity, *slot, (*interval, *from), *every);
            }
            Effect::UnwatchBeats { entity } => self.unwatch_beats(*entity),
            Effect::Notice(_)
            | Effect::Reply { .. }
            | Effect::Verdict { .. }
            | Effect::WatchMemory { .. } => {}
        }
    }

    fn action_done(&mut self, run: RunRef, ok: bool) {
        self.once(Wait::Run(run));
        self.post(Event::ActionDone { run, ok });
    }

    fn once(&mut self, wait: Wait) {
        let again = !self.asked.insert(wait);
        // Each step of a run is one action; a start can wait for its path anew.
        if again && matches!(wait, Wait::Run(_)) {
            self.fault(format!("{wait:?} was asked for twice"));
        }
    }

    fn spawn(&mut self, spawn: &Spawn) {
        let slot = spawn.slot;
        let old = self.word(slot.index);
        let again = old.generation == slot.generation
            && old.state == SlotState::Intent
            && old.pid == 0
            && !self.made.contains(&slot);
        let next = old.generation < slot.generation && old.state == SlotState::Free;
        if !again && !next {
            self.fault(format!("{slot} is to be made, and it holds {old:?}"));
            return;
        }
        if old.pid != 0 {
            self.fault(format!("{slot} is to be made before the reaper has let go"));
        }
        let word = SlotWord {
            generation: slot.generation,
            state: SlotState::Intent,
            ..Default::default()
        };
        self.set_word(slot.index, word);
        let main = spawn.what == Process::Main;
        let after = self.delay();
        let plan = Arc::clone(&spawn.plan);
        self.task(after, Task::Clone { slot, entity: spawn.entity, main, plan });
    }

    fn signal(&mut self, slot: SlotRef, signal: Signal, run: Option<RunRef>) {
        let Some((pid, process)) = self.process_of(slot) else {
            if let Some(run) = run {
                self.action_done(run, false);
            }
            return;
        };
        let stubborn = process.stubborn || (process.deaf_before_exec && !process.executed);
        let ends = match run {
            None => signal == Signal::KILL || !stubborn,
            Some(_) => {
                let dies = self.random.chance(self.temper.signal_ends);
                dies && (signal == Signal::KILL || !stubborn)
            }
        };
        if ends {
            let after = self.random.micros(0, 30_000);
            self.end_soon(pid, after, signal);
        }
        if let Some(run) = run {
            self.action_done(run, true);
        }
    }

    fn watch(&mut self, wait: Wait, path: &str) {
        if self.random.chance(self.temper.refused) {
            self.once(wait);
            self.post(Event::PathSeen { wait, ok: false });
            return;
        }
        if let Wait::Ready(_) = wait {
            if !self.random.chance(self.temper.never_ready) {
                let after = self.random.micros(0, 100_000);
                self.task(after, Task::Deliver(Event::PathSeen { wait, ok: true }));
            }
            return;
        }
        let absent = self.random.chance(self.temper.path_absent);
        let when = self.now.after(self.random.micros(0, 800_000));
        let appears = *self.paths.entry(path.to_owned()).or_insert((!absent).then_some(when));
        self.watches.insert(wait, path.to_owned());
        if let Some(at) = appears {
            let after = Mono(at.0.max(self.now.0)).since(self.now);
            self.task(after, Task::Deliver(Event::PathSeen { wait, ok: true }));
        }
    }

    /// SIGKILL to the process of a slot, if it was made.
    pub(super) fn kill_all_of(&mut self, slot: SlotRef) {
        for pid in self.living_of(slot) {
            self.end_soon(pid, Span::millis(1), Signal::KILL);
        }
    }

    pub(super) fn cleared(&mut self, slot: SlotRef) {
        let leaves = self.random.chance(self.temper.clearing_leaves);
        let left = match self.remains.get_mut(&slot) {
            Some(remains) if leaves => remains.count,
            Some(_) => {
                self.remains.remove(&slot);
                0
            }
            None => 0,
        };
        self.post(Event::Cleared { slot, left });
    }

    pub(super) fn free(&mut self, slot: SlotRef) {
        let mut word = self.word(slot.index);
        if word.generation != slot.generation {
            // Never made, or long past: there is nothing to let go of.
            self.post(Event::SlotFreed { slot });
            return;
        }
        let living = self.living_of(slot);
        if !living.is_empty() {
            self.fault(format!("{slot} is to be freed and {living:?} live"));
            return;
        }
        if word.pid != 0 {
            self.task(Span::millis(5), Task::Free { slot });
            return;
        }
        if self.remains.get(&slot).is_some_and(|remains| remains.count > 0) {
            self.fault(format!("{slot} is freed and something is left of it"));
        }
        word.state = SlotState::Free;
        self.set_word(slot.index, word);
        self.post(Event::SlotFreed { slot });
    }

    /// What a successor is told of a slot that it found in the middle of
    /// something: the process was made, so how far did it come?
    #[must_use]
    pub fn adoption(&mut self, slot: SlotRef) -> Option<Event> {
        let mut word = self.word(slot.index);
        if word.generation != slot.generation {
            self.fault(format!("{slot} is to be adopted and holds {word:?}"));
            return None;
        }
        match word.state {
            SlotState::Running => Some(Event::Spawned { slot, pid: word.pid }),
            // Its exec can be seen in /proc; a daemon that looks waits for it.
            SlotState::Intent if word.pid != 0 && self.random.chance(50) => None,
            SlotState::Intent if word.pid != 0 => {
                word.state = SlotState::Running;
                self.set_word(slot.index, word);
                Some(Event::Spawned { slot, pid: word.pid })
            }
            SlotState::Exited if word.error != 0 => {
                Some(Event::SpawnFailed { slot, error: word.error })
            }
            SlotState::Exited => exit_of(slot, &word),
            SlotState::Intent | SlotState::Free => {
                self.fault(format!("{slot} is to be adopted and holds {word:?}"));
                None
            }
        }
    }

    /// The ends of all processes that the slots still tell of.
    #[must_use]
    pub fn recorded_exits(&self) -> Vec<Event> {
        let store = self.memory.store();
        let all = store.slots.iter().filter(|(_, word)| word.state == SlotState::Exited);
        all.filter_map(|(index, word)| {
            exit_of(SlotRef { index: *index, generation: word.generation }, word)
        })
        .collect()
    }
}

fn exit_of(slot: SlotRef, word: &SlotWord) -> Option<Event> {
    let (status, at): (ExitStatus, Mono) = word.exit?;
    Some(Event::Exited { slot, pid: word.last_pid, status, at })
}
