//! Which entity waits for which. What happens to one concerns its neighbours
//! only: whatever has changed is noted, and at the end of the turn its
//! neighbours are looked at again, until nothing changes any more.

use super::Monitor;
use super::ask::Goal;
use super::entity::{Actual, Cause, Desired, Entity, Next, Why};
use crate::effect::{Fact, Failure, Reply};
use crate::ids::EntityId;
use crate::plan::{EntityPlan, OnDependencyRestart};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an entity is to those that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not up and will not be by itself: stopped, failed for good, or on
    /// its way down.
    Off,
    /// It may be up later: it starts, or will be restarted.
    Coming,
    /// It is up.
    Up,
}

/// What keeps an entity from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Nothing.
    None,
    /// Others, that will be up, or down, sooner or later.
    Wait,
    /// This one, which it requires, is not up and not coming.
    Missing(EntityId),
}

impl Monitor {
    pub(super) fn links(&mut self, id: EntityId) -> Option<Arc<EntityPlan>> {
        if self.plan.is_linked(id) { self.plan_of(id) } else { None }
    }

    pub(super) fn standing(&mut self, id: EntityId) -> Standing {
        let entity = self.entity(id);
        self.standing_of(id, &entity)
    }

    pub(super) fn standing_of(&self, id: EntityId, entity: &Entity) -> Standing {
        if entity.is_up() {
            return Standing::Up;
        }
        let wanted = entity.desired == Desired::Running && !self.is_shutting_down();
        // A list in progress may bring it back: given up is only what nobody
        // tries any more. What is down for want of another waits for that.
        let by_list = self.has_lists(id) && !matches!(entity.why, Why::Dependency(_));
        let comes = wanted
            && match entity.actual {
                // Whether a file will ever name its process nobody knows.
                Actual::Waiting(_, Cause::PidFile) | Actual::Gated(Cause::PidFile) => false,
                Actual::Waiting(..)
                | Actual::Queued(_)
                | Actual::Gated(_)
                | Actual::Preparing { .. }
                | Actual::Starting { .. }
                | Actual::Readying { .. }
                | Actual::Handover { .. }
                | Actual::Aborting { .. }
                | Actual::Joining { .. } => true,
                Actual::Down | Actual::Left { .. } => by_list,
                // Such an end is meant: no list undoes it.
                Actual::Retiring { next, .. } | Actual::Stopping { next, .. } => {
                    matches!(next, Next::Start(..))
                }
                Actual::Clearing { next, .. } | Actual::Tidying { next } => {
                    matches!(next, Next::Start(..)) || by_list || entity.finished
                }
                Actual::Up { .. } | Actual::Reached => true,
            };
        if comes { Standing::Coming } else { Standing::Off }
    }

    /// It was to end, and nobody has asked it to yet: if it was up, and all that
    /// it requires still is, it stays so.
    pub(super) fn stays_up(&mut self, id: EntityId, why: Why) -> bool {
        let mut entity = self.entity(id);
        let Actual::Retiring { slot: Some(slot), pid, since, .. } = entity.actual else {
            return false;
        };
        let requires = self.links(id).map_or_else(Vec::new, |plan| plan.links.requires.clone());
        let lacks = requires.iter().any(|other| self.standing(*other) != Standing::Up);
        if entity.times.up.is_none() || lacks {
            return false;
        }
        entity.actual = Actual::Up { slot, pid, since };
        entity.why = why;
        entity.since = Some(self.now);
        self.put(id, entity);
        if entity.moving {
            self.await_heir(id, slot, pid);
        }
        self.answer(id, Goal::Up, Reply::Done);
        true
    }

    /// What has changed is looked at, and its neighbours; until all is quiet.
    pub(super) fn settle_order(&mut self) {
        // Whose turn to start or to end may have come. That is seen only when
        // all that follows for those that need others has: or one would end
        // before the last of a chain that needs it.
        let mut turns: BTreeSet<EntityId> = BTreeSet::new();
        loop {
            while let Some(id) = self.moved.pop_first() {
                let Some(plan) = self.links(id) else {
                    // What it is down for want of it may not need any more.
                    if matches!(self.entity(id).why, Why::Dependency(_)) {
                        self.look_again(id);
                    }
                    continue;
                };
                let links = &plan.links;
                for other in links.required_by.iter().chain([&id]) {
                    self.look_again(*other);
                }
                turns.extend(links.before.iter().chain(&links.after).chain(&links.conflicts));
                turns.insert(id);
            }
            let Some(id) = turns.pop_first() else { return };
            self.take_turn(id);
        }
    }

    /// It waits for its turn to start, or to end: has that come?
    pub(super) fn take_turn(&mut self, id: EntityId) {
        match self.entity(id).actual {
            Actual::Queued(cause) => self.try_start(id, cause),
            Actual::Retiring { .. } => self.try_end(id),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => {}
        }
    }

