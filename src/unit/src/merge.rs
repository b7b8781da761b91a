//! Trees of TOML over each other: what a drop-in says in the place of what the
//! unit says. Spans go with their values, so a merged value still tells which
//! text it stands in.

use crate::codes;
use crate::suggest::{nearest, quoted};
use crate::text::Report;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Tables that are merged key by key. Every other value is replaced whole, be
/// it a list or a table: those say one thing in several words (a readiness, a
/// limit), and half of the one with half of the other would say a third.
pub(crate) const MERGED: [&str; 8] = [
    "entity",
    "target",
    "global",
    "heartbeat",
    "states",
    "entity.environment",
    "entity.limits",
    "entity.stop",
];

/// The table whose items are merged by name.
const CONDITION: &str = "condition";

type Value<'t> = Spanned<DeValue<'t>>;

/// Leads the spans of a tree to where `there` says they are.
pub(crate) fn moved<'t>(
    table: DeTable<'t>,
    there: &impl Fn(Range<usize>) -> Range<usize>,
) -> DeTable<'t> {
    let key_there = |key: Spanned<_>| Spanned::new(there(key.span()), key.into_inner());
    table.into_iter().map(|(key, value)| (key_there(key), moved_value(value, there))).collect()
}

/// The parser limits how deep values nest, so the recursion has an end.
fn moved_value<'t>(value: Value<'t>, there: &impl Fn(Range<usize>) -> Range<usize>) -> Value<'t> {
    let span = there(value.span());
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, there)),
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| moved_value(item, there)).collect())
        }
        plain @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)) => plain,
    };
    Spanned::new(span, inner)
}

/// Puts the tree of a drop-in over what stands below it.
pub(crate) fn over<'t>(below: &mut DeTable<'t>, above: DeTable<'t>, report: &mut Report<'_>) {
    tables(below, above, "", report);
}

fn tables<'t>(below: &mut DeTable<'t>, above: DeTable<'t>, path: &str, report: &mut Report<'_>) {
    for (key, value) in above {
        let name: &str = key.get_ref();
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let span = value.span();
        let value = match (below.get_mut(name).map(Spanned::get_mut), value.into_inner()) {
            (Some(DeValue::Table(there)), DeValue::Table(table))
                if MERGED.contains(&inner.as_str()) =>
            {
                tables(there, table, &inner, report);
                continue;
            }
            (there, DeValue::Array(items)) if inner == CONDITION => {
                let (mut none, mut some) = (DeArray::new(), None);
                match there {
                    Some(DeValue::Array(there)) => some = Some(there),
                    // A mistake of the unit stays where it is.
                    Some(_) => continue,
                    None => {}
                }
                let is_new = some.is_none();
                conditions(some.unwrap_or(&mut none), items, report);
                if !is_new {
                    continue;
                }
                DeValue::Array(none)
            }
            (_, other) => other,
        };
        // First out, so that the key tells the new place too.
        below.remove(name);
        below.insert(key, Spanned::new(span, value));
    }
}

/// The name of a condition, as far as it can be told from its tree.
pub(crate) fn condition_name<'v>(condition: &'v DeValue<'_>) -> Option<&'v str> {
    let table = condition.as_table()?;
    if let Some(name) = table.get("name") {
        return name.get_ref().as_str();
    }
    match table.get("on")?.get_ref() {
        DeValue::String(word) => Some(word),
        DeValue::Table(one) if one.len() == 1 => {
            one.keys().next().map(|key| key.get_ref().as_ref())
        }
        _ => None,
    }
}

