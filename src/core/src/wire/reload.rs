//! Parameters and results of `Plan` and `Apply`: what unit files would change,
//! and have changed, of a manager that runs.

use super::manager::null_is_missing;
use serde::{Deserialize, Serialize};

/// Parameters of `Plan` and `Apply`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadParameters {
    /// Only these units, and what they need; none: all.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub names: Vec<String>,
    /// Units go although the directory that they came from is not there.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub prune: bool,
}

/// Result of `Plan` and `Apply`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Whether the changes are in force now.
    pub applied: bool,
    /// The generation of the plan that is in force.
    pub generation: u64,
    /// What changes, by name.
    pub changes: Vec<EntityChange>,
    /// What keeps them from being applied, as text with place and help.
    pub errors: Vec<String>,
    /// What else there is to be said, likewise.
    pub remarks: Vec<String>,
}

/// What happens to one entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityChange {
    /// Its name.
    pub name: String,
    /// The file that it comes, or came, from.
    pub source: String,
    /// What has become of its unit.
    pub what: ChangeKind,
    /// What that means for it.
    pub then: Consequence,
    /// What its unit says otherwise.
    pub keys: Vec<KeyChange>,
}

/// What has become of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is there.
    Added,
    /// It says something else.
    Changed,
    /// It is not there any more.
    Removed,
}

/// What a change means for an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// It is there, and starts when somebody says so.
    Nothing,
    /// It holds, whatever runs.
    AtOnce,
    /// It holds for its next process; one that runs goes on as it is.
    NextStart,
    /// It starts.
    Starts,
    /// Its process is restarted.
    Restarts,
    /// It is stopped, and then it is gone.
    Stops,
}

impl Consequence {
    /// As it is shown to people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Consequence::Nothing => "does not start by itself",
            Consequence::AtOnce => "at once",
            Consequence::NextStart => "from its next start on",
            Consequence::Starts => "starts",
            Consequence::Restarts => "restarts",
            Consequence::Stops => "is stopped",
        }
    }
}

/// What a unit says otherwise under one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The key; conditions and actions by path, as `condition death` and
    /// `action death/restart`.
    pub key: String,
    /// What it said, as TOML; `null`: nothing.
    pub old: Option<String>,
    /// What it says, likewise.
    pub new: Option<String>,
    /// From when on that holds: `at-once`, `next-start`, or `restarts` when a
    /// process that runs was made of what it said.
    pub when: Consequence,
}
