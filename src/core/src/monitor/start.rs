//! The way up of one entity, until its process is to be made: its turn comes
//! (`order`), a path is there, its `pre-start` list is done.

use super::entity::{Actual, Cause, Desired, Next, StartTimes, Why};
use super::life::{count_restart, occurrence};
use super::pool::Owner;
use super::{ERROR_NO_PLAN, ERROR_NO_SLOT, Monitor};
use crate::effect::{Effect, Process, Spawn};
use crate::event::Wait;
use crate::ids::EntityId;
use crate::plan::{EntityPlan, Kind, PRE_START, StartMode};
use crate::time::Mono;
use std::sync::Arc;

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
        self.renew(id);
        if let Some(file) = self.placeholder(id) {
            self.await_process(id, file);
            return;
        }
        let mut entity = self.entity(id);
        // It was to be named by a file, before its unit said something else.
        let cause = if cause == Cause::PidFile { Cause::Dependency } else { cause };
        entity.finished = false;
        entity.last_pid = 0;
        entity.since = Some(self.now);
        entity.times = StartTimes { asked: Some(self.now), ..StartTimes::default() };
        match cause {
            Cause::Boot => entity.why = Why::Boot,
            Cause::Asked => entity.why = Why::AskedStart,
            Cause::Restart | Cause::Dependency | Cause::PidFile => {}
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
        if cause == Cause::PidFile {
            let file = self.placeholder(id).flatten();
            self.await_process(id, file);
            return;
        }
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
        // A successor asks for the path again, and has not begun to wait now.
        entity.times.gated = entity.times.gated.or(Some(self.now));
        self.put(id, entity);
        let wait = Wait::Start(id);
        self.emit(Effect::Watch { wait, path, not_before: None });
    }

    /// The path that its start waits for is there, or can never be seen.
    pub(super) fn gate_opens(&mut self, id: EntityId, ok: bool) {
        let mut entity = self.entity(id);
        let Actual::Gated(cause) = entity.actual else { return };
        if cause == Cause::PidFile {
            self.pid_file_seen(id, ok);
            return;
        }
        if ok && self.is_kept_from_starting(id) {
            // Others have changed while it waited for its path.
            entity.actual = Actual::Queued(cause);
            entity.times.gated = None;
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
        if !self.begin_own_list(id, PRE_START, occurrence(id, &[], None, 0, None)) {
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
        if matches!(plan.kind, Kind::Target | Kind::Global) {
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
        entity.adopted = false;
        entity.attached = false;
        entity.begin_life();
        self.put(id, entity);
        self.forget_said(id);
        let plan = Arc::clone(plan);
        let spawn = Spawn { slot, entity: id, plan, what: Process::Main };
        self.emit(Effect::Spawn(Box::new(spawn)));
    }
}
