//! What `status` adds below the table when one entity is asked about: what it
//! is, what it says of itself, and which of those that it needs hold it up.

use super::state_style;
use crate::output::Look;
use crate::table::{Style, harmless};
use ham_core::time::Span;
use ham_core::wire::{EntityStatus, GraphEntity, HeartbeatStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Width of the labels with the blanks after them, as in `show`.
const LABEL: usize = 12;

/// The lines, the first of them empty; none for an entity that is not in the
/// graph.
pub(crate) fn text(entity: &EntityStatus, graph: &[GraphEntity], look: Look) -> String {
    let known: BTreeMap<&str, &GraphEntity> =
        graph.iter().map(|entity| (entity.name.as_str(), entity)).collect();
    let Some(node) = known.get(entity.name.as_str()) else { return String::new() };
    let mut text = String::from("\n");
    let label = |label: &str| Style::Faint.paint(&format!("{label:LABEL$}"), look);
    let starts = match node.start.as_str() {
        "auto" => ", starts with the manager",
        "manual" => ", starts when asked or needed",
        _ => "",
    };
    let ready = if entity.ready { ", ready" } else { ", not ready" };
    let what = format!("{}{starts}{ready}", node.kind);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {}{}", label("kind"), harmless(&what));
    if !entity.status_text.is_empty() {
        let _ = writeln!(text, "  {}{}", label("says"), harmless(&entity.status_text));
    }
    if let Some(errno) = entity.errno {
        let cause = std::io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(0));
        let _ = writeln!(text, "  {}{cause}", label("error"));
    }
    if let Some(reported) = &entity.reported {
        let _ = writeln!(text, "  {}{}", label("reported"), harmless(reported));
    }
    if let Some(heartbeat) = &entity.heartbeat {
        let _ = writeln!(text, "  {}{}", label("heartbeat"), beats(heartbeat));
    }
    for (name, others) in
        [("requires", &node.requires), ("wants", &node.wants), ("after", &node.after)]
    {
        for (place, other) in others.iter().enumerate() {
            let name = if place == 0 { name } else { "" };
            let _ = writeln!(text, "  {}{}", label(name), standing(other, &known, look));
        }
    }
    let chain = chain(node, &known);
    for (place, (depth, name)) in chain.iter().enumerate() {
        let heading = if place == 0 { "held up by" } else { "" };
        let indent = "  ".repeat(*depth);
        let standing = standing(name, &known, look);
        let why = known.get(name).map_or("", |entity| entity.why.as_str());
        let why = if why.is_empty() { String::new() } else { format!(": {}", harmless(why)) };
        let _ = writeln!(text, "  {}{indent}{standing}{why}", label(heading));
    }
    text
}

/// A name with its state.
fn standing(name: &str, known: &BTreeMap<&str, &GraphEntity>, look: Look) -> String {
    let state = known.get(name).map_or("unknown", |entity| entity.state.as_str());
    format!("{} {}", harmless(name), state_style(state).paint(&harmless(state), look))
}

/// Those that hold an entity up, each with its depth: what it waits for, or
/// what it requires that is not up, and what holds these.
fn chain<'g>(
    entity: &'g GraphEntity,
    known: &BTreeMap<&'g str, &'g GraphEntity>,
) -> Vec<(usize, &'g str)> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([entity.name.as_str()]);
    let mut chain = Vec::new();
    let mut open: Vec<(usize, &str)> = holding(entity, known).map(|name| (0, name)).collect();
    open.reverse();
    while let Some((depth, name)) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        chain.push((depth, name));
        if let Some(entity) = known.get(name) {
            let mut next: Vec<_> = holding(entity, known).map(|name| (depth + 1, name)).collect();
            next.reverse();
            open.extend(next);
        }
    }
    chain
}

fn holding<'g>(
    entity: &'g GraphEntity,
    known: &BTreeMap<&'g str, &'g GraphEntity>,
) -> impl Iterator<Item = &'g str> {
    // What runs, and what nobody wants to run, is held up by nothing; a
    // failure of its own is no matter of others.
    let waits = !entity.waits_for.is_empty();
    let others = if waits { &entity.waits_for } else { &entity.requires };
    let is_up = |name: &str| known.get(name).is_some_and(|other| other.ready);
    let up: Vec<bool> = others.iter().map(|name| is_up(name)).collect();
    let ready = entity.ready;
    others
        .iter()
        .zip(up)
        .filter(move |(_, up)| waits || !(ready || *up))
        .map(|(name, _)| name.as_str())
}

/// `healthy, last 120ms ago, every 500ms`
fn beats(heartbeat: &HeartbeatStatus) -> String {
    let HeartbeatStatus { level, missed, .. } = heartbeat;
    let missed = if *missed > 0 { format!(", {missed} missed in a row") } else { String::new() };
    // Tenths of a second are enough for a person.
    let round = |ns: u64| {
        Span(if ns > 1_000_000_000 {
            ns / 100_000_000 * 100_000_000
        } else {
            ns / 1_000_000 * 1_000_000
        })
    };
    let last = heartbeat
        .age_ns
        .map_or(", none yet".to_owned(), |age| format!(", seen {} ago", round(age)));
    let suspended = if heartbeat.suspended { ", suspended" } else { "" };
    format!("{}{missed}{last}, every {}{suspended}", harmless(level), Span(heartbeat.interval_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, state: &str, requires: &[&str], why: &str) -> GraphEntity {
        GraphEntity {
            name: name.into(),
            kind: "service".into(),
            start: "auto".into(),
            state: state.into(),
            ready: state == "running",
            requires: requires.iter().map(|name| (*name).into()).collect(),
            why: why.into(),
            ..GraphEntity::default()
        }
    }

    #[test]
    fn the_chain_leads_to_the_one_that_failed() {
        let graph = [
            node("web", "failed", &["cache", "db"], "db failed"),
            node("cache", "running", &[], ""),
            node("db", "failed", &["disk"], "disk failed"),
            node("disk", "failed", &[], "died: exit 1"),
        ];
        let status = EntityStatus {
            name: "web".into(),
            state: "failed".into(),
            status_text: "3 of 4 \x1b[2Jpeers".into(),
            errno: Some(13),
            reported: Some("sync\x1b".into()),
            ..EntityStatus::default()
        };
        let expected = "
  kind        service, starts with the manager, not ready
  says        3 of 4 \u{fffd}[2Jpeers
  error       Permission denied (os error 13)
  reported    sync\u{fffd}
  requires    cache running
              db failed
  held up by  db failed: disk failed
                disk failed: died: exit 1
";
        assert_eq!(text(&status, &graph, Look::default()), expected);
    }

    #[test]
    fn who_waits_is_held_up_by_what_it_waits_for_and_circles_end() {
        let mut graph = [
            node("web", "waiting", &["db"], ""),
            node("db", "starting", &[], ""),
            node("log", "waiting", &[], ""),
        ];
        graph[0].waits_for = vec!["log".into()];
        graph[2].waits_for = vec!["web".into(), "gone".into()];
        let known: BTreeMap<&str, &GraphEntity> =
            graph.iter().map(|entity| (entity.name.as_str(), entity)).collect();
        assert_eq!(chain(&graph[0], &known), [(0, "log"), (1, "gone")]);
        assert_eq!(chain(&graph[1], &known), []);
    }
}
