//! What happens to one entity: each function is one row of its table, a match
//! over what it is. A stop that was asked for is never a death; a failed
//! start is never a death either; a process is never started while anything
//! is left of the one before.

use super::entity::{Actual, Cause, Desired, Entity, Next, Why};
use super::pool::Owner;
use super::run::{Kinds, Occurrence};
use super::{ERROR_NO_PLAN, ERROR_NO_SLOT, Goal, Monitor, is_failure};
use crate::effect::{Effect, Fact, Failure, Process, Reply, Spawn};
use crate::ids::{EntityId, SlotRef};
use crate::plan::{ConditionKind, StartMode};
use crate::status::ExitStatus;
use crate::time::{Mono, Span};

/// The least wait after a start for which there was no slot: its end comes at
/// once, and without a pause would lead straight into the next attempt.
const NO_SLOT_PAUSE: Span = Span::seconds(1);

/// What was killed and has not ended is killed again after this time: the
/// first pass may have come before the process was made, and then nothing is
/// told of one that hangs in its exec. Killing takes milliseconds, so this is
/// hardly ever needed; often would not help.
pub(super) const KILL_AGAIN: Span = Span::seconds(1);

impl Monitor {
    /// What starts by itself starts, once in the life of the state.
    pub(super) fn boot(&mut self) {
        if self.global.booted {
            return;
        }
        self.global.booted = true;
        self.turn.dirty.insert(crate::memory::RecordId::Global);
        let ids: Vec<EntityId> = self.plan.ids().collect();
        for id in ids {
            // Only what has no history: should the manager's own record be
            // lost, nothing starts twice for that.
            let mut entity = self.entity(id);
            let fresh = entity.actual == Actual::Down && entity.why == Why::NeverStarted;
            if fresh && self.plan_of(id).is_some_and(|plan| plan.start == StartMode::Auto) {
                entity.desired = Desired::Running;
                self.put(id, entity);
                self.begin_start(id, Cause::Boot);
            }
        }
    }

    /// Makes a process for an entity that has none.
    pub(super) fn begin_start(&mut self, id: EntityId, cause: Cause) {
        if self.is_shutting_down() {
            return;
        }
        let Some(plan) = self.plan_of(id) else {
            self.start_failed(id, Why::StartFailed(ERROR_NO_PLAN), cause, None);
            return;
        };
        let Some(slot) = self.pool.take(Owner::Main(id)) else {
            self.start_failed(id, Why::StartFailed(ERROR_NO_SLOT), cause, None);
            return;
        };
        let mut entity = self.entity(id);
        entity.actual =
            Actual::Starting { slot, due: plan.start_timeout.deadline(self.now), cause };
        entity.since = Some(self.now);
        entity.told = None;
        match cause {
            Cause::Boot => entity.why = Why::Boot,
            Cause::Asked => entity.why = Why::AskedStart,
            Cause::Restart => {}
        }
        self.put(id, entity);
        let spawn = Spawn { slot, entity: id, plan, what: Process::Main };
        self.emit(Effect::Spawn(Box::new(spawn)));
    }

    /// Starts at that time, now if it has come.
    pub(super) fn start_at(&mut self, id: EntityId, at: Mono, cause: Cause) {
        if at <= self.now {
            self.begin_start(id, cause);
            return;
        }
        let mut entity = self.entity(id);
        entity.actual = Actual::Waiting(at, cause);
        entity.since = Some(self.now);
        self.put(id, entity);
    }

