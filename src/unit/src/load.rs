//! Directories, one file, or one text: what is found is handed to `compare`.

use crate::assemble::{Assembled, assemble, masking};
use crate::codes;
use crate::compare::compare;
use crate::conf::{self, Conf};
use crate::diagnostic::{Diagnostic, Severity};
use crate::directory::{self, Found, Source, SourceState};
use crate::enablement;
use crate::gather::{self, Unit};
use crate::layers::Layers;
use crate::memory::Memory;
use crate::names::{self, Named};
use crate::references::KnownNames;
use crate::source;
use crate::suggest::quoted;
use crate::syntax;
use crate::templates;
use crate::text::{Report, Text};
use crate::users::Users;
use ham_core::ids::EntityId;
use ham_core::plan::EntityPlan;
use std::collections::{BTreeSet, HashSet};
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
    /// Whether programs of commands, and the hardware watchdog, are looked for,
    /// for warnings.
    pub look_at_commands: bool,
    /// Where packages bring their units: one that is found below this starts
    /// by itself only when it is enabled.
    pub packaged: &'a Path,
    /// Instances of templates that are wanted beside those that have a file or
    /// a link, or that a unit names. They start by themselves only when they
    /// are enabled.
    pub instances: &'a [String],
    /// The id that an entity of this name already has.
    pub known_ids: &'a dyn Fn(&str) -> Option<EntityId>,
    /// Whether an id belongs to an entity already, be it in these files or
    /// not; such an id is given to no new one.
    pub id_in_use: &'a dyn Fn(EntityId) -> bool,
    /// What is remembered of the units that the plan in force was made from:
    /// those are not read that must be the same. `None`: nothing is remembered,
    /// and nothing is to be.
    pub memory: Option<&'a Memory>,
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
            instances: &[],
            known_ids: &|_| None,
            id_in_use: &|_| false,
            memory: None,
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
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every entity whose file has no error, in order of name, but for those of
    /// `kept`.
    pub entities: Vec<EntityPlan>,
    /// Entities that are as the plan in force has them, from their next start on
    /// at least, and were not read; none without a memory.
    pub kept: Vec<String>,
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
    /// The directories of drop-ins in them, also those that could not be read.
    pub drop_in_directories: Vec<PathBuf>,
    /// What `ham.conf` says, the defaults without one; `None` when it has
    /// errors, or was not looked for.
    pub conf: Option<Conf>,
    /// What is to be remembered for the next load of the same directories.
    pub memory: Memory,
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
    /// Instances that there are only because somebody named them.
    pub(crate) by_need: &'a BTreeSet<String>,
}

impl Scope<'_> {
    /// One text: others may exist that nobody has read.
    const PART: Scope<'static> =
        Scope { severity: Severity::Warning, enabled: None, by_need: &BTreeSet::new() };
}

/// Checks every unit of the search directories, and `ham.conf` in the first of
/// them. Of units and drop-ins of the same name that in the first directory
/// wins.
#[must_use]
pub fn load_directories(directories: &[PathBuf], settings: &Settings<'_>) -> Loaded {
    // What is said about a unit shows its text.
    let recalls = settings.memory.is_some_and(|memory| !memory.is_empty());
    let with_memory = if recalls { load(directories, settings) } else { None };
    let none = Memory::default();
    let all = Settings { memory: settings.memory.map(|_| &none), ..*settings };
    with_memory.or_else(|| load(directories, &all)).unwrap_or_default()
}

/// `None` when a unit has to be read that is remembered.
fn load(directories: &[PathBuf], settings: &Settings<'_>) -> Option<Loaded> {
    let mut gathered = gather::gather(directories, settings);
    gathered.read_what_is_concerned(settings);
    let found = &mut gathered.found;
    let mut known = KnownNames::default();
    for source in found.sources.values() {
        match source.state {
            SourceState::Loaded | SourceState::Refused => {
                known.entities.insert(source.name.clone());
            }
            SourceState::Masked => {
                let by = gathered.masked_by.get(&source.name).unwrap_or(&source.path);
                known.masked.insert(source.name.clone(), by.display().to_string());
            }
            SourceState::Template => {}
        }
    }
    let mut diagnostics = std::mem::take(&mut found.diagnostics);
    let first = directories.first();
    let conf = match first {
        Some(first) if !first.exists() => Some(Conf::default()),
        Some(first) if found.directories.contains(first) => {
            conf::read(&first.join(conf::FILE), settings, &mut diagnostics)
        }
        Some(_) | None => None,
    };
    let drop_ins = std::mem::take(&mut found.drop_ins).into_values();
    let mut loaded = Loaded {
        diagnostics,
        conf,
        drop_in_directories: drop_ins.flat_map(|there| there.directories).collect(),
        directories: std::mem::take(&mut found.directories),
        sources: std::mem::take(&mut found.sources).into_values().collect(),
        ..Loaded::default()
    };
    let whole = Scope {
        severity: Severity::Error,
        enabled: gathered.enabled.as_ref(),
        by_need: &gathered.by_need,
    };
    if !compare(&mut gathered.units, &known, &whole, settings, &mut loaded) {
        return None;
    }
    // What is wrong with a template is wrong with each of its instances.
    let mut said: HashSet<String> = HashSet::new();
    loaded.diagnostics.retain(|diagnostic| said.insert(diagnostic.render_plain()));
    Some(loaded)
}