    /// One that it requires may be gone, or back.
    pub(super) fn look_again(&mut self, id: EntityId) {
        let entity = self.entity(id);
        match entity.actual {
            // It has no process that could lack anything.
            Actual::Waiting(_, Cause::PidFile) | Actual::Gated(Cause::PidFile) => {}
            Actual::Down | Actual::Left { .. } => self.come_back(id, &entity),
            Actual::Waiting(..)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Reached => self.check_required(id),
            // It has its turn, or is on its way down already.
            Actual::Queued(_)
            | Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Joining { .. } => {}
        }
    }

    /// It waits for its turn to start: has that come?
    fn try_start(&mut self, id: EntityId, cause: Cause) {
        if self.is_shutting_down() {
            return;
        }
        match self.obstacle(id) {
            Obstacle::None => self.go(id, cause),
            Obstacle::Wait => {}
            Obstacle::Missing(on) => self.not_started(id, on),
        }
    }

    pub(super) fn is_kept_from_starting(&mut self, id: EntityId) -> bool {
        self.obstacle(id) != Obstacle::None
    }

    fn obstacle(&mut self, id: EntityId) -> Obstacle {
        let Some(plan) = self.links(id) else { return Obstacle::None };
        let links = &plan.links;
        let mut waits = false;
        for other in &links.requires {
            match self.standing(*other) {
                Standing::Off => return Obstacle::Missing(*other),
                Standing::Coming => waits = true,
                Standing::Up => {}
            }
        }
        let waits = waits
            || links.after.iter().any(|other| self.standing(*other) == Standing::Coming)
            || links.conflicts.iter().any(|other| !self.entity(*other).is_down());
        if waits { Obstacle::Wait } else { Obstacle::None }
    }

    /// One that it requires is not there: it stays down, and comes back with
    /// the other.
    fn not_started(&mut self, id: EntityId, on: EntityId) {
        let mut entity = self.entity(id);
        entity.actual = Actual::Down;
        entity.why = Why::Dependency(on);
        entity.since = Some(self.now);
        self.put(id, entity);
        self.note(id, Fact::Dependency { on, stops: false });
        self.answer(id, Goal::Up, Reply::Dependency(on));
        self.restart_done(id, Err(Failure::Dependency));
    }

    /// It runs, or is about to: is all that it requires still there?
    fn check_required(&mut self, id: EntityId) {
        let Some(plan) = self.links(id) else { return };
        for other in &plan.links.requires {
            match self.standing(*other) {
                Standing::Up => {}
                Standing::Off => {
                    self.lose_required(id, *other);
                    return;
                }
                // A reload has made it a need, and it is started for that.
                Standing::Coming if self.entity(*other).why == Why::Wanted(id) => {}
                Standing::Coming => {
                    if plan.on_dependency_restart == OnDependencyRestart::Restart {
                        let next = Next::Start(self.now, Cause::Dependency);
                        self.bring_down(id, Why::CameBack(*other), next);
                        return;
                    }
                }
            }
        }
    }

    fn lose_required(&mut self, id: EntityId, on: EntityId) {
        if self.is_shutting_down() {
            return;
        }
        self.note(id, Fact::Dependency { on, stops: true });
        self.answer(id, Goal::Up, Reply::Dependency(on));
        self.cancel_restarts(id);
        self.bring_down(id, Why::Dependency(on), Next::Rest);
    }

    /// It is down for want of another: is that back?
    fn come_back(&mut self, id: EntityId, entity: &Entity) {
        let Why::Dependency(on) = entity.why else { return };
        if entity.desired == Desired::Stopped || self.is_shutting_down() {
            return;
        }
        // One that has lost its last neighbour by a reload is as free.
        let requires = self.links(id).map_or_else(Vec::new, |plan| plan.links.requires.clone());
        match requires.iter().find(|other| self.standing(**other) == Standing::Off) {
            None => {
                let next = Next::Start(self.now, Cause::Dependency);
                self.bring_down(id, Why::CameBack(on), next);
            }
            // By a reload it needs that one no more, but this one.
            Some(other) if !requires.contains(&on) => {
                self.put(id, Entity { why: Why::Dependency(*other), ..*entity });
            }
            Some(_) => {}
        }
    }

    /// It is to end: have those that were started after it?
    fn try_end(&mut self, id: EntityId) {
        let followers = match self.links(id) {
            Some(plan) => plan.links.before.clone(),
            None => Vec::new(),
        };
        if !followers.iter().any(|other| self.is_leaving(*other)) {
            self.begin_end(id);
        }
    }

    fn is_leaving(&mut self, id: EntityId) -> bool {
        self.entity(id).next().is_some()
    }
}
