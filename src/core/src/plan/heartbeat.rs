//! How the heartbeat of an entity is watched.

use super::LimitPlan;
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// Time is cut into periods; in each at most one heartbeat counts (QNX HAM).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatPlan {
    /// The length of a period, at least [`HeartbeatPlan::SHORTEST`].
    pub interval: Span,
    /// So many periods in a row without one make `heartbeat-missed-low`; 0:
    /// never.
    pub low: u32,
    /// So many make `heartbeat-missed-high`, not fewer than `low`; 0: never.
    pub high: u32,
    /// How long after its start the first period begins.
    #[serde(default)]
    pub grace: Span,
    /// More than so many heartbeats in so much time make
    /// `heartbeat-too-many`; `None`: they are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<LimitPlan>,
}

impl HeartbeatPlan {
    /// The shortest period (QNX HAM: 1 s).
    pub const SHORTEST: Span = Span::millis(10);
}
