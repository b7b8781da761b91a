//! The ends of the processes of one entity. A stop that was asked for is never
//! a death; a process is never started while anything is left of the one
//! before, unless the unit says that it may be.

use super::entity::{Actual, Cause, Entity, Next, Why};
use super::run::{Detail, Kinds, Occurrence};
use super::{Goal, Monitor};
use crate::effect::{Effect, Fact, Failure, Reply};
use crate::ids::{EntityId, SlotRef};
use crate::plan::{ConditionKind, EntityPlan, KillScope, Kind, STOP_COMMAND};
use crate::status::ExitStatus;
use crate::time::{Mono, Span};

impl Monitor {
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
        if entity.moving {
            // Told again: that one has been seen to end.
            return;
        }
        if let Some((_, known)) = entity.running()
            && entity.adopted
            && known != pid
        {
            // The process that its slot has held before: what takes its place
            // there has not been noted yet, or this end came in between.
            self.emit(Effect::Adopt { slot, entity: id, pid: known });
            return;
        }
        entity.last_pid = pid;
        self.put(id, entity);
        match entity.actual {
            Actual::Up { .. } if !entity.attached && self.may_have_moved(id) => self.look_for_heir(id, slot, pid, status),
            Actual::Up { since, .. } => {
                let length = at.max(since).since(since);
                self.died(id, slot, pid, status, length);
            }
            Actual::Readying { since, .. } => {
                let length = at.max(since).since(since);
                self.ended_while_readying(id, slot, pid, status, length);
            }
            Actual::Aborting { cause, .. } => {
                entity.last_exit = Some(status);
                (entity.abnormal, entity.good) = (false, false);
                self.put(id, entity);
                self.note(id, Fact::Stopped { pid, status });
                // It may have come as far as to start others.
                self.clear_all(id, slot, Next::Rest);
                self.start_failed(id, Why::StartTimeout, cause, Some(slot));
            }
            Actual::Retiring { next, .. } | Actual::Stopping { next, .. } => {
                self.ended_as_asked(id, (slot, pid), status, (false, next));
            }
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            // Told again: that one has been seen to end.
            | Actual::Handover { .. }
            | Actual::Reached
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. } => {}
            // It has ended before it was taken.
            Actual::Joining { pid, .. } => self.not_joined(id, slot, pid),
        }
    }

    /// It was to end, and its process has; `all`: so must be what it has left,
    /// whatever the unit spares.
    pub(super) fn ended_as_asked(
        &mut self,
        id: EntityId,
        (slot, pid): (SlotRef, i32),
        status: ExitStatus,
        (all, next): (bool, Next),
    ) {
        let mut entity = self.entity(id);
        entity.last_exit = Some(status);
        (entity.abnormal, entity.good) = (false, true);
        entity.since = Some(self.now);
        self.put(id, entity);
        self.note(id, Fact::Stopped { pid, status });
        if all {
            self.clear_all(id, slot, next);
        } else {
            self.clear(id, slot, next);
        }
        // What it was to stop is gone: it must not meet the next.
        self.cancel_own_list(id, STOP_COMMAND);
        self.fire(id, occurrence(id, &[ConditionKind::Stopped], Some(slot), pid, Some(status)));
    }

    fn may_have_moved(&mut self, id: EntityId) -> bool {
        self.plan_of(id).is_some_and(|plan| matches!(plan.kind, Kind::Forking { .. }))
    }

    /// Before it was up: a one-shot is, in a way, and a forking daemon's first
    /// process is to end.
    fn ended_while_readying(
        &mut self,
        id: EntityId,
        slot: SlotRef,
        pid: i32,
        status: ExitStatus,
        length: Span,
    ) {
        let plan = self.plan_of(id);
        let good = is_good(status, plan.as_deref());
        self.unwatch_readiness(id, slot);
        match plan.as_ref().map(|plan| &plan.kind) {
            Some(Kind::Oneshot { .. }) if good => self.finished(id, slot, pid, status),
            Some(Kind::Forking { .. }) if status.is_success() => self.hand_over(id, slot, pid),
            Some(
                Kind::Service
                | Kind::Oneshot { .. }
                | Kind::Forking { .. }
                | Kind::Target
                | Kind::Placeholder { .. }
                | Kind::Global,
            )
            | None => self.died(id, slot, pid, status, length),
        }
    }

    fn finished(&mut self, id: EntityId, slot: SlotRef, pid: i32, status: ExitStatus) {
        let mut entity = self.entity(id);
        entity.finished = true;
        entity.since = Some(self.now);
        entity.times.up = Some(self.now);
        entity.last_exit = Some(status);
        (entity.abnormal, entity.good) = (false, true);
        entity.why = Why::Finished(status);
        self.put(id, entity);
        self.note(id, Fact::Finished { pid, status });
        self.clear(id, slot, Next::Rest);
        self.answer(id, Goal::Up, Reply::Done);
        let kinds = [ConditionKind::Ready, ConditionKind::Finished];
        self.fire(id, occurrence(id, &kinds, Some(slot), pid, Some(status)));
    }

    pub(super) fn died(
        &mut self,
        id: EntityId,
        slot: SlotRef,
        pid: i32,
        status: ExitStatus,
        length: Span,
    ) {
        let mut entity = self.entity(id);
        let abnormal = match status {
            ExitStatus::Signal { signal, .. } => {
                signal.is_abnormal() || entity.told == Some(signal)
            }
            ExitStatus::Code(_) | ExitStatus::Unknown => false,
        };
        let plan = self.plan_of(id);
        if let Some(restart) = plan.as_ref().and_then(|plan| plan.restart()) {
            entity.budget.ran(restart, length);
        }
        let listed = plan.as_ref().is_some_and(|plan| plan.success_exit.hold(status));
        // One that was to say that it is ready, and ends before, has failed
        // however well it ends.
        let early = matches!(entity.actual, Actual::Readying { .. });
        let oom = entity.oom_ended;
        let abnormal = abnormal || oom;
        let failure = early || oom || (is_failure(status, abnormal) && !listed);
        entity.since = Some(self.now);
        entity.last_exit = Some(status);
        (entity.abnormal, entity.good) = (abnormal, !failure);
        entity.why = Why::Died(status);
        self.put(id, entity);
        self.note(id, Fact::Died { pid, status });
        self.clear(id, slot, Next::Rest);
        self.answer(id, Goal::Up, Reply::Ended(status));
        let mut kinds = vec![ConditionKind::Death];
        if abnormal {
            kinds.push(ConditionKind::AbnormalDeath);
        }
        if failure {
            kinds.push(ConditionKind::Failure);
        }
        if oom {
            kinds.push(ConditionKind::OomKill);
        }
        self.fire(id, occurrence(id, &kinds, Some(slot), pid, Some(status)));
    }

    /// Its process is gone, and so must be all that it has started, whatever the
    /// unit spares: nobody knows which of them is the entity, or one pass more is
    /// needed over what is left.
    pub(super) fn clear_all(&mut self, id: EntityId, slot: SlotRef, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Clearing { slot, next };
        self.put(id, entity);
        self.emit(Effect::Clear { slot, entity: id, command: false });
    }

    /// Its process is gone: so must be, as a rule, what that has started.
    pub(super) fn clear(&mut self, id: EntityId, slot: SlotRef, next: Next) {
        if self.kill_scope(id) == KillScope::All {
            self.clear_all(id, slot, next);
            return;
        }
        // The rest may outlive it. Told as if it had been looked for, when
        // whatever this end leads to has begun: in this turn, so that no
        // successor finds it so.
        let mut entity = self.entity(id);
        entity.actual = Actual::Clearing { slot, next };
        self.put(id, entity);
        self.unclear.push(slot);
    }

    /// What waits for its next process goes on; a target has none, and counts
    /// as started when it is reached.
    pub(super) fn has_started(
        &mut self,
        id: EntityId,
        again: bool,
        slot: Option<SlotRef>,
        pid: i32,
    ) {
        let brought_back = self.restart_done(id, Ok(()));
        if again {
            if !brought_back {
                self.prune(id);
            }
            self.fire(id, occurrence(id, &[ConditionKind::Restart], slot, pid, None));
        }
    }

    pub(super) fn limit_reached(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.why = Why::Limit;
        self.put(id, entity);
        self.note(id, Fact::LimitReached);
        self.restart_done(id, Err(Failure::Limit));
        self.fire(id, occurrence(id, &[ConditionKind::RestartLimit], None, 0, entity.last_exit));
    }
}

