//! The directories of an entity's own: `runtime-directory` and its kin.

use crate::codes;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use ham_core::plan::{DirectoryPlace, DirectoryPlan, KeepDirectory};

/// As systemd's `RuntimeDirectoryMode=` and its kin.
const MODE: u32 = 0o755;
/// PATH_MAX of <limits.h>, with room for the place before the name.
const MOST_BYTES: usize = 3_000;

impl Reader<'_> {
    /// One of the four keys. They take the same, but only what is in the
    /// runtime directory is ever removed.
    pub(crate) fn own_directories(
        &mut self,
        table: &Table<'_>,
        place: DirectoryPlace,
        key: &str,
    ) -> Option<DirectoryPlan> {
        let field = self.find(table, key)?;
        let mut plan =
            DirectoryPlan { place, names: Vec::new(), mode: MODE, keep: KeepDirectory::No };
        let Some(entries) = field.as_table() else {
            plan.names = self.directory_names(&field);
            return Some(plan);
        };
        let where_ = match place {
            DirectoryPlace::Runtime => "in `runtime-directory`",
            DirectoryPlace::State => "in `state-directory`",
            DirectoryPlace::Cache => "in `cache-directory`",
            DirectoryPlace::Logs => "in `logs-directory`",
        };
        let inner = self.table("entity.runtime-directory", where_, entries, field.span());
        let one = self.find(&inner, "name");
        let several = self.find(&inner, "names");
        match (&one, &several) {
            (Some(_), Some(several)) => {
                self.error(codes::CONFLICT, several.key_span.clone(), "`names` beside `name`");
            }
            (None, None) if !inner.has_misspelt(&["name", "names"]) => {
                let message = format!("neither `name` nor `names` {where_}");
                self.error(codes::MISSING_KEY, inner.span.clone(), message);
            }
            (Some(_), None) | (None, _) => {}
        }
        if let Some(one) = &one {
            plan.names.extend(self.directory_name(one));
        }
        if let Some(several) = &several {
            if several.as_array().is_some() {
                plan.names.extend(self.directory_names(several));
            } else {
                self.wrong_type::<()>(several);
            }
        }
        if let Some(mode) = self.find(&inner, "mode") {
            plan.mode = self.octal(&mode, 0o7777, "0750").unwrap_or(MODE);
        }
        if let Some(keep) = self.find(&inner, "keep") {
            let known = [
                (KeepDirectory::No, "no"),
                (KeepDirectory::Restart, "restart"),
                (KeepDirectory::Yes, "yes"),
            ];
            plan.keep = self.word(&keep, &known).unwrap_or_default();
            if place != DirectoryPlace::Runtime {
                self.error(codes::CONFLICT, keep.key_span, format!("`keep` {where_}"))
                    .help("only what is in `runtime-directory` is ever removed");
            }
        }
        Some(plan)
    }

    fn directory_names(&mut self, field: &Field<'_>) -> Vec<String> {
        if field.as_array().is_some_and(<[_]>::is_empty) {
            self.error(codes::BAD_VALUE, field.span(), format!("`{}` is empty", field.name));
        }
        let mut names: Vec<String> = Vec::new();
        for item in field.one_or_more() {
            let Some(name) = self.directory_name(&item) else { continue };
            if names.contains(&name) {
                let message = format!("the directory {} is named twice", quoted(&name));
                self.report.warning(codes::NO_EFFECT, item.span(), message);
            } else {
                names.push(name);
            }
        }
        names
    }

    fn directory_name(&mut self, field: &Field<'_>) -> Option<String> {
        let name = self.string(field)?;
        let why = if name.is_empty() {
            "is empty"
        } else if name.starts_with('/') {
            "must be relative"
        } else if name.len() > MOST_BYTES {
            "is too long"
        } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "holds an empty part, `.` or `..`"
        } else {
            return Some(name.to_owned());
        };
        let message = match name {
            "" => "the name of a directory is empty".to_owned(),
            _ => format!("the directory {} {why}", quoted(name)),
        };
        self.error(codes::BAD_PATH, field.span(), message)
            .help("write its name below the place of such directories, for example \"audio\"");
        None
    }
}
