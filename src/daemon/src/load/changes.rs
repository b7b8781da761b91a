//! What a new plan changes, for people: by entity and by key.

use super::in_force::{Known, Old};
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, OnChange, StartMode};
use ham_core::wire::{ChangeKind, Consequence, EntityChange};
use ham_unit::{NeighbourNames, Writing, differences, write_unit};
use std::collections::BTreeMap;

/// The changes, in order of name.
pub(crate) fn changes(old: &Old, new: &[EntityPlan]) -> Vec<EntityChange> {
    let before: BTreeMap<EntityId, &str> =
        old.entities.values().map(|known| (known.plan.id, known.plan.name.as_str())).collect();
    let after: BTreeMap<EntityId, &str> =
        new.iter().map(|entity| (entity.id, entity.name.as_str())).collect();
    new.iter()
        .filter_map(|entity| match old.entities.get(&entity.name) {
            Some(known) if entity.leaving => {
                let change = || plain(entity, ChangeKind::Removed, Consequence::Stops);
                (!known.plan.leaving).then(change)
            }
            Some(known) if !known.plan.leaving => changed(known, entity, &before, &after),
            Some(_) | None => {
                let starts = entity.configured().start == StartMode::Auto;
                let then = if starts { Consequence::Starts } else { Consequence::Nothing };
                Some(plain(entity, ChangeKind::Added, then))
            }
        })
        .collect()
}

fn plain(entity: &EntityPlan, what: ChangeKind, then: Consequence) -> EntityChange {
    let (name, source) = (entity.name.clone(), entity.source.clone());
    EntityChange { name, source, what, then, keys: Vec::new() }
}

fn changed(
    known: &Known,
    entity: &EntityPlan,
    before: &BTreeMap<EntityId, &str>,
    after: &BTreeMap<EntityId, &str>,
) -> Option<EntityChange> {
    let (was, is) = (known.plan.configured(), entity.configured());
    if was == is {
        return None;
    }
    let mut keys = differences(&written(was, before), &written(is, after));
    let restarts = is.on_change == OnChange::Restart;
    for key in &mut keys {
        if key.when == Consequence::Restarts && !restarts {
            key.when = Consequence::NextStart;
        }
    }
    let then = keys.iter().map(|key| key.when).max()?;
    Some(EntityChange { keys, ..plain(is, ChangeKind::Changed, then) })
}

/// As a unit that nobody has shortened.
fn written(plan: &EntityPlan, names: &BTreeMap<EntityId, &str>) -> String {
    let name = |id: EntityId| names.get(&id).map_or_else(|| "?".to_owned(), |&it| it.to_owned());
    let all = |ids: &[EntityId]| ids.iter().map(|id| name(*id)).collect::<Vec<String>>();
    let links = &plan.links;
    let own = |id: &&EntityId| !links.requires.contains(id) && !links.wants.contains(id);
    let after: Vec<EntityId> = links.after.iter().filter(own).copied().collect();
    let neighbours = NeighbourNames {
        requires: all(&links.requires),
        wants: all(&links.wants),
        after: all(&after),
        conflicts: all(&links.conflicts),
    };
    let with = Writing { neighbours: &neighbours, name: &name, remark: &|_| None };
    write_unit(plan, &with)
}
