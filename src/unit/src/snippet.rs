//! Parts of a unit by themselves, as they are added to an entity at run time:
//! conditions, or one action; or a whole entity that no unit has. Same keys, same checks, same messages as in a
//! unit; only what the entity already has is not known here.

use crate::codes;
use crate::condition::ActionContext;
use crate::diagnostic::Diagnostic;
use crate::draft::Draft;
use crate::keys;
use crate::layers::Layers;
use crate::lists::Place;
use crate::load::{Settings, check_text};
use crate::order::Relation;
use crate::reader::{Field, Reader};
use crate::syntax;
use crate::text::{Report, Text};
use crate::watching;
use ham_core::plan::{ActionPlan, ConditionKind, ConditionPlan, EntityPlan, Kind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What was read, and what is to be said of it. With an error in that, what
/// was read is not to be used.
#[derive(Debug)]
pub struct Snippet<T> {
    /// What the text says.
    pub items: Vec<T>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl<T> Snippet<T> {
    /// Whether anything is wrong.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads `[[condition]]` tables; `file` is what messages call the text.
#[must_use]
pub fn read_conditions(file: &str, text: &str, settings: &Settings<'_>) -> Snippet<ConditionPlan> {
    read(file, text, settings, |reader, table| {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if name != "condition" && !name.starts_with("x-") {
                let message = format!("`{name}` beside [[condition]]");
                reader
                    .error(codes::UNKNOWN_KEY, key.span(), message)
                    .help("conditions are added to an entity; a new one begins with [entity]");
            }
        }
        let Some(field) = field("", "condition", table) else {
            let message = "no [[condition]]";
            reader
                .error(codes::MISSING_KEY, 0..0, message)
                .help("write [[condition]], and below it `on` and `actions`");
            return Vec::new();
        };
        let mut conditions = reader.conditions(Some(&field), None, "", &Kind::Service);
        watching::settle(reader, &mut conditions);
        conditions
    })
}

/// Reads one action: its keys stand at the top of the text.
#[must_use]
pub fn read_action(file: &str, text: &str, settings: &Settings<'_>) -> Snippet<ActionPlan> {
    read(file, text, settings, |reader, table| {
        let all = 0..text.len();
        let whole = Spanned::new(all.clone(), DeValue::Table(table.clone()));
        let Some((name, key)) = keys::of_table("condition").find(|(name, _)| *name == "actions")
        else {
            return Vec::new();
        };
        let field = Field { key, name, key_span: all, value: &whole, in_list: true };
        // What its condition is the manager knows, and says.
        let mut context =
            ActionContext { on: Some(ConditionKind::Death), ..ActionContext::of(Place::Condition) };
        let read = reader.action(&field, &mut context);
        read.into_iter()
            .map(|action| {
                let word = action.plan.verb.word().to_owned();
                let name = action.name.map_or(word, |(name, _)| name);
                ActionPlan { name, ..action.plan }
            })
            .collect()
    })
}

/// Reads an entity that no unit has. It has no neighbours, since those would have
/// to know of it: what names some is an error.
#[must_use]
pub fn read_entity(
    name: &str,
    file: &str,
    text: &str,
    settings: &Settings<'_>,
) -> Snippet<EntityPlan> {
    let loaded = check_text(name, file, text, settings);
    let text = Layers::one(Text::new(file, text));
    let draft = Draft::new(name, &text, settings);
    let neighbours = draft.neighbours.iter().map(|other| (other.relation, other.span.clone()));
    let of = draft.watches.iter().filter_map(|watch| watch.of.as_ref());
    let of = of.map(|(_, span)| (Relation::Of, span.clone()));
    let mut report = Report::new(&text);
    for (relation, span) in neighbours.chain(of) {
        let message = format!("`{}` in an entity that is made at run time", relation.word());
        report
            .error(codes::CONFLICT, span, message)
            .help("the other would have to know of it: write a unit file, or leave this out");
    }
    let mut diagnostics = report.finish();
    // Whether there is such an entity does not matter then.
    let rest = loaded.diagnostics.into_iter();
    let rest = rest.filter(|other| !diagnostics.iter().any(|found| found.span == other.span));
    let rest: Vec<Diagnostic> = rest.collect();
    diagnostics.extend(rest);
    Snippet { items: loaded.entities, diagnostics }
}

fn field<'v>(path: &'static str, name: &str, table: &'v DeTable<'v>) -> Option<Field<'v>> {
    let (name, key) = keys::of_table(path).find(|(known, _)| *known == name)?;
    let (found, value) = table.get_key_value(name)?;
    Some(Field { key, name, key_span: found.span(), value, in_list: false })
}

