//! Parts of a unit by themselves, as they are added to an entity at run time:
//! conditions, or one action. Same keys, same checks, same messages as in a
//! unit; only what the entity already has is not known here.

use crate::codes;
use crate::condition::ActionContext;
use crate::diagnostic::Diagnostic;
use crate::keys;
use crate::lists::Place;
use crate::load::Settings;
use crate::reader::{Field, Reader};
use crate::syntax;
use crate::text::{Report, Text};
use crate::watching;
use ham_core::plan::{ActionPlan, ConditionKind, ConditionPlan, Kind};
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
    let text = Text::new(file, text);
    let mut report = Report::new(&text);
    let mut whole = String::new();
    let (table, damage) = syntax::parse(&text, &mut whole, &mut report);
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
        found.retain(|diagnostic| {
            let at = diagnostic.span.map_or(0, |(start, _)| start);
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
