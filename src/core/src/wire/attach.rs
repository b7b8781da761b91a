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
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
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
