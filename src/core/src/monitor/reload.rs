//! Another plan takes the place of the one in force, whole and in one turn.
//! Whom it does not change does not notice. What is changed holds at once as
//! far as it can hold for a process that runs, and else from the next start on
//! (`plan::carry`). Nothing ends that the new plan does not say to end.

use super::entity::{Actual, Cause, Desired, Entity, Next, Why};
use super::heart::{Heart, Watch};
use super::order::Standing;
use super::{Monitor, Turn};
use crate::effect::{Effect, Fact};
use crate::event::{Ask, Wait};
use crate::ids::{EntityId, MAX_PLANNED};
use crate::memory::RecordId;
use crate::plan::{
    EntityPlan, Known, OnChange, Overlay, PlanBytesError, PlanIndex, PlanSource, StartMode,
};
use crate::time::Mono;
use crate::wire::Consequence;
use std::collections::BTreeMap;
use std::sync::Arc;

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
struct Before {
    id: EntityId,
    left: bool,
    requires: Vec<EntityId>,
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

    /// What a change of its unit, of which as much follows, comes to for an
    /// entity as it is. A change that waits for its next start is one at once
    /// for who tries to start, or has given up.
    #[must_use]
    pub fn foresee(&self, id: EntityId, then: Consequence) -> Consequence {
        if !matches!(then, Consequence::Restarts | Consequence::NextStart) {
            return then;
        }
        let entity = self.peek(id);
        let given_up = entity.actual == Actual::Down && entity.why.is_given_up();
        let tries = matches!(entity.actual, Actual::Waiting(_, cause) if cause != Cause::PidFile);
        if entity.desired == Desired::Stopped {
            Consequence::NextStart
        } else if given_up || tries {
            Consequence::Starts
        } else if entity.may_be_renewed() || entity.attached {
            Consequence::NextStart
        } else {
            then
        }
    }

