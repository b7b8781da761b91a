//! Processes that do more than run and end: they say that they are ready, and
//! other things by sd_notify(3), and leave others in their place.

use super::kernel::{Kernel, Process, World};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::memory::SlotState;
use ham_core::notify::Told;
use ham_core::plan::{EntityPlan, KillScope, Kind, NotifyAccess, Readiness};
use ham_core::status::ExitStatus;
use ham_core::time::Span;
use std::sync::Arc;

/// What a process says.
#[derive(Clone, Debug)]
pub(super) enum Word {
    /// A line end on its descriptor.
    LineEnd,
    /// A datagram.
    Datagram(Told),
    /// Another process takes its place: it is told of, and it ends.
    NewMain,
}

impl Kernel {
    /// A main process has reached its program.
    pub(super) fn begins_to_talk(&mut self, pid: i32, plan: &Arc<EntityPlan>) {
        let says_ready = !self.random.chance(self.temper.never_ready);
        // Often sooner than anybody knows that it was made.
        let after = *self.random.pick(&[Span::ZERO, Span::millis(1), Span::millis(150)]);
        let ready = match plan.ready {
            Readiness::Notify => Some(Word::Datagram(Told { ready: true, ..Told::default() })),
            Readiness::Descriptor(_) => Some(Word::LineEnd),
            Readiness::Exec | Readiness::Path(_) => None,
        };
        if let Some(word) = ready.filter(|_| says_ready) {
            self.happen(after, World::Says(pid, word));
        }
        if plan.notify_access == NotifyAccess::None {
            return;
        }
        for _ in 0..self.random.below(4) {
            let after = self.random.micros(0, 900_000);
            let word = self.word_of(plan);
            self.happen(after, World::Says(pid, word));
        }
    }

    fn word_of(&mut self, plan: &EntityPlan) -> Word {
        let mut told = Told::default();
        match self.random.below(10) {
            8 => told.trigger = true,
            9 => told.interval = Some(self.random.micros(0, 900_000)),
            0 => told.status = Some(format!("at {}", self.now.0)),
            1 => told.stopping = true,
            2 => told.extend = Some(self.random.micros(0, 300_000)),
            3 => told.beat = true,
            4 => told.reloading = true,
            5 => {
                (told.reloading, told.at) = (true, Some(self.now));
                told.ready = self.random.chance(50);
            }
            6 if plan.kind == Kind::Service && plan.stop.kill == KillScope::All => {
                return Word::NewMain;
            }
            _ => told.ready = !self.random.chance(self.temper.never_ready),
        }
        Word::Datagram(told)
    }

    pub(super) fn says(&mut self, pid: i32, word: Word) {
        let Some(slot) = self.living_slot(pid) else { return };
        match word {
            Word::LineEnd => self.post(Event::Ready { slot }),
            Word::Datagram(told) => self.post(Event::Told { slot, told: Box::new(told) }),
            Word::NewMain => {
                // Once: datagrams about two would come in any order.
                if self.pid_files.contains_key(&slot) {
                    return;
                }
                let main = self.fork(pid);
                self.pid_files.insert(slot, (main, self.now));
                let told = Box::new(Told { main: Some(main), ..Told::default() });
                self.post(Event::Told { slot, told });
                // Before that is known, or after.
                let after = self.random.micros(0, 3_000);
                self.happen(after, World::Ends(pid, ExitStatus::SUCCESS));
            }
        }
    }

    /// A child of a main process, which lives on its own.
    fn fork(&mut self, of: i32) -> i32 {
        let pid = self.next_pid;
        self.next_pid += 1;
        let Some(parent) = self.processes.get(&of).cloned() else { return pid };
        self.processes.insert(pid, Process { alive: true, status: None, ..parent });
        if let Some(life) = self.life(true) {
            let status = self.status(true);
            self.happen(life, World::Ends(pid, status));
        }
        pid
    }

    /// A forking daemon's first process has ended well: who goes on, and when
    /// that can be read.
    pub(super) fn leaves_daemon(&mut self, slot: SlotRef, pid: i32) {
        if self.random.chance(self.temper.never_ready) {
            return;
        }
        let daemon = self.fork(pid);
        let late = if self.random.chance(30) { 200_000 } else { 0 };
        let written = self.now.after(self.random.micros(0, late));
        self.pid_files.insert(slot, (daemon, written));
    }

    pub(super) fn find_main(&mut self, slot: SlotRef) {
        let found = self
            .pid_files
            .get(&slot)
            .filter(|(pid, written)| *written <= self.now && self.living_slot(*pid) == Some(slot));
        match found {
            Some((pid, _)) => self.post(Event::MainFound { slot, pid: *pid }),
            None => {
                let left = self.random.chance(40);
                self.post(Event::MainMissing { slot, left });
            }
        }
    }

    /// From now on that is the process of a slot.
    pub(super) fn adopt(&mut self, slot: SlotRef, entity: EntityId, pid: i32) {
        let mut word = self.word(slot.index);
        if word.generation != slot.generation || word.state == SlotState::Free {
            return;
        }
        let Some(process) = self.processes.get(&pid) else {
            self.fault(format!("{pid}, which never was, is to be adopted for {}", entity.0));
            return;
        };
        let (alive, status) = (process.alive, process.status);
        word.last_pid = pid;
        if alive {
            word.pid = pid;
            word.state = SlotState::Running;
            word.exit = None;
            self.set_word(slot.index, word);
            return;
        }
        let first = word.state != SlotState::Exited || word.exit.is_none();
        let status = status.unwrap_or(ExitStatus::Unknown);
        word.state = SlotState::Exited;
        word.exit = Some((status, self.now));
        if first {
            word.pid = 0;
        }
        self.set_word(slot.index, word);
        self.post(Event::Exited { slot, pid, status, at: self.now });
    }
}