/// Checks one file: a unit with its drop-ins, a template, a drop-in (or a directory
/// of them) with its unit, or `ham.conf`. The name of a file gives the name of the unit; the files
/// beside it count as known when an action names an entity, and one that is
/// not there is only a warning.
#[must_use]
pub fn check_file(path: &Path, settings: &Settings<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    let base = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if base == conf::FILE {
        loaded.conf = conf::read(path, settings, &mut loaded.diagnostics);
        return loaded;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let drop_ins = if is_drop_ins(path) { path } else { folder };
    if let Some(unit) = unit_of(drop_ins) {
        return match unit.is_file() {
            true => check_file(&unit, settings),
            false => lost(path, &unit, settings),
        };
    }
    let file = path.display().to_string();
    let name = base.strip_suffix(".toml").unwrap_or(&base).to_owned();
    loaded.diagnostics.extend(name_problem(&name, &file));
    let found = Found::beside(folder, settings);
    let own_drop_ins = |diagnostic: &&Diagnostic| {
        Path::new(&diagnostic.file) == folder.join(format!("{name}{}", directory::DROP_INS))
    };
    loaded.diagnostics.extend(found.diagnostics.iter().filter(own_drop_ins).cloned());
    let put = assemble(&name, Some(path), &found, settings, &mut loaded.diagnostics);
    let mut state = match &put {
        Assembled::Unit(_) if templates::is_template(&name) => SourceState::Template,
        Assembled::Unit(_) => SourceState::Loaded,
        Assembled::Masked(_) => SourceState::Masked,
        Assembled::Refused => SourceState::Refused,
    };
    let mut known = KnownNames::default();
    known.entities.extend(found.names().map(str::to_owned));
    known.entities.insert(name.clone());
    let mut units = Vec::new();
    if let Assembled::Unit(layers) = put {
        if state == SourceState::Template {
            let said = templates::check(&name, &layers, settings);
            if said.iter().any(Diagnostic::is_error) {
                state = SourceState::Refused;
            }
            loaded.diagnostics.extend(said);
            loaded.diagnostics.push(templates::note(&file));
        } else {
            let named = templates::named_by(&name, &layers, settings);
            let made = named.into_iter().filter(|name| found.template_of(name).is_some());
            known.entities.extend(made);
            units.push(Unit::read(name.clone(), layers));
        }
    }
    loaded.sources.push(Source { name, path: path.to_owned(), state });
    compare(&mut units, &known, &Scope::PART, settings, &mut loaded);
    loaded
}

/// The unit that a directory of this name has drop-ins of.
fn unit_of(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_string_lossy();
    let unit = name.strip_suffix(".d").filter(|unit| unit.ends_with(".toml"))?;
    Some(folder.with_file_name(unit))
}

/// Whether a path is a directory of drop-ins.
#[must_use]
pub fn is_drop_ins(path: &Path) -> bool {
    unit_of(path).is_some() && path.is_dir()
}

/// A drop-in of a unit that is not there, or all of them: whether it is TOML can
/// be said, and no more.
fn lost(path: &Path, unit: &Path, settings: &Settings<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    let found = Found::beside(unit.parent().unwrap_or(Path::new("")), settings);
    let all = || {
        let name = unit.file_stem()?.to_string_lossy();
        Some(found.drop_ins.get(name.as_ref())?.files.values().flatten().cloned().collect())
    };
    let files = if path.is_dir() { all().unwrap_or_default() } else { vec![path.to_owned()] };
    for path in files {
        match source::read_any(&path, settings) {
            Ok(text) => {
                let layers = Layers::one(Text::new(&path.display().to_string(), &text));
                let mut report = Report::new(&layers);
                syntax::parse(&layers, &mut report);
                loaded.diagnostics.extend(report.finish());
            }
            Err(problem) => loaded.diagnostics.push(*problem),
        }
    }
    let folder = format!("{}.d", unit.display());
    loaded.diagnostics.extend(found.orphans().into_iter().filter(|orphan| orphan.file == folder));
    loaded
}

/// The error about a file that cannot be a unit because of its name.
pub(crate) fn name_problem(name: &str, file: &str) -> Option<Diagnostic> {
    let why = names::refuse(name, Named::Entity)?;
    let message = format!("{} is no name of a unit: it {why}", quoted(name));
    Some(Diagnostic::of_file(Severity::Error, codes::BAD_NAME, file, message))
}

/// Checks a text that stands in no directory; `file` is what messages call
/// it. Entities that it names cannot be known, so that is only a warning.
#[must_use]
pub fn check_text(name: &str, file: &str, text: &str, settings: &Settings<'_>) -> Loaded {
    let mut known = KnownNames::default();
    known.entities.insert(name.to_owned());
    let path = PathBuf::from(file);
    let mut source = Source { name: name.to_owned(), path, state: SourceState::Loaded };
    let layers = Layers::one(Text::new(file, text));
    let layers = match templates::parts(name) {
        Some((_, instance)) => layers.instance(instance),
        None => layers,
    };
    let masked = masking(&layers).is_some();
    if masked {
        source.state = SourceState::Masked;
    }
    let mut loaded = Loaded { sources: vec![source], ..Loaded::default() };
    loaded.diagnostics.extend(name_problem(name, file));
    let mut units = Vec::new();
    if !masked {
        units.push(Unit::read(name.to_owned(), layers));
    }
    compare(&mut units, &known, &Scope::PART, settings, &mut loaded);
    loaded
}
