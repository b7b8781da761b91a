//! Processes that ham did not start: how one becomes that of an entity, and how
//! an entity lets go of its own. What such a process has started is left alone:
//! nobody knows what of it belongs to the entity.

use super::Monitor;
use super::attachers::Attacher;
use super::entity::{Actual, Cause, Desired, Entity, StartTimes, Why};
use super::life::occurrence;
use super::pool::Owner;
use super::{Goal, Next};
use crate::directive::{Counting, Stranger, Verdict};
use crate::effect::{Effect, Fact, Failure, Reply};
use crate::event::Wait;
use crate::ids::{EntityId, SlotRef};
use crate::plan::{EntityPlan, KillScope, Kind, STOP_COMMAND};
use crate::time::Span;

/// A file that names no process that could be taken may stay as it is for
/// long: a daemon that has died leaves it behind.
const LOOK_AGAIN: Span = Span::seconds(1);

impl Monitor {
    /// A process is to become that of an entity. `None`: that is told later.
    pub(super) fn attach(
        &mut self,
        id: EntityId,
        stranger: Stranger,
        counting: Counting,
        by: Attacher,
    ) -> Option<Verdict> {
        if self.is_shutting_down() {
            return Some(Verdict::ShuttingDown);
        }
        if self.plan.is_leaving(id) {
            return Some(Verdict::NoProcess);
        }
        match self.plan_of(id).map(|plan| plan.kind.clone()) {
            Some(Kind::Service | Kind::Forking { .. } | Kind::Placeholder { .. }) => {}
            Some(Kind::Oneshot { .. } | Kind::Target | Kind::Global) | None => {
                return Some(Verdict::NoProcess);
            }
        }
        if let Some(slot) = stranger.slot {
            return match self.owner_of(slot) {
                // It attaches itself again (QNX HAM accepts that).
                Some((holder, false)) if holder == id => {
                    self.count_from(id, slot, counting);
                    Some(Verdict::Already)
                }
                Some((holder, _)) => Some(Verdict::Taken(holder)),
                None => Some(Verdict::Gone),
            };
        }
        let entity = self.entity(id);
        match entity.actual {
            // It is one of its processes: the main one from now on.
            Actual::Up { slot, .. } | Actual::Readying { slot, .. } if stranger.own => {
                self.new_main(id, slot, stranger.pid);
                self.count_from(id, slot, counting);
                return Some(Verdict::Done);
            }
            Actual::Joining { slot, pid, start }
                if (pid, start) == (stranger.pid, stranger.start) =>
            {
                self.count_from(id, slot, counting);
                self.wait_for_join(id, by);
                return None;
            }
            Actual::Down | Actual::Waiting(..) | Actual::Queued(_) | Actual::Gated(_) => {}
            Actual::Preparing { .. }
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
            | Actual::Joining { .. } => return Some(Verdict::Exists),
        }
        let Some(slot) = self.join(id, stranger.pid, stranger.start) else {
            return Some(Verdict::Full);
        };
        self.count_from(id, slot, counting);
        self.wait_for_join(id, by);
        None
    }

    /// The same for an entity that no unit has. If there is none of that name it
    /// is made, as a placeholder that has its process in the same turn.
    pub(super) fn attach_named(
        &mut self,
        (name, keep_on_death): (&str, bool),
        stranger: Stranger,
        counting: Counting,
        by: Attacher,
    ) -> Option<Verdict> {
        if self.is_shutting_down() {
            return Some(Verdict::ShuttingDown);
        }
        if let Some(id) = self.find(name) {
            let verdict = self.attach(id, stranger, counting, by);
            if keep_on_death && matches!(verdict, None | Some(Verdict::Done | Verdict::Already)) {
                self.keep_made(id);
            }
            return verdict;
        }
        if let Some(slot) = stranger.slot {
            let holder = self.owner_of(slot);
            return Some(holder.map_or(Verdict::Gone, |(holder, _)| Verdict::Taken(holder)));
        }
        let plan = EntityPlan {
            kind: Kind::Placeholder { pid_file: None },
            ..EntityPlan::new(EntityId(0), name, Vec::new())
        };
        let id = match self.make_entity(&plan, keep_on_death) {
            Ok(id) => id,
            Err(objection) => return Some(Verdict::Objected(objection)),
        };
        // It is there for this process alone: what it is should that not come.
        let entity = Entity { why: Why::Attached, ..self.entity(id) };
        self.put(id, entity);
        let verdict = self.attach(id, stranger, counting, by);
        if verdict.is_some() {
            self.unmake_entity(id);
        }
        verdict
    }

