//! Parameters and results of `History` and `Verbosity`: what has happened,
//! and how much of it the log tells.

use super::manager::{ExitReport, null_is_missing};
use serde::{Deserialize, Serialize};

/// Parameters of `History`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryParameters {
    /// Names or globs; none at all means everything, the manager included.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub names: Vec<String>,
    /// The first number wanted: the `next` of the batch before.
    #[serde(default)]
    pub after: Option<u64>,
    /// Nothing that happened before this, in seconds since the epoch.
    #[serde(default)]
    pub since: Option<f64>,
    /// The newest so many of these.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Go on with what happens from then on; needs `more` in the call.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub follow: bool,
}

/// Result of `History`; when following, one batch of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Oldest first.
    pub facts: Vec<HistoryFact>,
    /// The number that comes next, to go on from by `after`.
    pub next: u64,
    /// Entries that were asked for and have been overwritten already, of
    /// whatever entity.
    pub lost: u64,
}

/// Something that has happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryFact {
    /// Counted up from 0 since the manager was started.
    pub number: u64,
    /// When, in seconds since the epoch.
    pub time: f64,
    /// When, on the monotonic clock.
    pub mono_ns: u64,
    /// The entity; empty: the manager itself.
    pub name: String,
    /// What, in one word.
    pub kind: String,
    /// The process that started or ended.
    pub pid: Option<i32>,
    /// How the process, or the command of a failed action, ended.
    pub exit: Option<ExitReport>,
    /// The condition that fired, or whose action it is.
    pub condition: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// Of a start: whether a restart action brought it.
    pub again: Option<bool>,
    /// The words of its line in the log, without time and name.
    pub text: String,
}

/// Parameters of `Verbosity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerbosityParameters {
    /// What it is to be, 0 to 9; missing: as it is.
    #[serde(default)]
    pub set: Option<u64>,
}

/// Result of `Verbosity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verbosity {
    /// What it is now.
    pub verbosity: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_left_out_or_null() {
        let nulls =
            r#"{"names": null, "after": null, "since": null, "limit": null, "follow": null}"#;
        for text in ["{}", nulls] {
            let asked: HistoryParameters = serde_json::from_str(text).unwrap();
            assert_eq!(asked, HistoryParameters::default());
        }
        assert!(serde_json::from_str::<HistoryParameters>(r#"{"after": -1}"#).is_err());
        let asked: VerbosityParameters = serde_json::from_str(r#"{"set": null}"#).unwrap();
        assert_eq!(asked.set, None);
    }
}
