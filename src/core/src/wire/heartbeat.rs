//! What is about heartbeats: `HeartbeatPage`, and a part of `Status`.

use serde::{Deserialize, Serialize};

/// Parameters of `HeartbeatPage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatPageParameters {
    /// The entity; missing: the one that the caller is a process of.
    #[serde(default)]
    pub name: Option<String>,
}

/// Result of `HeartbeatPage`; a descriptor comes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatPage {
    /// Where the line of the entity begins in the memory of the descriptor.
    pub offset: i64,
    /// How long it is.
    pub bytes: i64,
}

/// The heartbeat of an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatStatus {
    /// Nanoseconds since the look that has last seen one; `null`: none has.
    pub age_ns: Option<u64>,
    /// Periods in a row without one.
    pub missed: u64,
    /// `healthy`, `low` or `high`.
    pub level: String,
    /// The length of a period in nanoseconds.
    pub interval_ns: u64,
    /// Whether it is not counted at present.
    pub suspended: bool,
}
