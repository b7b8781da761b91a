//! The way up of one entity: its turn comes (`order`), a path is there, its
//! `pre-start` list is done, its process is made, runs, and says that it is
//! ready. A failed start is no death.

use super::entity::{Actual, Cause, Desired, Entity, NEVER, Next, StartTimes, Why};
use super::life::{count_restart, occurrence};
use super::pool::Owner;
use super::{ERROR_NO_PLAN, ERROR_NO_SLOT, Goal, Monitor};
use crate::effect::{Effect, Fact, Failure, Process, Reply, Spawn};
use crate::event::Wait;
use crate::ids::{EntityId, SlotRef};
use crate::plan::{ConditionKind, EntityPlan, Kind, PRE_START, Readiness, StartMode};
use crate::time::{Mono, Span};
use std::sync::Arc;

/// The least wait after a start for which there was no slot: its end comes at
/// once, and without a pause would lead straight into the next attempt.
const NO_SLOT_PAUSE: Span = Span::seconds(1);

/// A program that is missing now will be missing in a microsecond: whatever
/// the back-off says, a failed start is not repeated sooner.
const FAILED_START_PAUSE: Span = Span::millis(100);

/// A daemon that leaves another process behind has as a rule written its id
/// before it ends; else it does so within moments.
const LOOK_AGAIN: Span = Span::millis(50);

impl Monitor {
    /// What starts by itself starts, and what it needs, once in the life of
    /// the state.
    pub(super) fn boot(&mut self) {
        if self.global.booted {
            return;
        }
        self.global.booted = true;
        self.turn.dirty.insert(crate::memory::RecordId::Global);
        let ids: Vec<EntityId> = self.plan.ids().collect();
        let mut begins = Vec::new();
        for id in ids {
            // Only what has no history: should the manager's own record be
            // lost, nothing starts twice for that.
            let entity = self.entity(id);
            let fresh = entity.actual == Actual::Down && entity.why == Why::NeverStarted;
            if fresh && self.plan_of(id).is_some_and(|plan| plan.start == StartMode::Auto) {
                if self.plan.is_linked(id) {
                    begins.push(id);
                } else {
                    self.begin_at_boot(id);
                }
            }
        }
        // All of them wait for their turn before any of them is looked at.
        for id in self.needed_by(&begins) {
            let entity = self.entity(id);
            if entity.actual == Actual::Down
                && entity.why == Why::NeverStarted
                && !self.yields_at_boot(id)
            {
                self.begin_at_boot(id);
            }
        }
    }

    fn begin_at_boot(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.desired = Desired::Running;
        self.put(id, entity);
        self.begin_start(id, Cause::Boot);
    }

