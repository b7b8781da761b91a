//! Entities that no unit has, made at run time, and the end of what was made
//! at run time: what goes by itself is taken out, so that its name is free.

use super::Monitor;
use super::entity::{Actual, Entity, Why};
use super::heart::Heart;
use crate::change::Objection;
use crate::effect::Fact;
use crate::event::Ask;
use crate::ids::EntityId;
use crate::memory::RecordId;
use crate::plan::{EntityPlan, Flags, Item, Kind, Overlay, StartMode, sound_entity};

impl Monitor {
    /// An entity that no unit has. It starts, if it starts by itself.
    pub(super) fn make_entity(
        &mut self,
        plan: &EntityPlan,
        keep_on_death: bool,
    ) -> Result<EntityId, Objection> {
        sound_entity(plan).map_err(|_| Objection::Unsound)?;
        if self.is_shutting_down() {
            return Err(Objection::ShuttingDown);
        }
        if self.find(&plan.name).is_some() {
            return Err(Objection::Exists);
        }
        let id = self.free_id().ok_or(Objection::Full)?;
        let mut entity = EntityPlan { id, ..plan.clone() };
        let conditions = std::mem::take(&mut entity.conditions);
        let mut overlay =
            Overlay { entity: Some(Box::new(entity)), conditions, ..Overlay::default() };
        if keep_on_death {
            overlay.set_flags(&Item::Entity, Flags::KEEP_ON_DEATH);
        }
        self.fits(id, &overlay)?;
        // Nothing of one that had this id before is left.
        self.entities.insert(id, Entity::default());
        self.put_overlay(id, overlay);
        self.note(id, Fact::Made);
        let starts = match plan.kind {
            Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } | Kind::Target => true,
            Kind::Placeholder { .. } | Kind::Global => false,
        };
        if starts && plan.start == StartMode::Auto {
            self.apply(id, Ask::Start);
        }
        Ok(id)
    }

    /// One that was made at run time stays when its process has ended.
    pub(super) fn keep_made(&mut self, id: EntityId) {
        let Some(overlay) = self.overlay(id).filter(|overlay| overlay.made(&Item::Entity)) else {
            return;
        };
        let mut overlay = (*overlay).clone();
        overlay.set_flags(&Item::Entity, Flags::KEEP_ON_DEATH);
        // Without room for one word more it goes as if nobody had said so.
        if self.fits(id, &overlay).is_ok() {
            self.lay(id, overlay);
        }
    }

    /// It is no more. Nothing of it runs.
    pub(super) fn unmake_entity(&mut self, id: EntityId) {
        if let Some(plan) = self.plan_of(id) {
            self.overlays.gone.insert(id, plan);
        }
        self.note(id, Fact::Removed);
        self.forget(id);
    }

    /// Another entity may get this id: nothing of this one is left.
    pub(super) fn forget(&mut self, id: EntityId) {
        if self.is_changed(id) {
            self.put_overlay(id, Overlay::default());
        }
        // What was never stored has no place in the memory to be forgotten in.
        let stored = |record: RecordId| self.memory.load(record) != Ok(None);
        let [entity, said, beat] = [RecordId::Entity(id), RecordId::Said(id), RecordId::Beat(id)]
            .map(|id| (id, stored(id)));
        self.entities.remove(&id);
        self.said.remove(&id);
        if self.hearts.remove(&id).is_some() || beat.1 {
            self.put_heart(id, Heart::default());
        }
        self.beating.set(id, false);
        self.moved.remove(&id);
        let stored = [entity, said].into_iter().filter(|(_, stored)| *stored);
        self.turn.dirty.extend(stored.map(|(id, _)| id));
    }

    /// What was made at run time and has gone by itself (not re-armed, or
    /// failed and not kept) is taken out, so that its name is free again; and
    /// an entity that is over goes with all that it has.
    pub(super) fn sweep(&mut self, id: EntityId) {
        self.overlays.sweeps.remove(&id);
        if self.says_the_end(id) || self.overlay(id).is_none() {
            return;
        }
        while let Some(item) = self.next_to_go(id) {
            let Some(overlay) = self.overlay(id) else { return };
            let mut overlay = (*overlay).clone();
            overlay.remove(&item);
            self.lay(id, overlay);
            if let Item::Action(condition, _) = &item {
                self.drop_if_empty(id, condition);
            }
        }
        if self.is_made(id) && self.is_over(id) {
            self.unmake_entity(id);
        }
    }

    fn next_to_go(&mut self, id: EntityId) -> Option<Item> {
        let (plan, overlay) = (self.plan_of(id)?, self.overlay(id)?);
        let removed = self.entity(id).removed;
        for (place, condition) in plan.conditions.iter().enumerate() {
            let item = Item::Condition(condition.name.clone());
            if removed.condition(place) && overlay.made(&item) {
                return Some(item);
            }
            for (at, action) in condition.actions.iter().enumerate() {
                let item = Item::Action(condition.name.clone(), action.name.clone());
                if removed.action(plan.action_bit(place, at)) && overlay.made(&item) {
                    return Some(item);
                }
            }
        }
        None
    }

    /// It has died, nothing brings it back, and it is not to stay (QNX HAM §8).
    fn is_over(&mut self, id: EntityId) -> bool {
        let entity = self.entity(id);
        let kept = self.overlay(id).is_some_and(|overlay| {
            let flags = overlay.flags.iter().find(|(item, _)| *item == Item::Entity);
            flags.is_some_and(|(_, flags)| flags.has(Flags::KEEP_ON_DEATH))
        });
        // Whom ham does not start is nothing once its process was stopped.
        let stopped = entity.why == Why::AskedStop
            && entity.times.asked.is_some()
            && self.placeholder(id).is_some();
        let waited_for = self.waiters.iter().any(|waiter| waiter.entity == id);
        entity.actual == Actual::Down
            && (entity.why.is_end() || stopped)
            && !kept
            && !waited_for
            && !self.has_lists(id)
            && !self.unclear.iter().any(|slot| entity.slot() == Some(*slot))
    }
}

impl Why {
    /// Whether one that is down is so since its process ended, or never came
    /// up; `Attached`: the process that it was made for was not taken.
    pub(super) fn is_end(self) -> bool {
        match self {
            Why::Died(_)
            | Why::Finished(_)
            | Why::StartFailed(_)
            | Why::PreStartFailed
            | Why::StartTimeout
            | Why::Limit
            | Why::Attached
            | Why::Detached => true,
            Why::NeverStarted
            | Why::Boot
            | Why::AskedStart
            | Why::Restarted(_)
            | Why::AskedStop
            | Why::Shutdown
            | Why::Dependency(_)
            | Why::CameBack(_)
            | Why::Wanted(_)
            | Why::Conflict(_)
            | Why::Changed
            | Why::Gone
            | Why::RecordLost => false,
        }
    }
}
