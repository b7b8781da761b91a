//! The way down of one entity: asked to end, killed when its time is over, and
//! cleared of all that it left, before anything else begins in its place.

use super::entity::{Actual, Next, Why};
use super::{Goal, Monitor};
use crate::effect::{Effect, Fact, Reply};
use crate::ids::{EntityId, SlotRef};
use crate::time::Span;

/// What was killed and has not ended is killed again after this time: the
/// first pass may have come before the process was made, and then nothing is
/// told of one that hangs in its exec. Killing takes milliseconds, so this is
/// hardly ever needed; often would not help.
pub(super) const KILL_AGAIN: Span = Span::seconds(1);

impl Monitor {
    pub(super) fn cleared(&mut self, id: EntityId, slot: SlotRef, left: u32) {
        let mut entity = self.entity(id);
        let next = match entity.actual {
            Actual::Clearing { slot: mine, next } if mine == slot => next,
            // One pass more than was needed to give up was under way.
            Actual::Left { slot: mine } if mine == slot && left == 0 => Next::Rest,
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Left { .. } => return,
        };
        if left > 0 {
            self.note(id, Fact::Leftovers { count: left });
            match next {
                // Never beside what is left: the daemon tries again for as
                // long as it takes (its passes have a deadline of their own).
                Next::Start(..) => self.clear_again(id, slot, next),
                Next::Rest => {
                    entity.actual = Actual::Left { slot };
                    self.put(id, entity);
                    self.answer(id, Goal::Down, Reply::Left(left));
                }
            }
            return;
        }
        self.release(slot);
        entity.actual = Actual::Down;
        self.put(id, entity);
        match next {
            Next::Rest => self.answer(id, Goal::Down, Reply::Done),
            Next::Start(at, cause) => self.start_at(id, at, cause),
        }
    }

    /// One more pass over what is left of a process.
    pub(super) fn clear_again(&mut self, id: EntityId, slot: SlotRef, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Clearing { slot, next };
        self.put(id, entity);
        self.emit(Effect::Clear { slot, entity: id, command: false });
    }

    pub(super) fn entity_due(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        match entity.actual {
            // Of two records one is of old: nothing waits in a shutdown, and
            // what would never start must not be due for ever.
            Actual::Waiting(..) if self.is_shutting_down() => {
                self.bring_down(id, Why::Shutdown, Next::Rest);
            }
            Actual::Waiting(_, cause) => self.begin_start(id, cause),
            Actual::Starting { slot, cause, .. } | Actual::Aborting { slot, cause, .. } => {
                let due = self.now.after(KILL_AGAIN);
                entity.actual = Actual::Aborting { slot, due, cause };
                self.put(id, entity);
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Stopping { slot, pid, killed, next, .. } => {
                let due = self.now.after(KILL_AGAIN);
                entity.actual = Actual::Stopping { slot, pid, due, killed: true, next };
                self.put(id, entity);
                if !killed {
                    self.note(id, Fact::Killing);
                }
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Down | Actual::Up { .. } | Actual::Clearing { .. } | Actual::Left { .. } => {}
        }
    }

    /// Brings an entity down, or keeps it down; `next` says what follows.
    pub(super) fn bring_down(&mut self, id: EntityId, why: Why, next: Next) {
        let mut entity = self.entity(id);
        let timeout = self.plan_of(id).map_or(Span::ZERO, |plan| plan.stop.timeout);
        match entity.actual {
            Actual::Down => {
                if let Next::Start(at, cause) = next {
                    self.start_at(id, at, cause);
                }
                return;
            }
            Actual::Waiting(..) => {
                entity.actual = Actual::Down;
                entity.why = why;
                entity.since = Some(self.now);
                self.put(id, entity);
                if let Next::Start(at, cause) = next {
                    self.start_at(id, at, cause);
                }
                return;
            }
            Actual::Starting { slot, due, .. } => {
                // A start that hangs is not given longer for being unwanted.
                let stop = self.now.after(timeout);
                let due = due.map_or(stop, |start| start.min(stop));
                entity.actual = Actual::Stopping { slot, pid: 0, due, killed: false, next };
            }
            Actual::Aborting { slot, due, .. } => {
                entity.actual = Actual::Stopping { slot, pid: 0, due, killed: true, next };
            }
            Actual::Up { slot, pid, .. } => {
                let due = self.now.after(timeout);
                entity.actual = Actual::Stopping { slot, pid, due, killed: false, next };
                entity.why = why;
                entity.since = Some(self.now);
                self.put(id, entity);
                self.ask_to_end(id, slot);
                return;
            }
            Actual::Stopping { slot, pid, due, killed, .. } => {
                entity.actual = Actual::Stopping { slot, pid, due, killed, next };
            }
            Actual::Clearing { slot, .. } => {
                entity.actual = Actual::Clearing { slot, next };
            }
            Actual::Left { slot } => {
                // Whatever is asked of it: what is left has to go first.
                entity.actual = Actual::Clearing { slot, next };
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
        }
        entity.why = why;
        self.put(id, entity);
    }

    pub(super) fn ask_to_end(&mut self, id: EntityId, slot: SlotRef) {
        let Some(plan) = self.plan_of(id) else { return };
        let signal = plan.stop.signal;
        self.note(id, Fact::Stopping { signal });
        self.emit(Effect::Signal { slot, signal, value: 0, run: None });
    }
}