    /// An entity that has no process is to have one: at once, or where it has
    /// neighbours, when its turn comes.
    pub(super) fn begin_start(&mut self, id: EntityId, cause: Cause) {
        if self.is_shutting_down() {
            return;
        }
        let mut entity = self.entity(id);
        entity.finished = false;
        entity.since = Some(self.now);
        entity.times = StartTimes { asked: Some(self.now), begun: None, up: None };
        match cause {
            Cause::Boot => entity.why = Why::Boot,
            Cause::Asked => entity.why = Why::AskedStart,
            Cause::Restart | Cause::Dependency => {}
        }
        entity.actual = Actual::Queued(cause);
        self.put(id, entity);
        if !self.plan.is_linked(id) {
            self.go(id, cause);
        }
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

    /// Nobody keeps it from starting any more.
    pub(super) fn go(&mut self, id: EntityId, cause: Cause) {
        let Some(plan) = self.plan_of(id) else {
            self.start_failed(id, Why::StartFailed(ERROR_NO_PLAN), cause, None);
            return;
        };
        let Some(path) = plan.start_when.clone() else {
            self.prepare(id, &plan, cause);
            return;
        };
        let mut entity = self.entity(id);
        entity.actual = Actual::Gated(cause);
        self.put(id, entity);
        let wait = Wait::Start(id);
        self.emit(Effect::Watch { wait, path, not_before: None });
    }

    /// The path that its start waits for is there, or can never be seen.
    pub(super) fn gate_opens(&mut self, id: EntityId, ok: bool) {
        let mut entity = self.entity(id);
        let Actual::Gated(cause) = entity.actual else { return };
        if ok && self.is_kept_from_starting(id) {
            // Others have changed while it waited for its path.
            entity.actual = Actual::Queued(cause);
            self.put(id, entity);
            return;
        }
        match self.plan_of(id) {
            Some(plan) if ok => self.prepare(id, &plan, cause),
            Some(_) => self.start_failed(id, Why::PreStartFailed, cause, None),
            None => self.start_failed(id, Why::StartFailed(ERROR_NO_PLAN), cause, None),
        }
    }

    fn prepare(&mut self, id: EntityId, plan: &Arc<EntityPlan>, cause: Cause) {
        let mut entity = self.entity(id);
        entity.times.begun = Some(self.now);
        let due = plan.start_timeout.deadline(self.now);
        if plan.pre_start.is_empty() {
            self.put(id, entity);
            self.make(id, plan, due, cause);
            return;
        }
        entity.actual = Actual::Preparing { due, cause };
        entity.since = Some(self.now);
        self.put(id, entity);
        if !self.begin_own_list(id, PRE_START, occurrence(&[], None, 0, None)) {
            self.prepared(id, false);
        }
    }

    /// Its `pre-start` list is over.
    pub(super) fn prepared(&mut self, id: EntityId, ok: bool) {
        let Actual::Preparing { due, cause } = self.entity(id).actual else { return };
        match self.plan_of(id) {
            Some(plan) if ok => self.make(id, &plan, due, cause),
            Some(_) | None => self.not_prepared(id, Why::PreStartFailed, cause),
        }
    }

    /// Its `pre-start` list has failed or took too long: what that has made is
    /// put away as after a process.
    pub(super) fn not_prepared(&mut self, id: EntityId, why: Why, cause: Cause) {
        self.leave_preparing(id, Next::Rest);
        self.start_failed(id, why, cause, None);
    }

    /// It prepares no longer, whatever its list is at.
    pub(super) fn leave_preparing(&mut self, id: EntityId, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Down;
        self.put(id, entity);
        self.cancel_own_list(id, PRE_START);
        self.tidy(id, next);
    }

    fn make(&mut self, id: EntityId, plan: &Arc<EntityPlan>, due: Option<Mono>, cause: Cause) {
        let mut entity = self.entity(id);
        if plan.kind == Kind::Target {
            entity.actual = Actual::Reached;
            let again = count_restart(&mut entity, cause);
            self.came_up(id, entity, 0);
            self.has_started(id, again, None, 0);
            return;
        }
        let Some(slot) = self.pool.take(Owner::Main(id), self.memory.as_ref()) else {
            self.start_failed(id, Why::StartFailed(ERROR_NO_SLOT), cause, None);
            return;
        };
        entity.actual = Actual::Starting { slot, due, cause };
        entity.since = Some(self.now);
        entity.told = None;
        entity.adopted = false;
        entity.early = false;
        entity.ends = false;
        entity.reloading = None;
        entity.reloaded = None;
        self.put(id, entity);
        self.forget_said(id);
        let plan = Arc::clone(plan);
        let spawn = Spawn { slot, entity: id, plan, what: Process::Main };
        self.emit(Effect::Spawn(Box::new(spawn)));
    }

    pub(super) fn spawned(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot: mine, due, cause } if mine == slot => {
                self.runs(id, slot, pid, due, cause);
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
            | Actual::Left { .. } => {}
        }
    }

    /// Its process has executed its program.
    fn runs(&mut self, id: EntityId, slot: SlotRef, pid: i32, due: Option<Mono>, cause: Cause) {
        let mut entity = self.entity(id);
        let since = self.now;
        let plan = self.plan_of(id);
        let path = plan.as_ref().and_then(|plan| match &plan.ready {
            Readiness::Path(path) => Some(path.clone()),
            Readiness::Exec | Readiness::Notify | Readiness::Descriptor(_) => None,
        });
        let is_up = plan
            .as_ref()
            .is_none_or(|plan| plan.kind == Kind::Service && plan.ready == Readiness::Exec);
        entity.actual = if is_up {
            Actual::Up { slot, pid, since }
        } else {
            Actual::Readying { slot, pid, since, due, cause }
        };
        entity.since = Some(self.now);
        let again = count_restart(&mut entity, cause);
        self.put(id, entity);
        self.note(id, Fact::Started { pid, again });
        if let Some(path) = path {
            let wait = Wait::Ready(slot);
            self.emit(Effect::Watch { wait, path, not_before: Some(slot) });
        }
        if is_up {
            self.came_up(id, entity, pid);
        }
        self.has_started(id, again, Some(slot), pid);
        if entity.early {
            self.process_ready(id, slot);
        }
    }

