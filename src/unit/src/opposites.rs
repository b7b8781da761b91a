//! Units that conflict with each other and can still not be apart: one
//! requires the other, or both start with the manager. The unit that says
//! `conflicts` is refused.

use crate::codes;
use crate::draft::Draft;
use crate::graph::{Edge, Graph};
use ham_core::plan::StartMode;
use std::collections::HashSet;

/// Units whose requirements are followed at the same time, a bit each.
const AT_ONCE: usize = 64;

/// A unit and one that it conflicts with.
#[derive(Clone, Debug)]
struct Pair {
    unit: usize,
    edge: Edge,
}

/// Why a pair cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Requires,
    RequiredBy,
    Wants,
    BothStart,
}

/// Refuses units by their conflicts. `parts` are those of the graph; the
/// units on circles have been refused before.
pub(crate) fn refuse(drafts: &mut [Draft<'_>], graph: &Graph, parts: &[Vec<usize>]) {
    let refused: Vec<bool> = drafts.iter().map(|draft| draft.refused).collect();
    let alive = |unit: usize| refused.get(unit) == Some(&false);
    let mut seen: HashSet<(usize, usize)> = HashSet::new();
    let pairs: Vec<Pair> = graph
        .conflicts
        .iter()
        .enumerate()
        .filter(|(unit, _)| alive(*unit))
        .flat_map(|(unit, edges)| edges.iter().map(move |edge| Pair { unit, edge: edge.clone() }))
        .filter(|pair| alive(pair.edge.to))
        .filter(|Pair { unit, edge }| seen.insert((*unit.min(&edge.to), *unit.max(&edge.to))))
        .collect();
    if pairs.is_empty() {
        return;
    }
    // A unit comes before all that it requires.
    let order: Vec<usize> =
        parts.iter().rev().flatten().copied().filter(|unit| alive(*unit)).collect();
    let starting = starting(drafts, graph, &order);
    let mut bad: Vec<(Pair, Why)> = Vec::new();
    for some in pairs.chunks(AT_ONCE / 2) {
        let ends: Vec<usize> = some.iter().flat_map(|pair| [pair.unit, pair.edge.to]).collect();
        let masks = needed_by(graph, &order, &ends, drafts.len());
        let needed = |unit: usize, place: usize| {
            let bit = u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place));
            masks.get(unit).copied().unwrap_or(0) & bit.unwrap_or(0) != 0
        };
        for (place, pair) in some.iter().enumerate() {
            let (mine, other) = (place.saturating_mul(2), place.saturating_mul(2) + 1);
            let start = |unit: usize| starting.get(unit) == Some(&true);
            let wants = Graph::edges(&graph.wants, pair.unit);
            let why = if needed(pair.edge.to, mine) {
                Why::Requires
            } else if needed(pair.unit, other) {
                Why::RequiredBy
            } else if wants.iter().any(|edge| edge.to == pair.edge.to) {
                Why::Wants
            } else if start(pair.unit) && start(pair.edge.to) {
                Why::BothStart
            } else {
                continue;
            };
            bad.push((pair.clone(), why));
        }
    }
    for (pair, why) in bad {
        tell(drafts, graph, &pair, why);
    }
}

/// For each unit the bits of those `ends` that cannot be without it.
fn needed_by(graph: &Graph, order: &[usize], ends: &[usize], count: usize) -> Vec<u64> {
    let mut masks = vec![0u64; count];
    for (place, unit) in ends.iter().enumerate() {
        let bit = u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place));
        if let Some(mask) = masks.get_mut(*unit) {
            *mask |= bit.unwrap_or(0);
        }
    }
    for unit in order {
        let mine = masks.get(*unit).copied().unwrap_or(0);
        for edge in Graph::edges(&graph.requires, *unit) {
            if let Some(mask) = masks.get_mut(edge.to) {
                *mask |= mine;
            }
        }
    }
    masks
}

/// Which units start with the manager: those that say so, and what they
/// require or want.
fn starting(drafts: &[Draft<'_>], graph: &Graph, order: &[usize]) -> Vec<bool> {
    let by_itself = |draft: &Draft<'_>| {
        draft.being.is_some_and(|being| being.start == StartMode::Auto) && !draft.refused
    };
    let mut starting: Vec<bool> = drafts.iter().map(by_itself).collect();
    for unit in order {
        if starting.get(*unit) != Some(&true) {
            continue;
        }
        for edge in
            Graph::edges(&graph.requires, *unit).iter().chain(Graph::edges(&graph.wants, *unit))
        {
            if let Some(other) = starting.get_mut(edge.to) {
                *other = true;
            }
        }
    }
    starting
}

fn tell(drafts: &mut [Draft<'_>], graph: &Graph, pair: &Pair, why: Why) {
    let name = |unit: usize| drafts.get(unit).map_or("", |draft| draft.name);
    let (mine, other) = (name(pair.unit), name(pair.edge.to));
    let chain = |from: usize, to: usize| -> String {
        let mut words = format!("`{}`", name(from));
        for edge in Graph::way(&graph.requires, from, to, |_| true).unwrap_or_default() {
            words.push_str(&format!(" requires `{}`, which", name(edge.to)));
        }
        words.trim_end_matches(", which").to_owned()
    };
    let (message, help) = match why {
        Why::Requires => (
            format!("`{mine}` conflicts with `{other}`, and cannot be without it"),
            chain(pair.unit, pair.edge.to),
        ),
        Why::RequiredBy => (
            format!("`{mine}` conflicts with `{other}`, which cannot be without `{mine}`"),
            chain(pair.edge.to, pair.unit),
        ),
        Why::Wants => (
            format!("`{mine}` conflicts with `{other}`, and wants it"),
            "what it wants is started with it, and would stop it".to_owned(),
        ),
        Why::BothStart => (
            format!("`{mine}` conflicts with `{other}`, and both start with the manager"),
            "give one of them start = \"manual\", or disable it; \
             look also at what requires or wants them"
                .to_owned(),
        ),
    };
    if let Some(draft) = drafts.get_mut(pair.unit) {
        draft.report.error(codes::CONFLICT, pair.edge.span.clone(), message).help(help);
        draft.refused = true;
    }
}
