//! The plan that follows the one in force, when units say something else.

use super::{EntityPlan, Links, carry, leave};
use crate::ids::EntityId;
use std::collections::{BTreeMap, BTreeSet};

/// An entity of the plan in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As the plan has it.
    pub plan: EntityPlan,
    /// As it is.
    pub is: EntityPlan,
}

/// The entities of the next plan, in order of name: what units say (`new`),
/// carried over from what is; what leaves already; and those of `gone`, which
/// leave from here on. `known`: the plan in force, by name.
#[must_use]
pub fn join(
    known: &BTreeMap<String, Known>,
    new: &[EntityPlan],
    gone: &BTreeSet<EntityId>,
) -> Vec<EntityPlan> {
    let mut entities: Vec<EntityPlan> = Vec::with_capacity(new.len());
    for unit in new {
        entities.push(match known.get(&unit.name) {
            Some(known) => carry(&known.is, unit.clone()),
            None => unit.clone(),
        });
    }
    let taken: BTreeSet<&str> = new.iter().map(|unit| unit.name.as_str()).collect();
    let leaves = |known: &&Known| known.plan.leaving || gone.contains(&known.plan.id);
    let leaving: Vec<&Known> = known
        .values()
        .filter(|known| leaves(known) && !taken.contains(known.plan.name.as_str()))
        .collect();
    let ids: BTreeSet<EntityId> = leaving.iter().map(|known| known.plan.id).collect();
    for known in leaving {
        // Once it leaves it is what it is until it has left.
        entities.push(leave(&known.is, among(&known.is.links, &ids)));
    }
    entities.sort_by(|a, b| a.name.cmp(&b.name));
    entities
}

/// Neighbours among these.
fn among(links: &Links, ids: &BTreeSet<EntityId>) -> Links {
    let of = |all: &[EntityId]| all.iter().copied().filter(|id| ids.contains(id)).collect();
    Links {
        requires: of(&links.requires),
        required_by: of(&links.required_by),
        wants: of(&links.wants),
        after: of(&links.after),
        before: of(&links.before),
        conflicts: of(&links.conflicts),
        watched_by: of(&links.watched_by),
    }
}
