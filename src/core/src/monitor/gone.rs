//! What goes by itself: conditions and actions that are not re-armed after a
//! restart, and actions that have failed and are not kept (QNX HAM §2). A mark
//! says that one is gone, the changes of its entity since when; to arm it brings
//! it back.

use super::Monitor;
use super::entity::Entity;
use crate::ids::EntityId;
use crate::plan::{EntityPlan, Gone, Item};

impl Monitor {
    /// What is not re-armed goes after a restart (`HREARMAFTERRESTART`).
    pub(super) fn prune(&mut self, id: EntityId) {
        let Some(plan) = self.plan_of(id) else { return };
        self.prune_about(id, &plan, id);
        for watcher in &plan.links.watched_by {
            if let Some(unit) = self.plan_of(*watcher) {
                self.prune_about(*watcher, &unit, id);
            }
        }
    }

    /// The conditions of a unit that hang on one entity.
    fn prune_about(&mut self, id: EntityId, plan: &EntityPlan, about: EntityId) {
        let restart = self.entity(about).restarts;
        let mut entity: Entity = self.entity(id);
        let mut gone = Vec::new();
        for (place, condition) in plan.conditions.iter().enumerate() {
            if condition.of.unwrap_or(id) != about || entity.removed.condition(place) {
                continue;
            }
            if !condition.rearm {
                // With its actions: who brings it back has them all.
                entity.removed.mark_condition(place);
                gone.push(Item::Condition(condition.name.clone()));
                continue;
            }
            for (action, planned) in condition.actions.iter().enumerate() {
                let bit = plan.action_bit(place, action);
                if !planned.rearm && !entity.removed.action(bit) {
                    entity.removed.mark_action(bit);
                    gone.push(Item::Action(condition.name.clone(), planned.name.clone()));
                }
            }
        }
        self.put(id, entity);
        self.have_gone(id, gone, Some(restart));
        self.overlays.sweeps.insert(id);
    }

    /// An action that has failed, by its place, is not kept.
    pub(super) fn fail_for_good(&mut self, id: EntityId, plan: &EntityPlan, at: (usize, usize)) {
        let mut entity = self.entity(id);
        let bit = plan.action_bit(at.0, at.1);
        if !entity.removed.action(bit) {
            entity.removed.mark_action(bit);
            self.put(id, entity);
            let condition = plan.conditions.get(at.0);
            let action = condition.and_then(|condition| condition.actions.get(at.1));
            let names = condition.map(|c| c.name.clone()).zip(action.map(|a| a.name.clone()));
            let item = names.map(|(condition, action)| Item::Action(condition, action));
            self.have_gone(id, item.into_iter().collect(), None);
        }
        self.overlays.sweeps.insert(id);
    }

    fn have_gone(&mut self, id: EntityId, items: Vec<Item>, restart: Option<u64>) {
        if items.is_empty() {
            return;
        }
        let mut overlay = self.overlay(id).as_deref().cloned().unwrap_or_default();
        let since = self.now;
        for item in items {
            overlay.has_gone(Gone { item, since, restart });
        }
        // Without room for that nobody learns since when; gone it is.
        if self.has_room(id, &overlay) {
            self.put_overlay(id, overlay);
        }
    }

    /// Of these items those that are gone, and can be brought back.
    pub(super) fn gone_of(&mut self, id: EntityId, plan: &EntityPlan, items: &[Item]) -> Vec<Item> {
        let removed = self.entity(id).removed;
        let is_gone = |item: &&Item| match item.places(plan) {
            Some((place, None)) => removed.condition(place),
            Some((place, Some(at))) => removed.action(plan.action_bit(place, at)),
            None => false,
        };
        items.iter().filter(is_gone).cloned().collect()
    }

    /// They are there again.
    pub(super) fn unmark(&mut self, id: EntityId, plan: &EntityPlan, items: &[Item]) {
        let mut entity = self.entity(id);
        for item in items {
            match item.places(plan) {
                Some((place, None)) => entity.removed.unmark_condition(place),
                Some((place, Some(at))) => {
                    entity.removed.unmark_action(plan.action_bit(place, at));
                }
                None => {}
            }
        }
        self.put(id, entity);
    }
}