    /// The slot is the entity's from here on; the process is it when it was
    /// seen to be there as the one that is meant. `None`: there is no slot.
    fn join(&mut self, id: EntityId, pid: i32, start: u64) -> Option<SlotRef> {
        let slot = self.pool.take(Owner::Main(id), self.memory.as_ref())?;
        let mut entity = self.entity(id);
        if let Actual::Gated(_) = entity.actual {
            self.emit(Effect::Unwatch { wait: Wait::Start(id) });
        }
        entity.actual = Actual::Joining { slot, pid, start };
        entity.since = Some(self.now);
        entity.finished = false;
        entity.times =
            StartTimes { asked: Some(self.now), begun: Some(self.now), ..StartTimes::default() };
        entity.attached = true;
        entity.adopted = true;
        entity.begin_life();
        entity.last_pid = 0;
        entity.look = None;
        self.put(id, entity);
        self.forget_said(id);
        self.emit(Effect::Attach { slot, entity: id, pid, start });
        Some(slot)
    }

    /// Its slot holds the process that was meant.
    pub(super) fn joined(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        self.bring_along(&[id]);
        self.want_running(id);
        let mut entity = self.entity(id);
        entity.actual = Actual::Up { slot, pid, since: self.now };
        entity.since = Some(self.now);
        entity.why = Why::Attached;
        self.put(id, entity);
        self.note(id, Fact::Attached { pid });
        self.end_join(id, Verdict::Done);
        self.fire(id, occurrence(id, &[crate::plan::ConditionKind::Attach], Some(slot), pid, None));
        let entity = self.entity(id);
        if entity.slot() == Some(slot) {
            self.came_up(id, entity, pid);
            self.has_started(id, false, Some(slot), pid);
        }
    }

    /// There was no such process any more when it was to be taken.
    pub(super) fn not_joined(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        self.release(slot);
        let mut entity = self.entity(id);
        entity.actual = Actual::Down;
        entity.since = Some(self.now);
        entity.attached = false;
        entity.adopted = false;
        self.put(id, entity);
        self.note(id, Fact::NotAttached { pid });
        self.end_join(id, Verdict::Gone);
        // Whatever it was to do without that process.
        if entity.desired == Desired::Running {
            let file = self.placeholder(id).is_some();
            self.start_at(id, self.now, if file { Cause::PidFile } else { Cause::Asked });
        }
    }

