//! What people (and actions of other entities) ask for, and the way down.

use super::entity::{Actual, Cause, Desired, Next, Why};
use super::{Goal, Monitor, Shutdown, Waiter};
use crate::effect::{Effect, Reply};
use crate::event::Ask;
use crate::ids::{EntityId, RequestId};
use crate::memory::RecordId;
use crate::time::Span;

/// How long what was killed at the end of a shutdown has to disappear before
/// the manager ends without it: SIGKILL takes milliseconds, unless a process
/// hangs in the kernel, and then no waiting helps.
const LAST_GRACE: Span = Span::seconds(3);

impl Monitor {
    pub(super) fn request(&mut self, id: RequestId, entity: EntityId, ask: Ask, wait: bool) {
        let goal = match ask {
            Ask::Start | Ask::Restart if self.is_shutting_down() => {
                self.reply(id, entity, Reply::ShuttingDown);
                return;
            }
            Ask::Start | Ask::Restart => Goal::Up,
            Ask::Stop => Goal::Down,
            Ask::Kill(signal) => {
                let answer = match self.entity(entity).actual {
                    Actual::Up { slot, .. } => {
                        self.emit(Effect::Signal { slot, signal, value: 0, run: None });
                        Reply::Done
                    }
                    Actual::Stopping { slot, pid, .. } if pid != 0 => {
                        self.emit(Effect::Signal { slot, signal, value: 0, run: None });
                        Reply::Done
                    }
                    Actual::Down
                    | Actual::Waiting(..)
                    | Actual::Starting { .. }
                    | Actual::Aborting { .. }
                    | Actual::Stopping { .. }
                    | Actual::Clearing { .. }
                    | Actual::Left { .. } => Reply::NotRunning,
                };
                self.reply(id, entity, answer);
                return;
            }
        };
        // Whoever waits waits from before the request is carried out: what
        // fails at once must be told too.
        if wait {
            self.waiters.push(Waiter { id, entity, goal });
        }
        let changed = self.apply(entity, ask);
        if !wait {
            self.reply(id, entity, if changed { Reply::Done } else { Reply::Already });
        } else if !changed {
            let reached = match goal {
                Goal::Up => matches!(self.entity(entity).actual, Actual::Up { .. }),
                Goal::Down => self.entity(entity).actual == Actual::Down,
            };
            if reached {
                self.waiters.retain(|waiter| waiter.id != id);
                self.reply(id, entity, Reply::Already);
            }
        } else if goal == Goal::Down && self.entity(entity).actual == Actual::Down {
            self.answer(entity, goal, Reply::Done);
        }
    }

    /// Does what was asked. False when it was so already, or is on its way.
    pub(super) fn apply(&mut self, id: EntityId, ask: Ask) -> bool {
        match ask {
            Ask::Start => self.apply_start(id),
            Ask::Stop => self.apply_stop(id, Why::AskedStop),
            Ask::Restart => {
                self.want_running(id);
                let next = Next::Start(self.now, Cause::Asked);
                self.bring_down(id, Why::AskedStart, next);
                true
            }
            Ask::Kill(_) => false,
        }
    }

    /// A person's start or restart gives a fresh budget (design §6).
    fn want_running(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.desired = Desired::Running;
        entity.budget = super::Budget::default();
        self.put(id, entity);
        self.answer(id, Goal::Down, Reply::Overruled);
    }

    fn apply_start(&mut self, id: EntityId) -> bool {
        self.want_running(id);
        match self.entity(id).actual {
            Actual::Up { .. } | Actual::Starting { .. } | Actual::Aborting { .. } => false,
            Actual::Stopping { next: Next::Start(..), .. } => false,
            Actual::Down | Actual::Waiting(..) => {
                self.begin_start(id, Cause::Asked);
                true
            }
            Actual::Stopping { .. } | Actual::Clearing { .. } | Actual::Left { .. } => {
                self.bring_down(id, Why::AskedStart, Next::Start(self.now, Cause::Asked));
                true
            }
        }
    }

    fn apply_stop(&mut self, id: EntityId, why: Why) -> bool {
        let mut entity = self.entity(id);
        let changed = entity.desired == Desired::Running || entity.actual != Actual::Down;
        entity.desired = Desired::Stopped;
        if entity.actual == Actual::Down && changed {
            entity.why = why;
        }
        self.put(id, entity);
        self.answer(id, Goal::Up, Reply::Overruled);
        self.cancel_restarts(id);
        self.bring_down(id, why, Next::Rest);
        changed
    }

    /// The client that asked has gone.
    pub fn forget_request(&mut self, id: RequestId) {
        self.waiters.retain(|waiter| waiter.id != id);
    }

    pub(super) fn reply(&mut self, id: RequestId, entity: EntityId, answer: Reply) {
        self.emit(Effect::Reply { id, entity, answer });
    }

    /// Answers everybody who waits for this of an entity.
    pub(super) fn answer(&mut self, id: EntityId, goal: Goal, answer: Reply) {
        let mut answered = Vec::new();
        self.waiters.retain(|waiter| {
            let mine = waiter.entity == id && waiter.goal == goal;
            if mine {
                answered.push(waiter.id);
            }
            !mine
        });
        for request in answered {
            self.reply(request, id, answer);
        }
    }

    /// Everything is to go down within that time; asked again, sooner.
    pub(super) fn shut_down(&mut self, code: u8, within: Span, signals: u64) {
        let due = self.now.after(within);
        self.global.signals = self.global.signals.max(signals);
        self.turn.dirty.insert(RecordId::Global);
        if let Some(shutdown) = &mut self.global.shutdown {
            if !shutdown.killing {
                shutdown.due = shutdown.due.min(due);
            }
            return;
        }
        self.global.shutdown = Some(Shutdown { code, due, killing: false, finished: false });
        let waiting: Vec<Waiter> =
            self.waiters.iter().filter(|waiter| waiter.goal == Goal::Up).copied().collect();
        for waiter in waiting {
            self.answer(waiter.entity, Goal::Up, Reply::ShuttingDown);
        }
        for id in self.active.all() {
            self.apply_stop(id, Why::Shutdown);
        }
        // What is down waits for nothing any more either.
        let waiting: Vec<EntityId> = self.runs_of.keys().copied().collect();
        for id in waiting {
            self.cancel_restarts(id);
        }
        self.cancel_waits();
    }

    /// The time to end in good order is over.
    pub(super) fn shutdown_due(&mut self) {
        let Some(shutdown) = &mut self.global.shutdown else { return };
        if shutdown.killing {
            self.finish();
            return;
        }
        shutdown.killing = true;
        shutdown.due = self.now.after(LAST_GRACE);
        for id in self.active.all() {
            let entity = self.entity(id);
            if let Actual::Stopping { killed: false, .. } = entity.actual {
                self.entity_due(id);
            }
        }
        // Lists that are still in progress have had their time.
        let commands: Vec<u32> = self.commands.keys().copied().collect();
        for slot in commands {
            self.command_due(slot);
        }
    }

    pub(super) fn finish_when_down(&mut self) {
        let Some(shutdown) = self.global.shutdown else { return };
        if shutdown.finished {
            return;
        }
        self.settle();
        let waits_for_lists = !self.runs.is_empty() && !shutdown.killing;
        if self.active.is_empty() && !waits_for_lists {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(shutdown) = &mut self.global.shutdown else { return };
        shutdown.finished = true;
        let code = shutdown.code;
        self.turn.dirty.insert(RecordId::Global);
        self.emit(Effect::Finish { code });
    }
}
