//! The result of `Show`: everything about one entity.

use super::{Disarmed, EntityStatus};
use serde::{Deserialize, Serialize};

/// Result of `Show`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its state.
    pub status: EntityStatus,
    /// What stands behind it: the word of its `type`, `target`, `placeholder` or
    /// `global`.
    pub kind: String,
    /// When it counts as up: `exec`, `notify`, `fd N` or `path PATH`.
    pub ready_when: String,
    /// The file that it came from.
    pub source: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// User, as the unit resolved it: `uid:gid`; `null` when the manager's.
    pub user: Option<String>,
    /// The user whose processes may attach themselves; `null`: none.
    pub attach_by: Option<u32>,
    /// Its conditions in order.
    pub conditions: Vec<ShownCondition>,
    /// Action lists of it that are in progress, in words.
    pub running: Vec<String>,
    /// It cannot be up without these.
    pub requires: Vec<String>,
    /// These are started with it.
    pub wants: Vec<String>,
    /// It starts after these, which it neither requires nor wants.
    pub after: Vec<String>,
    /// It is never up at the same time as these.
    pub conflicts: Vec<String>,
    /// Paths of what was made at run time; its own name, if no unit has it.
    pub run_time: Vec<String>,
    /// How its heartbeat is watched; `null`: its unit has none.
    pub heartbeat: Option<ShownHeartbeat>,
    /// The names that its unit gives to states and sets of them.
    pub states: Vec<ShownStates>,
    /// Its flags.
    pub flags: Vec<String>,
    /// What of it is disarmed.
    pub disarmed: Vec<Disarmed>,
    /// What of it has gone by itself.
    pub gone: Vec<ShownGone>,
}

/// How a heartbeat is watched, in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownHeartbeat {
    /// The length of a period in nanoseconds.
    pub interval_ns: u64,
    /// So many periods in a row without one are low; 0: never.
    pub low: u32,
    /// So many are high; 0: never.
    pub high: u32,
    /// Nanoseconds from its start to the first period.
    pub grace_ns: u64,
    /// More than so many are too many; `null`: they are not counted.
    pub max: Option<u32>,
    /// In so many nanoseconds; `null`: likewise.
    pub max_within_ns: Option<u64>,
    /// Whether it is not counted until somebody resumes it, or all.
    pub suspended: bool,
}

/// A name for states, in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownStates {
    /// The name.
    pub name: String,
    /// The states that it stands for.
    pub states: Vec<u32>,
    /// It stands for all but these.
    pub not: bool,
}

/// An item that has gone by itself, in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShownGone {
    /// Its path.
    pub path: String,
    /// Since when, in seconds since the epoch.
    pub since: f64,
    /// It was not re-armed after this restart, by the count of the entity that its
    /// condition is about; `null`: it has failed and was not kept.
    pub restart: Option<u64>,
}

/// One condition in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCondition {
    /// Its name.
    pub name: String,
    /// What fires it.
    pub on: String,
    /// Which occurrences of that, in words; empty: all.
    pub only: String,
    /// The entity that it is about; `null`: its own, in a global unit any.
    pub of: Option<String>,
    /// `in-order`, `no-wait` or `independent`.
    pub class: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// Whether it is armed.
    pub armed: bool,
    /// Its actions: name and verb.
    pub actions: Vec<ShownAction>,
}

/// One action in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownAction {
    /// Its name.
    pub name: String,
    /// The word of the unit file.
    pub verb: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// Whether it is still in the list.
    pub armed: bool,
    /// What is done when it fails, in order.
    pub on_fail: Vec<ShownOnFail>,
}

/// One item of an on-fail list in `Show`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownOnFail {
    /// The word of the unit file.
    pub verb: String,
    /// The name of one that was added at run time; those of units have none.
    pub name: Option<String>,
}
