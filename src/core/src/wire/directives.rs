//! Parameters and results of what is said of entities, or asked of their
//! heartbeats: `State`, `Raise`, `Heartbeat`.

use super::manager::{RequestTag, null_is_missing};
use serde::{Deserialize, Serialize};

/// Parameters of `State`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateParameters {
    /// The entity; missing: the one that the caller is a process of.
    #[serde(default)]
    pub name: Option<String>,
    /// The state that it is in now: a number, or a name that its unit gives.
    pub state: String,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `Raise`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseParameters {
    /// The entity; missing: the one that the caller is a process of.
    #[serde(default)]
    pub name: Option<String>,
    /// The type of the event.
    #[serde(rename = "type", default, deserialize_with = "null_is_missing")]
    pub kind: u32,
    /// Its class.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub class: u32,
    /// Its severity.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub severity: u32,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `Heartbeat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatParameters {
    /// The entity; missing: all.
    #[serde(default)]
    pub name: Option<String>,
    /// `suspend`, `resume` or `query`.
    pub to: String,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Result of `Heartbeat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeats {
    /// `active` or `suspended`: as they were before.
    pub before: String,
}

/// Result of whatever is said or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Whether anything is different from before.
    pub changed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_nothing() {
        let raised: RaiseParameters =
            serde_json::from_str(r#"{"name": null, "type": 5, "class": null}"#).unwrap();
        assert_eq!(raised, RaiseParameters { kind: 5, ..RaiseParameters::default() });
        assert!(serde_json::from_str::<StateParameters>("{}").is_err());
    }
}
