//! The rest of the way up: its process runs and says that it is ready.

use super::entity::{Actual, Cause, Entity};
use super::life::{count_restart, occurrence};
use super::pool::Owner;
use super::{Goal, Monitor};
use crate::effect::{Effect, Fact, Reply};
use crate::event::Wait;
use crate::ids::{EntityId, SlotRef};
use crate::plan::{ConditionKind, Kind, Readiness};
use crate::time::{Mono, Span};

impl Monitor {
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
                self.take_named(id, slot);
                if killed {
                    self.emit(Effect::Clear { slot, entity: id, command: false });
                } else {
                    self.ask_to_end(id, slot);
                }
            }
            Actual::Joining { slot: mine, pid, .. } if mine == slot => self.joined(id, slot, pid),
            Actual::Aborting { slot: mine, killed: true, .. } if mine == slot => {
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
            | Actual::Left { .. }
            | Actual::Joining { .. } => {}
        }
    }

    /// Its process has executed its program.
    fn runs(&mut self, id: EntityId, slot: SlotRef, pid: i32, due: Option<Mono>, cause: Cause) {
        let mut entity = self.entity(id);
        let since = self.now;
        let plan = self.plan_of(id);
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
        self.watch_readiness(id, slot);
        if is_up {
            self.came_up(id, entity, pid);
        }
        self.has_started(id, again, Some(slot), pid);
        self.take_named(id, slot);
        if entity.early {
            self.process_ready(id, slot);
        }
    }

    /// The path that says that its process is ready, if one does.
    fn readiness_path(&mut self, id: EntityId) -> Option<String> {
        match &self.plan_of(id)?.ready {
            Readiness::Path(path) => Some(path.clone()),
            Readiness::Exec | Readiness::Notify | Readiness::Descriptor(_) => None,
        }
    }

    pub(super) fn watch_readiness(&mut self, id: EntityId, slot: SlotRef) {
        if let Some(path) = self.readiness_path(id) {
            let wait = Wait::Ready(slot);
            self.emit(Effect::Watch { wait, path, not_before: Some(slot) });
        }
    }

    /// Its process was not up yet, and that is not waited for any more.
    pub(super) fn unwatch_readiness(&mut self, id: EntityId, slot: SlotRef) {
        if self.readiness_path(id).is_some() {
            self.emit(Effect::Unwatch { wait: Wait::Ready(slot) });
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
        if let Some(slot) = slot {
            self.begin_planned_beats(id, slot);
        }
        self.fire(id, occurrence(id, &[ConditionKind::Ready], slot, pid, None));
    }
}
