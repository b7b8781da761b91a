//! What a new plan changes, for people: by entity and by key.

use super::in_force::{Known, Old};
use super::messages::Follows;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, OnChange, OnDependencyRestart, StartMode};
use ham_core::wire::{ChangeKind, Consequence, EntityChange};
use ham_unit::{NeighbourNames, Writing, differences, write_unit};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The changes, in order of name.
pub(crate) fn changes(old: &Old, new: &[EntityPlan]) -> Vec<EntityChange> {
    let unread = || old.unread.iter().map(|(id, name)| (*id, name.as_str()));
    let known = old.entities.values().map(|known| (known.plan.id, known.plan.name.as_str()));
    let before: BTreeMap<EntityId, &str> = known.chain(unread()).collect();
    let named = new.iter().map(|entity| (entity.id, entity.name.as_str()));
    let after: BTreeMap<EntityId, &str> = named.chain(unread()).collect();
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

/// What the changes may bring along for others: a dependent is restarted with
/// what it requires, and what is required or wanted anew is started; and what
/// may keep a new one from starting.
pub(crate) fn follows(old: &Old, new: &[EntityPlan], changes: &[EntityChange]) -> Vec<Follows> {
    let all = All::new(old, new);
    let by_name: BTreeMap<&str, &EntityPlan> =
        new.iter().map(|entity| (entity.name.as_str(), entity)).collect();
    let mut found = Vec::new();
    let mut add = |from: &EntityPlan, to: &EntityPlan, then: Consequence| {
        let (from, name, source) = (from.name.clone(), to.name.clone(), to.source.clone());
        found.push(Follows { from, name, source, then });
    };
    for change in changes {
        let Some(entity) = by_name.get(change.name.as_str()) else { continue };
        if change.then == Consequence::Starts {
            let conflicts = entity.links.conflicts.iter();
            for other in conflicts.filter_map(|id| all.get(*id)) {
                if old.ids.contains(&other.id) {
                    add(other, entity, Consequence::Nothing);
                }
            }
        }
        if change.then == Consequence::Restarts {
            let restarts =
                |other: &EntityPlan| other.on_dependency_restart == OnDependencyRestart::Restart;
            let next = |from: &EntityPlan| from.links.required_by.clone();
            walk(entity, &all, next, &mut |from, to| {
                let does = restarts(to);
                if does {
                    add(from, to, Consequence::Restarts);
                }
                does
            });
        }
        let needed = |entity: &EntityPlan| -> Vec<EntityId> {
            let links = &entity.links;
            links.requires.iter().chain(&links.wants).copied().collect()
        };
        let before = old.entities.get(&entity.name).map(|known| &known.is.links.requires);
        let begins = change.what == ChangeKind::Added;
        let anew = |from: &EntityPlan| match before {
            _ if from.id != entity.id || begins => needed(from),
            Some(before) => {
                let requires = from.links.requires.iter().copied();
                requires.filter(|id| !before.contains(id)).collect()
            }
            None => Vec::new(),
        };
        walk(entity, &all, anew, &mut |_, to| {
            add(entity, to, Consequence::Starts);
            true
        });
    }
    found
}

/// The entities of a new plan; what was not read for it is when it is asked for.
struct All<'a> {
    read: BTreeMap<EntityId, &'a EntityPlan>,
    unread: BTreeMap<EntityId, OnceCell<Option<EntityPlan>>>,
    old: &'a Old,
}

impl<'a> All<'a> {
    fn new(old: &'a Old, new: &'a [EntityPlan]) -> All<'a> {
        let read = new.iter().map(|entity| (entity.id, entity)).collect();
        let unread = old.unread.keys().map(|id| (*id, OnceCell::new())).collect();
        All { read, unread, old }
    }

    fn get(&self, id: EntityId) -> Option<&EntityPlan> {
        match self.unread.get(&id) {
            Some(cell) => cell.get_or_init(|| self.old.unread(id)).as_ref(),
            None => self.read.get(&id).copied(),
        }
    }
}

/// All that is reached from an entity, each once.
fn walk<'a>(
    from: &'a EntityPlan,
    all: &'a All<'_>,
    next: impl Fn(&EntityPlan) -> Vec<EntityId>,
    step: &mut impl FnMut(&EntityPlan, &EntityPlan) -> bool,
) {
    let mut seen = BTreeSet::from([from.id]);
    let mut open = VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        for id in next(at) {
            if let Some(to) = all.get(id)
                && seen.insert(id)
                && step(at, to)
            {
                open.push_back(to);
            }
        }
    }
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
    // Nothing of it holds before the next start, when a process becomes a
    // target, say: but for the order.
    let waits = entity.next.is_some()
        && (entity.conditions != is.conditions
            || entity.description != is.description
            || entity.heartbeat != is.heartbeat);
    for key in &mut keys {
        let order = ["requires", "wants", "after", "conflicts"].contains(&key.key.as_str());
        if entity.next.is_none() {
            // Or it was to be something else then, and is what it was again.
            key.when = Consequence::AtOnce;
        } else if key.when == Consequence::Restarts && !restarts || waits && !order {
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