    /// Its process goes on and is nobody's from here on; the slot is given back.
    fn let_go(&mut self, id: EntityId, slot: SlotRef, next: Next) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Clearing { slot, next };
        entity.letting = true;
        entity.attached = false;
        entity.adopted = false;
        self.put(id, entity);
        self.emit(Effect::Release { slot });
    }

    /// Its slot holds nothing any more. False when it had not let go of anything.
    pub(super) fn has_let_go(&mut self, id: EntityId) -> bool {
        let mut entity = self.entity(id);
        if !std::mem::take(&mut entity.letting) {
            return false;
        }
        self.put(id, entity);
        self.end_join(id, Verdict::Done);
        true
    }

    /// An entity lets go of its process: no death, and nothing is ended.
    /// `None`: that is told when another process can be attached.
    pub(super) fn detach(&mut self, id: EntityId, by: Attacher) -> Option<Verdict> {
        let entity = self.entity(id);
        if let Actual::Joining { slot, .. } = entity.actual {
            self.stop_joining(id, slot, entity.why, Next::Rest);
            self.wait_for_join(id, by);
            return None;
        }
        if entity.running().is_none() {
            return Some(Verdict::NotRunning);
        }
        self.let_go_unasked(id);
        self.wait_for_join(id, by);
        None
    }

    /// It lets go of a process that runs.
    pub(super) fn let_go_unasked(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        let Some((slot, pid)) = entity.running() else { return };
        if let Actual::Readying { .. } = entity.actual {
            self.unwatch_readiness(id, slot);
        }
        entity.desired = Desired::Stopped;
        entity.since = Some(self.now);
        entity.why = Why::Detached;
        self.put(id, entity);
        self.note(id, Fact::Detached { pid });
        self.let_go(id, slot, Next::Rest);
        self.cancel_own_list(id, STOP_COMMAND);
        self.cancel_restarts(id);
        self.answer(id, Goal::Up, Reply::Overruled);
        self.answer(id, Goal::Reloaded, Reply::Overruled);
        let occurred = occurrence(id, &[crate::plan::ConditionKind::Detach], Some(slot), pid, None);
        self.fire(id, occurred);
    }

    /// Of an entity that ham does not start the file that names its process,
    /// where there is one; `None`: ham starts it.
    pub(super) fn placeholder(&mut self, id: EntityId) -> Option<Option<String>> {
        match &self.plan_of(id)?.kind {
            Kind::Placeholder { pid_file } => Some(pid_file.clone()),
            Kind::Service
            | Kind::Oneshot { .. }
            | Kind::Forking { .. }
            | Kind::Target
            | Kind::Global => None,
        }
    }

    /// Such an entity is to start: all that can be done is to wait.
    pub(super) fn await_process(&mut self, id: EntityId, file: Option<String>) {
        let mut entity = self.entity(id);
        entity.since = Some(self.now);
        match file {
            Some(path) => {
                entity.actual = Actual::Gated(Cause::PidFile);
                self.put(id, entity);
                self.emit(Effect::Watch { wait: Wait::Start(id), path, not_before: None });
            }
            None => {
                entity.actual = Actual::Down;
                self.put(id, entity);
                self.restart_done(id, Err(Failure::Refused));
            }
        }
    }

    /// The file that names its process is there, or can never be seen.
    pub(super) fn pid_file_seen(&mut self, id: EntityId, ok: bool) {
        match self.placeholder(id).flatten() {
            Some(path) if ok => self.emit(Effect::ReadPid { entity: id, path }),
            Some(_) | None => self.look_again_later(id),
        }
    }

    fn look_again_later(&mut self, id: EntityId) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Waiting(self.now.after(LOOK_AGAIN), Cause::PidFile);
        self.put(id, entity);
    }

    /// What the file names; `None`: nothing that could be taken.
    pub(super) fn pid_read(&mut self, id: EntityId, process: Option<(i32, u64)>) {
        let Actual::Gated(Cause::PidFile) = self.entity(id).actual else { return };
        let joins = process.is_some_and(|(pid, start)| self.join(id, pid, start).is_some());
        if !joins {
            self.look_again_later(id);
        }
    }

    /// It has no process and nothing follows: one whose process is named by a
    /// file waits for the next.
    pub(super) fn rests(&mut self, id: EntityId) {
        if self.entity(id).desired == Desired::Running
            && let Some(Some(_)) = self.placeholder(id)
        {
            self.begin_start(id, Cause::PidFile);
        }
    }

    /// Whom the end of an entity may reach.
    pub(super) fn kill_scope(&mut self, id: EntityId) -> KillScope {
        let scope = self.plan_of(id).map_or(KillScope::All, |plan| plan.stop.kill);
        match scope {
            KillScope::All if self.entity(id).attached => KillScope::Main,
            KillScope::All | KillScope::Main | KillScope::None => scope,
        }
    }

    /// The process that was attached to an entity, or is being; `None`: it has
    /// none, or one that ham has started.
    #[must_use]
    pub fn attached_process(&self, id: EntityId) -> Option<i32> {
        let entity = self.peek(id);
        let pid = if let Actual::Joining { pid, .. } = entity.actual {
            Some(pid)
        } else {
            entity.running().map(|(_, pid)| pid)
        };
        pid.filter(|_| entity.attached)
    }

    /// Whether a start of it can only be waited for, by nobody: what could
    /// bring its process about is not ham's.
    pub(super) fn cannot_be_started(&mut self, id: EntityId) -> bool {
        self.plan.is_leaving(id) || self.placeholder(id) == Some(None)
    }

    /// Something else is wanted of it before the process was taken, which is
    /// none of its then.
    pub(super) fn stop_joining(&mut self, id: EntityId, slot: SlotRef, why: Why, next: Next) {
        let mut entity = self.entity(id);
        entity.why = why;
        entity.since = Some(self.now);
        self.put(id, entity);
        self.end_join(id, Verdict::Overruled);
        self.let_go(id, slot, next);
    }
}