fn read<T>(
    file: &str,
    text: &str,
    settings: &Settings<'_>,
    take: impl FnOnce(&mut Reader<'_>, &DeTable<'_>) -> Vec<T>,
) -> Snippet<T> {
    let text = Layers::one(Text::new(file, text));
    let mut report = Report::new(&text);
    let (table, damage) = syntax::parse(&text, &mut report);
    let mut reader = Reader {
        report: Report::new(&text),
        settings,
        references: Vec::new(),
        neighbours: Vec::new(),
        watches: Vec::new(),
        states: Vec::new(),
    };
    let items = take(&mut reader, &table);
    let mut found = reader.report;
    if damage.any() {
        found.retain(|at, diagnostic| {
            diagnostic.code != codes::MISSING_KEY && !damage.covers(&text, at)
        });
    }
    report.append(found);
    Snippet { items, diagnostics: report.finish() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::SystemUsers;

    #[test]
    fn conditions_and_actions_stand_by_themselves() {
        let users = SystemUsers::new();
        let settings = Settings { look_at_commands: false, ..Settings::new(&users, 0) };
        let text = "[[condition]]\non = \"death\"\nactions = [ { log = \"gone\" } ]\n";
        let read = read_conditions("-", text, &settings);
        assert!(!read.has_errors(), "{:?}", read.diagnostics);
        assert_eq!(read.items[0].name, "death");
        assert_eq!(read.items[0].actions[0].name, "log");
        let read = read_action("-", "name = \"say\"\nlog = \"gone\"\n", &settings);
        assert!(!read.has_errors(), "{:?}", read.diagnostics);
        assert_eq!(read.items[0].name, "say");
    }

    #[test]
    fn an_entity_of_run_time_names_no_neighbours() {
        let users = SystemUsers::new();
        let settings = Settings { look_at_commands: false, ..Settings::new(&users, 0) };
        let bare = "restart = \"no\"\ncommand = [\"/bin/true\"]\n";
        let read = read_entity("late", "-", &format!("[entity]\n{bare}"), &settings);
        assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
        assert_eq!(read.items[0].name, "late");
        for key in ["requires", "wants", "after", "before", "conflicts"] {
            let text = format!("[entity]\n{bare}{key} = [\"a\", \"b\"]\n");
            let read = read_entity("late", "-", &text, &settings);
            let said: Vec<&str> = read.diagnostics.iter().map(|d| d.message.as_str()).collect();
            let expected = format!("`{key}` in an entity that is made at run time");
            assert_eq!(said, [&expected, &expected]);
            assert!(read.has_errors());
        }
        let of = "[[condition]]\non = \"death\"\nof = \"a\"\nactions = [ { log = \"x\" } ]\n";
        let read = read_entity("late", "-", &format!("[entity]\n{bare}{of}"), &settings);
        assert!(read.has_errors(), "{:?}", read.diagnostics);
        assert!(read.diagnostics[0].message.starts_with("`of` in an entity"));
    }

    #[test]
    fn what_belongs_elsewhere_is_an_error() {
        let users = SystemUsers::new();
        let settings = Settings { look_at_commands: false, ..Settings::new(&users, 0) };
        for text in ["", "[entity]\ncommand = [\"/bin/true\"]\n", "[[condition]]\non = \"deth\"\n"]
        {
            assert!(read_conditions("-", text, &settings).has_errors(), "{text}");
        }
        for text in ["", "lug = \"gone\"\n", "log = \"a\"\nstop = \"b\"\n", "log = "] {
            assert!(read_action("-", text, &settings).has_errors(), "{text}");
        }
    }
}