/// Whether an end counts as a failure: an abnormal death, or an exit status
/// other than 0. A status that nobody could read counts, since not to restart
/// what has failed is the greater harm.
fn is_failure(status: ExitStatus, abnormal: bool) -> bool {
    match status {
        ExitStatus::Code(code) => code != 0,
        ExitStatus::Signal { .. } => abnormal,
        ExitStatus::Unknown => true,
    }
}

/// Whether a one-shot that ended so has done what it was for.
fn is_good(status: ExitStatus, plan: Option<&EntityPlan>) -> bool {
    status.is_success() || plan.is_some_and(|plan| plan.success_exit.hold(status))
}

pub(super) fn occurrence(
    about: EntityId,
    kinds: &[ConditionKind],
    slot: Option<SlotRef>,
    pid: i32,
    status: Option<ExitStatus>,
) -> Occurrence {
    Occurrence { about, kinds: Kinds::of(kinds), detail: Detail::None, slot, pid, status }
}

/// Whether this start is one by the restart action, which is counted.
pub(super) fn count_restart(entity: &mut Entity, cause: Cause) -> bool {
    let again = cause == Cause::Restart;
    if again {
        entity.restarts = entity.restarts.saturating_add(1);
        entity.why = Why::Restarted(entity.last_exit);
    }
    again
}
