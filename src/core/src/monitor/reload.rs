//! Another plan takes the place of the one in force, whole and in one turn.
//! Whom it does not change does not notice. What is changed holds at once as
//! far as it can hold for a process that runs, and else from the next start on
//! (`plan::carry`). Nothing ends that the new plan does not say to end.

use super::entity::{Actual, Entity};
use super::heart::{Heart, Watch};
use super::{Monitor, Turn};
use crate::effect::{Effect, Fact};
use crate::ids::{EntityId, MAX_PLANNED};
use crate::memory::RecordId;
use crate::plan::{EntityPlan, Known, Overlay, PlanBytesError, PlanIndex, PlanSource};
use crate::time::Mono;
use std::collections::BTreeMap;

/// What a new plan was made from, beside the plan in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Those that have begun to be what the plan in force had for their next
    /// start.
    pub renewed: Vec<EntityId>,
    /// Those that leave and of which nothing is left: they need not be in the
    /// new plan.
    pub gone: Vec<EntityId>,
}

impl Base {
    /// The entities of the plan in force that it was made beside, by name,
    /// without those of which nothing is left.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn known<S: PlanSource>(
        &self,
        plan: &PlanIndex<S>,
    ) -> Result<BTreeMap<String, Known>, PlanBytesError> {
        let mut known = BTreeMap::new();
        for id in plan.ids().filter(|id| !self.gone.contains(id)) {
            let plan = plan.entity(id)?;
            let is = plan.clone().in_force(self.renewed.contains(&id));
            known.insert(plan.name.clone(), Known { plan, is });
        }
        Ok(known)
    }
}

/// Why a plan is not taken. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It was made from what is not so any more: it is to be made anew.
    Stale,
    /// Of this entity there is something left, and the plan has not got it, or
    /// under another name.
    Misses(EntityId),
}

/// How an entity was before a new plan.
pub(super) struct Before {
    pub(super) id: EntityId,
    pub(super) left: bool,
    pub(super) requires: Vec<EntityId>,
}

impl Monitor {
    /// What a plan that could be taken has to be made from.
    #[must_use]
    pub fn base(&self) -> Base {
        let pending = || self.plan.pending().iter().copied();
        let renewed = |id: &EntityId| self.plan.has_next(*id) && self.peek(*id).renewed;
        Base {
            renewed: pending().filter(renewed).collect(),
            gone: pending().filter(|id| self.has_left(*id)).collect(),
        }
    }

    /// Whether no unit has it any more, and nothing of it is left.
    pub(super) fn has_left(&self, id: EntityId) -> bool {
        self.plan.is_leaving(id)
            && self.peek(id).actual == Actual::Down
            && !self.has_lists(id)
            && !self.commands.values().any(|command| command.entity == id)
    }

    /// Whether no unit has it any more: it is only stopped.
    #[must_use]
    pub fn is_without_unit(&self, id: EntityId) -> bool {
        self.plan.is_leaving(id)
    }

    /// Whether its process, if it has one, is not as its unit says any more:
    /// its next one will be.
    #[must_use]
    pub fn is_outdated(&self, id: EntityId) -> bool {
        self.plan.has_next(id)
            && !self.peek(id).renewed
            && self.plan.entity(id).is_ok_and(|plan| plan.is_outdated())
    }

    /// Takes a plan, in a turn as any other; `base`: what it was made from.
    /// What `turn` held is gone.
    ///
    /// # Errors
    /// When it does not follow from what is.
    pub fn take_plan(
        &mut self,
        now: Mono,
        plan: PlanIndex<Box<dyn PlanSource>>,
        base: &Base,
        turn: &mut Turn,
    ) -> Result<(), NotTaken> {
        if self.base() != *base {
            return Err(NotTaken::Stale);
        }
        for id in self.plan.ids() {
            let same = plan.name(id) == self.plan.name(id);
            if !(same || !plan.has(id) && base.gone.contains(&id)) {
                return Err(NotTaken::Misses(id));
            }
        }
        let taken = |id: EntityId| plan.name(id).is_some_and(|name| self.is_made_so(&name));
        if !self.overlays.made.is_empty() && plan.ids().any(taken) {
            return Err(NotTaken::Stale);
        }
        self.in_turn(now, turn, |monitor| monitor.reload(plan, base));
        Ok(())
    }

