//! Directories, one file, or one text: what is found is handed to `compare`.

use crate::codes;
use crate::compare::compare;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::{self, Source, SourceState};
use crate::enablement;
use crate::names::{self, Named};
use crate::references::KnownNames;
use crate::source;
use crate::suggest::quoted;
use crate::text::Text;
use crate::users::Users;
use ham_core::ids::EntityId;
use ham_core::plan::EntityPlan;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a check depends on beside the files.
pub struct Settings<'a> {
    /// Where users and groups are looked up.
    pub users: &'a dyn Users,
    /// The user that the manager runs as: beside root the one whose files are
    /// trusted.
    pub euid: u32,
    /// Whether files and directories that their group may write are refused
    /// too; for the directories of the system.
    pub strict_owner: bool,
    /// Whether programs of commands are looked for, for warnings.
    pub look_at_commands: bool,
    /// Where packages bring their units: one that is found below this starts
    /// by itself only when it is enabled.
    pub packaged: &'a Path,
    /// The id that an entity of this name already has.
    pub known_ids: &'a dyn Fn(&str) -> Option<EntityId>,
    /// Whether an id belongs to an entity already, be it in these files or
    /// not; such an id is given to no new one.
    pub id_in_use: &'a dyn Fn(EntityId) -> bool,
}

impl Settings<'_> {
    /// Settings for a first load: no ids yet, lenient about groups, with a
    /// look at commands.
    #[must_use]
    pub fn new(users: &dyn Users, euid: u32) -> Settings<'_> {
        Settings {
            users,
            euid,
            strict_owner: false,
            look_at_commands: true,
            packaged: Path::new("/usr"),
            known_ids: &|_| None,
            id_in_use: &|_| false,
        }
    }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("users", &self.users)
            .field("euid", &self.euid)
            .field("strict_owner", &self.strict_owner)
            .field("look_at_commands", &self.look_at_commands)
            .field("packaged", &self.packaged)
            .finish_non_exhaustive()
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every entity whose file has no error, in order of name.
    pub entities: Vec<EntityPlan>,
    /// All that is to be said, file by file in order of name, directories
    /// first.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of units that have errors.
    pub refused: Vec<String>,
    /// Every unit file that was found, in order of name.
    pub sources: Vec<Source>,
    /// The search directories that were read. One that is absent or could not
    /// be read is not among them, and that its units are missing must not be
    /// taken for their removal.
    pub directories: Vec<PathBuf>,
}

impl Loaded {
    /// Whether anything is wrong.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// What the texts of one check are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// How grave it is when a name leads nowhere.
    pub(crate) severity: Severity,
    /// The links that say what starts, where the texts are those of the
    /// search directories.
    pub(crate) enabled: Option<&'a enablement::Links>,
}

impl Scope<'_> {
    /// One text: others may exist that nobody has read.
    const PART: Scope<'static> = Scope { severity: Severity::Warning, enabled: None };
}

/// Checks every unit of the search directories; the first directory that has
/// a name wins.
#[must_use]
pub fn load_directories(directories: &[PathBuf], settings: &Settings<'_>) -> Loaded {
    let mut found = directory::find(directories, settings);
    let mut texts: Vec<(String, Text)> = Vec::new();
    for source in found.sources.values_mut() {
        if source.state != SourceState::Loaded {
            continue;
        }
        match source::read(&source.path, settings) {
            Ok(text) => {
                let file = source.path.display().to_string();
                texts.push((source.name.clone(), Text::new(&file, &text)));
            }
            Err(problem) => {
                found.diagnostics.push(*problem);
                source.state = SourceState::Refused;
            }
        }
    }
    let mut known = KnownNames::default();
    for source in found.sources.values() {
        match source.state {
            SourceState::Loaded | SourceState::Refused => {
                known.entities.insert(source.name.clone());
            }
            SourceState::Masked => {
                known.masked.insert(source.name.clone(), source.path.display().to_string());
            }
            SourceState::Template => {}
        }
    }
    let enabled = directories.first().filter(|first| found.directories.contains(first));
    let enabled =
        enabled.map(|first| enablement::Links::read(first, settings, &mut found.diagnostics));
    let mut loaded = Loaded {
        diagnostics: found.diagnostics,
        directories: found.directories,
        sources: found.sources.into_values().collect(),
        ..Loaded::default()
    };
    let whole = Scope { severity: Severity::Error, enabled: enabled.as_ref() };
    compare(&texts, &known, &whole, settings, &mut loaded);
    loaded
}

/// Checks one file. Its name gives the name of the unit; the files beside it
/// count as known when an action names an entity, and one that is not there
/// is only a warning.
#[must_use]
pub fn check_file(path: &Path, settings: &Settings<'_>) -> Loaded {
    let file = path.display().to_string();
    let base = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = base.strip_suffix(".toml").unwrap_or(&base).to_owned();
    let mut loaded = Loaded::default();
    let mut state = SourceState::Loaded;
    loaded.diagnostics.extend(name_problem(&name, &file));
    let text = match source::read(path, settings) {
        Ok(text) => Some(text),
        Err(problem) => {
            loaded.diagnostics.push(*problem);
            state = SourceState::Refused;
            None
        }
    };
    loaded.sources.push(Source { name: name.clone(), path: path.to_owned(), state });
    let mut known = KnownNames::default();
    known.entities.insert(name.clone());
    for entry in path.parent().and_then(|parent| list(parent).ok()).into_iter().flatten() {
        if let Some(other) = entry.strip_suffix(".toml") {
            known.entities.insert(other.to_owned());
        }
    }
    let texts: Vec<(String, Text)> =
        text.map(|text| (name, Text::new(&file, &text))).into_iter().collect();
    compare(&texts, &known, &Scope::PART, settings, &mut loaded);
    loaded
}

/// The error about a file that cannot be a unit because of its name.
pub(crate) fn name_problem(name: &str, file: &str) -> Option<Diagnostic> {
    let why = names::refuse(name, Named::Entity)?;
    let message = format!("{} is no name of a unit: it {why}", quoted(name));
    Some(Diagnostic::of_file(Severity::Error, codes::BAD_NAME, file, message))
}

fn list(directory: &Path) -> std::io::Result<Vec<String>> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    std::fs::read_dir(here)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Checks a text that stands in no directory; `file` is what messages call
/// it. Entities that it names cannot be known, so that is only a warning.
#[must_use]
pub fn check_text(name: &str, file: &str, text: &str, settings: &Settings<'_>) -> Loaded {
    let mut known = KnownNames::default();
    known.entities.insert(name.to_owned());
    let path = PathBuf::from(file);
    let source = Source { name: name.to_owned(), path, state: SourceState::Loaded };
    let mut loaded = Loaded { sources: vec![source], ..Loaded::default() };
    loaded.diagnostics.extend(name_problem(name, file));
    let texts = [(name.to_owned(), Text::new(file, text))];
    compare(&texts, &known, &Scope::PART, settings, &mut loaded);
    loaded
}
