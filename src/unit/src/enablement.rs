//! Which units start with the manager, whatever they say themselves: links in
//! a directory inside the first search directory, as `hamctl enable` makes
//! them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::load::Settings;
use crate::source;
use crate::templates;
use ham_core::plan::StartMode;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The directory of the links, inside the first search directory.
pub const ENABLED_DIRECTORY: &str = "enabled";

/// What the links say of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enablement {
    /// It starts with the manager.
    Enabled,
    /// It does not: the link leads to `/dev/null`.
    Disabled,
    /// There is no link: as the unit says, except that one in a directory of
    /// packages does not start by itself.
    #[default]
    Default,
}

/// What the links of the first search directory say of a unit. `name` is a
/// name of a unit, without `.toml`. A link that leads to nothing enables: what
/// it names may be on a disk that is not there yet.
#[must_use]
pub fn enablement(first_directory: &Path, name: &str) -> Enablement {
    let link = first_directory.join(ENABLED_DIRECTORY).join(format!("{name}.toml"));
    match std::fs::symlink_metadata(&link) {
        Err(_) => Enablement::Default,
        Ok(_) if std::fs::canonicalize(&link).is_ok_and(|to| to == Path::new("/dev/null")) => {
            Enablement::Disabled
        }
        Ok(_) => Enablement::Enabled,
    }
}

/// The links of one load: read once, so that most units cost no look.
#[derive(Debug, Default)]
pub(crate) struct Links {
    directory: PathBuf,
    files: HashSet<String>,
}

impl Links {
    /// Reads the directory, if there is one and nobody else may write it.
    pub(crate) fn read(
        first_directory: &Path,
        settings: &Settings<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Links {
        let directory = first_directory.join(ENABLED_DIRECTORY);
        match names_in(&directory, settings) {
            Ok(files) => Links { directory: first_directory.to_owned(), files },
            Err(problem) => {
                diagnostics.extend(problem.map(|problem| *problem));
                Links::default()
            }
        }
    }

    /// The instances of templates that have a link.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &str> {
        let names = self.files.iter().filter_map(|file| file.strip_suffix(".toml"));
        names.filter(|name| templates::parts(name).is_some())
    }

    /// Whether a unit starts by itself that says `start` and was found at
    /// `path`.
    pub(crate) fn start(
        &self,
        name: &str,
        path: &Path,
        start: StartMode,
        settings: &Settings<'_>,
    ) -> StartMode {
        let known = self.files.contains(&format!("{name}.toml"));
        let said = if known { enablement(&self.directory, name) } else { Enablement::Default };
        match said {
            Enablement::Enabled => StartMode::Auto,
            Enablement::Disabled => StartMode::Manual,
            Enablement::Default if path.starts_with(settings.packaged) => StartMode::Manual,
            Enablement::Default => start,
        }
    }
}

/// The names in the directory of links; an error without words when there is
/// no such directory.
fn names_in(
    directory: &Path,
    settings: &Settings<'_>,
) -> Result<HashSet<String>, Option<Box<Diagnostic>>> {
    let problem = |cause: String| {
        let file = directory.display().to_string();
        let message = format!("could not read the directory: {cause}");
        Some(Box::new(Diagnostic::of_file(Severity::Error, codes::UNREADABLE, &file, message)))
    };
    let metadata = match std::fs::metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(None),
        Err(error) => return Err(problem(error.to_string())),
        Ok(metadata) if !metadata.is_dir() => return Err(problem("not a directory".to_owned())),
        Ok(metadata) => metadata,
    };
    if let Some(why) = source::unsafe_directory(directory, &metadata, settings) {
        return Err(Some(Box::new(source::unsafe_problem(directory, &why, settings))));
    }
    let entries = std::fs::read_dir(directory).map_err(|error| problem(error.to_string()))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .map_err(|error| problem(error.to_string()))
        })
        .collect()
}
