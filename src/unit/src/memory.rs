//! What is remembered of units that were read, so that who changes one of ten
//! thousand does not have all of them read again. What a unit becomes is in the
//! plan in force; here stand the traces of its files, and what of it is compared
//! with others.
//!
//! Remembered is only what reads the same whenever it is read again: plain files
//! that nobody else may write, of a unit that is no instance, names none, and of
//! which nothing was to be said.

use crate::draft::Draft;
use crate::layers::Layers;
use crate::load::Settings;
use crate::order::Neighbour;
use crate::references::Reference;
use crate::watching::Watch;
use ham_core::plan::{EntityPlan, StartMode, StateSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The kernel stamps files with the time of its last tick, 100 a second or more:
/// a file that was changed within one may be changed again and look the same.
const TICK: Duration = Duration::from_millis(20);
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
    /// How many units are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The unit, if these are its files as they were.
    fn of(&self, name: &str, files: &[FileTrace]) -> Option<&Remembered> {
        self.units.get(name).filter(|remembered| remembered.files == files)
    }
}

/// A file as it looks from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileTrace {
    path: PathBuf,
    /// Inode, size, and the times of the last write and the last change.
    stamp: [i64; 6],
}

impl FileTrace {
    /// `None` when the file may change without a trace, or what becomes of it
    /// depends on more than itself.
    fn of(path: &Path) -> Option<FileTrace> {
        let is = std::fs::symlink_metadata(path).ok()?;
        let changed = Duration::new(u64::try_from(is.ctime()).ok()?, 0)
            .checked_add(Duration::from_nanos(u64::try_from(is.ctime_nsec()).ok()?))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let settled = changed.checked_add(TICK)? < now;
        let plain = is.mode() & KIND == REGULAR && is.mode() & OTHERS == 0;
        let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
        let stamp = [
            number(is.ino()),
            number(is.size()),
            is.mtime(),
            is.mtime_nsec(),
            is.ctime(),
            is.ctime_nsec(),
        ];
        (settled && plain).then(|| FileTrace { path: path.to_owned(), stamp })
    }

    /// Of all files of a unit, taken before they are read.
    pub(crate) fn of_all(files: &[PathBuf]) -> Option<Vec<FileTrace>> {
        files.iter().map(|path| FileTrace::of(path)).collect()
    }
}

/// What a unit is to others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    files: Vec<FileTrace>,
    /// As its own text says.
    start: StartMode,
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

/// A unit that need not be read, and what it was read as.
#[derive(Debug)]
pub(crate) struct Recalled {
    remembered: Remembered,
    plan: EntityPlan,
}

impl Recalled {
    /// The unit of this name, if its files are those that are remembered, and
    /// the plan in force has it.
    pub(crate) fn find(
        name: &str,
        files: &[FileTrace],
        settings: &Settings<'_>,
    ) -> Option<Recalled> {
        let remembered = settings.memory?.of(name, files)?.clone();
        Some(Recalled { remembered, plan: (settings.in_force)(name)? })
    }

    /// As if it had been read; `text` gives its name only.
    pub(crate) fn draft<'a>(self, name: &'a str, text: &'a Layers) -> Draft<'a> {
        let Remembered { files, start, references, neighbours, watches, states, heartbeat } =
            self.remembered;
        let plan = EntityPlan { start, next: None, leaving: false, ..self.plan };
        Draft {
            plan: Some(plan),
            references,
            neighbours,
            watches,
            states,
            heartbeat,
            start: Some(start),
            files: Some(files),
            is_recalled: true,
            ..Draft::empty(name, text)
        }
    }
}

/// What is to be remembered of these units.
pub(crate) fn remember<'a>(drafts: impl IntoIterator<Item = Draft<'a>>) -> Memory {
    let remembered = |draft: Draft<'a>| {
        let unit = Remembered {
            files: draft.files?,
            start: draft.start?,
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
