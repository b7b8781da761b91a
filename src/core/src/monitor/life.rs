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

/// A program that is missing now will be missing in a microsecond: whatever
/// the back-off says, a failed start is not repeated sooner.
const FAILED_START_PAUSE: Span = Span::millis(100);

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
        let Some(slot) = self.pool.take(Owner::Main(id), self.memory.as_ref()) else {
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
            // It was taken for up after a takeover, and had not executed yet.
            Actual::Up { slot: mine, .. } if mine == slot => {
                self.start_failed(id, Why::StartFailed(error), Cause::Asked, Some(slot));
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
        let least = if slot.is_none() { NO_SLOT_PAUSE } else { FAILED_START_PAUSE };
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
