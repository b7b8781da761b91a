//! Parameters and results of what is changed at run time, by path
//! `entity/condition/action/item`.

use super::manager::{RequestTag, null_is_missing};
use crate::plan::{ActionPlan, ConditionPlan, EntityPlan, Overlay, Verb};
use serde::{Deserialize, Serialize};

/// Parameters of `Arm` and `Disarm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmParameters {
    /// What.
    pub path: String,
    /// And all below it.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub recursive: bool,
    /// Of `Disarm`: armed again after so many nanoseconds; missing: when
    /// somebody arms it.
    #[serde(default)]
    pub for_ns: Option<u64>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `SetFlags`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagsParameters {
    /// Of what.
    pub path: String,
    /// These in place of all that it has; missing: those stay.
    #[serde(default)]
    pub set: Option<Vec<String>>,
    /// These too.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub add: Vec<String>,
    /// Without these.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub remove: Vec<String>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `Flags` and `Remove`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathParameters {
    /// Of what.
    pub path: String,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Result of `Flags`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagsNow {
    /// Their words.
    pub flags: Vec<String>,
}

/// Parameters of `Add`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddParameters {
    /// Below what: for a condition its entity, for an action its condition; of
    /// an item of an on-fail list its own path, of an entity its name.
    pub path: String,
    /// What.
    pub item: Added,
    /// Flags of it that its text cannot say: `keep-on-empty`, `do-now`,
    /// `keep-on-death`.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub flags: Vec<String>,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Something that is added, as in the plan. What is not said of `rearm` and
/// `keep_on_fail` is as QNX HAM has it: they are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Added {
    /// A condition with its actions.
    Condition(Box<ConditionPlan>),
    /// An action with its on-fail list.
    Action(Box<ActionPlan>),
    /// An item of an on-fail list.
    OnFail(Box<Verb>),
    /// An entity that no unit has.
    Entity(Box<EntityPlan>),
}

/// Result of `Definition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The entity as it is.
    pub plan: Box<EntityPlan>,
    /// What of that was changed at run time; times are CLOCK_MONOTONIC.
    pub changes: Overlay,
    /// It cannot be up without these.
    pub requires: Vec<String>,
    /// These are started with it.
    pub wants: Vec<String>,
    /// It starts after these, which it neither requires nor wants.
    pub after: Vec<String>,
    /// It is never up at the same time as these.
    pub conflicts: Vec<String>,
    /// The names of those that conditions of the plan are about (`of`).
    pub of: Vec<Named>,
}

/// An entity that the plan of another has by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// Something that is disarmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarmed {
    /// Its path.
    pub path: String,
    /// Armed again in so many nanoseconds; `None`: when somebody arms it.
    pub left_ns: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_nothing() {
        let text = r#"{"path": "a/b", "recursive": null, "for_ns": null}"#;
        let asked: ArmParameters = serde_json::from_str(text).unwrap();
        assert_eq!(asked, ArmParameters { path: "a/b".into(), ..ArmParameters::default() });
        let asked: FlagsParameters =
            serde_json::from_str(r#"{"path": "a", "set": null, "add": null}"#).unwrap();
        assert_eq!(asked.set, None);
        assert!(serde_json::from_str::<AddParameters>(r#"{"path": "a", "item": {}}"#).is_err());
    }
}
