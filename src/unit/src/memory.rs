//! What is remembered of units that were read, so that who changes one of ten
//! thousand does not have all of them read again. What a unit became is in the
//! plan in force; here stand the traces of its files, and what others must know
//! of it. A unit stays as it is if its files have not changed, nor any unit that
//! it names, or that names it.
//!
//! Read again in any case is what may read otherwise the next time: other than
//! plain files, those that others may write, instances and who names them, those
//! whose users other databases have, and units of which something was to be said.

use crate::draft::Draft;
use crate::layers::Layers;
use crate::order::Neighbour;
use crate::references::Reference;
use crate::stamp::{Stamp, is_just_written};
use crate::watching::Watch;
use ham_core::plan::{EntityPlan, HeartbeatPlan, Kind, StartMode, StateSet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `S_IFMT` and `S_IFREG` of <sys/stat.h>.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// Who may write beside the owner.
const OTHERS: u32 = 0o022;

/// The units that were read, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    units: BTreeMap<String, Remembered>,
}

impl Memory {
    /// How many units need not be read again as long as their files are the same.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.values().filter(|unit| unit.files.is_some()).count()
    }

    /// Whether all are to be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unit, if these are its files as they were.
    pub(crate) fn of(&self, name: &str, files: &[FileTrace]) -> Option<&Remembered> {
        self.units.get(name).filter(|unit| unit.files.as_deref() == Some(files))
    }

    /// All names, and for each those that it gives.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.units.iter().map(|(name, unit)| (name.as_str(), unit.named()))
    }
}

/// A file as it looks from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileTrace {
    path: PathBuf,
    stamp: Stamp,
}

impl FileTrace {
    /// `None` when the file may change without a trace, or what becomes of it
    /// depends on more than itself.
    fn of(path: &Path) -> Option<FileTrace> {
        let is = std::fs::symlink_metadata(path).ok()?;
        let plain = is.mode() & KIND == REGULAR && is.mode() & OTHERS == 0;
        (plain && !is_just_written(&is))
            .then(|| FileTrace { path: path.to_owned(), stamp: Stamp::of(&is) })
    }

    /// Of all files of a unit, taken before they are read.
    pub(crate) fn of_all(files: &[PathBuf]) -> Option<Vec<FileTrace>> {
        files.iter().map(|path| FileTrace::of(path)).collect()
    }
}

/// What others must know of the entity that a unit becomes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Being {
    pub(crate) is_global: bool,
    pub(crate) is_placeholder: bool,
    pub(crate) heartbeat: Option<HeartbeatPlan>,
    /// How it starts, as its own text says.
    pub(crate) said_start: StartMode,
    /// How it starts in the end.
    pub(crate) start: StartMode,
}

impl Being {
    pub(crate) fn of(plan: &EntityPlan) -> Being {
        Being {
            is_global: plan.kind == Kind::Global,
            is_placeholder: matches!(plan.kind, Kind::Placeholder { .. }),
            heartbeat: plan.heartbeat,
            said_start: plan.start,
            start: plan.start,
        }
    }
}

/// A unit that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// `None`: it is read in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileTrace>>,
    pub(crate) being: Being,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    neighbours: Vec<Neighbour>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watches: Vec<Watch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<(String, StateSet)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Range<usize>>,
}

impl Remembered {
    /// The units that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        // Who is watched is a neighbour, too.
        self.neighbours.iter().map(|neighbour| neighbour.name.as_str()).chain(
            // What an action names.
            self.references.iter().map(|reference| reference.name.as_str()),
        )
    }

    /// What is to be compared with others; `text` gives its name only.
    pub(crate) fn draft<'a>(self, name: &'a str, text: &'a Layers) -> Draft<'a> {
        let Remembered { files, being, references, neighbours, watches, states, heartbeat } = self;
        Draft {
            references,
            neighbours,
            watches,
            states,
            heartbeat,
            being: Some(being),
            files,
            is_recalled: true,
            ..Draft::empty(name, text)
        }
    }
}

/// What is to be remembered of these units.
pub(crate) fn remember<'a>(drafts: impl IntoIterator<Item = Draft<'a>>) -> Memory {
    let remembered = |draft: Draft<'a>| {
        let unit = Remembered {
            files: draft.files,
            being: draft.being.filter(|_| !draft.refused)?,
            references: draft.references,
            neighbours: draft.neighbours,
            watches: draft.watches,
            states: draft.states,
            heartbeat: draft.heartbeat,
        };
        Some((draft.name.to_owned(), unit))
    };
    Memory { units: drafts.into_iter().filter_map(remembered).collect() }
}

/// Of the units that are remembered those that a change concerns: they name one
/// of the changed, or are named by one, as it is or as it was.
pub(crate) fn concerned<'a>(
    recalled: impl Iterator<Item = (&'a str, &'a Remembered)>,
    changed: &BTreeSet<String>,
    named_by_them: &BTreeSet<String>,
) -> BTreeSet<String> {
    let concerns = |(name, unit): &(&str, &Remembered)| {
        named_by_them.contains(*name) || unit.named().any(|other| changed.contains(other))
    };
    recalled.filter(concerns).map(|(name, _)| name.to_owned()).collect()
}
