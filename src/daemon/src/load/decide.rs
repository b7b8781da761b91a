//! What comes of a load, when there is a plan in force: it is replaced whole,
//! or not at all. Files that have vanished are not taken for removals where
//! that looks like an accident (details 23).

use super::emergency::is_built_in;
use super::in_force::Old;
use super::messages::{Mode, Outcome, Question, Refused};
use super::some;
use super::unfinished;
use ham_core::plan::{EntityPlan, Known, join};
use ham_unit::{Loaded, Source, SourceState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// So many names are told.
const MOST_TOLD: usize = 8;
/// How directories of drop-ins are called, behind the name of the unit.
const DROP_INS: &str = ".toml.d";

/// What is known of the files beside what was loaded.
pub(crate) trait Files {
    /// Of the text of a file, as it is.
    fn trace(&self, path: &Path) -> u64;
    /// Whether somebody has written it a moment ago; or, of a directory, a file
    /// in it.
    fn is_fresh(&self, path: &Path) -> bool;
}

/// The decision.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    /// The new plan.
    pub(crate) entities: Vec<EntityPlan>,
    /// Why the plan in force stays, beside errors in units.
    pub(crate) reasons: Vec<String>,
    pub(crate) refused: Vec<Refused>,
    /// What was missing for the first time: units, or [`unfinished::CONF`].
    pub(crate) missing: Vec<String>,
    /// Units that are gone and kept.
    pub(crate) held_back: Vec<String>,
}

impl Decision {
    pub(super) fn kept(self, reasons: Vec<String>) -> Decision {
        Decision { outcome: Outcome::Kept, reasons, ..self }
    }

    /// These, unless they are what is.
    pub(super) fn plan(self, old: &Old, entities: Vec<EntityPlan>) -> Decision {
        let outcome = if old.is(&entities) { Outcome::Same } else { Outcome::Plan };
        Decision { outcome, entities, ..self }
    }

    pub(super) fn unsettled(self, missing: Vec<String>) -> Decision {
        Decision { outcome: Outcome::Unsettled, missing, ..self }
    }
}

/// Units that were refused, as they are.
pub(crate) fn refused(loaded: &Loaded, files: &dyn Files) -> Vec<Refused> {
    let names = loaded.refused.iter();
    // All of its files: of these with a drop-in, each can be what is wrong.
    let trace = |name: &String| {
        let source = loaded.sources.iter().find(|source| source.name == *name);
        let own = source.map(|source| source.path.clone());
        let drop_ins = loaded.drop_in_directories.iter().filter(|path| is_of(path, name));
        own.iter().chain(drop_ins).fold(0, |all: u64, path| all.rotate_left(7) ^ files.trace(path))
    };
    names.map(|name| Refused { name: name.clone(), trace: trace(name) }).collect()
}

/// Decides; `directories`: those that were to be read.
pub(crate) fn decide(
    question: &Question,
    directories: &[PathBuf],
    old: &Old,
    loaded: &Loaded,
    files: &dyn Files,
) -> Decision {
    let looks = question.mode == Mode::Look;
    let refused = refused(loaded, files);
    let mut decision = Decision { refused, ..Decision::default() };
    if looks && let Some(missing) = unfinished::conf(question, directories, loaded, files) {
        return decision.unsettled(missing);
    }
    let gone: Vec<&Known> = old.of_units().filter(|known| !is_there(known, loaded)).collect();
    let silent: Vec<&Known> =
        gone.iter().copied().filter(|known| !is_meant(known, loaded)).collect();
    // One of them that comes back does not make a removal of the other.
    let is_held = |name: &String| looks && silent.len() > 1 || question.held_back.contains(name);
    let names = silent.iter().map(|known| known.plan.name.clone());
    decision.held_back = names.filter(is_held).collect();
    let is_known = |file: &str| {
        let mut units = units_of(file, loaded).peekable();
        units.peek().is_some()
            && units.all(|name| {
                let is = decision.refused.iter().find(|refused| refused.name == name);
                is.is_none_or(|is| question.refused.contains(is))
            })
    };
    // Whoever replaces a file, or a directory, may be between two steps of that;
    // and what names a unit is wrong for as long.
    if looks && silent.iter().any(|known| !question.missing.contains(&known.plan.name)) {
        let names = silent.iter().map(|known| known.plan.name.clone());
        return decision.unsettled(names.collect());
    }
    let chosen = match question.names.is_empty() {
        true => None,
        false => match some::choose(question, old, loaded) {
            Ok(chosen) => Some(chosen),
            Err(reasons) => return decision.kept(reasons),
        },
    };
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    // That a directory cannot be read matters to whom units came from it: those
    // that have vanished with it are looked at below.
    let of_directory = |file: &str| directories.iter().any(|path| path == Path::new(file));
    let blocks = |file: &str| match &chosen {
        _ if of_directory(file) => refuses_what_is(Path::new(file), old, loaded),
        Some(chosen) => some::concerns(file, chosen, loaded),
        None => !is_known(file),
    };
    let mut blocking = errors.filter(|diagnostic| blocks(&diagnostic.file)).peekable();
    if blocking.peek().is_some() {
        let unfinished = looks
            && !question.overdue
            && blocking.any(|error| files.is_fresh(Path::new(&error.file)));
        return match unfinished {
            true => decision.unsettled(question.missing.clone()),
            false => decision.kept(Vec::new()),
        };
    }
    if let Some(name) =
        loaded.entities.iter().map(|entity| &entity.name).find(|name| question.made.contains(name))
    {
        let reason = format!(
            "error: the entity {name} was made at run time, and a unit has its name\n  help: \
             `hamctl remove {name}`, or rename the unit"
        );
        return decision.kept(vec![reason]);
    }
    if let Some(chosen) = &chosen {
        let entities = some::join(old, loaded, chosen);
        return decision.with(old, entities);
    }
    let prune = matches!(question.mode, Mode::Asked { prune: true });
    let vanished = vanished(&gone, loaded);
    if !prune && !vanished.is_empty() {
        return decision.kept(vanished);
    }
    if looks && !decision.held_back.is_empty() {
        let reason = held_back(&decision.held_back);
        return decision.kept(vec![reason]);
    }
    decision.held_back.clear();
    let ids = gone.iter().map(|known| known.plan.id).collect();
    let entities = join(&old.entities, &loaded.entities, &ids);
    decision.plan(old, entities)
}

