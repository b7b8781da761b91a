//! From names to ids: the links of every plan, from both ends of each edge.
//! And before that, which units fall with others: what requires a refused unit
//! is refused too, and so is what has a condition of one.

use crate::codes;
use crate::diagnostic::Related;
use crate::draft::Draft;
use crate::graph::{Edge, Graph};
use crate::order::Relation;
use crate::suggest::quoted;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Links};
use std::collections::{HashMap, HashSet};

/// Refuses what requires a refused unit, and what requires that, and so on.
/// `unread` are units of which there is not even a text, with their files.
pub(crate) fn refuse_dependents(
    drafts: &mut [Draft<'_>],
    graph: &Graph,
    unread: &HashMap<String, String>,
) {
    for draft in drafts.iter_mut().filter(|draft| !draft.refused) {
        for neighbour in &draft.neighbours {
            if let Some(needs) = needs(neighbour.relation)
                && let Some(file) = unread.get(&neighbour.name)
            {
                let message = format!("{needs} {}, which is refused", quoted(&neighbour.name));
                draft
                    .report
                    .error(codes::REQUIRES_REFUSED, neighbour.span.clone(), message)
                    .help(format!("see what is said about {file}"))
                    .related([refused_file(file)]);
                draft.refused = true;
            }
        }
    }
    let mut required_by: Vec<Vec<(usize, &Edge)>> = vec![Vec::new(); drafts.len()];
    for (unit, edges) in graph.requires.iter().enumerate().chain(graph.of.iter().enumerate()) {
        for edge in edges {
            if let Some(list) = required_by.get_mut(edge.to) {
                list.push((unit, edge));
            }
        }
    }
    let refused = drafts.iter().enumerate().filter(|(_, draft)| draft.refused);
    let mut waiting: Vec<usize> = refused.map(|(unit, _)| unit).collect();
    while let Some(unit) = waiting.pop() {
        let Some((name, file)) = drafts.get(unit).map(|draft| (draft.name, draft.text.file()))
        else {
            continue;
        };
        for (dependent, edge) in required_by.get(unit).into_iter().flatten() {
            let Some(draft) = drafts.get_mut(*dependent).filter(|draft| !draft.refused) else {
                continue;
            };
            let needs = needs(edge.relation).unwrap_or("needs");
            let message = format!("{needs} {}, which is refused", quoted(name));
            draft
                .report
                .error(codes::REQUIRES_REFUSED, edge.span.clone(), message)
                .help(format!("see what is said about {file}"))
                .related([refused_file(file)]);
            draft.refused = true;
            waiting.push(*dependent);
        }
    }
}

fn refused_file(file: &str) -> Related {
    Related { file: file.to_owned(), line: 0, column: 0, message: "it is refused".to_owned() }
}

/// What a unit does with one that it cannot be without, in words.
fn needs(relation: Relation) -> Option<&'static str> {
    match relation {
        Relation::Requires => Some("requires"),
        Relation::Of => Some("has a condition of"),
        Relation::Wants | Relation::After | Relation::Before | Relation::Conflicts => None,
    }
}

/// Writes the links into the plans. What is not among them is dropped: what
/// must be there has been checked.
pub(crate) fn resolve(
    entities: &mut [EntityPlan],
    drafts: &[Draft<'_>],
    graph: &Graph,
    known_ids: &dyn Fn(&str) -> Option<EntityId>,
) {
    let ids: HashMap<&str, EntityId> =
        entities.iter().map(|entity| (entity.name.as_str(), entity.id)).collect();
    let ids: Vec<Option<EntityId>> = drafts
        .iter()
        .map(|draft| match draft.is_recalled {
            true => known_ids(draft.name),
            false => ids.get(draft.name).copied(),
        })
        .collect();
    let id = |unit: usize| ids.get(unit).copied().flatten();
    let mut links: HashMap<EntityId, Links> = HashMap::new();
    let mut put = |lists: &[Vec<Edge>], add: fn(&mut Links, &mut Links, EntityId, EntityId)| {
        for (unit, edges) in lists.iter().enumerate() {
            for edge in edges {
                let (Some(from), Some(to)) = (id(unit), id(edge.to)) else { continue };
                let mut mine = links.remove(&from).unwrap_or_default();
                let other = links.entry(to).or_default();
                add(&mut mine, other, from, to);
                links.insert(from, mine);
            }
        }
    };
    put(&graph.after, |mine, other, from, to| {
        mine.after.push(to);
        other.before.push(from);
    });
    put(&graph.requires, |mine, other, from, to| {
        mine.requires.push(to);
        other.required_by.push(from);
    });
    put(&graph.wants, |mine, _, _, to| mine.wants.push(to));
    put(&graph.conflicts, |mine, other, from, to| {
        mine.conflicts.push(to);
        other.conflicts.push(from);
    });
    put(&graph.of, |_, other, from, _| other.watched_by.push(from));
    for entity in entities {
        let mut mine = links.remove(&entity.id).unwrap_or_default();
        for list in [
            &mut mine.requires,
            &mut mine.required_by,
            &mut mine.wants,
            &mut mine.after,
            &mut mine.before,
            &mut mine.conflicts,
            &mut mine.watched_by,
        ] {
            list.sort_unstable();
            list.dedup();
        }
        entity.links = mine;
    }
}

/// Names of the drafts that are refused.
pub(crate) fn refused_names(drafts: &[Draft<'_>]) -> HashSet<String> {
    drafts.iter().filter(|draft| draft.refused).map(|draft| draft.name.to_owned()).collect()
}
