//! Starts that have failed, and the attempts that follow. A failed start is no
//! death.

use super::entity::{Actual, Cause, Desired, Next, Why};
use super::life::occurrence;
use super::{ERROR_NO_PLAN, ERROR_NO_SLOT, Goal, Monitor};
use crate::effect::{Fact, Failure, Reply};
use crate::ids::{EntityId, SlotRef};
use crate::plan::ConditionKind;
use crate::time::Span;

/// The least wait after a start for which there was no slot: its end comes at
/// once, and without a pause would lead straight into the next attempt.
const NO_SLOT_PAUSE: Span = Span::seconds(1);

/// A program that is missing now will be missing in a microsecond: whatever
/// the back-off says, a failed start is not repeated sooner.
const FAILED_START_PAUSE: Span = Span::millis(100);

impl Monitor {
    pub(super) fn spawn_failed(&mut self, id: EntityId, slot: SlotRef, error: u64) {
        let entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot: mine, cause, .. }
            | Actual::Readying { slot: mine, cause, .. }
                if mine == slot =>
            {
                self.not_made(id, slot, Why::StartFailed(error), cause);
            }
            Actual::Joining { slot: mine, pid, .. } if mine == slot => {
                self.not_joined(id, slot, pid);
            }
            Actual::Aborting { slot: mine, cause, .. } if mine == slot => {
                self.not_made(id, slot, Why::StartTimeout, cause);
            }
            Actual::Stopping { slot: mine, next, .. }
            | Actual::Retiring { slot: Some(mine), next, .. }
                if mine == slot =>
            {
                self.clear(id, slot, next);
            }
            // It was taken for up after a takeover, and had not executed yet.
            Actual::Up { slot: mine, .. } if mine == slot => {
                self.not_made(id, slot, Why::StartFailed(error), Cause::Asked);
            }
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
            | Actual::Joining { .. } => {}
        }
    }

    /// There is no process; what was done for it before is put away as after
    /// one.
    fn not_made(&mut self, id: EntityId, slot: SlotRef, why: Why, cause: Cause) {
        self.release(slot);
        let mut entity = self.entity(id);
        entity.actual = Actual::Down;
        self.put(id, entity);
        self.tidy(id, Next::Rest);
        self.start_failed(id, why, cause, None);
    }

    /// A start did not lead to a process. It is tried again by the back-off of
    /// the entity's restart action, if it has one; that is no death. What may
    /// have left something behind is in `Clearing` or `Tidying` already.
    pub(super) fn start_failed(
        &mut self,
        id: EntityId,
        why: Why,
        cause: Cause,
        slot: Option<SlotRef>,
    ) {
        let mut entity = self.entity(id);
        let clearing = matches!(entity.actual, Actual::Clearing { .. } | Actual::Tidying { .. });
        if !clearing {
            entity.actual = Actual::Down;
        }
        entity.since = Some(self.now);
        entity.why = why;
        let error = if let Why::StartFailed(error) = why { error } else { 0 };
        self.put(id, entity);
        if let Some(slot) = slot.filter(|_| !clearing) {
            self.release(slot);
        }
        let (fact, reply) = if why == Why::PreStartFailed {
            (Fact::PreStartFailed, Reply::PreStartFailed)
        } else if why == Why::StartTimeout {
            (Fact::StartTimeout, Reply::StartFailed(0))
        } else {
            (Fact::StartFailed { error }, Reply::StartFailed(error))
        };
        self.note(id, fact);
        self.answer(id, Goal::Up, reply);
        let impossible = [ERROR_NO_SLOT, ERROR_NO_PLAN].contains(&error);
        let least = if impossible { NO_SLOT_PAUSE } else { FAILED_START_PAUSE };
        let retried = entity.desired == Desired::Running && self.try_again(id, cause, least);
        let kinds = [ConditionKind::StartFailed, ConditionKind::Failure];
        let status = entity.last_exit.filter(|_| why == Why::StartTimeout);
        self.fire(id, occurrence(id, &kinds, slot, 0, status));
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
        let next = Next::Start(at, cause);
        match entity.actual {
            Actual::Clearing { slot, .. } => {
                entity.actual = Actual::Clearing { slot, next };
                self.put(id, entity);
            }
            Actual::Tidying { .. } => {
                entity.actual = Actual::Tidying { next };
                self.put(id, entity);
            }
            Actual::Left { slot } => {
                self.put(id, entity);
                self.clear_all(id, slot, next);
            }
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
            | Actual::Joining { .. } => {
                self.put(id, entity);
                self.start_at(id, at, cause);
            }
        }
        if delay > Span::ZERO {
            self.note(id, Fact::Backoff { delay, attempt });
        }
        true
    }
}
