//! What comes of a load, when there is a plan in force: it is replaced whole,
//! or not at all. Files that have vanished are not taken for removals where
//! that looks like an accident (details 23).

use super::in_force::Old;
use super::messages::{Mode, Outcome, Question, Refused};
use ham_core::plan::{EntityPlan, Known, join};
use ham_unit::{Loaded, Source, SourceState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// So many names are told.
const MOST_TOLD: usize = 8;

/// What is known of the files beside what was loaded.
pub(crate) trait Files {
    /// Of the text of a file, as it is.
    fn trace(&self, path: &Path) -> u64;
    /// Whether somebody has written it a moment ago.
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
    /// Units that were missing for the first time.
    pub(crate) missing: Vec<String>,
}

impl Decision {
    fn kept(self, reasons: Vec<String>) -> Decision {
        Decision { outcome: Outcome::Kept, reasons, ..self }
    }

    fn unsettled(self, missing: Vec<String>) -> Decision {
        Decision { outcome: Outcome::Unsettled, missing, ..self }
    }
}

/// Units that were refused, as they are.
pub(crate) fn refused(loaded: &Loaded, files: &dyn Files) -> Vec<Refused> {
    let names = loaded.refused.iter();
    let trace = |name: &String| {
        let source = loaded.sources.iter().find(|source| source.name == *name);
        source.map_or(0, |source| files.trace(&source.path))
    };
    names.map(|name| Refused { name: name.clone(), trace: trace(name) }).collect()
}

/// Decides.
pub(crate) fn decide(
    question: &Question,
    old: &Old,
    loaded: &Loaded,
    files: &dyn Files,
) -> Decision {
    let looks = question.mode == Mode::Look;
    let refused = refused(loaded, files);
    let decision = Decision { refused, ..Decision::default() };
    let is_known = |file: &str| {
        let source = loaded.sources.iter().find(|source| source.path == Path::new(file));
        source.is_some_and(|source| {
            let is = decision.refused.iter().find(|refused| refused.name == source.name);
            is.is_some_and(|is| question.refused.contains(is))
        })
    };
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let mut blocking = errors.filter(|diagnostic| !is_known(&diagnostic.file)).peekable();
    if blocking.peek().is_some() {
        let unfinished = looks && blocking.any(|error| files.is_fresh(Path::new(&error.file)));
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
    let gone: Vec<&Known> = old.of_units().filter(|known| !is_there(known, loaded)).collect();
    let prune = matches!(question.mode, Mode::Asked { prune: true });
    let vanished = vanished(&gone, loaded);
    if !prune && !vanished.is_empty() {
        return decision.kept(vanished);
    }
    let silent: Vec<&Known> =
        gone.iter().copied().filter(|known| !is_masked(known, loaded)).collect();
    if looks && silent.len() > 1 {
        let names = told(silent.iter().map(|known| known.plan.name.as_str()));
        let reason = format!(
            "error: the files of {} units are gone at once: {names}\n  help: this may be an \
             accident, so nothing is done; `hamctl apply` removes them",
            silent.len()
        );
        return decision.kept(vec![reason]);
    }
    if looks && let Some(known) = silent.first() {
        let name = &known.plan.name;
        if !question.missing.contains(name) {
            return decision.unsettled(vec![name.clone()]);
        }
    }
    let ids = gone.iter().map(|known| known.plan.id).collect();
    let entities = join(&old.entities, &loaded.entities, &ids);
    let same = entities.len() == old.ids.len()
        && entities.iter().all(|entity| {
            old.entities.get(&entity.name).is_some_and(|known| known.plan == *entity)
        });
    let outcome = if same { Outcome::Same } else { Outcome::Plan };
    Decision { outcome, entities, ..decision }
}

/// Whether there is a file of it, right or wrong.
fn is_there(known: &Known, loaded: &Loaded) -> bool {
    let source = source_of(&known.plan.name, loaded);
    source.is_some_and(|source| match source.state {
        SourceState::Loaded | SourceState::Refused => true,
        SourceState::Masked | SourceState::Template => false,
    })
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
    for known in gone.iter().filter(|known| !is_masked(known, loaded)) {
        let Some(directory) = Path::new(&known.plan.source).parent() else { continue };
        let is_read = loaded.directories.iter().any(|read| read == directory);
        let has_units =
            loaded.sources.iter().any(|source| source.path.parent() == Some(directory));
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

fn told<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len() > MOST_TOLD;
    let names: Vec<&str> = names.take(MOST_TOLD).collect();
    format!("{}{}", names.join(", "), if more { ", …" } else { "" })
}