    pub(super) fn spawned(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot: mine, cause, .. } if mine == slot => {
                let again = cause == Cause::Restart;
                entity.actual = Actual::Up { slot, pid, since: self.now };
                entity.since = Some(self.now);
                if again {
                    entity.restarts = entity.restarts.saturating_add(1);
                    entity.why = Why::Restarted(entity.last_exit);
                }
                self.put(id, entity);
                self.note(id, Fact::Started { pid, again });
                self.answer(id, Goal::Up, Reply::Done);
                let brought_back = self.restart_done(id, Ok(()));
                if again {
                    if !brought_back {
                        self.prune(id);
                    }
                    self.fire(id, occurrence(&[ConditionKind::Restart], Some(slot), pid, None));
                }
            }
            Actual::Stopping { slot: mine, pid: 0, due, killed, next } if mine == slot => {
                // Asked to end before it was up: told so now, with all the time
                // that it has for that. Killed before that: perhaps before
                // there was anything to kill.
                let timeout = self.plan_of(id).map_or(Span::ZERO, |plan| plan.stop.timeout);
                let due = if killed { due } else { self.now.after(timeout) };
                entity.actual = Actual::Stopping { slot, pid, due, killed, next };
                self.put(id, entity);
                if killed {
                    self.emit(Effect::Clear { slot, entity: id, command: false });
                } else {
                    self.ask_to_end(id, slot);
                }
            }
            Actual::Aborting { slot: mine, .. } if mine == slot => {
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Left { .. } => {}
        }
    }

    pub(super) fn spawn_failed(&mut self, id: EntityId, slot: SlotRef, error: u64) {
        let mut entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot: mine, cause, .. } if mine == slot => {
                self.start_failed(id, Why::StartFailed(error), cause, Some(slot));
            }
            Actual::Aborting { slot: mine, cause, .. } if mine == slot => {
                self.start_failed(id, Why::StartTimeout, cause, Some(slot));
            }
            Actual::Stopping { slot: mine, next, .. } if mine == slot => {
                entity.actual = Actual::Clearing { slot, next };
                self.put(id, entity);
                self.emit(Effect::Clear { slot, entity: id, command: false });
            }
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Left { .. } => {}
        }
    }

    /// A start did not lead to a process. It is tried again by the back-off of
    /// the entity's restart action, if it has one; that is no death. What may
    /// have left something behind is in `Clearing` already.
    fn start_failed(&mut self, id: EntityId, why: Why, cause: Cause, slot: Option<SlotRef>) {
        let mut entity = self.entity(id);
        let clearing = matches!(entity.actual, Actual::Clearing { .. });
        if !clearing {
            entity.actual = Actual::Down;
        }
        entity.since = Some(self.now);
        entity.why = why;
        let error = match why {
            Why::StartFailed(error) => error,
            Why::NeverStarted
            | Why::Boot
            | Why::AskedStart
            | Why::Restarted(_)
            | Why::Died(_)
            | Why::AskedStop
            | Why::Shutdown
            | Why::StartTimeout
            | Why::Limit
            | Why::RecordLost => 0,
        };
        self.put(id, entity);
        if let Some(slot) = slot.filter(|_| !clearing) {
            self.release(slot);
        }
        if why == Why::StartTimeout {
            self.note(id, Fact::StartTimeout);
        } else {
            self.note(id, Fact::StartFailed { error });
        }
        self.answer(id, Goal::Up, Reply::StartFailed(error));
        let least = if slot.is_none() { NO_SLOT_PAUSE } else { Span::ZERO };
        let retried = entity.desired == Desired::Running && self.try_again(id, cause, least);
        let kinds = [ConditionKind::StartFailed, ConditionKind::Failure];
        self.fire(id, occurrence(&kinds, slot, 0, None));
        if !retried {
            self.restart_done(id, Err(Failure::Spawn(error)));
        }
    }

    /// Plans the next attempt of an entity that is down, after `least` at the
    /// earliest. False when it has no restart action, or its limit is reached
    /// (which is told here).
    pub(super) fn try_again(&mut self, id: EntityId, cause: Cause, least: Span) -> bool {
        let Some(plan) = self.plan_of(id) else { return false };
        let Some(restart) = plan.restart() else { return false };
        let mut entity = self.entity(id);
        let Some(delay) = entity.budget.next(restart, self.now) else {
            self.limit_reached(id);
            return false;
        };
        let delay = delay.max(least);
        let at = self.now.after(delay);
        let attempt = entity.budget.attempts;
        match entity.actual {
            Actual::Clearing { slot, .. } => {
                entity.actual = Actual::Clearing { slot, next: Next::Start(at, cause) };
                self.put(id, entity);
            }
            Actual::Left { slot } => {
                self.put(id, entity);
                self.clear_again(id, slot, Next::Start(at, cause));
            }
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Stopping { .. } => {
                self.put(id, entity);
                self.start_at(id, at, cause);
            }
        }
        if delay > Span::ZERO {
            self.note(id, Fact::Backoff { delay, attempt });
        }
        true
    }

    fn limit_reached(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.why = Why::Limit;
        self.put(id, entity);
        self.note(id, Fact::LimitReached);
        self.restart_done(id, Err(Failure::Limit));
        self.fire(id, occurrence(&[ConditionKind::RestartLimit], None, 0, entity.last_exit));
    }

    pub(super) fn exited(
        &mut self,
        id: EntityId,
        slot: SlotRef,
        pid: i32,
        status: ExitStatus,
        at: Mono,
    ) {
        if self.entity(id).slot() != Some(slot) {
            return;
        }
        if let Actual::Starting { .. } = self.entity(id).actual {
            // It ran and ended before its start was seen (or the monitor that
            // saw it is gone): both happened, in that order.
            self.spawned(id, slot, pid);
        }
        let mut entity = self.entity(id);
        match entity.actual {
            Actual::Up { slot, since, .. } => {
                let length = at.max(since).since(since);
                self.died(id, slot, pid, status, length);
            }
            Actual::Aborting { cause, .. } => {
                // It may have come as far as to start others.
                entity.actual = Actual::Clearing { slot, next: Next::Rest };
                self.put(id, entity);
                self.emit(Effect::Clear { slot, entity: id, command: false });
                self.start_failed(id, Why::StartTimeout, cause, Some(slot));
            }
            Actual::Stopping { next, .. } => {
                entity.actual = Actual::Clearing { slot, next };
                entity.last_exit = Some(status);
                entity.abnormal = false;
                entity.since = Some(self.now);
                self.put(id, entity);
                self.note(id, Fact::Stopped { pid, status });
                self.emit(Effect::Clear { slot, entity: id, command: false });
                self.fire(id, occurrence(&[ConditionKind::Stopped], Some(slot), pid, Some(status)));
            }
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Clearing { .. }
            | Actual::Left { .. } => {}
        }
    }

    fn died(&mut self, id: EntityId, slot: SlotRef, pid: i32, status: ExitStatus, length: Span) {
        let mut entity = self.entity(id);
        let abnormal = match status {
            ExitStatus::Signal { signal, .. } => {
                signal.is_abnormal() || entity.told == Some(signal)
            }
            ExitStatus::Code(_) | ExitStatus::Unknown => false,
        };
        if let Some(restart) = self.plan_of(id).as_ref().and_then(|plan| plan.restart()) {
            entity.budget.ran(restart, length);
        }
        entity.actual = Actual::Clearing { slot, next: Next::Rest };
        entity.since = Some(self.now);
        entity.last_exit = Some(status);
        entity.abnormal = abnormal;
        entity.why = Why::Died(status);
        self.put(id, entity);
        self.note(id, Fact::Died { pid, status });
        self.emit(Effect::Clear { slot, entity: id, command: false });
        self.answer(id, Goal::Up, Reply::Ended(status));
        let mut kinds = vec![ConditionKind::Death];
        if abnormal {
            kinds.push(ConditionKind::AbnormalDeath);
        }
        if is_failure(status, abnormal) {
            kinds.push(ConditionKind::Failure);
        }
        self.fire(id, occurrence(&kinds, Some(slot), pid, Some(status)));
    }

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
    fn clear_again(&mut self, id: EntityId, slot: SlotRef, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Clearing { slot, next };
        self.put(id, entity);
        self.emit(Effect::Clear { slot, entity: id, command: false });
    }

    pub(super) fn entity_due(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        match entity.actual {
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

    /// What is not re-armed goes after a restart (`HREARMAFTERRESTART`).
    pub(super) fn prune(&mut self, id: EntityId) {
        let Some(plan) = self.plan_of(id) else { return };
        let mut entity: Entity = self.entity(id);
        for (place, condition) in plan.conditions.iter().enumerate() {
            if !condition.rearm {
                entity.removed.mark_condition(place);
            }
            for (action, planned) in condition.actions.iter().enumerate() {
                if !planned.rearm {
                    entity.removed.mark_action(plan.action_bit(place, action));
                }
            }
        }
        self.put(id, entity);
    }
}

fn occurrence(
    kinds: &[ConditionKind],
    slot: Option<SlotRef>,
    pid: i32,
    status: Option<ExitStatus>,
) -> Occurrence {
    Occurrence { kinds: Kinds::of(kinds), slot, pid, status }
}
