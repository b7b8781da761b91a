//! Some units and no others: those that were named, and what they need. All
//! else stays as the plan in force has it, right or wrong.

use super::decide::{Decision, is_there, units_of};
use super::in_force::{Known, Old};
use super::messages::Question;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Links, carry, leave};
use ham_unit::Loaded;
use std::collections::{BTreeMap, BTreeSet};

/// Edges of the order, each from one end: who, and whom.
#[derive(Debug, Default)]
struct Edges {
    requires: BTreeSet<(EntityId, EntityId)>,
    wants: BTreeSet<(EntityId, EntityId)>,
    after: BTreeSet<(EntityId, EntityId)>,
    conflicts: BTreeSet<(EntityId, EntityId)>,
    watches: BTreeSet<(EntityId, EntityId)>,
}

/// The units that these names stand for.
///
/// # Errors
/// What is wrong with a name.
pub(crate) fn choose(
    question: &Question,
    old: &Old,
    loaded: &Loaded,
) -> Result<BTreeSet<String>, Vec<String>> {
    let Question { names, only_new, .. } = question;
    let known = |name: &str| {
        old.entities.contains_key(name) || loaded.sources.iter().any(|source| source.name == name)
    };
    let wrong: Vec<String> = names
        .iter()
        .filter(|name| !known(name))
        .map(|name| {
            let all = loaded.sources.iter().map(|source| source.name.as_str());
            let near = ham_unit::nearest(name, all);
            let help = near.map_or_else(String::new, |near| format!("\n  help: there is {near}"));
            format!("error: no unit is called {name}{help}")
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let by_id: BTreeMap<EntityId, &EntityPlan> =
        loaded.entities.iter().map(|entity| (entity.id, entity)).collect();
    let by_name: BTreeMap<&str, &EntityPlan> =
        loaded.entities.iter().map(|entity| (entity.name.as_str(), entity)).collect();
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if !chosen.insert(name.to_owned()) {
            continue;
        }
        let Some(entity) = by_name.get(name) else { continue };
        let links = &entity.links;
        let needed = links.requires.iter().chain(&links.wants);
        // Or its conditions and its order would name what is not there.
        let of = entity.conditions.iter().filter_map(|condition| condition.of.as_ref());
        let all = links.after.iter().chain(&links.before).chain(&links.conflicts);
        let absent = all.chain(&links.watched_by).chain(of).filter(|id| !old.ids.contains(id));
        let needed = needed.filter(|id| !only_new || !old.ids.contains(id));
        let others = needed.chain(absent).filter_map(|id| by_id.get(id));
        open.extend(others.map(|other| other.name.as_str()));
    }
    Ok(chosen)
}

/// Whether an error is one of these.
pub(crate) fn concerns(file: &str, chosen: &BTreeSet<String>, loaded: &Loaded) -> bool {
    let mut units = units_of(file, loaded).peekable();
    // What is of no unit concerns all.
    units.peek().is_none() || units.any(|name| chosen.contains(name))
}

/// The entities of the new plan.
///
/// # Errors
/// When what is new does not go with what stays.
pub(crate) fn join(
    old: &Old,
    loaded: &Loaded,
    chosen: &BTreeSet<String>,
) -> Result<Vec<EntityPlan>, String> {
    let mut entities: BTreeMap<EntityId, EntityPlan> = BTreeMap::new();
    for new in loaded.entities.iter().filter(|entity| chosen.contains(&entity.name)) {
        let plan = match old.entities.get(&new.name) {
            Some(known) => carry(&known.is, new.clone()),
            None => new.clone(),
        };
        entities.insert(new.id, plan);
    }
    let renewed: BTreeSet<EntityId> = entities.keys().copied().collect();
    for known in old.entities.values().filter(|known| !renewed.contains(&known.plan.id)) {
        let goes = chosen.contains(&known.plan.name) && !is_there(known, loaded);
        let plan = match goes || known.plan.leaving {
            true => leave(&known.is, Links::default()),
            false => unchanged(known),
        };
        entities.insert(plan.id, plan);
    }
    for plan in entities.values().filter(|plan| !plan.leaving && !renewed.contains(&plan.id)) {
        let next = plan.configured();
        let of = plan.conditions.iter().chain(&next.conditions);
        let of =
            of.filter_map(|condition| condition.of.as_ref()).map(|id| (id, "has conditions of"));
        let required = plan.links.requires.iter().map(|id| (id, "requires"));
        let mut named = required.chain(of).filter_map(|(id, word)| Some((entities.get(id)?, word)));
        if let Some((lost, word)) = named.find(|(other, _)| other.leaving) {
            return Err(format!(
                "error: {} {word} {}, which has no unit any more\n  help: name both",
                plan.name, lost.name
            ));
        }
    }
    let stay: BTreeSet<EntityId> =
        entities.values().filter(|plan| !plan.leaving).map(|plan| plan.id).collect();
    let mut edges = Edges::default();
    for known in old.entities.values() {
        edges.take(&known.plan.configured().links, known.plan.id, &stay, &renewed, false);
    }
    for new in &loaded.entities {
        edges.take(&new.links, new.id, &stay, &renewed, true);
    }
    if let Some(id) = edges.circle() {
        let name = entities.get(&id).map_or("?", |plan| plan.name.as_str());
        return Err(format!(
            "error: {name} would start after itself: what is applied does not go with what stays\n  \
             help: apply all units"
        ));
    }
    for plan in entities.values_mut().filter(|plan| !plan.leaving) {
        let links = edges.of(plan.id);
        if let Some(next) = &mut plan.next {
            next.links.clone_from(&links);
        }
        plan.links = links;
    }
    let mut all: Vec<EntityPlan> = entities.into_values().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// As it is, with what waits for its next start, if that has not come.
fn unchanged(known: &Known) -> EntityPlan {
    match known.is == known.plan {
        true => known.plan.clone(),
        false => carry(&known.is, known.plan.configured().clone()),
    }
}

impl Edges {
    /// Takes what one entity says, in the plan in force or in a new one: who is
    /// renewed is heard in the new one, who stays in the one in force; an order
    /// between the two holds if either has it.
    fn take(
        &mut self,
        links: &Links,
        id: EntityId,
        stay: &BTreeSet<EntityId>,
        renewed: &BTreeSet<EntityId>,
        new: bool,
    ) {
        let counts = |who: &EntityId| renewed.contains(who) == new;
        let both = |other: &&EntityId| stay.contains(&id) && stay.contains(other);
        let heard = |other: &&EntityId| counts(&id) || counts(other);
        let said = |others: &[EntityId]| -> Vec<(EntityId, EntityId)> {
            others.iter().filter(both).filter(|_| counts(&id)).map(|other| (id, *other)).collect()
        };
        let held = |others: &[EntityId]| -> Vec<(EntityId, EntityId)> {
            others.iter().filter(both).filter(heard).map(|other| (id, *other)).collect()
        };
        self.requires.extend(said(&links.requires));
        self.wants.extend(said(&links.wants));
        self.after.extend(held(&links.after));
        self.conflicts.extend(held(&links.conflicts));
        let watchers = links.watched_by.iter().filter(both).filter(|other| counts(other));
        self.watches.extend(watchers.map(|other| (*other, id)));
        // What it cannot be without comes first, whoever has said what.
        self.after.extend(said(&links.requires));
    }

    fn of(&self, id: EntityId) -> Links {
        let to = |edges: &BTreeSet<(EntityId, EntityId)>| -> Vec<EntityId> {
            edges.iter().filter(|(who, _)| *who == id).map(|(_, whom)| *whom).collect()
        };
        let from = |edges: &BTreeSet<(EntityId, EntityId)>| -> Vec<EntityId> {
            edges.iter().filter(|(_, whom)| *whom == id).map(|(who, _)| *who).collect()
        };
        let mut conflicts = to(&self.conflicts);
        conflicts.extend(from(&self.conflicts));
        conflicts.sort_unstable();
        conflicts.dedup();
        Links {
            requires: to(&self.requires),
            required_by: from(&self.requires),
            wants: to(&self.wants),
            after: to(&self.after),
            before: from(&self.after),
            conflicts,
            watched_by: from(&self.watches),
        }
    }

    /// One that would start after itself.
    fn circle(&self) -> Option<EntityId> {
        let mut left: BTreeMap<EntityId, usize> = BTreeMap::new();
        for (who, whom) in &self.after {
            *left.entry(*who).or_default() += 1;
            left.entry(*whom).or_default();
        }
        let mut free: Vec<EntityId> =
            left.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        while let Some(id) = free.pop() {
            left.remove(&id);
            for (who, _) in self.after.iter().filter(|(_, whom)| *whom == id) {
                if let Some(count) = left.get_mut(who) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        free.push(*who);
                    }
                }
            }
        }
        left.keys().next().copied()
    }
}

impl Decision {
    /// The plan with these in it.
    pub(crate) fn with(self, old: &Old, entities: Result<Vec<EntityPlan>, String>) -> Decision {
        match entities {
            Ok(entities) => self.plan(old, entities),
            Err(reason) => self.kept(vec![reason]),
        }
    }
}
