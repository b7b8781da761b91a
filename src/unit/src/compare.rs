//! Units beside each other: names that lead nowhere, circles, conflicts, units
//! that fall with others. What is left is numbered and linked.

use crate::circles;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::SourceState;
use crate::draft::Draft;
use crate::enablement;
use crate::gather::Unit;
use crate::graph::Graph;
use crate::heartbeat;
use crate::links;
use crate::load::{Loaded, Scope, Settings};
use crate::memory;
use crate::opposites;
use crate::references::{self, KnownNames};

use crate::watching;
use ham_core::ids::{EntityId, MAX_PLANNED};
use ham_core::plan::StartMode;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Reads the texts, compares them with each other, and gives out numbers. False
/// when something is to be said that needs the text of a unit that was not read.
pub(crate) fn compare(
    units: &mut [Unit],
    known: &KnownNames,
    scope: &Scope<'_>,
    settings: &Settings<'_>,
    loaded: &mut Loaded,
) -> bool {
    let mut drafts: Vec<Draft<'_>> = units.iter_mut().map(|unit| unit.draft(settings)).collect();
    let own: usize = drafts.iter().map(|draft| draft.report.len()).sum();
    watching::resolve(&mut drafts);
    heartbeat::check(&mut drafts);
    for draft in &mut drafts {
        references::check(&mut draft.report, &draft.references, known, scope.severity);
        draft.refused |= draft.report.has_errors() || draft.being.is_none();
    }
    enable(&mut drafts, scope, settings, loaded);
    let graph = Graph::new(&drafts);
    let parts = graph.parts();
    circles::refuse(&mut drafts, &graph, &parts);
    opposites::refuse(&mut drafts, &graph, &parts);
    let mut unread: HashMap<String, String> = HashMap::new();
    if scope.severity == Severity::Error {
        let refused = loaded.sources.iter().filter(|source| source.state == SourceState::Refused);
        unread
            .extend(refused.map(|source| (source.name.clone(), source.path.display().to_string())));
    }
    links::refuse_dependents(&mut drafts, &graph, &unread);
    let plans = drafts.iter_mut().filter(|draft| !draft.refused);
    loaded.entities = plans.filter_map(|draft| draft.plan.take()).collect();
    loaded.entities.sort_by(|a, b| a.name.cmp(&b.name));
    let homeless = number(loaded, settings);
    if !homeless.is_empty() {
        for draft in drafts.iter_mut().filter(|draft| homeless.contains(draft.name)) {
            draft.refused = true;
        }
        links::refuse_dependents(&mut drafts, &graph, &unread);
    }
    let refused = links::refused_names(&drafts);
    loaded.entities.retain(|entity| !refused.contains(&entity.name));
    links::resolve(&mut loaded.entities, &drafts, &graph, settings.known_ids);
    watching::link(&mut loaded.entities, &drafts, settings.known_ids);
    let all: usize = drafts.iter().map(|draft| draft.report.len()).sum();
    if all != own && drafts.iter().any(|draft| draft.is_recalled) {
        return false;
    }
    for draft in &mut drafts {
        if draft.report.len() > 0 {
            // What was said has to be said again.
            draft.files = None;
        }
        loaded.diagnostics.extend(draft.report.finish());
    }
    let kept = drafts.iter().filter(|draft| draft.is_recalled && !draft.refused);
    loaded.kept = kept.map(|draft| draft.name.to_owned()).collect();
    loaded.memory = memory::remember(drafts);
    for source in &mut loaded.sources {
        if refused.contains(&source.name) {
            source.state = SourceState::Refused;
        }
        if homeless.contains(&source.name) {
            let file = source.path.display().to_string();
            let message = format!("more than {MAX_PLANNED} entities");
            let code = codes::TOO_MANY;
            loaded.diagnostics.push(Diagnostic::of_file(Severity::Error, code, &file, message));
        }
    }
    let refused = loaded.sources.iter().filter(|source| source.state == SourceState::Refused);
    loaded.refused = refused.map(|source| source.name.clone()).collect();
    true
}

/// Lets the links of the administrator say which units start by themselves.
fn enable(drafts: &mut [Draft<'_>], scope: &Scope<'_>, settings: &Settings<'_>, loaded: &Loaded) {
    let none = enablement::Links::default();
    let enabled = match scope.enabled {
        Some(enabled) => enabled,
        None if scope.by_need.is_empty() => return,
        None => &none,
    };
    let paths: HashMap<&str, _> =
        loaded.sources.iter().map(|source| (source.name.as_str(), &source.path)).collect();
    for draft in drafts {
        if let Some(being) = &mut draft.being
            && let Some(path) = paths.get(draft.name)
        {
            let said = match scope.by_need.contains(draft.name) {
                true => StartMode::Manual,
                false => being.said_start,
            };
            being.start = enabled.start(draft.name, path, said, settings);
            if let Some(plan) = &mut draft.plan {
                plan.start = being.start;
            }
        }
    }
}

/// Gives every entity its id: the one it had, or the lowest that is free.
/// Returns the names of those for which there was none.
fn number(loaded: &mut Loaded, settings: &Settings<'_>) -> HashSet<String> {
    let kept: Vec<Option<EntityId>> =
        loaded.entities.iter().map(|entity| (settings.known_ids)(&entity.name)).collect();
    let mut taken: BTreeSet<EntityId> = kept.iter().flatten().copied().collect();
    let mut next = 0u32;
    let mut homeless = HashSet::new();
    for (entity, kept) in loaded.entities.iter_mut().zip(kept) {
        if let Some(id) = kept {
            entity.id = id;
            continue;
        }
        while taken.contains(&EntityId(next)) || (settings.id_in_use)(EntityId(next)) {
            next = next.saturating_add(1);
            if next >= MAX_PLANNED {
                break;
            }
        }
        if next >= MAX_PLANNED {
            homeless.insert(entity.name.clone());
            continue;
        }
        entity.id = EntityId(next);
        taken.insert(EntityId(next));
        next = next.saturating_add(1);
    }
    homeless
}
