//! Conditions: what can happen to an entity, and which of it sets a list of
//! actions going.

use super::{ActionPlan, yes};
use crate::ids::EntityId;
use serde::{Deserialize, Serialize};

/// One condition and its actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionPlan {
    /// Its name, unique in the entity.
    pub name: String,
    /// What fires it.
    pub on: ConditionKind,
    /// Which occurrences of that; all of them, if it says nothing.
    #[serde(default, skip_serializing_if = "Only::is_all")]
    pub only: Only,
    /// What happens to this entity fires it; `None`: to its own, or in a unit
    /// of global conditions to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<EntityId>,
    /// Which queue its actions run in.
    #[serde(default)]
    pub class: Class,
    /// Whether it survives a restart of the entity (`HREARMAFTERRESTART`).
    #[serde(default = "yes")]
    pub rearm: bool,
    /// Whether it is armed from the beginning.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is done, in order.
    #[serde(default)]
    pub actions: Vec<ActionPlan>,
}

/// What can fire a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionKind {
    /// The process ended without having been asked to.
    Death,
    /// A signal other than HUP, INT, TERM, PIPE ended it, unasked.
    AbnormalDeath,
    /// Abnormal death, exit status outside the good ones, or failed start.
    Failure,
    /// It ended, or was ended, because somebody asked for that.
    Stopped,
    /// It was restarted by its restart action and the new process runs.
    Restart,
    /// A process for it could not be started.
    StartFailed,
    /// Its restart action gave up because its limit was reached.
    RestartLimit,
    /// It is up: it runs and has said that it is ready, if it is to say so.
    Ready,
    /// A one-shot has ended well.
    Finished,
    /// A process that ham did not start has become its process.
    Attach,
    /// It is supervised no longer, though its process goes on.
    Detach,
    /// So many heartbeats in a row as `low` says did not come.
    HeartbeatMissedLow,
    /// So many as `high` says.
    HeartbeatMissedHigh,
    /// Its heartbeat is healthy again.
    HeartbeatHealthy,
    /// More heartbeats came than `max` allows.
    HeartbeatTooMany,
    /// It has reported another state.
    State,
    /// Somebody has published an event of it.
    Raise,
    /// The kernel ended a process of it because memory was short.
    OomKill,
    /// Anything of the above.
    Any,
}

impl ConditionKind {
    /// Every kind, with its word in unit files.
    pub const ALL: [(ConditionKind, &'static str); 19] = [
        (ConditionKind::Death, "death"),
        (ConditionKind::AbnormalDeath, "abnormal-death"),
        (ConditionKind::Failure, "failure"),
        (ConditionKind::Stopped, "stopped"),
        (ConditionKind::Restart, "restart"),
        (ConditionKind::StartFailed, "start-failed"),
        (ConditionKind::RestartLimit, "restart-limit"),
        (ConditionKind::Ready, "ready"),
        (ConditionKind::Finished, "finished"),
        (ConditionKind::Attach, "attach"),
        (ConditionKind::Detach, "detach"),
        (ConditionKind::HeartbeatMissedLow, "heartbeat-missed-low"),
        (ConditionKind::HeartbeatMissedHigh, "heartbeat-missed-high"),
        (ConditionKind::HeartbeatHealthy, "heartbeat-healthy"),
        (ConditionKind::HeartbeatTooMany, "heartbeat-too-many"),
        (ConditionKind::State, "state"),
        (ConditionKind::Raise, "raise"),
        (ConditionKind::OomKill, "oom-kill"),
        (ConditionKind::Any, "any"),
    ];

    /// The word of the unit file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ConditionKind::Death => "death",
            ConditionKind::AbnormalDeath => "abnormal-death",
            ConditionKind::Failure => "failure",
            ConditionKind::Stopped => "stopped",
            ConditionKind::Restart => "restart",
            ConditionKind::StartFailed => "start-failed",
            ConditionKind::RestartLimit => "restart-limit",
            ConditionKind::Ready => "ready",
            ConditionKind::Finished => "finished",
            ConditionKind::Attach => "attach",
            ConditionKind::Detach => "detach",
            ConditionKind::HeartbeatMissedLow => "heartbeat-missed-low",
            ConditionKind::HeartbeatMissedHigh => "heartbeat-missed-high",
            ConditionKind::HeartbeatHealthy => "heartbeat-healthy",
            ConditionKind::HeartbeatTooMany => "heartbeat-too-many",
            ConditionKind::State => "state",
            ConditionKind::Raise => "raise",
            ConditionKind::OomKill => "oom-kill",
            ConditionKind::Any => "any",
        }
    }

    /// Whether a condition on it is about kills because memory was short.
    #[must_use]
    pub fn is_of_memory(self) -> bool {
        matches!(self, ConditionKind::OomKill | ConditionKind::Any)
    }

    /// Whether a restart action may hang on it: the kinds that can mean that
    /// the process is gone (QNX: death conditions only).
    #[must_use]
    pub fn may_restart(self) -> bool {
        match self {
            ConditionKind::Death | ConditionKind::AbnormalDeath | ConditionKind::Failure => true,
            ConditionKind::Stopped
            | ConditionKind::Restart
            | ConditionKind::StartFailed
            | ConditionKind::RestartLimit
            | ConditionKind::Ready
            | ConditionKind::Finished
            | ConditionKind::Attach
            | ConditionKind::Detach
            | ConditionKind::HeartbeatMissedLow
            | ConditionKind::HeartbeatMissedHigh
            | ConditionKind::HeartbeatHealthy
            | ConditionKind::HeartbeatTooMany
            | ConditionKind::State
            | ConditionKind::Raise
            | ConditionKind::OomKill
            | ConditionKind::Any => false,
        }
    }
}

/// Which queue the actions of a condition run in, per occurrence (QNX:
/// `HCONDOTHER`, `HCONDNOWAIT`, `HCONDINDEPENDENT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// One after the other with the other in-order conditions.
    #[default]
    InOrder,
    /// One after the other with the other no-wait ones; holds no `waitfor`.
    NoWait,
    /// By itself.
    Independent,
}

/// Which occurrences of its kind fire a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Only {
    /// All of them.
    #[default]
    All,
    /// Transitions from one of these states to one of those.
    State {
        /// The state before.
        from: StateSet,
        /// The state that was reported.
        to: StateSet,
    },
    /// Events with these three numbers; `None`: any (QNX: 0 stands for any).
    Raise {
        /// Its type.
        kind: Option<u32>,
        /// Its class.
        class: Option<u32>,
        /// Its severity.
        severity: Option<u32>,
    },
}

impl Only {
    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Only::All
    }
}

/// A set of states (QNX: explicit, wildcard, set, or inverted set).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateSet {
    /// Every state.
    #[default]
    Any,
    /// These.
    In(Vec<u32>),
    /// All but these.
    NotIn(Vec<u32>),
}

impl StateSet {
    /// Whether a state is in it.
    #[must_use]
    pub fn holds(&self, state: u32) -> bool {
        match self {
            StateSet::Any => true,
            StateSet::In(states) => states.contains(&state),
            StateSet::NotIn(states) => !states.contains(&state),
        }
    }
}
