//! Finds the unit files of the search directories: which names there are, which
//! file each is taken from, and which drop-ins it has.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::load::{Settings, name_problem};
use crate::source;
use crate::suggest::{nearest, quoted};
use crate::templates;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
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
    /// It is a link to `/dev/null`, or says `mask = true`: there is no such
    /// entity, whatever later directories hold.
    Masked,
    /// A template, which by itself is no entity.
    Template,
}

/// A unit file that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the unit: the file's name without `.toml`.
    pub name: String,
    /// Where it is; of an instance without a file, where its template is.
    pub path: PathBuf,
    /// What became of it.
    pub state: SourceState,
}

/// The drop-ins of a unit.
#[derive(Debug, Default)]
pub(crate) struct DropIns {
    /// By file name; the first directory wins. `None`: a link to `/dev/null`
    /// takes the place of those behind it.
    pub(crate) files: BTreeMap<String, Option<PathBuf>>,
    /// The directories that were read.
    pub(crate) directories: Vec<PathBuf>,
    /// Some of them cannot be read or trusted, which is reported. Without them
    /// the unit would be another one.
    pub(crate) incomplete: bool,
}

/// What the search directories hold.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By name; the first directory wins. Files that are yet to be read are
    /// `Loaded`.
    pub(crate) sources: BTreeMap<String, Source>,
    /// By name of the unit.
    pub(crate) drop_ins: BTreeMap<String, DropIns>,
    /// Directories that were read.
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What the directory of a unit's drop-ins is called, behind the name.
pub(crate) const DROP_INS: &str = ".toml.d";

/// Whether a file of this name is looked at: not what editors leave behind.
fn is_unit_file(name: &str) -> bool {
    name.ends_with(".toml") && !is_left_behind(name)
}

fn is_left_behind(name: &str) -> bool {
    name.starts_with(['.', '#'])
}

/// The folder of a file that was named without one.
fn if_empty_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// The names in a directory, in order.
fn names_in(directory: &Path) -> std::io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(if_empty_here(directory))?;
    let names: std::io::Result<Vec<OsString>> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    names.map(|mut names| {
        names.sort();
        names
    })
}

/// Looks through the directories in order.
pub(crate) fn find(directories: &[PathBuf], settings: &Settings<'_>) -> Found {
    let mut found = Found::default();
    for directory in directories {
        match std::fs::metadata(if_empty_here(directory)) {
            // Most of the search directories are absent on most systems.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => found.unreadable(directory, &error.to_string()),
            Ok(metadata) if !metadata.is_dir() => found.unreadable(directory, "not a directory"),
            Ok(metadata) => {
                let refused = source::unsafe_directory(directory, &metadata, settings);
                if let Some(why) = &refused {
                    found.diagnostics.push(source::unsafe_problem(directory, why, settings));
                }
                found.directory(directory, refused.is_none(), settings);
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
    /// What stands in one directory, whoever may write it: for a look at one
    /// file of it.
    pub(crate) fn beside(directory: &Path, settings: &Settings<'_>) -> Found {
        let mut found = Found::default();
        found.directory(directory, true, settings);
        found
    }

    fn unreadable(&mut self, directory: &Path, cause: &str) {
        let file = directory.display().to_string();
        let message = format!("could not read the directory: {cause}");
        let code = codes::UNREADABLE;
        self.diagnostics.push(Diagnostic::of_file(Severity::Error, code, &file, message));
    }

    /// The names of one directory. One that is not trusted still says which
    /// names exist, so that nobody is told that they do not.
    fn directory(&mut self, directory: &Path, trusted: bool, settings: &Settings<'_>) {
        let names = match names_in(directory) {
            Ok(names) => names,
            Err(error) => return self.unreadable(directory, &error.to_string()),
        };
        if trusted {
            self.directories.push(directory.to_owned());
        }
        for name in names {
            let path = directory.join(&name);
            let lossy = name.to_string_lossy();
            match lossy.strip_suffix(DROP_INS) {
                Some(unit) if !is_left_behind(unit) => self.drop_ins(unit, path, trusted, settings),
                Some(_) | None => self.file(path, trusted),
            }
        }
    }

    /// The drop-ins that one search directory has for a unit.
    fn drop_ins(&mut self, unit: &str, folder: PathBuf, trusted: bool, settings: &Settings<'_>) {
        let Ok(metadata) = std::fs::metadata(&folder) else { return };
        if !metadata.is_dir() {
            return;
        }
        let refused = source::unsafe_directory(&folder, &metadata, settings).filter(|_| trusted);
        if let Some(why) = &refused {
            self.diagnostics.push(source::unsafe_problem(&folder, why, settings));
        }
        let names = if trusted && refused.is_none() { names_in(&folder) } else { Ok(Vec::new()) };
        let names = match names {
            Ok(names) => Some(names),
            Err(error) => {
                self.unreadable(&folder, &error.to_string());
                None
            }
        };
        let there = self.drop_ins.entry(unit.to_owned()).or_default();
        there.incomplete |= !trusted || refused.is_some() || names.is_none();
        for name in names.unwrap_or_default() {
            let path = folder.join(&name);
            let name = name.to_string_lossy().into_owned();
            if is_unit_file(&name) && !path.is_dir() {
                let masked = source::is_masked(&path);
                there.files.entry(name).or_insert((!masked).then_some(path));
            }
        }
        there.directories.push(folder);
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
            } else if source::is_masked(&path) {
                state = SourceState::Masked;
            } else if templates::is_template(&name) {
                state = SourceState::Template;
            }
        }
        self.sources.insert(name.clone(), Source { name, path, state });
    }

    /// The names of all units, instances without a file not among them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// The template of an instance, unless it is masked or there is none.
    pub(crate) fn template_of(&self, name: &str) -> Option<&Source> {
        let (template, _) = templates::parts(name)?;
        self.sources.get(template).filter(|source| source.state != SourceState::Masked)
    }

    /// Drop-ins whose unit does not exist.
    pub(crate) fn orphans(&self) -> Vec<Diagnostic> {
        let without =
            |unit: &str| !self.sources.contains_key(unit) && self.template_of(unit).is_none();
        let lost = self.drop_ins.iter().filter(|(unit, _)| without(unit));
        lost.flat_map(|(unit, there)| there.directories.iter().map(move |folder| (unit, folder)))
            .map(|(unit, folder)| {
                let file = folder.display().to_string();
                let message = format!("there is no unit {} for these drop-ins", quoted(unit));
                let code = codes::NO_UNIT;
                let mut warning = Diagnostic::of_file(Severity::Warning, code, &file, message);
                if let Some(near) = nearest(unit, self.names()) {
                    warning.help(format!("did you mean `{near}`? Then call it {near}{DROP_INS}"));
                }
                warning
            })
            .collect()
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
