//! `hamctl apply NAME…`: these units, and what they need, become what their
//! files say. All others stay as they are, whatever their files say: they may
//! be broken, or half done.

use super::decide::{Decision, among, is_there, leaving, source_of, told};
use super::in_force::{Known, Old};
use super::messages::Question;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Links, carry};
use ham_unit::Loaded;
use std::collections::{BTreeMap, BTreeSet};

/// Decides; `decision`: what is known of all units. Of what is said of them,
/// only what is about these is left.
pub(super) fn decide(
    question: &Question,
    old: &Old,
    loaded: &mut Loaded,
    decision: Decision,
) -> Decision {
    let names: BTreeSet<&str> = question.names.iter().map(String::as_str).collect();
    let unknown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| source_of(name, loaded).is_none())
        .filter(|name| old.of_units().all(|known| known.plan.name != *name))
        .collect();
    if !unknown.is_empty() {
        loaded.diagnostics.clear();
        let reason = format!("error: there is no unit {}", told(unknown.into_iter()));
        return decision.kept(vec![reason]);
    }
    let chosen = needed(&names, loaded);
    let is_about = |name: &str| names.contains(name) || chosen.contains(name);
    let files: BTreeSet<String> = loaded
        .sources
        .iter()
        .filter(|source| is_about(&source.name))
        .map(|source| source.path.display().to_string())
        .collect();
    loaded.diagnostics.retain(|diagnostic| files.contains(&diagnostic.file));
    let refused: Vec<&str> =
        loaded.refused.iter().map(String::as_str).filter(|name| names.contains(name)).collect();
    if loaded.has_errors() {
        return decision.kept(Vec::new());
    }
    if !refused.is_empty() {
        let names = told(refused.into_iter());
        return decision.kept(vec![format!("error: what {names} needs has errors")]);
    }
    if let Some(name) = chosen.iter().find(|name| question.made.contains(name)) {
        return decision.kept(vec![super::decide::made(name)]);
    }
    let gone: Vec<&Known> = old
        .of_units()
        .filter(|known| names.contains(known.plan.name.as_str()) && !is_there(known, loaded))
        .collect();
    match join(old, loaded, &chosen, &gone) {
        Ok(entities) => decision.of(old, entities),
        Err(reason) => decision.kept(vec![reason]),
    }
}

/// These, and what they require or want.
fn needed(names: &BTreeSet<&str>, loaded: &Loaded) -> BTreeSet<String> {
    let by_id: BTreeMap<EntityId, &EntityPlan> =
        loaded.entities.iter().map(|entity| (entity.id, entity)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<&EntityPlan> =
        loaded.entities.iter().filter(|entity| names.contains(entity.name.as_str())).collect();
    while let Some(entity) = open.pop() {
        if found.insert(entity.name.clone()) {
            let needs = entity.links.requires.iter().chain(&entity.links.wants);
            open.extend(needs.filter_map(|id| by_id.get(id)));
        }
    }
    found
}

fn join(
    old: &Old,
    loaded: &Loaded,
    chosen: &BTreeSet<String>,
    gone: &[&Known],
) -> Result<Vec<EntityPlan>, String> {
    let ours: Vec<&EntityPlan> =
        loaded.entities.iter().filter(|entity| chosen.contains(&entity.name)).collect();
    let gone_ids: BTreeSet<EntityId> = gone.iter().map(|known| known.plan.id).collect();
    let others: Vec<&Known> = old
        .of_units()
        .filter(|known| !chosen.contains(&known.plan.name) && !gone_ids.contains(&known.plan.id))
        .collect();
    for known in &others {
        let lacks = known.plan.links.requires.iter().find(|id| gone_ids.contains(id));
        if let Some(lost) = lacks.and_then(|id| gone.iter().find(|known| known.plan.id == *id)) {
            return Err(format!(
                "error: {} requires {}, which has no unit any more\n  help: name both",
                known.plan.name, lost.plan.name
            ));
        }
    }
    let mut links = linked(loaded, &ours, &others);
    let mut entities: Vec<EntityPlan> = Vec::with_capacity(ours.len() + others.len());
    for unit in ours {
        let new = EntityPlan { links: links.remove(&unit.id).unwrap_or_default(), ..unit.clone() };
        entities.push(match old.entities.get(&unit.name) {
            Some(known) => carry(&known.is, new),
            None => new,
        });
    }
    for known in others {
        let mut plan = known.plan.clone();
        plan.links = links.remove(&plan.id).unwrap_or_default();
        if let Some(next) = &mut plan.next {
            next.links.clone_from(&plan.links);
        }
        entities.push(plan);
    }
    let taken: BTreeSet<&str> = chosen.iter().map(String::as_str).collect();
    entities.extend(leaving(old, &taken, gone));
    entities.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entities)
}

