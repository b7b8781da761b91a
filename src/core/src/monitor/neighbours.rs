//! What can be seen of the order from outside, without changing anything.

use super::Monitor;
use super::entity::Actual;
use super::order::Standing;
use crate::ids::EntityId;
use crate::plan::{EntityPlan, Links};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Monitor {
    /// What it waits for: those that are not up yet, and those that are not
    /// down yet. None unless it waits for its turn.
    #[must_use]
    pub fn waits_for(&self, id: EntityId) -> Vec<EntityId> {
        let Actual::Queued(_) = self.peek(id).actual else { return Vec::new() };
        let Some(plan) = self.neighbours(id) else { return Vec::new() };
        let Links { after, conflicts, .. } = &plan.links;
        let comes = |id: &&EntityId| self.standing_of(**id, &self.peek(**id)) == Standing::Coming;
        let is_there = |id: &&EntityId| !self.peek(**id).is_down();
        after.iter().filter(comes).chain(conflicts.iter().filter(is_there)).copied().collect()
    }

    /// What would stop if these were stopped, they included, in the order in
    /// which it would: those that cannot do without another before it.
    #[must_use]
    pub fn would_stop(&self, ids: &[EntityId]) -> Vec<EntityId> {
        let mut seen: BTreeSet<EntityId> = BTreeSet::new();
        let mut all = Vec::new();
        // Twice on the stack: when it is come upon, and behind its own.
        let mut open: Vec<(EntityId, bool)> = ids.iter().rev().map(|id| (*id, false)).collect();
        while let Some((id, done)) = open.pop() {
            if done {
                all.push(id);
                continue;
            }
            let entity = self.peek(id);
            if (entity.is_down() && !entity.finished) || !seen.insert(id) {
                continue;
            }
            open.push((id, true));
            if let Some(plan) = self.neighbours(id) {
                open.extend(plan.links.required_by.iter().rev().map(|other| (*other, false)));
            }
        }
        all
    }

    fn neighbours(&self, id: EntityId) -> Option<Arc<EntityPlan>> {
        if self.plan.is_linked(id) { self.definition(id) } else { None }
    }
}
