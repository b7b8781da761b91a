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

    fn standing(&mut self, id: EntityId) -> Standing {
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

    /// Everything that these need, they included, each once.
    pub(super) fn needed_by(&mut self, ids: &[EntityId]) -> Vec<EntityId> {
        let mut seen: BTreeSet<EntityId> = BTreeSet::new();
        let mut found = Vec::new();
        let mut open: Vec<EntityId> = ids.iter().rev().copied().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            found.push(id);
            if let Some(plan) = self.links(id) {
                open.extend(plan.links.requires.iter().chain(&plan.links.wants).rev());
            }
        }
        found
    }

    /// Those that an entity needs start with it, and those that it conflicts
    /// with end: somebody has asked for it.
    pub(super) fn bring_along(&mut self, id: EntityId) {
        if !self.plan.is_linked(id) {
            return;
        }
        for needed in self.needed_by(&[id]).into_iter().rev() {
            let plan = self.links(needed);
            // What cannot be beside the one that was asked for would stop it.
            if needed != id && plan.is_some_and(|plan| plan.links.conflicts.contains(&id)) {
                continue;
            }
            self.end_conflicting(needed);
            if needed == id {
                continue;
            }
            let entity = self.entity(needed);
            // A list in progress may bring it back; that is not waited for.
            let rests = entity.is_down() || entity.next() == Some(Next::Rest);
            let idle = rests && !entity.is_up() && !entity.finished;
            if idle || self.standing(needed) == Standing::Off {
                self.want_running(needed);
                let why = Why::Wanted(id);
                if !self.stays_up(needed, why) {
                    self.bring_down(needed, why, Next::Start(self.now, Cause::Dependency));
                }
            }
        }
    }

    /// Of those that conflict the first starts with the manager: if all did,
    /// each would wait for the end of the other.
    pub(super) fn yields_at_boot(&mut self, id: EntityId) -> bool {
        let conflicts = self.links(id).map_or_else(Vec::new, |plan| plan.links.conflicts.clone());
        let first = conflicts.into_iter().find(|other| {
            let entity = self.entity(*other);
            *other != id && (entity.desired == Desired::Running || !entity.is_down())
        });
        let Some(with) = first else { return false };
        let mut entity = self.entity(id);
        entity.why = Why::Conflict(with);
        entity.since = Some(self.now);
        self.put(id, entity);
        self.note(id, Fact::Conflict { with });
        true
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
        self.answer(id, Goal::Up, Reply::Done);
        true
    }

    fn end_conflicting(&mut self, id: EntityId) {
        let Some(plan) = self.links(id) else { return };
        for other in &plan.links.conflicts {
            let entity = self.entity(*other);
            if entity.desired == Desired::Running || !entity.is_down() {
                self.note(*other, Fact::Conflict { with: id });
                self.apply_stop(*other, Why::Conflict(id));
            }
        }
    }

    /// What has changed is looked at, and its neighbours; until all is quiet.
    pub(super) fn settle_order(&mut self) {
        // Whose turn to start or to end may have come. That is seen only when
        // all that follows for those that need others has: or one would end
        // before the last of a chain that needs it.
        let mut turns: BTreeSet<EntityId> = BTreeSet::new();
        loop {
            while let Some(id) = self.moved.pop_first() {
                let Some(plan) = self.links(id) else { continue };
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
    fn take_turn(&mut self, id: EntityId) {
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
    fn look_again(&mut self, id: EntityId) {
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
        let Some(plan) = self.links(id) else { return };
        if plan.links.requires.iter().all(|other| self.standing(*other) != Standing::Off) {
            let next = Next::Start(self.now, Cause::Dependency);
            self.bring_down(id, Why::CameBack(on), next);
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