/// The neighbours of all that stay: between two of the others as they were, and
/// what one of ours says of another as it says.
fn linked(loaded: &Loaded, ours: &[&EntityPlan], others: &[&Known]) -> BTreeMap<EntityId, Links> {
    let new: BTreeSet<EntityId> = ours.iter().map(|unit| unit.id).collect();
    let there: BTreeSet<EntityId> =
        others.iter().map(|known| known.plan.id).chain(new.iter().copied()).collect();
    let mut all: BTreeMap<EntityId, Links> = BTreeMap::new();
    for unit in ours {
        let mut links = among(&unit.links, &there);
        // What others say of it is what they said.
        for back in [&mut links.required_by, &mut links.before, &mut links.watched_by] {
            back.retain(|id| new.contains(id));
        }
        all.insert(unit.id, links);
    }
    for known in others {
        let mut links = among(&known.plan.links, &there);
        for back in
            [&mut links.required_by, &mut links.before, &mut links.conflicts, &mut links.watched_by]
        {
            back.retain(|id| !new.contains(id));
        }
        all.insert(known.plan.id, links);
    }
    let mut put = |at: EntityId, list: fn(&mut Links) -> &mut Vec<EntityId>, id: EntityId| {
        if let Some(links) = all.get_mut(&at) {
            let list = list(links);
            list.push(id);
            list.sort();
            list.dedup();
        }
    };
    for unit in ours {
        let links = &unit.links;
        links.requires.iter().for_each(|to| put(*to, |links| &mut links.required_by, unit.id));
        links.after.iter().for_each(|to| put(*to, |links| &mut links.before, unit.id));
        links.conflicts.iter().for_each(|to| put(*to, |links| &mut links.conflicts, unit.id));
        for to in links.before.iter().filter(|to| there.contains(to)) {
            put(*to, |links| &mut links.after, unit.id);
            put(unit.id, |links| &mut links.before, *to);
        }
    }
    for known in others {
        let (links, id) = (&known.plan.links, known.plan.id);
        let to_new = |to: &&EntityId| new.contains(to);
        // What it says against one of ours by `before` is in those that can be
        // read; of another only what was known.
        if !loaded.entities.iter().any(|entity| entity.id == id) {
            for to in links.before.iter().filter(to_new) {
                put(*to, |links| &mut links.after, id);
                put(id, |links| &mut links.before, *to);
            }
        }
        let requires = links.requires.iter().filter(to_new);
        requires.for_each(|to| put(*to, |links| &mut links.required_by, id));
        let after = links.after.iter().filter(to_new);
        after.for_each(|to| put(*to, |links| &mut links.before, id));
        // Who watches it, of those that stay as they were.
        for unit in ours {
            let watched = |unit: &EntityPlan| unit.links.watched_by.contains(&id);
            if watched(unit) {
                put(unit.id, |links| &mut links.watched_by, id);
            }
        }
    }
    for entity in &loaded.entities {
        for by in entity.links.watched_by.iter().filter(|by| new.contains(by)) {
            put(entity.id, |links| &mut links.watched_by, *by);
        }
    }
    all
}