/// Whether a directory of drop-ins is one of that unit.
pub(super) fn is_of(path: &Path, name: &str) -> bool {
    let folder = path.file_name().map(|folder| folder.to_string_lossy());
    let of = folder.as_deref().and_then(|folder| folder.strip_suffix(DROP_INS));
    // Those of a template are of each of its instances.
    of.is_some_and(|of| of == name || (of.ends_with('@') && name.starts_with(of)))
}

/// The units that a file belongs to.
pub(super) fn units_of<'a>(
    file: &'a str,
    loaded: &'a Loaded,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let path = Path::new(file);
    let folder = path.parent();
    let belongs = move |source: &&Source| {
        source.path == path || folder.is_some_and(|folder| is_of(folder, &source.name))
    };
    let of_template = |source: &&Source| source.state != SourceState::Template;
    loaded.sources.iter().filter(belongs).filter(of_template).map(|source| source.name.as_str())
}

/// Whether it is an instance of a template that is there, and has no file: it
/// goes when nobody wants it any more.
fn is_unwanted(known: &Known, loaded: &Loaded) -> bool {
    let Some((template, _)) = known.plan.name.split_once('@') else { return false };
    let template = format!("{template}@");
    let path = Path::new(&known.plan.source);
    let by_need = path.file_stem().is_some_and(|stem| stem == template.as_str());
    by_need && source_of(&template, loaded).is_some()
}

/// Whether a directory is not trusted any more, and units came from it.
fn refuses_what_is(directory: &Path, old: &Old, loaded: &Loaded) -> bool {
    let is_there = |source: &Source| {
        source.state == SourceState::Refused && source.path.parent() == Some(directory)
    };
    !loaded.directories.iter().any(|read| read == directory)
        && old.of_units().any(|known| source_of(&known.plan.name, loaded).is_some_and(is_there))
}

/// Whether there is a file of it, right or wrong.
pub(super) fn is_there(known: &Known, loaded: &Loaded) -> bool {
    let source = source_of(&known.plan.name, loaded);
    source.is_some_and(|source| match source.state {
        SourceState::Loaded | SourceState::Refused => true,
        SourceState::Masked | SourceState::Template => false,
    })
}

/// Whether it is gone since somebody wants that, and not by accident.
fn is_meant(known: &Known, loaded: &Loaded) -> bool {
    is_masked(known, loaded) || is_unwanted(known, loaded) || is_built_in(&known.plan)
}

/// Whether somebody has said that there is to be no such entity.
fn is_masked(known: &Known, loaded: &Loaded) -> bool {
    let source = source_of(&known.plan.name, loaded);
    source.is_some_and(|source| source.state == SourceState::Masked)
}

fn source_of<'a>(name: &str, loaded: &'a Loaded) -> Option<&'a Source> {
    // In order of name.
    let place = loaded.sources.binary_search_by(|source| source.name.as_str().cmp(name)).ok()?;
    loaded.sources.get(place)
}

/// Directories that units came from and that cannot be read, or are empty all
/// of a sudden, each in a sentence.
fn vanished(gone: &[&Known], loaded: &Loaded) -> Vec<String> {
    let mut lost: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for known in gone.iter().filter(|known| !is_meant(known, loaded)) {
        let Some(directory) = Path::new(&known.plan.source).parent() else { continue };
        let is_read = loaded.directories.iter().any(|read| read == directory);
        let has_units = loaded.sources.iter().any(|source| source.path.parent() == Some(directory));
        if !is_read || !has_units {
            lost.entry(directory.to_owned()).or_default().push(&known.plan.name);
        }
    }
    // The last unit of a directory may go like any other.
    lost.retain(|directory, names| {
        names.len() > 1 || !loaded.directories.iter().any(|read| read == directory)
    });
    lost.into_iter()
        .map(|(directory, names)| {
            let is_read = loaded.directories.contains(&directory);
            let what = if is_read { "is empty" } else { "is not there, or cannot be read" };
            format!(
                "error: the directory {} {what}, and units came from it: {}\n  help: nothing is \
                 done for that; `hamctl apply --prune` removes them",
                directory.display(),
                told(names.into_iter())
            )
        })
        .collect()
}

/// That these are gone, and that nothing is done for it.
fn held_back(names: &[String]) -> String {
    let (what, whom) = match names {
        [name] => (format!("the file of {name} is gone, as those of others were with it"), "it"),
        names => {
            let all = told(names.iter().map(String::as_str));
            (format!("the files of {} units are gone at once: {all}", names.len()), "them")
        }
    };
    format!(
        "error: {what}\n  help: this may be an accident, so nothing is done; `hamctl apply` \
         removes {whom}"
    )
}

fn told<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len() > MOST_TOLD;
    let names: Vec<&str> = names.take(MOST_TOLD).collect();
    format!("{}{}", names.join(", "), if more { ", …" } else { "" })
}
