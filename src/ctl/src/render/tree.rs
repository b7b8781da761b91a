//! Entities as a tree: below each what it requires and wants, or from the
//! other end, what requires or wants it.

use super::state_style;
use crate::output::Look;
use crate::table::{Style, harmless};
use ham_core::wire::GraphEntity;
use std::collections::{BTreeMap, BTreeSet};

/// How an entity came to stand below another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    Required,
    Wanted,
}

/// Below each entity these, by name.
type Ties<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Tie>>;

/// The pieces that lines are drawn with.
struct Strokes {
    middle: &'static str,
    last: &'static str,
    through: &'static str,
    blank: &'static str,
}

const UNICODE: Strokes = Strokes { middle: "├─", last: "└─", through: "│ ", blank: "  " };
const ASCII: Strokes = Strokes { middle: "|-", last: "`-", through: "| ", blank: "  " };

/// The tree below `roots`; without any, below all that stand below nothing.
/// What has been shown with all below it is not shown again.
pub(crate) fn text(
    entities: &[GraphEntity],
    roots: &[String],
    reverse: bool,
    look: Look,
) -> String {
    let ties = ties(entities, reverse);
    let known: BTreeMap<&str, &GraphEntity> =
        entities.iter().map(|entity| (entity.name.as_str(), entity)).collect();
    let mut drawing = Drawing { ties: &ties, known: &known, look, shown: BTreeSet::new() };
    if !roots.is_empty() {
        return roots.iter().map(|root| drawing.below(root)).collect();
    }
    let held: BTreeSet<&str> = ties.values().flat_map(BTreeMap::keys).copied().collect();
    let mut text = String::new();
    for name in known.keys().filter(|name| !held.contains(*name)) {
        text.push_str(&drawing.below(name));
    }
    // What holds itself in a circle stands below nothing that was shown.
    for name in known.keys() {
        if !drawing.shown.contains(name) {
            text.push_str(&drawing.below(name));
        }
    }
    text
}

fn ties(entities: &[GraphEntity], reverse: bool) -> Ties<'_> {
    let mut ties = Ties::new();
    for entity in entities {
        let wanted = entity.wants.iter().map(|other| (other, Tie::Wanted));
        // Who does both requires it: that is the stronger word.
        let all = wanted.chain(entity.requires.iter().map(|other| (other, Tie::Required)));
        for (other, tie) in all {
            let (above, below) = if reverse {
                (other.as_str(), entity.name.as_str())
            } else {
                (entity.name.as_str(), other.as_str())
            };
            ties.entry(above).or_default().insert(below, tie);
        }
    }
    ties
}

struct Drawing<'a, 'd> {
    ties: &'d Ties<'a>,
    known: &'d BTreeMap<&'a str, &'a GraphEntity>,
    look: Look,
    shown: BTreeSet<&'d str>,
}

impl<'d> Drawing<'_, 'd> {
    /// A root and all below it. A stack and no recursion: how deep it goes is
    /// for the units to say.
    fn below(&mut self, root: &'d str) -> String {
        let strokes = if self.look.unicode { UNICODE } else { ASCII };
        let mut text = String::new();
        let mut open: Vec<(&'d str, Option<Tie>, String, bool)> =
            vec![(root, None, String::new(), true)];
        while let Some((name, tie, lead, last)) = open.pop() {
            let below = self.ties.get(name);
            let again = !self.shown.insert(name) && below.is_some();
            let (stroke, further) = match (tie, last) {
                (None, _) => ("", ""),
                (Some(_), true) => (strokes.last, strokes.blank),
                (Some(_), false) => (strokes.middle, strokes.through),
            };
            text.push_str(&Style::Faint.paint(&format!("{lead}{stroke}"), self.look));
            text.push_str(&self.line(name, tie, again));
            if again {
                continue;
            }
            let lead = format!("{lead}{further}");
            let below = below.into_iter().flatten().rev().enumerate();
            open.extend(
                below.map(|(place, (other, tie))| (*other, Some(*tie), lead.clone(), place == 0)),
            );
        }
        text
    }

    fn line(&self, name: &str, tie: Option<Tie>, again: bool) -> String {
        let state = self.known.get(name).map_or("unknown", |entity| entity.state.as_str());
        let mut text = harmless(name);
        text.push(' ');
        text.push_str(&state_style(state).paint(&harmless(state), self.look));
        if tie == Some(Tie::Wanted) {
            text.push_str(&Style::Faint.paint(" (wanted)", self.look));
        }
        if again {
            text.push_str(&Style::Faint.paint(" (see above)", self.look));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: &str, requires: &[&str], wants: &[&str], state: &str) -> GraphEntity {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        GraphEntity {
            name: name.into(),
            requires: owned(requires),
            wants: owned(wants),
            state: state.into(),
            ..GraphEntity::default()
        }
    }

    fn shop() -> Vec<GraphEntity> {
        vec![
            entity("cache", &["net"], &[], "running"),
            entity("db", &["disk", "net"], &[], "failed"),
            entity("disk", &[], &[], "finished"),
            entity("lone", &[], &[], "stopped"),
            entity("net", &["link"], &[], "running"),
            entity("link", &[], &[], "running"),
            entity("web", &["db"], &["cache", "db"], "stopped"),
        ]
    }

    #[test]
    fn below_each_stands_what_it_requires_and_wants() {
        let unicode = Look { unicode: true, ..Look::default() };
        let expected = "\
lone stopped
web stopped
├─cache running (wanted)
│ └─net running
│   └─link running
└─db failed
  ├─disk finished
  └─net running (see above)
";
        assert_eq!(text(&shop(), &[], false, unicode), expected);
        let ascii = text(&shop(), &["cache".into()], false, Look::default());
        assert_eq!(ascii, "cache running\n`-net running\n  `-link running\n");
    }

    #[test]
    fn from_the_other_end_stands_who_needs_it() {
        let text = text(&shop(), &["net".into()], true, Look::default());
        let expected = "\
net running
|-cache running
| `-web stopped (wanted)
`-db failed
  `-web stopped
";
        assert_eq!(text, expected);
    }

    #[test]
    fn circles_and_unknown_names_are_shown_and_end() {
        let circle =
            [entity("a", &["b"], &[], "stopped"), entity("b", &["a"], &["gone"], "stopped")];
        let shown = text(&circle, &[], false, Look::default());
        let expected = "\
a stopped
`-b stopped
  |-a stopped (see above)
  `-gone unknown (wanted)
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn states_have_their_colour() {
        let look = Look { colour: true, unicode: true, ..Look::default() };
        let text = text(&shop(), &["db".into()], false, look);
        assert!(text.starts_with("db \x1b[1;31mfailed\x1b[0m\n"), "{text:?}");
        assert!(text.contains("\x1b[2m├─\x1b[0mdisk "), "{text:?}");
    }
}
