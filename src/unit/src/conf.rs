//! `ham.conf`: what the manager itself is told. It stands beside the units of
//! the first search directory and is none.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::duration::Bounds;
use crate::layers::Layers;
use crate::load::Settings;
use crate::names;
use crate::reader::{Field, Reader};
use crate::source;
use crate::suggest::quoted;
use crate::syntax;
use crate::text::{Report, Text};
use crate::watchdog::Watchdog;
use ham_core::time::Span;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;
use toml::de::DeTable;

/// The name of the file.
pub(crate) const FILE: &str = "ham.conf";

/// The verbs that can be allowed, as hamctl has them. What would hand out the
/// rights of the manager itself (`attach`, a new entity, pulses of others) is
/// not among them.
pub const VERBS: [&str; 15] = [
    "start",
    "stop",
    "restart",
    "reload",
    "kill",
    "arm",
    "disarm",
    "flags",
    "add",
    "remove",
    "detach",
    "state",
    "raise",
    "heartbeat",
    "shutdown",
];

/// What a person may do who is neither root nor the manager's user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// These users.
    pub users: Vec<u32>,
    /// And members of these groups.
    pub groups: Vec<u32>,
    /// May do this: words of [`VERBS`].
    pub verbs: Vec<String>,
    /// With entities of these names, which may hold `*` and `?`.
    pub entities: Vec<String>,
}

/// Whether changed units are taken by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Apply {
    /// As soon as they are seen.
    #[default]
    Auto,
    /// When somebody asks for it.
    Manual,
}

/// What the file says. `None`: nothing, and the default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conf {
    /// What becomes of changed units.
    pub apply: Apply,
    /// How long a shutdown may take.
    pub stop_deadline: Option<Span>,
    /// How much the log tells, 0 to 9.
    pub verbosity: Option<u32>,
    /// The file that the log goes to: an absolute path.
    pub log: Option<String>,
    /// What other users may do.
    pub allow: Vec<Allow>,
    /// The hardware watchdog that is fed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Watchdog>,
}

/// Reads the file. `None`: it has errors, which are reported. One that is not
/// there says nothing.
pub(crate) fn read(
    path: &Path,
    settings: &Settings<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Conf> {
    let absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
    if std::fs::symlink_metadata(path).is_err_and(absent) {
        return Some(Conf::default());
    }
    let text = match source::read_any(path, settings) {
        Ok(text) => text,
        Err(problem) => {
            diagnostics.push(*problem);
            return None;
        }
    };
    let layers = Layers::one(Text::new(&path.display().to_string(), &text));
    let mut report = Report::new(&layers);
    let (tree, damages) = syntax::parse(&layers, &mut report);
    let mut reader = Reader {
        report: Report::new(&layers),
        settings,
        references: Vec::new(),
        neighbours: Vec::new(),
        watches: Vec::new(),
        states: Vec::new(),
    };
    let conf = reader.conf(&tree);
    let mut found = reader.report;
    found.retain(|at, diagnostic| {
        !damages.any() || (diagnostic.code != codes::MISSING_KEY && !damages.covers(&layers, at))
    });
    report.append(found);
    let good = !report.has_errors();
    diagnostics.extend(report.finish());
    good.then_some(conf)
}

impl Reader<'_> {
    fn conf(&mut self, entries: &DeTable<'_>) -> Conf {
        let top = self.table("conf", "at the top of ham.conf", entries, 0..0);
        let mut conf = Conf::default();
        if let Some(field) = self.find(&top, "manager") {
            match field.as_table() {
                Some(entries) => self.manager(&field, entries, &mut conf),
                None => self.wrong_type(&field).unwrap_or_default(),
            }
        }
        if let Some(field) = self.find(&top, "watchdog") {
            match field.as_table() {
                Some(entries) => conf.watchdog = self.watchdog(&field, entries),
                None => self.wrong_type(&field).unwrap_or_default(),
            }
        }
        if let Some(field) = self.find(&top, "allow") {
            match field.as_array() {
                Some(items) => {
                    let items = items.iter().map(|item| field.item(item));
                    conf.allow = items.filter_map(|item| self.allow(&item)).collect();
                }
                None => self.wrong_type(&field).unwrap_or_default(),
            }
        }
        conf
    }

    fn manager(&mut self, field: &Field<'_>, entries: &DeTable<'_>, conf: &mut Conf) {
        let table = self.table("conf.manager", "in [manager]", entries, field.key_span.clone());
        let words = [(Apply::Auto, "auto"), (Apply::Manual, "manual")];
        let apply = self.find(&table, "apply").and_then(|field| self.word(&field, &words));
        conf.apply = apply.unwrap_or_default();
        if self.find(&table, "stop-deadline").is_some() {
            let span = self.duration_or(&table, "stop-deadline", Bounds::Any, Span::ZERO);
            conf.stop_deadline = Some(span);
        }
        let verbosity = self.find(&table, "verbosity");
        let verbosity = verbosity.and_then(|field| self.integer(&field, 0..=9));
        conf.verbosity = verbosity.and_then(|level| u32::try_from(level).ok());
        conf.log = self.find(&table, "log").and_then(|field| self.path(&field));
    }

    fn allow(&mut self, field: &Field<'_>) -> Option<Allow> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("conf.allow", "in [[allow]]", entries, field.span());
        let (users, groups) = (self.find(&table, "user"), self.find(&table, "group"));
        if users.is_none() && groups.is_none() && !table.has_misspelt(&["user", "group"]) {
            let message = "neither `user` nor `group` in [[allow]]";
            self.error(codes::MISSING_KEY, table.span.clone(), message)
                .help("say who: group = \"operators\"; everybody may look without it");
        }
        let mut rule = Allow::default();
        for item in users.iter().flat_map(Field::one_or_more) {
            rule.users.extend(self.uid_of(&item));
        }
        for item in groups.iter().flat_map(Field::one_or_more) {
            rule.groups.extend(self.group(&item));
        }
        let known = VERBS.map(|verb| (verb, verb));
        for item in self.require(&table, "verbs")?.one_or_more() {
            rule.verbs.extend(self.word(&item, &known).map(str::to_owned));
        }
        for item in self.require(&table, "entities")?.one_or_more() {
            let Some(text) = self.string(&item) else { continue };
            // What can stand in the place of a `*` decides nothing here.
            let plain = text.replace(['*', '?'], "a");
            match names::wrong_entity_name(&plain) {
                None => rule.entities.push(text.to_owned()),
                Some(why) => {
                    let message = format!("{} is no name of an entity", quoted(text));
                    self.error(codes::BAD_NAME, item.span(), message)
                        .label(format!("it {why}"))
                        .help("a `*` stands for any text, a `?` for one character");
                }
            }
        }
        let all = rule.entities.iter().any(|pattern| pattern == "*");
        if rule.verbs.iter().any(|verb| verb == "shutdown") && !all {
            let message = "`shutdown` ends all entities, and `entities` does not name all";
            self.error(codes::CONFLICT, table.span.clone(), message)
                .help("write entities = \"*\", or leave `shutdown` out");
        }
        Some(rule)
    }
}
