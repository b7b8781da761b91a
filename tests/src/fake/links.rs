//! Edges between entities, from both ends, as the loader fills them in.

use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Links};
use std::collections::BTreeSet;

/// What a unit says of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `requires`
    Requires,
    /// `wants`
    Wants,
    /// `after`
    After,
    /// `before`
    Before,
    /// `conflicts`
    Conflicts,
}

impl Edge {
    /// Every one, with its word in unit files.
    pub const ALL: [(Edge, &'static str); 5] = [
        (Edge::Requires, "requires"),
        (Edge::Wants, "wants"),
        (Edge::After, "after"),
        (Edge::Before, "before"),
        (Edge::Conflicts, "conflicts"),
    ];
}

/// Adds what `from` says of `to`; ids are places.
///
/// # Panics
/// When there is no such entity.
pub fn link(plans: &mut [EntityPlan], from: EntityId, edge: Edge, to: EntityId) {
    match edge {
        Edge::Requires => {
            add(plans, from, to, |links| &mut links.requires);
            add(plans, to, from, |links| &mut links.required_by);
            link(plans, from, Edge::After, to);
        }
        Edge::Wants => {
            add(plans, from, to, |links| &mut links.wants);
            link(plans, from, Edge::After, to);
        }
        Edge::After => {
            add(plans, from, to, |links| &mut links.after);
            add(plans, to, from, |links| &mut links.before);
        }
        Edge::Before => link(plans, to, Edge::After, from),
        Edge::Conflicts => {
            add(plans, from, to, |links| &mut links.conflicts);
            add(plans, to, from, |links| &mut links.conflicts);
        }
    }
}

fn add(
    plans: &mut [EntityPlan],
    of: EntityId,
    other: EntityId,
    list: fn(&mut Links) -> &mut Vec<EntityId>,
) {
    let list = list(&mut plans[of.index()].links);
    if let Err(place) = list.binary_search(&other) {
        list.insert(place, other);
    }
}

/// A condition of `from`, by its place, is about what happens to `of`.
///
/// # Panics
/// When there is no such entity or condition.
pub fn watch(plans: &mut [EntityPlan], from: EntityId, condition: usize, of: EntityId) {
    plans[from.index()].conditions[condition].of = Some(of);
    if of != from {
        add(plans, of, from, |links| &mut links.watched_by);
    }
}

/// Places become ids: a name that is known keeps its own, others get the lowest
/// that is not in use.
///
/// # Panics
/// When an id is no place.
pub fn number(
    plans: &mut [EntityPlan],
    known: &dyn Fn(&str) -> Option<EntityId>,
    in_use: &BTreeSet<EntityId>,
) {
    let kept: Vec<Option<EntityId>> = plans.iter().map(|plan| known(&plan.name)).collect();
    let mut taken: BTreeSet<EntityId> = kept.iter().flatten().chain(in_use).copied().collect();
    let ids: Vec<EntityId> = kept
        .into_iter()
        .map(|kept| {
            let free = || (0..).map(EntityId).find(|id| !taken.contains(id));
            let id = kept.or_else(free).expect("a free id");
            taken.insert(id);
            id
        })
        .collect();
    for plan in plans {
        let Links { requires, required_by, wants, after, before, conflicts, watched_by } =
            &mut plan.links;
        for list in [requires, required_by, wants, after, before, conflicts, watched_by] {
            for id in list.iter_mut() {
                *id = ids[id.index()];
            }
            list.sort_unstable();
        }
        for of in plan.conditions.iter_mut().filter_map(|condition| condition.of.as_mut()) {
            *of = ids[of.index()];
        }
        plan.id = ids[plan.id.index()];
    }
}
