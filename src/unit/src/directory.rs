//! Finds the unit files of the search directories: which names there are, and
//! which file each is taken from.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::load::{Settings, name_problem};
use crate::source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// Its entity is in the plan.
    Loaded,
    /// It has errors.
    Refused,
    /// It is a link to `/dev/null`: there is no such entity, whatever later
    /// directories hold.
    Masked,
    /// A template, which by itself is no entity.
    Template,
}

/// A unit file that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the unit: the file's name without `.toml`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub state: SourceState,
}

/// What the search directories hold.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By name; the first directory wins. Files that are yet to be read are
    /// `Loaded`.
    pub(crate) sources: BTreeMap<String, Source>,
    /// Directories that were read.
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Whether a file of this name is looked at: not what editors leave behind.
fn is_unit_file(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with('.') && !name.starts_with('#')
}

/// Looks through the directories in order.
pub(crate) fn find(directories: &[PathBuf], settings: &Settings<'_>) -> Found {
    let mut found = Found::default();
    for directory in directories {
        match std::fs::metadata(directory) {
            // Most of the search directories are absent on most systems.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => found.unreadable(directory, &error.to_string()),
            Ok(metadata) if !metadata.is_dir() => found.unreadable(directory, "not a directory"),
            Ok(metadata) => {
                let refused = source::unsafe_permissions(&metadata, settings);
                if let Some(why) = &refused {
                    found.diagnostics.push(source::unsafe_problem(directory, why, settings));
                }
                found.directory(directory, refused.is_none());
            }
        }
    }
    if found.directories.is_empty() && found.diagnostics.is_empty() {
        for directory in directories {
            let file = directory.display().to_string();
            let message = "no such directory".to_owned();
            let code = codes::NO_DIRECTORY;
            found.diagnostics.push(Diagnostic::of_file(Severity::Error, code, &file, message));
        }
    }
    found
}

impl Found {
    fn unreadable(&mut self, directory: &Path, cause: &str) {
        let file = directory.display().to_string();
        let message = format!("could not read the directory: {cause}");
        let code = codes::UNREADABLE;
        self.diagnostics.push(Diagnostic::of_file(Severity::Error, code, &file, message));
    }

    /// The names of one directory. One that is not trusted still says which
    /// names exist, so that nobody is told that they do not.
    fn directory(&mut self, directory: &Path, trusted: bool) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(directory, &error.to_string()),
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => return self.unreadable(directory, &error.to_string()),
            }
        }
        if trusted {
            self.directories.push(directory.to_owned());
        }
        paths.sort();
        for path in paths {
            self.file(path, trusted);
        }
    }

    fn file(&mut self, path: PathBuf, trusted: bool) {
        let Some(os_name) = path.file_name() else { return };
        let lossy = os_name.to_string_lossy();
        if !is_unit_file(&lossy) || path.is_dir() {
            return;
        }
        let name = lossy.strip_suffix(".toml").unwrap_or(&lossy).to_owned();
        if self.sources.contains_key(&name) {
            return;
        }
        let mut state = if trusted { SourceState::Loaded } else { SourceState::Refused };
        if trusted {
            // What is not UTF-8 has become a character that no name has.
            if let Some(problem) = name_problem(&name, &path.display().to_string()) {
                self.diagnostics.push(problem);
                state = SourceState::Refused;
            } else if std::fs::canonicalize(&path)
                .is_ok_and(|target| target == Path::new("/dev/null"))
            {
                state = SourceState::Masked;
            } else if name.ends_with('@') {
                let message = "a template is no entity by itself and is skipped".to_owned();
                let file = path.display().to_string();
                let code = codes::TEMPLATE;
                self.diagnostics.push(Diagnostic::of_file(Severity::Note, code, &file, message));
                state = SourceState::Template;
            }
        }
        self.sources.insert(name.clone(), Source { name, path, state });
    }
}

#[cfg(test)]
mod tests {
    use super::is_unit_file;

    #[test]
    fn what_editors_leave_behind_is_no_unit() {
        assert!(is_unit_file("a.toml") && is_unit_file("a@b.toml"));
        for other in
            [".a.toml", "a.toml~", ".a.toml.swp", "#a.toml#", "#a.toml", "a.toml.d", "README"]
        {
            assert!(!is_unit_file(other), "{other}");
        }
    }
}
