//! The way down of one entity: its turn comes (`order`), it is asked to end,
//! killed when its time is over, and cleared of all that it left, before
//! anything else begins in its place.

use super::entity::{Actual, Desired, NEVER, Next, Why};
use super::heir::HEIR_APPEARS;
use super::life::occurrence;
use super::{Goal, Monitor};
use crate::effect::{Effect, Fact, Reply};
use crate::event::Wait;
use crate::ids::{EntityId, SlotRef};
use crate::plan::{
    DirectoryPlace, EntityPlan, KeepDirectory, KillScope, Kind, POST_STOP, STOP_COMMAND, SendTo,
};
use crate::signal::Signal;
use crate::status::ExitStatus;
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
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => return,
        };
        if left > 0 {
            self.note(id, Fact::Leftovers { count: left });
            match next {
                // Never beside what is left: the daemon tries again for as
                // long as it takes (its passes have a deadline of their own).
                Next::Start(..) => self.clear_all(id, slot, next),
                Next::Rest => {
                    entity.actual = Actual::Left { slot };
                    self.put(id, entity);
                    self.answer(id, Goal::Down, Reply::Left(left));
                }
            }
            return;
        }
        self.release(slot);
        if self.has_let_go(id) {
            self.is_down(id, next);
            return;
        }
        let plan = self.plan_of(id);
        let remains =
            matches!(plan.map(|plan| plan.kind.clone()), Some(Kind::Oneshot { remain: true }));
        if entity.finished && remains && next == Next::Rest && entity.desired == Desired::Running {
            entity.actual = Actual::Reached;
            self.put(id, entity);
            return;
        }
        self.tidy(id, next);
    }

    /// All of its processes are gone: its `post-stop` list comes, and then its
    /// directories go.
    pub(super) fn tidy(&mut self, id: EntityId, next: Next) {
        let mut entity = self.entity(id);
        let plan = self.plan_of(id);
        let has_list = plan.as_ref().is_some_and(|plan| !plan.post_stop.is_empty());
        if !has_list && !plan.as_deref().is_some_and(has_directories) {
            self.is_down(id, next);
            return;
        }
        entity.actual = Actual::Tidying { next };
        self.put(id, entity);
        // Of this start: there may have been no process, and one before it.
        let status = entity.last_exit.filter(|_| entity.last_pid > 0);
        let occurred = occurrence(id, &[], None, entity.last_pid, status);
        if !has_list || !self.begin_own_list(id, POST_STOP, occurred) {
            self.remove_directories(id);
        }
    }

    /// Its `post-stop` list is over.
    pub(super) fn remove_directories(&mut self, id: EntityId) {
        let entity = self.entity(id);
        let Actual::Tidying { next } = entity.actual else { return };
        if self.plan_of(id).as_deref().is_some_and(has_directories) {
            let comes_back = entity.desired == Desired::Running && self.has_lists(id);
            let restarts = matches!(next, Next::Start(..)) || comes_back;
            self.emit(Effect::Tidy { entity: id, restarts });
        } else {
            self.is_down(id, next);
        }
    }

    pub(super) fn tidied(&mut self, id: EntityId) {
        if let Actual::Tidying { next } = self.entity(id).actual
            && !self.has_own_list(id, POST_STOP)
        {
            self.is_down(id, next);
        }
    }

    /// Nothing of it is left.
    pub(super) fn is_down(&mut self, id: EntityId, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Down;
        entity.attached = false;
        self.put(id, entity);
        match next {
            Next::Rest => {
                self.answer(id, Goal::Down, Reply::Done);
                self.rests(id);
            }
            Next::Start(at, cause) => self.start_at(id, at, cause),
        }
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
            Actual::Preparing { cause, .. } => self.not_prepared(id, Why::StartTimeout, cause),
            Actual::Handover { slot, pid, until, cause, .. } => {
                let late = until.is_some_and(|until| until <= self.now);
                if late && entity.moving {
                    self.has_no_heir(id, slot, pid);
                } else if late {
                    self.clear_all(id, slot, Next::Rest);
                    self.start_failed(id, Why::StartTimeout, cause, Some(slot));
                } else {
                    // Not before it was answered: a reading that hangs is not
                    // repeated.
                    entity.actual = Actual::Handover { slot, pid, due: NEVER, until, cause };
                    self.put(id, entity);
                    self.find_main(id, slot);
                }
            }
            Actual::Readying { slot, cause, .. } => {
                // Whatever it is in the middle of, it may end in good order.
                self.unwatch_readiness(id, slot);
                let timeout = self.plan_of(id).map_or(Span::ZERO, |plan| plan.stop.timeout);
                let due = self.now.after(timeout);
                entity.actual = Actual::Aborting { slot, due, killed: false, cause };
                self.put(id, entity);
                self.ask_to_end(id, slot);
            }
            Actual::Starting { slot, cause, .. } | Actual::Aborting { slot, cause, .. } => {
                if let Actual::Aborting { killed: false, .. } = entity.actual {
                    self.note(id, Fact::Killing);
                }
                let due = self.now.after(KILL_AGAIN);
                entity.actual = Actual::Aborting { slot, due, killed: true, cause };
                self.put(id, entity);
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Stopping { slot, due, .. } if due > self.now => {
                // As at a start: a reading that hangs is not repeated.
                entity.look = Some(NEVER);
                self.put(id, entity);
                self.find_main(id, slot);
            }
            Actual::Stopping { .. } => self.end_by_force(id),
            Actual::Down
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Retiring { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => {}
        }
    }

    /// Its time to end is over, if it is to end.
    pub(super) fn end_by_force(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        let Actual::Stopping { slot, pid, killed, next, .. } = entity.actual else { return };
        if entity.moving {
            if self.kills_all(id) {
                self.note(id, Fact::Killing);
            }
            self.ended_unfound(id, slot, pid, next);
            return;
        }
        let scope = self.kill_scope(id);
        let last = self.global.shutdown.is_some_and(|shutdown| shutdown.killing);
        let due = match scope {
            // It ends when it likes; not when it hangs before its program.
            KillScope::None if !last && pid != 0 => NEVER,
            KillScope::All | KillScope::Main | KillScope::None => self.now.after(KILL_AGAIN),
        };
        entity.actual = Actual::Stopping { slot, pid, due, killed: due != NEVER, next };
        self.put(id, entity);
        self.cancel_own_list(id, STOP_COMMAND);
        if due == NEVER {
            self.note(id, Fact::Leftovers { count: 1 });
            self.answer(id, Goal::Down, Reply::Left(1));
            return;
        }
        if !killed {
            self.note(id, Fact::Killing);
        }
        self.emit_kill(id, slot, pid, scope);
    }

    pub(super) fn emit_kill(&mut self, id: EntityId, slot: SlotRef, pid: i32, scope: KillScope) {
        // One that is still being made has nothing but itself.
        if scope == KillScope::All || pid == 0 {
            self.emit(Effect::Clear { slot, entity: id, command: false });
        } else {
            self.emit(Effect::Signal { slot, signal: Signal::KILL, code: 0, value: 0, run: None });
        }
    }

    /// Brings an entity down, or keeps it down; `next` says what follows.
    pub(super) fn bring_down(&mut self, id: EntityId, why: Why, next: Next) {
        let mut entity = self.entity(id);
        let timeout = self.plan_of(id).map_or(Span::ZERO, |plan| plan.stop.timeout);
        match entity.actual {
            Actual::Down => {
                if let Next::Start(at, cause) = next {
                    entity.why = why;
                    self.put(id, entity);
                    self.start_at(id, at, cause);
                }
                return;
            }
            Actual::Waiting(..) | Actual::Queued(_) | Actual::Gated(_) => {
                if let Actual::Gated(_) = entity.actual {
                    self.emit(Effect::Unwatch { wait: Wait::Start(id) });
                }
                entity.why = why;
                entity.since = Some(self.now);
                self.put(id, entity);
                self.is_down(id, next);
                return;
            }
            Actual::Preparing { .. } => {
                entity.why = why;
                entity.since = Some(self.now);
                self.put(id, entity);
                self.leave_preparing(id, next);
                return;
            }
            Actual::Starting { slot, due, .. } => {
                // A start that hangs is not given longer for being unwanted.
                let stop = self.now.after(timeout);
                let due = due.map_or(stop, |start| start.min(stop));
                entity.actual = Actual::Stopping { slot, pid: 0, due, killed: false, next };
            }
            Actual::Aborting { slot, due, killed, .. } => {
                entity.actual = Actual::Stopping { slot, pid: 0, due, killed, next };
            }
            Actual::Readying { slot, pid, since, .. } => {
                self.unwatch_readiness(id, slot);
                self.retire(id, Some(slot), pid, since, (why, next));
                return;
            }
            Actual::Up { slot, pid, since } => {
                self.retire(id, Some(slot), pid, since, (why, next));
                return;
            }
            Actual::Reached => {
                self.retire(id, None, 0, self.now, (why, next));
                return;
            }
            Actual::Handover { slot, pid, .. } => {
                if !entity.moving {
                    // Of that process a good end is known, and nothing else.
                    entity.last_exit = Some(ExitStatus::Code(0));
                    entity.moving = true;
                    self.put(id, entity);
                }
                let since = entity.times.up.unwrap_or(self.now);
                self.retire(id, Some(slot), pid, since, (why, next));
                return;
            }
            Actual::Retiring { slot, pid, since, .. } => {
                entity.actual = Actual::Retiring { slot, pid, since, next };
            }
            Actual::Stopping { slot, pid, due, killed, .. } => {
                entity.actual = Actual::Stopping { slot, pid, due, killed, next };
            }
            Actual::Clearing { slot, .. } => {
                entity.actual = Actual::Clearing { slot, next };
            }
            Actual::Tidying { .. } => {
                entity.actual = Actual::Tidying { next };
            }
            Actual::Left { slot } => {
                // Whatever is asked of it: what is left has to go first.
                entity.actual = Actual::Clearing { slot, next };
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Joining { slot, .. } => {
                self.stop_joining(id, slot, why, next);
                return;
            }
        }
        entity.why = why;
        self.put(id, entity);
    }

    /// It is to end: at once, or where it has neighbours, when its turn comes.
    fn retire(
        &mut self,
        id: EntityId,
        slot: Option<SlotRef>,
        pid: i32,
        since: crate::time::Mono,
        (why, next): (Why, Next),
    ) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Retiring { slot, pid, since, next };
        entity.why = why;
        entity.since = Some(self.now);
        self.put(id, entity);
        if !self.plan.is_linked(id) {
            self.begin_end(id);
        }
    }

    /// Nobody keeps it from ending any more.
    pub(super) fn begin_end(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        let Actual::Retiring { slot, pid, next, .. } = entity.actual else { return };
        let Some(slot) = slot else {
            entity.finished = false;
            self.put(id, entity);
            self.tidy(id, next);
            return;
        };
        let plan = self.plan_of(id);
        let timeout = plan.as_ref().map_or(Span::ZERO, |plan| plan.stop.timeout);
        // Where not all are to end, only the one that is looked for is waited for.
        let only_one = entity.moving && !self.kills_all(id);
        let due = self.now.after(if only_one { timeout.min(HEIR_APPEARS) } else { timeout });
        entity.actual = Actual::Stopping { slot, pid, due, killed: false, next };
        entity.look = None;
        self.put(id, entity);
        if entity.moving {
            self.find_main(id, slot);
            return;
        }
        self.ask_main_to_end(id, slot, pid);
    }

    /// Its main process is known: it is asked by the command of its stop, or
    /// else by its signal.
    pub(super) fn ask_main_to_end(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let plan = self.plan_of(id);
        let has_command = plan.is_some_and(|plan| plan.stop.command.is_some());
        let occurred = occurrence(id, &[], Some(slot), pid, None);
        if !has_command || !self.begin_own_list(id, STOP_COMMAND, occurred) {
            self.ask_to_end(id, slot);
        }
    }

    /// The command of its stop is over; its process may not be.
    pub(super) fn stop_command_over(&mut self, id: EntityId) {
        if let Actual::Stopping { slot, killed: false, .. } = self.entity(id).actual {
            self.ask_to_end(id, slot);
        }
    }

    pub(super) fn ask_to_end(&mut self, id: EntityId, slot: SlotRef) {
        let Some(plan) = self.plan_of(id) else { return };
        let signal = plan.stop.signal;
        self.note(id, Fact::Stopping { signal });
        match plan.stop.send_to {
            // What else is its is not known of one that was attached.
            SendTo::All if self.entity(id).attached => {
                self.emit(Effect::Signal { slot, signal, code: 0, value: 0, run: None });
            }
            SendTo::Main => {
                self.emit(Effect::Signal { slot, signal, code: 0, value: 0, run: None })
            }
            SendTo::All => self.emit(Effect::SignalAll { slot, entity: id, signal }),
        }
    }
}

/// Whether something in the file system may have to go with its processes.
fn has_directories(plan: &EntityPlan) -> bool {
    plan.directories.iter().any(|directory| {
        directory.place == DirectoryPlace::Runtime && directory.keep != KeepDirectory::Yes
    })
}
