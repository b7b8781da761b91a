//! What another plan means for an entity as it is: whether it starts, ends, goes
//! on, or is something else from here on or from its next start on. And what it
//! would mean, for who asks before.

use super::Monitor;
use super::entity::{Actual, Cause, Desired, Entity, Next, Why};
use super::order::Standing;
use super::reload::Before;
use crate::effect::{Effect, Fact};
use crate::event::{Ask, Wait};
use crate::ids::EntityId;
use crate::plan::{EntityPlan, OnChange, StartMode};
use crate::wire::Consequence;
use std::sync::Arc;

impl Monitor {
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

    /// What starts by itself starts, as with the manager.
    pub(super) fn begin_new(&mut self, new: &[EntityId]) {
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
    pub(super) fn follow_life(&mut self, before: &Before) {
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
