//! Parameters and results of what is about heartbeats: `HeartbeatPage`.

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