    /// Its process, of this slot, says that it is ready.
    pub(super) fn process_ready(&mut self, id: EntityId, slot: SlotRef) {
        let mut entity = self.entity(id);
        if let Actual::Starting { slot: mine, .. } = entity.actual
            && mine == slot
        {
            // A quick one can say so sooner than the thread that has made it.
            entity.early = true;
            self.put(id, entity);
            return;
        }
        if let Actual::Readying { slot: mine, pid, since, .. } = entity.actual
            && mine == slot
        {
            entity.actual = Actual::Up { slot, pid, since };
            entity.since = Some(self.now);
            self.note(id, Fact::Ready);
            self.came_up(id, entity, pid);
        }
    }

    /// The path that says that it is ready is there, or can never be seen.
    pub(super) fn ready_path_seen(&mut self, slot: SlotRef, ok: bool) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        if ok {
            self.process_ready(id, slot);
        } else if let Actual::Readying { slot: mine, .. } = self.entity(id).actual
            && mine == slot
        {
            self.entity_due(id);
        }
    }

    /// It counts as up: in the state that `entity` has.
    pub(super) fn came_up(&mut self, id: EntityId, mut entity: Entity, pid: i32) {
        entity.times.up = Some(self.now);
        if entity.actual == Actual::Reached {
            entity.since = Some(self.now);
        }
        self.put(id, entity);
        self.answer(id, Goal::Up, Reply::Done);
        self.up_seen(id, None);
        let slot = entity.slot();
        self.fire(id, occurrence(&[ConditionKind::Ready], slot, pid, None));
    }

    /// The process that was made has ended well and should have left another
    /// behind.
    pub(super) fn hand_over(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        let Actual::Readying { due: until, cause, .. } = entity.actual else { return };
        entity.actual = Actual::Handover { slot, pid, due: NEVER, until, cause };
        self.put(id, entity);
        self.find_main(id, slot);
    }

    pub(super) fn find_main(&mut self, id: EntityId, slot: SlotRef) {
        if let Some(Kind::Forking { pid_file }) = self.plan_of(id).map(|plan| plan.kind.clone()) {
            self.emit(Effect::FindMain { slot, entity: id, path: pid_file });
        }
    }

    pub(super) fn main_found(&mut self, slot: SlotRef, pid: i32) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        let mut entity = self.entity(id);
        if let Actual::Handover { slot: mine, .. } = entity.actual
            && mine == slot
        {
            entity.actual = Actual::Up { slot, pid, since: self.now };
            entity.since = Some(self.now);
            entity.adopted = true;
            self.note(id, Fact::MainProcess { pid });
            self.emit(Effect::Adopt { slot, entity: id, pid });
            self.came_up(id, entity, pid);
        }
    }

    /// The file does not name it yet: it is read again, for as long as a start
    /// may take.
    pub(super) fn main_missing(&mut self, slot: SlotRef) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        let mut entity = self.entity(id);
        if let Actual::Handover { slot: mine, pid, until, cause, .. } = entity.actual
            && mine == slot
        {
            let due = self.now.after(LOOK_AGAIN);
            entity.actual = Actual::Handover { slot, pid, due, until, cause };
            self.put(id, entity);
        }
    }

    pub(super) fn spawn_failed(&mut self, id: EntityId, slot: SlotRef, error: u64) {
        let entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot: mine, cause, .. }
            | Actual::Readying { slot: mine, cause, .. }
                if mine == slot =>
            {
                self.start_failed(id, Why::StartFailed(error), cause, Some(slot));
            }
            Actual::Aborting { slot: mine, cause, .. } if mine == slot => {
                self.start_failed(id, Why::StartTimeout, cause, Some(slot));
            }
            Actual::Stopping { slot: mine, next, .. }
            | Actual::Retiring { slot: Some(mine), next, .. }
                if mine == slot =>
            {
                self.clear(id, slot, next);
            }
            // It was taken for up after a takeover, and had not executed yet.
            Actual::Up { slot: mine, .. } if mine == slot => {
                self.start_failed(id, Why::StartFailed(error), Cause::Asked, Some(slot));
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
            | Actual::Left { .. } => {}
        }
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
                self.clear_again(id, slot, next);
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
}
