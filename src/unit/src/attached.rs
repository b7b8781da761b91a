//! `[entity]` without `command`: a placeholder, for a process that ham does
//! not start. What says how a process is started makes no sense there.

use crate::codes;
use crate::condition::Shorthand;
use crate::keys;
use crate::reader::{Reader, Table};
use crate::suggest::and;
use ham_core::plan::Kind;

/// Keys that do without a command.
const WITHOUT_COMMAND: [&str; 13] = [
    "pid-file",
    "attach-by",
    "start",
    "requires",
    "wants",
    "after",
    "before",
    "conflicts",
    "reload",
    "stop",
    "success-exit",
    "notify-access",
    "restart",
];

impl Reader<'_> {
    /// Whether the unit has no command, and means that.
    pub(crate) fn is_placeholder(&self, table: &Table<'_>) -> bool {
        self.find(table, "command").is_none() && !table.has_misspelt(&["command"])
    }

    /// The kind of an [entity] without `command`.
    pub(crate) fn placeholder(&mut self, table: &Table<'_>) -> Kind {
        let needless: Vec<&str> = keys::of_table("entity")
            .filter_map(|(name, _)| self.find(table, name))
            .filter(|field| {
                let no_restart = || field.as_str() == Some(Shorthand::NO);
                let known = WITHOUT_COMMAND.contains(&field.name);
                !known || (field.name == "restart" && field.as_str().is_some() && !no_restart())
            })
            .map(|field| field.name)
            .collect();
        if !needless.is_empty() {
            let label = match needless.as_slice() {
                [one] => format!("`{one}` needs one"),
                several => format!("{} need one", and(several.iter().copied())),
            };
            self.error(codes::MISSING_KEY, table.span.clone(), "no `command` in [entity]")
                .label(label)
                .help(
                    "write for example command = [\"/usr/bin/prog\", \"--option\"]; or leave \
                     those out, and the entity is for a process that ham does not start",
                );
        }
        let pid_file = self.find(table, "pid-file").and_then(|field| self.path(&field));
        Kind::Placeholder { pid_file }
    }

    /// The user whose processes may attach themselves, as a number.
    pub(crate) fn attach_by(&mut self, table: &Table<'_>, kind: &Kind) -> Option<u32> {
        let field = self.find(table, "attach-by")?;
        let word = match kind {
            Kind::Service | Kind::Placeholder { .. } | Kind::Target | Kind::Global => None,
            Kind::Oneshot { .. } => Some("oneshot"),
            Kind::Forking { .. } => Some("forking"),
        };
        if let Some(word) = word {
            let also = self.also_key(table, "type", field.key_span.start);
            let message = format!("`attach-by` beside `type = \"{word}\"`{also}");
            self.error(codes::CONFLICT, field.key_span.clone(), message)
                .help("only a process that goes on running can be attached");
        }
        self.uid_of(&field)
    }
}