    /// Whether it is not up, and will not be by itself.
    #[must_use]
    pub fn is_out(&self, id: EntityId) -> bool {
        self.standing_of(id, &self.peek(id)) == Standing::Off
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
    fn fit_overlay(&mut self, id: EntityId) {
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

    /// What starts by itself starts, as with the manager.
    fn begin_new(&mut self, new: &[EntityId]) {
        let mut begins = Vec::new();
        for id in new {
            let Some(plan) = self.plan_of(*id) else { continue };
            self.watch_memory_by(&plan, None);
            if starts_by_itself(&plan) {
                begins.push(*id);
            }
        }
        for id in self.needed_by(&begins) {
            if begins.contains(&id) || self.entity(id).why == Why::NeverStarted {
                self.want(id, Why::Changed);
            }
        }
    }

    /// It is to be up, unless it is, or is on its way, or another is that it
    /// conflicts with: nothing ends for that.
    fn want(&mut self, id: EntityId, why: Why) {
        if self.standing(id) != Standing::Off || self.yields_at_boot(id) {
            return;
        }
        self.want_running(id);
        if !self.stays_up(id, why) {
            self.bring_down(id, why, Next::Start(self.now, Cause::Dependency));
        }
    }

    /// What the change of its unit means for an entity as it is.
    fn follow_life(&mut self, before: &Before) {
        let id = before.id;
        let Some(plan) = self.plan_of(id) else { return };
        if plan.leaving {
            if !before.left {
                self.leave(id);
            }
            return;
        }
        if before.left {
            if starts_by_itself(&plan) {
                self.want(id, Why::Changed);
            }
        } else if self.entity(id).desired == Desired::Running {
            // Or it would end for want of what nobody has started.
            for other in &plan.links.requires {
                if !before.requires.contains(other) {
                    for needed in self.needed_by(&[*other]) {
                        self.want(needed, Why::Wanted(id));
                    }
                }
            }
        }
        if self.plan.has_next(id) {
            self.follow_next(id);
        }
    }

    /// It is something else from its next start on: one that is at rest is so
    /// at once, and one that has been given up is tried again.
    fn follow_next(&mut self, id: EntityId) {
        let Ok(plan) = self.plan.entity(id) else { return };
        let mut entity = self.entity(id);
        match entity.actual {
            Actual::Down => {
                self.renew(id);
                if entity.desired == Desired::Running && entity.why.is_given_up() {
                    self.want_running(id);
                    self.bring_down(id, Why::Changed, Next::Start(self.now, Cause::Dependency));
                }
            }
            Actual::Waiting(_, cause) => {
                entity.budget = super::Budget::default();
                self.put(id, entity);
                self.start_at(id, self.now, cause);
            }
            Actual::Queued(_) => self.renew(id),
            Actual::Gated(Cause::PidFile) => {
                self.emit(Effect::Unwatch { wait: Wait::Start(id) });
                entity.actual = Actual::Down;
                self.put(id, entity);
                self.begin_start(id, Cause::PidFile);
            }
            Actual::Gated(cause) => {
                self.emit(Effect::Unwatch { wait: Wait::Start(id) });
                entity.actual = Actual::Queued(cause);
                entity.times.gated = None;
                self.put(id, entity);
                self.renew(id);
            }
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
            | Actual::Joining { .. } => {
                let on_change = plan.configured().on_change;
                let restarts = on_change == OnChange::Restart && plan.is_outdated();
                if restarts && entity.desired == Desired::Running && !entity.attached {
                    self.want_running(id);
                    self.bring_down(id, Why::Changed, Next::Start(self.now, Cause::Dependency));
                }
            }
        }
    }

    /// No unit has it any more: it is stopped. A process that ham did not start
    /// goes on by itself.
    fn leave(&mut self, id: EntityId) {
        self.note(id, Fact::Leaves);
        if self.entity(id).attached && self.entity(id).running().is_some() {
            self.let_go_unasked(id);
        } else {
            self.apply(id, Ask::Stop);
        }
        let mut entity = self.entity(id);
        (entity.desired, entity.why) = (Desired::Stopped, Why::Gone);
        self.put(id, entity);
    }

    /// One that begins anew, or is at rest, is from here on what the plan has
    /// for its next start.
    pub(super) fn renew(&mut self, id: EntityId) {
        self.renewals.remove(&id);
        let mut entity = self.entity(id);
        if !self.plan.has_next(id) || entity.renewed || !entity.may_be_renewed() {
            return;
        }
        let before = self.plan_of(id).unwrap_or_else(|| Arc::new(empty(id)));
        let overlay = self.overlay(id).unwrap_or_default();
        entity.renewed = true;
        self.put(id, entity);
        self.plans.remove(&id);
        self.fit_overlay(id);
        self.follow(id, (&before, &overlay));
    }
}

/// Stands for a definition that cannot be read: nothing of it has a place.
fn empty(id: EntityId) -> EntityPlan {
    EntityPlan::new(id, "", Vec::new())
}

fn starts_by_itself(plan: &EntityPlan) -> bool {
    plan.start == StartMode::Auto
}

impl Entity {
    /// Whether it has no process, and nothing of a start or an end is in
    /// progress.
    pub(super) fn may_be_renewed(&self) -> bool {
        match self.actual {
            Actual::Down | Actual::Waiting(..) | Actual::Queued(_) | Actual::Gated(_) => true,
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
            | Actual::Joining { .. } => false,
        }
    }
}

impl Why {
    /// Whether one that is down is so because its start came to nothing.
    fn is_given_up(self) -> bool {
        match self {
            Why::StartFailed(_) | Why::PreStartFailed | Why::StartTimeout | Why::Limit => true,
            Why::NeverStarted
            | Why::Boot
            | Why::AskedStart
            | Why::Restarted(_)
            | Why::Died(_)
            | Why::Finished(_)
            | Why::AskedStop
            | Why::Shutdown
            | Why::Dependency(_)
            | Why::CameBack(_)
            | Why::Wanted(_)
            | Why::Conflict(_)
            | Why::RecordLost
            | Why::Attached
            | Why::Detached
            | Why::Changed
            | Why::Gone => false,
        }
    }
}