fn conditions<'t>(below: &mut DeArray<'t>, above: DeArray<'t>, report: &mut Report<'_>) {
    let known: Vec<String> =
        below.iter().filter_map(|item| condition_name(item.get_ref())).map(str::to_owned).collect();
    let mut met: Vec<String> = Vec::new();
    for item in above {
        let name = condition_name(item.get_ref()).map(str::to_owned);
        let Some(name) = name else {
            below.push(item);
            continue;
        };
        // A second one of the same drop-in is a mistake, which the reader finds.
        let again = met.contains(&name);
        met.push(name.clone());
        let mut there = below.iter_mut().map(Spanned::get_mut);
        let same = there.find(|there| condition_name(there) == Some(&name));
        match (same, item.get_ref()) {
            (Some(DeValue::Table(there)), DeValue::Table(_)) if !again => {
                if let DeValue::Table(table) = item.into_inner() {
                    for (key, value) in table {
                        let word: &str = key.get_ref();
                        there.remove(word);
                        there.insert(key, value);
                    }
                }
            }
            (_, DeValue::Table(table)) if !again && !table.contains_key("on") => {
                let span = table.get("name").map_or(item.span(), Spanned::span);
                let message = format!("no condition {} to change", quoted(&name));
                let added = report.error(codes::MISSING_KEY, span, message);
                if let Some(near) = nearest(&name, known.iter().map(String::as_str)) {
                    added.label(format!("did you mean `{near}`?"));
                }
                added.help("one that the unit does not have needs an `on`");
            }
            _ => below.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::draft::Draft;
    use crate::layers::Layers;
    use crate::load::Settings;
    use crate::text::Text;
    use crate::users::SystemUsers;
    use proptest::prelude::*;

    /// Pieces of units and of what is none, which go together in any order.
    const PIECES: [&str; 16] = [
        "description = \"d\"\n",
        "mask = false\n",
        "[entity]\ncommand = \"/bin/sh\"\nrestart = \"always\"\n",
        "[entity]\nenvironment = { A = \"1\" }\nwants = [\"x?\"]\n",
        "[entity.stop]\ntimeout = \"1s\"\n",
        "[entity]\nstop = 1\n",
        "entity = 1\n",
        "[[condition]]\non = \"death\"\nactions = [ { restart = {} } ]\n",
        "[[condition]]\non = \"death\"\nenabled = false\n",
        "[[condition]]\nname = \"other\"\n",
        "[[condition]]\non = { state = { to = 1 } }\nactions = [ { log = \"{instance}\" } ]\n",
        "[condition]\non = \"death\"\n",
        "condition = [ 1, { on = \"failure\" } ]\n",
        "[heartbeat]\ninterval = \"1s\"\nlow = 9\n",
        "[target]\n\u{e4} = \n",
        "x = [ \"\"\"\n",
    ];

    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..5)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Whatever is said is said of one of the texts, and of a place in it.
        #[test]
        fn what_is_said_of_texts_over_each_other_is_in_one(
            first in text(), second in text(), third in text()
        ) {
            let users = SystemUsers::new();
            let settings = Settings { look_at_commands: false, ..Settings::new(&users, 0) };
            let texts = [("one", &first), ("two", &second), ("three", &third)];
            let mut layers = Layers::one(Text::new("one", &first)).instance("i");
            layers.push(&second, "two");
            layers.push(&third, "three");
            for said in Draft::new("unit@i", &layers, &settings).report.finish() {
                let found = texts.iter().find(|(file, _)| *file == said.file);
                let (_, text) = found.expect("one of the three");
                prop_assert_eq!(said.source_text(), text.as_str());
                if let Some((start, end)) = said.span {
                    prop_assert!(text.get(start..end).is_some(), "{said:?}");
                    let line = text[..start].matches('\n').count() + 1;
                    prop_assert_eq!(said.line as usize, line);
                }
            }
        }

        /// A text that says nothing changes nothing.
        #[test]
        fn nothing_over_a_unit_leaves_it_as_it_is(first in text()) {
            let users = SystemUsers::new();
            let settings = Settings { look_at_commands: false, ..Settings::new(&users, 0) };
            let alone = Layers::one(Text::new("one", &first));
            let mut more = alone.clone();
            more.push("# nothing\n", "two");
            let (alone, more) =
                (Draft::new("unit", &alone, &settings), Draft::new("unit", &more, &settings));
            prop_assert_eq!(&alone.plan, &more.plan);
            let said = |mut draft: Draft<'_>| {
                draft.report.finish().iter().map(|said| said.render_plain()).collect::<Vec<_>>()
            };
            prop_assert_eq!(said(alone), said(more));
        }
    }
}
