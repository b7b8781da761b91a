//! What monitor and loader tell each other: one answer to one question, by way
//! of files that only the two have open.

use ham_core::ids::EntityId;
use ham_core::monitor::Base;
use ham_core::wire::{Consequence, EntityChange};
use ham_unit::{Conf, DiagnosticReport, Severity};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::Path;

/// What is wanted of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// There is no plan: units with errors are left out.
    #[default]
    First,
    /// Something may have changed in the directories: what is unfinished is
    /// waited for, and what looks like an accident is held.
    Look,
    /// Somebody has asked for it.
    Asked {
        /// Units go although their directory is not there.
        prune: bool,
    },
}

/// The plan in force, in the file of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InForce {
    pub(crate) offset: u64,
    pub(crate) renewed: Vec<u32>,
    pub(crate) gone: Vec<u32>,
}

impl InForce {
    pub(crate) fn new(offset: u64, base: &Base) -> InForce {
        let numbers = |ids: &[EntityId]| ids.iter().map(|id| id.0).collect();
        InForce { offset, renewed: numbers(&base.renewed), gone: numbers(&base.gone) }
    }

    pub(crate) fn base(&self) -> Base {
        let ids = |numbers: &[u32]| numbers.iter().copied().map(EntityId).collect();
        Base { renewed: ids(&self.renewed), gone: ids(&self.gone) }
    }
}

/// A unit that was left out for its errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) name: String,
    /// Of the text of its file: as long as that is the same, its errors are
    /// known and keep nothing else from being applied.
    pub(crate) trace: u64,
}

/// What the loader is told, beside the directories.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) mode: Mode,
    /// Only these units, and what they need; none: all.
    pub(crate) names: Vec<String>,
    /// Of what they need only what is not there yet: whoever starts something
    /// changes nothing else.
    pub(crate) only_new: bool,
    pub(crate) in_force: Option<InForce>,
    /// Names of entities that were made at run time.
    pub(crate) made: Vec<String>,
    /// Whether there was nothing to be said then.
    pub(crate) clean: bool,
    /// Of the directories, as they were when they were last loaded.
    pub(crate) trace: u64,
    pub(crate) refused: Vec<Refused>,
    /// Instances of templates that somebody wants, or that run.
    pub(crate) instances: Vec<String>,
    /// Units whose file was missing a while ago, too.
    pub(crate) missing: Vec<String>,
}

/// What may happen to an entity whose unit has not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Follows {
    /// If that one is restarted; or is to run, and needs this one since it has
    /// changed, or cannot be up beside it.
    pub(crate) from: String,
    pub(crate) name: String,
    pub(crate) source: String,
    /// `Restarts`, `Starts` or, of a new one that would start, `Nothing`.
    pub(crate) then: Consequence,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// A plan follows.
    #[default]
    Plan,
    /// The plan in force is what the units say.
    Same,
    /// Nothing has changed in the directories.
    Unchanged,
    /// Somebody seems to be at work there: to be looked at again.
    Unsettled,
    /// The plan in force stays, for these errors.
    Kept,
}

/// What the loader answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) diagnostics: Vec<DiagnosticReport>,
    /// Why the plan in force stays, beside errors in units.
    pub(crate) reasons: Vec<String>,
    pub(crate) refused: Vec<Refused>,
    /// As far as units tell; what runs is the monitor's to know.
    pub(crate) changes: Vec<EntityChange>,
    /// What those may bring along, each after that which it follows from.
    pub(crate) follows: Vec<Follows>,
    pub(crate) missing: Vec<String>,
    pub(crate) trace: u64,
    /// Names whose coming and going in the watched directories matters, beside
    /// those of units.
    pub(crate) watched: Vec<String>,
    /// How many entities there are.
    pub(crate) entities: usize,
    /// What `ham.conf` says; `None`: it has errors.
    #[serde(default)]
    pub(crate) conf: Option<Conf>,
}

impl Answer {
    /// The name of the file, in the runtime directory, that keeps the last one.
    pub(crate) const FILE: &str = "loaded.json";

    /// The last one of a manager on this runtime directory.
    pub(crate) fn kept(runtime: &Path) -> Option<Answer> {
        serde_json::from_slice(&std::fs::read(runtime.join(Answer::FILE)).ok()?).ok()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|report| report.severity == Severity::Error)
    }

    /// Errors as text, with place and help.
    pub(crate) fn errors(&self) -> Vec<String> {
        let of_units = self.diagnostics.iter().filter(|report| report.severity == Severity::Error);
        let reasons = self.reasons.iter().cloned();
        of_units.map(|report| report.rendered.clone()).chain(reasons).collect()
    }

    /// Writes it, and behind it the bytes of a plan.
    pub(crate) fn write(&self, mut to: impl Write, plan: &[u8]) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        to.write_all(&(text.len() as u64).to_le_bytes())?;
        to.write_all(&text)?;
        to.write_all(plan)?;
        to.flush()
    }

    /// What was written so, with the bytes of the plan.
    ///
    /// # Errors
    /// When it is no answer, or longer than `limit` bytes.
    pub(crate) fn read(from: impl Read, limit: u64) -> Result<(Answer, Vec<u8>), String> {
        let mut bytes = Vec::new();
        from.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("could not read its answer: {error}"))?;
        let none = || "its answer is cut short".to_owned();
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(none)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| none())?;
        let text = rest.get(..length).ok_or_else(none)?;
        let answer =
            serde_json::from_slice(text).map_err(|error| format!("its answer is none: {error}"))?;
        bytes.drain(..length.saturating_add(8));
        Ok((answer, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let answer = Answer { trace: 7, entities: 2, ..Answer::default() };
        let mut bytes = Vec::new();
        answer.write(&mut bytes, b"plan").unwrap();
        let (again, plan) = Answer::read(bytes.as_slice(), 1 << 20).unwrap();
        assert_eq!((again.trace, again.entities, plan.as_slice()), (7, 2, &b"plan"[..]));
        for cut in [0, 7, 9, bytes.len() - 5] {
            assert!(Answer::read(&bytes[..cut], 1 << 20).is_err(), "{cut}");
        }
    }
}
