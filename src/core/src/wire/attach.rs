//! Parameters of `Attach`, `AttachSelf` and `Detach`. Each is answered by
//! [`Decided`](super::Decided).

use super::manager::RequestTag;
use serde::{Deserialize, Serialize};

/// Parameters of `Attach`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachParameters {
    /// The entity.
    pub name: String,
    /// The process that is to become its own.
    pub pid: i32,
    /// Of one that is made for it: it stays when its process has ended.
    #[serde(default)]
    pub keep_on_death: bool,
    /// By what its heartbeat is supervised; missing: as its unit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<AttachHeartbeat>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `AttachSelf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachSelfParameters {
    /// The entity; missing: the one that the caller is a process of.
    #[serde(default)]
    pub name: Option<String>,
    /// Of one that is made for it: it stays when its process has ended.
    #[serde(default)]
    pub keep_on_death: bool,
    /// By what its heartbeat is supervised; missing: as its unit says, or as
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<AttachHeartbeat>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// By what a heartbeat is supervised, as the process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachHeartbeat {
    /// The length of a period in nanoseconds, 10,000,000 or more.
    pub interval_ns: u64,
    /// So many periods in a row without a heartbeat are low; 0: never.
    pub low: u32,
    /// So many are high, not fewer than `low`; 0: never.
    pub high: u32,
}

/// Parameters of `Detach`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachParameters {
    /// The entity; missing: the one that the caller is a process of.
    #[serde(default)]
    pub name: Option<String>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}
