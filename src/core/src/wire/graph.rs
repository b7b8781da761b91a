//! Parameters and results of `Graph` and `StopPlan`: what entities are to each
//! other, when each came up, and what a stop would take with it.

use super::manager::null_is_missing;
use serde::{Deserialize, Serialize};

/// Parameters of `Graph` and `StopPlan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Names or globs; none at all means every entity, which only `Graph`
    /// accepts.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub names: Vec<String>,
}

/// Result of `Graph`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// When the manager was started, on the monotonic clock: where a chart of
    /// its start begins.
    pub started_mono_ns: u64,
    /// By name.
    pub entities: Vec<GraphEntity>,
}

/// One entity and its neighbours, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphEntity {
    /// Its name.
    pub name: String,
    /// `service`, `oneshot`, `forking` or `target`.
    pub kind: String,
    /// `auto` or `manual`: whether it starts with the manager.
    pub start: String,
    /// As in `Status`.
    pub state: String,
    /// As in `Status`.
    pub ready: bool,
    /// It cannot be up without these.
    pub requires: Vec<String>,
    /// These are started with it.
    pub wants: Vec<String>,
    /// It starts after these, which it neither requires nor wants.
    pub after: Vec<String>,
    /// It is never up at the same time as these.
    pub conflicts: Vec<String>,
    /// As in `Status`.
    pub waits_for: Vec<String>,
    /// Its last start: since when it waited for others.
    pub asked_mono_ns: Option<u64>,
    /// Since when it waited for the path of `start-when`.
    #[serde(default)]
    pub gated_mono_ns: Option<u64>,
    /// That path, absent when it has none.
    #[serde(default)]
    pub start_when: Option<String>,
    /// Since when it was being started.
    pub begun_mono_ns: Option<u64>,
    /// Since when it was up.
    pub up_mono_ns: Option<u64>,
    /// Since when it was in its state.
    #[serde(default)]
    pub since_mono_ns: Option<u64>,
    /// Why it is in its state, one phrase.
    pub why: String,
}

/// Result of `StopPlan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    /// In the order in which they would stop.
    pub stops: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_left_out_or_null() {
        for text in ["{}", r#"{"names": null}"#, r#"{"names": []}"#] {
            let asked: Chosen = serde_json::from_str(text).unwrap();
            assert_eq!(asked, Chosen::default());
        }
    }
}
