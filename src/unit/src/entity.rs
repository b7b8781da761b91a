//! A whole unit: `description`, `[entity]`, and the conditions.

use crate::codes;
use crate::command::Braces;
use crate::condition::Shorthand;
use crate::duration::Bounds;
use crate::names;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, EnvironmentFile, START_TIMEOUT, StartMode, StopPlan, Stream};
use toml::de::{DeTable, DeValue};

/// Nothing for others to write, everything for others to read.
const UMASK: u32 = 0o022;

impl Reader<'_> {
    /// Reads a unit. The id is set later, when all units are known.
    pub(crate) fn unit(&mut self, name: &str, entries: &DeTable<'_>) -> Option<EntityPlan> {
        let top = self.table("", "at the top of the file", entries, 0..0);
        let description = self.find(&top, "description").and_then(|field| self.string(&field));
        let conditions = self.find(&top, "condition");
        let Some(field) = self.find(&top, "entity") else {
            if !top.has_misspelt(&["entity"]) {
                self.error(codes::MISSING_KEY, 0..0, "no [entity]")
                    .help("a unit is one [entity] with a `command`, and its conditions");
            }
            self.conditions(conditions.as_ref(), None);
            return None;
        };
        let Some(entity) = field.as_table() else {
            self.conditions(conditions.as_ref(), None);
            return self.wrong_type(&field);
        };
        let table = self.table("entity", "in [entity]", entity, field.key_span.clone());
        let shorthand_field = self.find(&table, "restart");
        let shorthand =
            shorthand_field.as_ref().and_then(|field| self.word(field, &Shorthand::WORDS));
        if shorthand_field.is_none() && conditions.is_none() {
            self.report
                .warning(
                    codes::UNSUPERVISED,
                    field.key_span.clone(),
                    "nothing is done when it dies",
                )
                .help("add restart = \"on-failure\", \"always\" or \"no\", or a [[condition]]");
        }
        let plan = self.entity(name, &table, description.unwrap_or_default());
        let conditions = self.conditions(conditions.as_ref(), shorthand);
        plan.map(|plan| EntityPlan { conditions, ..plan })
    }

    fn entity(&mut self, name: &str, table: &Table<'_>, description: &str) -> Option<EntityPlan> {
        let start = self.find(table, "start").and_then(|field| {
            self.word(&field, &[(StartMode::Auto, "auto"), (StartMode::Manual, "manual")])
        });
        let environment = match self.find(table, "environment") {
            Some(field) => self.environment(&field),
            None => Vec::new(),
        };
        let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| &**path);
        let command = self.find(table, "command");
        if command.is_none() && !table.has_misspelt(&["command"]) {
            self.error(codes::MISSING_KEY, table.span.clone(), "no `command` in [entity]")
                .help("write for example command = [\"/usr/bin/prog\", \"--option\"]");
        }
        let command = command.and_then(|field| self.command(&field, Braces::Plain, search));
        let identity = self.identity(table);
        let directory = self.find(table, "directory").and_then(|field| self.path(&field));
        let umask = self.find(table, "umask").and_then(|field| self.umask(&field));
        let environment_files = match self.find(table, "environment-file") {
            Some(field) => self.environment_files(&field),
            None => Vec::new(),
        };
        let start_timeout =
            self.duration_or(table, "start-timeout", Bounds::NotZero, START_TIMEOUT);
        let stop = self.stop(table);
        let stdin = self.stream(table, "stdin", Stream::Null);
        let stdout = self.stream(table, "stdout", Stream::Inherit);
        let stderr = self.stream(table, "stderr", Stream::Inherit);
        Some(EntityPlan {
            description: description.to_owned(),
            source: self.report.text.file.clone(),
            start: start.unwrap_or_default(),
            identity,
            directory,
            umask: umask.unwrap_or(UMASK),
            environment,
            environment_files,
            stdin,
            stdout,
            stderr,
            start_timeout,
            stop,
            ..EntityPlan::new(EntityId(0), name, command?)
        })
    }

    fn stop(&mut self, table: &Table<'_>) -> StopPlan {
        let mut plan = EntityPlan::new(EntityId(0), "", Vec::new()).stop;
        let Some(field) = self.find(table, "stop") else { return plan };
        let Some(entries) = field.as_table() else {
            return self.wrong_type(&field).unwrap_or(plan);
        };
        let inner = self.table("entity.stop", "in `stop`", entries, field.span());
        if let Some(signal) = self.find(&inner, "signal") {
            plan.signal = self.signal(&signal).unwrap_or(plan.signal);
        }
        plan.timeout = self.duration_or(&inner, "timeout", Bounds::Any, plan.timeout);
        plan
    }

    /// `"0027"` or `0o027`. A decimal number is refused: `umask = 27` would
    /// be 0o033.
    fn umask(&mut self, field: &Field<'_>) -> Option<u32> {
        let (digits, octal) = match field.value.get_ref() {
            DeValue::String(text) => (text.as_ref(), true),
            DeValue::Integer(integer) => {
                (integer.as_str(), integer.radix() == 8 || integer.as_str() == "0")
            }
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return self.wrong_type(field),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let value = u32::from_str_radix(digits, 8).ok().filter(|mask| plain && *mask <= 0o777);
        if octal && value.is_some() {
            return value;
        }
        let added = self.error(codes::BAD_VALUE, field.span(), "`umask` is no octal number");
        added.label("must be 0 to 0o777");
        added.help("write \"0027\" or 0o027");
        None
    }

    /// The variables in the order of the file.
    fn environment(&mut self, field: &Field<'_>) -> Vec<(String, String)> {
        let Some(entries) = field.as_table() else {
            return self.wrong_type(field).unwrap_or_default();
        };
        let mut found: Vec<(usize, String, String)> = Vec::new();
        for (name, value) in entries.iter() {
            let item = Field { key_span: name.span(), ..field.item(value) };
            let name = name.get_ref();
            if !names::is_variable(name) {
                let message = format!("{} is no name of a variable", quoted(name));
                self.error(codes::BAD_VARIABLE, item.key_span, message)
                    .help("letters, digits and `_`, and no digit first");
                continue;
            }
            if item.as_str().is_none() {
                let found = item.value.get_ref().type_str();
                let message = format!("wrong type for the variable {}", quoted(name));
                self.error(codes::WRONG_TYPE, item.span(), message)
                    .label(format!("expected string, found {found}"));
                continue;
            }
            if let Some(text) = self.string(&item) {
                found.push((item.key_span.start, name.to_string(), text.to_owned()));
            }
        }
        found.sort_by_key(|(place, _, _)| *place);
        found.into_iter().map(|(_, name, value)| (name, value)).collect()
    }

    fn environment_files(&mut self, field: &Field<'_>) -> Vec<EnvironmentFile> {
        let items: Vec<Field<'_>> = match field.as_array() {
            Some(items) => items.iter().map(|item| field.item(item)).collect(),
            None => vec![field.clone()],
        };
        let mut files = Vec::new();
        for item in items {
            let Some(text) = self.string(&item) else { continue };
            let (path, optional) = match text.strip_prefix('-') {
                Some(path) => (path, true),
                None => (text, false),
            };
            if self.absolute(&item, path) {
                files.push(EnvironmentFile { path: path.to_owned(), optional });
            }
        }
        files
    }
}
