//! The process that a forking daemon leaves behind when the one before it ends:
//! at its start, and when it goes on as another one. Until the file names it,
//! nobody knows which of those that are left it is.

use super::Monitor;
use super::entity::{Actual, Cause, NEVER, Next};
use super::pool::Owner;
use crate::effect::{Effect, Fact};
use crate::ids::{EntityId, SlotRef};
use crate::plan::{KillScope, Kind};
use crate::status::ExitStatus;
use crate::time::Span;

/// A daemon that leaves another process behind has as a rule written its id
/// before it ends; else it does so within moments.
const LOOK_AGAIN: Span = Span::millis(50);

/// One that ends well and leaves processes behind may be about to name one of
/// them.
pub(super) const HEIR_APPEARS: Span = Span::seconds(2);

impl Monitor {
    /// The process that was made has ended well and should have left another
    /// behind.
    pub(super) fn hand_over(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        let Actual::Readying { due: until, cause, .. } = entity.actual else { return };
        entity.actual = Actual::Handover { slot, pid, due: NEVER, until, cause };
        self.put(id, entity);
        self.find_main(id, slot);
    }

    /// A daemon with a pid file may go on as another process, which it has left
    /// behind and named there (sshd reads its configuration so): as long as
    /// nobody knows better it is up.
    pub(super) fn look_for_heir(
        &mut self,
        id: EntityId,
        slot: SlotRef,
        pid: i32,
        status: ExitStatus,
    ) {
        let mut entity = self.entity(id);
        entity.last_exit = Some(status);
        entity.moving = true;
        self.put(id, entity);
        self.await_heir(id, slot, pid);
    }

    /// It counts as up, and the process that it is now is looked for.
    pub(super) fn await_heir(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        let (until, cause) = (Some(self.now.after(HEIR_APPEARS)), Cause::Asked);
        entity.actual = Actual::Handover { slot, pid, due: NEVER, until, cause };
        self.put(id, entity);
        self.find_main(id, slot);
    }

    /// It has named nobody: it has died.
    pub(super) fn has_no_heir(&mut self, id: EntityId, slot: SlotRef, pid: i32) {
        let mut entity = self.entity(id);
        entity.moving = false;
        self.put(id, entity);
        let status = entity.last_exit.unwrap_or(ExitStatus::Unknown);
        let length = entity.times.up.map_or(Span::ZERO, |up| self.now.since(up));
        self.died(id, slot, pid, status, length);
    }

    pub(super) fn find_main(&mut self, id: EntityId, slot: SlotRef) {
        if let Some(Kind::Forking { pid_file }) = self.plan_of(id).map(|plan| plan.kind.clone()) {
            self.emit(Effect::FindMain { slot, entity: id, path: pid_file });
        }
    }

    pub(super) fn main_found(&mut self, slot: SlotRef, pid: i32) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        let mut entity = self.entity(id);
        if entity.slot() != Some(slot) {
            return;
        }
        let hands_over = matches!(entity.actual, Actual::Handover { .. });
        if !hands_over && !entity.moving {
            return;
        }
        self.note(id, Fact::MainProcess { pid });
        self.emit(Effect::Adopt { slot, entity: id, pid });
        let was_up = std::mem::take(&mut entity.moving);
        entity.adopted = true;
        if !hands_over {
            let told = entity.look.take().is_some() && self.kills_all(id);
            entity.change_pid(pid);
            self.put(id, entity);
            self.has_heir_to_end(id, told);
            return;
        }
        entity.actual = Actual::Up { slot, pid, since: self.now };
        entity.since = Some(self.now);
        if was_up {
            self.put(id, entity);
        } else {
            self.came_up(id, entity, pid);
        }
    }

    /// It is found while it is to end: from here on it is asked as any other,
    /// unless it was, among all that were left.
    fn has_heir_to_end(&mut self, id: EntityId, told: bool) {
        let mut entity = self.entity(id);
        let Actual::Stopping { slot, pid, killed, next, .. } = entity.actual else { return };
        if told {
            return;
        }
        let timeout = self.plan_of(id).map_or(Span::ZERO, |plan| plan.stop.timeout);
        let due = self.now.after(timeout);
        entity.actual = Actual::Stopping { slot, pid, due, killed, next };
        self.put(id, entity);
        self.ask_main_to_end(id, slot, pid);
    }

    /// The file does not name it yet: it is read again, for as long as a start
    /// may take.
    pub(super) fn main_missing(&mut self, slot: SlotRef, left: bool) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        let mut entity = self.entity(id);
        if entity.slot() != Some(slot) {
            return;
        }
        let well = entity.last_exit.is_some_and(ExitStatus::is_success);
        if let Actual::Handover { slot, pid, until, cause, .. } = entity.actual {
            let late = until.is_some_and(|until| until <= self.now);
            if entity.moving && (late || !left || !well) {
                self.has_no_heir(id, slot, pid);
                return;
            }
            let due = self.now.after(LOOK_AGAIN);
            entity.actual = Actual::Handover { slot, pid, due, until, cause };
            self.put(id, entity);
        } else if let Actual::Stopping { slot, pid, next, .. } = entity.actual
            && entity.moving
        {
            let all = self.kills_all(id);
            if !left || (!all && !well) {
                self.ended_unfound(id, slot, pid, next);
                return;
            }
            let first = entity.look.is_none();
            entity.look = Some(self.now.after(LOOK_AGAIN));
            self.put(id, entity);
            if first && all {
                self.ask_all_to_end(id, slot);
            }
        }
    }

    /// It was to end, and nobody has been found who could; what is left goes
    /// the way of what any process leaves behind.
    pub(super) fn ended_unfound(&mut self, id: EntityId, slot: SlotRef, pid: i32, next: Next) {
        let all = self.kills_all(id);
        let mut entity = self.entity(id);
        entity.moving = false;
        entity.look = None;
        let status = entity.last_exit.unwrap_or(ExitStatus::Unknown);
        self.put(id, entity);
        self.ended_as_asked(id, (slot, pid), status, (all, next));
    }

    /// Which of those that are left it is nobody knows: all are asked.
    pub(super) fn ask_all_to_end(&mut self, id: EntityId, slot: SlotRef) {
        let Some(plan) = self.plan_of(id) else { return };
        let signal = plan.stop.signal;
        self.note(id, Fact::Stopping { signal });
        self.emit(Effect::SignalAll { slot, entity: id, signal });
    }

    /// Whether all that is left ends with it: also, whatever the unit spares,
    /// when it was never up. Its main process may be among them, and the next
    /// would start beside that.
    pub(super) fn kills_all(&mut self, id: EntityId) -> bool {
        let kill = self.plan_of(id).map_or(KillScope::All, |plan| plan.stop.kill);
        kill == KillScope::All || self.entity(id).times.up.is_none()
    }

    /// After a takeover: it is to end, and was looked for.
    pub(super) fn resume_unfound(&mut self, id: EntityId, slot: SlotRef) {
        let look = self.entity(id).look;
        if look.is_some() && self.kills_all(id) {
            self.ask_all_to_end(id, slot);
        }
        if look.is_none_or(|look| look == NEVER) {
            self.find_main(id, slot);
        }
    }
}