    fn is_made_so(&self, name: &str) -> bool {
        self.find(name).is_some_and(|id| id.0 >= MAX_PLANNED)
    }

    fn reload(&mut self, plan: PlanIndex<Box<dyn PlanSource>>, base: &Base) {
        let old = std::mem::replace(&mut self.plan, plan);
        self.turn.dirty.insert(RecordId::Global);
        self.plans.clear();
        self.renewals.clear();
        for id in old.ids().filter(|id| !self.plan.has(*id)).collect::<Vec<_>>() {
            self.forget(id);
        }
        for id in &base.renewed {
            let mut entity = self.entity(*id);
            entity.renewed = false;
            self.put(*id, entity);
        }
        let ids: Vec<EntityId> = self.plan.ids().collect();
        let (known, new): (Vec<EntityId>, Vec<EntityId>) =
            ids.into_iter().partition(|id| old.has(*id));
        let changed: Vec<EntityId> =
            known.into_iter().filter(|id| !old.has_same(*id, &self.plan)).collect();
        let mut befores = Vec::with_capacity(changed.len());
        for id in changed {
            let Ok(before) = old.entity(id) else { continue };
            let left = before.leaving;
            let before = before.in_force(base.renewed.contains(&id));
            self.follow_unit(id, &before);
            befores.push(Before { id, left, requires: before.links.requires });
        }
        for id in &new {
            // A record that was lost before it was forgotten means nothing.
            self.entities.insert(*id, Entity::default());
            self.turn.dirty.insert(RecordId::Entity(*id));
        }
        if self.is_shutting_down() {
            return;
        }
        // All of them wait for their turn before any of them is looked at.
        self.begin_new(&new);
        for before in &befores {
            self.follow_life(before);
        }
        // What it was waiting for may not be there any more.
        for before in &befores {
            self.moved.insert(before.id);
            self.take_turn(before.id);
            self.look_again(before.id);
        }
    }

    /// The unit of an entity says something else: what its record names, and
    /// what was changed at run time, follows.
    fn follow_unit(&mut self, id: EntityId, before: &EntityPlan) {
        let overlay = self.overlay(id).unwrap_or_default();
        let was = overlay.over(before.clone());
        self.fit_overlay(id);
        self.follow(id, (&was, &overlay));
        let Some(plan) = self.plan_of(id) else { return };
        if plan.heartbeat != was.heartbeat {
            self.count_by(id, &plan);
        }
        self.watch_memory_by(&plan, Some(&was));
    }

    /// What was changed at run time is fit to what its unit says.
    pub(super) fn fit_overlay(&mut self, id: EntityId) {
        if let Some(overlay) = self.overlay(id)
            && let Ok(plan) = self.planned(id)
            && let Some(left) = overlay.fit_to(&plan)
        {
            let changes = |overlay: &Overlay| Overlay { gone: Vec::new(), ..overlay.clone() };
            if changes(&left) != changes(&overlay) {
                self.note(id, Fact::OverlayCut);
            }
            self.put_overlay(id, left);
        }
    }

    /// The heartbeat of a process that is supervised is counted otherwise. One
    /// that was not supervised is from its next start on.
    fn count_by(&mut self, id: EntityId, plan: &EntityPlan) {
        let mut heart: Heart = self.heart(id);
        let Some(watch) = heart.watch else { return };
        match &plan.heartbeat {
            Some(heartbeat) if !watch.retires => self.begin_beats(id, watch.slot, heartbeat),
            Some(heartbeat) => {
                let by = Watch::new(watch.slot, heartbeat, self.now);
                heart.watch = Some(Watch { retires: true, ..by });
                self.put_heart(id, heart);
            }
            None => {
                heart.watch = None;
                heart.fresh = None;
                self.put_heart(id, heart);
                self.emit(Effect::UnwatchBeats { entity: id });
            }
        }
    }
}
