//! Units that can only start after themselves. Every unit on a circle is
//! refused; the message tells one way around, with the line of each step.

use crate::codes;
use crate::diagnostic::Related;
use crate::draft::Draft;
use crate::graph::{Edge, Graph};
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

/// Steps of a circle that are told. Somebody who has made a longer one will
/// see from these where it goes.
const MOST_STEPS: usize = 20;

/// Units beside that way which are told one by one. With one step too many in
/// a large graph, nearly all of it can stand on circles.
const MOST_JOINED: usize = 10;

/// Refuses the units on circles. `parts` are those of the graph.
pub(crate) fn refuse(drafts: &mut [Draft<'_>], graph: &Graph, parts: &[Vec<usize>]) {
    let mut circles: Vec<BTreeSet<usize>> = parts
        .iter()
        .filter(|part| part.len() > 1)
        .map(|part| part.iter().copied().collect())
        .collect();
    circles.sort();
    for circle in circles {
        tell(drafts, graph, &circle);
        for unit in circle {
            if let Some(draft) = drafts.get_mut(unit) {
                draft.refused = true;
            }
        }
    }
}

fn tell(drafts: &mut [Draft<'_>], graph: &Graph, circle: &BTreeSet<usize>) {
    let Some(first) = circle.first().copied() else { return };
    let Some(way) = Graph::way(&graph.after, first, first, |unit| circle.contains(&unit)) else {
        return;
    };
    let name = |unit: usize| drafts.get(unit).map_or("", |draft| draft.name);
    let mut steps = String::new();
    let mut places = Vec::new();
    let mut from = first;
    for edge in way.iter().take(MOST_STEPS) {
        let step = format!("`{}` starts after `{}`", name(from), name(edge.to));
        if let Some(place) = place(drafts, edge, &step) {
            let (file, line) = (&place.file, place.line);
            let _ = writeln!(steps, "{step}: `{}`, {file}:{line}", edge.relation.word());
            places.push(place);
        }
        from = edge.to;
    }
    let left_out = way.len().saturating_sub(MOST_STEPS);
    if left_out > 0 {
        let _ = writeln!(steps, "and so on, {left_out} more");
    }
    steps.push_str("take one of these out");
    // Those that this way does not pass stand on circles of their own, which
    // are joined to it.
    let told: HashSet<usize> = way.iter().map(|edge| edge.to).collect();
    let joined: Vec<usize> = circle.iter().copied().filter(|unit| !told.contains(unit)).collect();
    let untold = joined.len().saturating_sub(MOST_JOINED);
    if untold > 0 {
        let _ = write!(steps, "\nand look again: {untold} more units stand in circles with these");
    }
    let message = format!("`{}` can only start after itself", name(first));
    if let Some(edge) = way.first()
        && let Some(draft) = drafts.get_mut(edge.said_by)
    {
        draft.report.error(codes::CIRCLE, edge.span.clone(), message).help(steps).related(places);
    }
    for unit in joined.into_iter().take(MOST_JOINED) {
        let inside = |edge: &&Edge| circle.contains(&edge.to);
        let Some(edge) = Graph::edges(&graph.after, unit).iter().find(inside) else { continue };
        let name = |unit: usize| drafts.get(unit).map_or("", |draft| draft.name);
        let message =
            format!("`{}` can only start after itself, by way of `{}`", name(unit), name(edge.to));
        let help = format!("it stands in a circle with `{}`", name(first));
        let circle = way.first().and_then(|edge| place(drafts, edge, "the circle is told here"));
        if let Some(draft) = drafts.get_mut(edge.said_by) {
            draft
                .report
                .error(codes::CIRCLE, edge.span.clone(), message)
                .help(help)
                .related(circle);
        }
    }
}

/// Where an edge is said, and what it makes of the units.
fn place(drafts: &[Draft<'_>], edge: &Edge, step: &str) -> Option<Related> {
    let draft = drafts.get(edge.said_by)?;
    Some(draft.text.related(edge.span.start, step))
}
