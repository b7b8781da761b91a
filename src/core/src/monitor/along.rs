//! What is started with an entity, and what ends for it: those that it needs,
//! and those that it conflicts with.

use super::Monitor;
use super::entity::{Cause, Desired, Next, Why};
use super::order::Standing;
use crate::effect::Fact;
use crate::ids::EntityId;
use std::collections::{BTreeSet, VecDeque};

/// Two that would have to be up at the same time, and must not be.
pub(super) type Clash = (EntityId, EntityId);

impl Monitor {
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

    /// Those that have to be up for these to be, they included, each once.
    fn required_by_all(&mut self, ids: &[EntityId]) -> BTreeSet<EntityId> {
        let mut found: BTreeSet<EntityId> = BTreeSet::new();
        let mut open: Vec<EntityId> = ids.to_vec();
        while let Some(id) = open.pop() {
            if found.insert(id)
                && let Some(plan) = self.links(id)
            {
                open.extend(&plan.links.requires);
            }
        }
        found
    }

    /// One of `some` and one of `others` that conflict.
    fn clash(&mut self, some: &BTreeSet<EntityId>, others: &BTreeSet<EntityId>) -> Option<Clash> {
        some.iter().find_map(|id| {
            let plan = self.links(*id)?;
            let mut conflicts = plan.links.conflicts.iter();
            let with = conflicts.find(|with| *with != id && others.contains(*with))?;
            Some((*id.min(with), *id.max(with)))
        })
    }

    /// Two that conflict, among these and all that they cannot be without: then
    /// not all of these can be up, and none is started.
    pub(super) fn clash_of_start(&mut self, ids: &[EntityId]) -> Option<Clash> {
        let firm = self.required_by_all(ids);
        self.clash(&firm, &firm)
    }

    /// All that starts with these: what they cannot be without, and of what is
    /// merely wanted that which conflicts with none of them, nor with what was
    /// wanted before it.
    fn starts_with(&mut self, ids: &[EntityId]) -> BTreeSet<EntityId> {
        let mut taken = self.required_by_all(ids);
        let mut open: VecDeque<EntityId> = VecDeque::new();
        for id in self.needed_by(ids).into_iter().filter(|id| taken.contains(id)) {
            open.extend(self.wants_of(id));
        }
        while let Some(id) = open.pop_front() {
            if taken.contains(&id) {
                continue;
            }
            let group = self.required_by_all(&[id]);
            if self.clash(&group, &taken).is_none() && self.clash(&group, &group).is_none() {
                for id in group {
                    if taken.insert(id) {
                        open.extend(self.wants_of(id));
                    }
                }
            }
        }
        taken
    }

    fn wants_of(&mut self, id: EntityId) -> Vec<EntityId> {
        self.links(id).map_or_else(Vec::new, |plan| plan.links.wants.clone())
    }

    /// Those that these need start with them, and those that they conflict with
    /// end: somebody has asked for them.
    pub(super) fn bring_along(&mut self, ids: &[EntityId]) {
        // What no unit has any more does not come back, and brings nothing back.
        let stays = |id: &&EntityId| !self.plan.is_leaving(**id);
        let ids: &[EntityId] = &ids.iter().filter(stays).copied().collect::<Vec<_>>();
        if !ids.iter().any(|id| self.plan.is_linked(*id)) {
            return;
        }
        let mut waiting = self.starts_with(ids);
        for root in ids {
            if waiting.is_empty() {
                return;
            }
            for id in self.needed_by(&[*root]).into_iter().rev() {
                // Each once, for the first that needs it.
                if waiting.remove(&id) {
                    self.end_conflicting(id);
                    if id != *root {
                        self.bring_back(id, *root);
                    }
                }
            }
        }
    }

    /// One that `root` needs is to be up.
    fn bring_back(&mut self, id: EntityId, root: EntityId) {
        let entity = self.entity(id);
        // A list in progress may bring it back; that is not waited for.
        let rests = entity.is_down() || entity.next() == Some(Next::Rest);
        let idle = rests && !entity.is_up() && !entity.finished;
        if idle || self.standing(id) == Standing::Off {
            self.want_running(id);
            let why = Why::Wanted(root);
            if !self.stays_up(id, why) {
                self.bring_down(id, why, Next::Start(self.now, Cause::Dependency));
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
}
