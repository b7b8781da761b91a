//! The graph in the language of dot(1): one node an entity, its shape by its
//! kind, its colour by its state, one edge for each tie.

use crate::table::harmless;
use ham_core::wire::GraphEntity;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What lines of each kind mean, for who reads the text.
const HEAD: &str = "\
// bold: requires; dashed: wants; dotted: after; red without an arrow: conflicts.
// Arrows lead to what comes first.
digraph ham {
  rankdir=\"LR\";
  node [style=\"filled\", fontname=\"sans-serif\", fontsize=\"11\"];
";

/// The graph of `entities`. With `chosen`, of these and their neighbours: each
/// line then has one of them at an end.
pub(crate) fn text(entities: &[GraphEntity], chosen: &BTreeSet<String>) -> String {
    let counts = |name: &str| chosen.is_empty() || chosen.contains(name);
    let mut edges = String::new();
    let mut drawn: BTreeSet<&str> = BTreeSet::new();
    let mut conflicts: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entity in entities {
        let name = entity.name.as_str();
        if counts(name) {
            drawn.insert(name);
        }
        let all = [
            (&entity.requires, "style=\"bold\""),
            (&entity.wants, "style=\"dashed\""),
            (&entity.after, "style=\"dotted\", arrowhead=\"open\""),
        ];
        for (others, style) in all {
            for other in others.iter().filter(|other| counts(name) || counts(other)) {
                drawn.extend([name, other.as_str()]);
                edge(&mut edges, name, other, style);
            }
        }
        // Both ends say so, and one line is enough.
        for other in entity.conflicts.iter().filter(|other| counts(name) || counts(other)) {
            drawn.extend([name, other.as_str()]);
            if conflicts.insert((name.min(other), name.max(other))) {
                let style = "color=\"red\", dir=\"none\", constraint=\"false\"";
                edge(&mut edges, name, other, style);
            }
        }
    }
    let mut text = HEAD.to_owned();
    for entity in entities.iter().filter(|entity| drawn.contains(entity.name.as_str())) {
        node(&mut text, entity);
    }
    text + &edges + "}\n"
}

fn node(text: &mut String, entity: &GraphEntity) {
    let name = quoted(&entity.name);
    let tip = match entity.why.as_str() {
        "" => entity.state.clone(),
        why => format!("{}: {why}", entity.state),
    };
    let (shape, fill, tip) = (shape(&entity.kind), fill(&entity.state), quoted(&tip));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {name} [shape=\"{shape}\", fillcolor=\"{fill}\", tooltip={tip}];");
}

fn edge(text: &mut String, from: &str, to: &str, style: &str) {
    let _ = writeln!(text, "  {} -> {} [{style}];", quoted(from), quoted(to));
}

/// A kind that this version does not know has a shape too.
fn shape(kind: &str) -> &'static str {
    match kind {
        "oneshot" => "ellipse",
        "forking" => "box3d",
        "target" => "hexagon",
        _ => "box",
    }
}

fn fill(state: &str) -> &'static str {
    match state {
        "running" => "palegreen",
        "finished" => "honeydew",
        "starting" | "waiting" | "backoff" | "stopping" => "khaki",
        "failed" | "held" => "lightcoral",
        _ => "lightgrey",
    }
}

/// A string of the language: in it a backslash begins an escape, of dot's own
/// or of a label.
fn quoted(text: &str) -> String {
    format!("\"{}\"", harmless(text).replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tie_is_a_line_and_conflicts_are_drawn_once() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let entities = [
            GraphEntity {
                name: "a\"b".into(),
                kind: "target".into(),
                state: "failed".into(),
                why: "db \\ 1".into(),
                requires: names(&["db"]),
                wants: names(&["log"]),
                after: names(&["net"]),
                ..GraphEntity::default()
            },
            GraphEntity { name: "db".into(), conflicts: names(&["old"]), ..GraphEntity::default() },
            GraphEntity { name: "old".into(), conflicts: names(&["db"]), ..GraphEntity::default() },
            GraphEntity { name: "far".into(), ..GraphEntity::default() },
        ];
        let all = text(&entities, &BTreeSet::new());
        for line in [
            "  \"a\\\"b\" [shape=\"hexagon\", fillcolor=\"lightcoral\", tooltip=\"failed: db \\\\ 1\"];\n",
            "  \"a\\\"b\" -> \"db\" [style=\"bold\"];\n",
            "  \"a\\\"b\" -> \"log\" [style=\"dashed\"];\n",
            "  \"a\\\"b\" -> \"net\" [style=\"dotted\", arrowhead=\"open\"];\n",
            "  \"db\" -> \"old\" [color=\"red\", dir=\"none\", constraint=\"false\"];\n",
        ] {
            assert!(all.contains(line), "no {line} in\n{all}");
        }
        assert_eq!(all.matches("color=\"red\"").count(), 1, "{all}");
        assert!(all.contains("\"far\""));
        let some = text(&entities, &BTreeSet::from(["old".to_owned()]));
        assert!(some.contains("\"db\" -> \"old\"") && !some.contains("log"), "{some}");
        assert!(!some.contains("\"far\""), "{some}");
    }
}
