//! The accepted configuration: what to supervise and what to do when
//! something happens to it. Written by the loader, immutable after that.
//!
//! Everything is resolved here: names of users are numbers, durations are
//! nanoseconds, defaults are filled in. What stays a name is the name of
//! another entity, which is looked up when it is used, since the other may
//! come and go with a reload.

mod action;
mod bytes;
mod carry;
mod condition;
mod encoded;
mod flags;
mod gone;
mod heartbeat;
mod item;
mod join;
mod lists;
mod order;
mod overlay;
mod process;
mod sound;
mod states;

pub use action::{
    ActionPlan, Ending, ExecutePlan, LimitPlan, PulsePlan, RestartPlan, SignalPlan, SignalTarget,
    Spacing, Verb, WaitPlan,
};
pub use bytes::{PLAN_HEAD, PlanBytesError, PlanIndex, PlanMark, PlanSource, check, length_in};
pub use carry::{OnChange, carry, leave};
pub use condition::{Class, ConditionKind, ConditionPlan, Only, StateSet};
pub use encoded::{encode, encode_over};
pub use flags::Flags;
pub use gone::{Gone, MOST_GONE};
pub use heartbeat::HeartbeatPlan;
pub use item::{Item, Part};
pub use join::{Known, join};
pub use lists::{OnFail, POST_STOP, PRE_START, RELOAD, STOP_COMMAND, is_own};
pub use order::{Kind, Links, NotifyAccess, OnDependencyRestart, Readiness};
pub use overlay::{LateOnFail, Off, Overlay};
pub use process::{
    Capabilities, DirectoryPlace, DirectoryPlan, Ends, InheritEnvironment, KeepDirectory,
    KillScope, Policy, Scheduling, SendTo, Setting, Settings, StopPlan, Stream, Terminal,
};

pub use sound::{sound_action, sound_condition, sound_entity, sound_name, sound_on_fail};

use crate::ids::EntityId;
use crate::signal::Signal;
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// Conditions of one entity; one bit each in its record.
pub const MAX_CONDITIONS: usize = 64;
/// Actions of one entity over all its conditions; one bit each in its record.
pub const MAX_ACTIONS: usize = 256;
/// Items of one on-fail list.
pub const MAX_ON_FAIL: usize = 255;
/// Length of a name of an entity, condition or action in bytes (QNX HAM
/// allows 255 for a whole path; a unit's name is a file name).
pub const MAX_NAME: usize = 128;

/// One entity: a process to be supervised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityPlan {
    /// Its place in the tables, stable over reloads.
    pub id: EntityId,
    /// Name of the unit.
    pub name: String,
    /// One line for people; may be empty.
    #[serde(default)]
    pub description: String,
    /// The file that it came from.
    #[serde(default)]
    pub source: String,
    /// What stands behind it.
    #[serde(default)]
    pub kind: Kind,
    /// Program and arguments; empty for a target alone.
    pub command: Vec<String>,
    /// Whether `${NAME}` in the command stands for variables.
    #[serde(default)]
    pub expand: bool,
    /// Whether it starts by itself.
    #[serde(default)]
    pub start: StartMode,
    /// Whether its end is that of the manager.
    #[serde(default, skip_serializing_if = "is_no")]
    pub main: bool,
    /// Its neighbours.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// What it does when one that it requires was restarted.
    #[serde(default)]
    pub on_dependency_restart: OnDependencyRestart,
    /// What becomes of its process when what that was made of has changed.
    #[serde(default)]
    pub on_change: OnChange,
    /// It does not start before this path exists.
    #[serde(default)]
    pub start_when: Option<String>,
    /// When it is up.
    #[serde(default)]
    pub ready: Readiness,
    /// Done before its process is made; if one fails and breaks, it is not.
    #[serde(default)]
    pub pre_start: Vec<ActionPlan>,
    /// Done when somebody wants it to read its configuration again.
    #[serde(default)]
    pub reload: Vec<ActionPlan>,
    /// Done when its last process is gone, however that came.
    #[serde(default)]
    pub post_stop: Vec<ActionPlan>,
    /// Ends that are no failure, beside exit code 0.
    #[serde(default)]
    pub success_exit: Ends,
    /// Ends after which the restart action does nothing.
    #[serde(default)]
    pub no_restart_exit: Ends,
    /// Whose notifications count.
    #[serde(default)]
    pub notify_access: NotifyAccess,
    /// Descriptors that may be kept for it over its restarts.
    #[serde(default)]
    pub fd_store: u32,
    /// Whom it runs as; `None`: as the manager.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Working directory; `None`: `/`, or the manager's own directory when
    /// the manager is not root.
    #[serde(default)]
    pub directory: Option<String>,
    /// File mode creation mask, 0 to 0o777.
    #[serde(default = "default_umask")]
    pub umask: u32,
    /// What of ham's own environment it gets.
    #[serde(default)]
    pub inherit_environment: InheritEnvironment,
    /// Variables of the unit, in the order of the file.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// Files of `NAME=VALUE` lines, read at every start.
    #[serde(default)]
    pub environment_files: Vec<EnvironmentFile>,
    /// Standard input.
    #[serde(default)]
    pub stdin: Stream,
    /// Standard output.
    #[serde(default = "default_output")]
    pub stdout: Stream,
    /// Standard error.
    #[serde(default = "default_output")]
    pub stderr: Stream,
    /// The terminal of its process, in place of all three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<Terminal>,
    /// What it may use.
    #[serde(default)]
    pub settings: Settings,
    /// Directories of its own.
    #[serde(default)]
    pub directories: Vec<DirectoryPlan>,
    /// How long a start may take.
    pub start_timeout: Span,
    /// How it is stopped.
    pub stop: StopPlan,
    /// How its heartbeat is watched; `None`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatPlan>,
    /// Names of the states that it reports, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<(String, u32)>,
    /// Names of sets of them, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state_sets: Vec<(String, StateSet)>,
    /// The user, beside root and the manager's own, whose processes may attach
    /// themselves under its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach_by: Option<u32>,
    /// What is done when something happens to it, in the order of the file.
    #[serde(default)]
    pub conditions: Vec<ConditionPlan>,
    /// What it is from its next start on, if that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<EntityPlan>>,
    /// No unit has it any more: it is stopped, and then it is nothing.
    #[serde(default, skip_serializing_if = "is_no")]
    pub leaving: bool,
}

/// As systemd's DefaultTimeoutStartSec, which people know.
pub const START_TIMEOUT: Span = Span::seconds(90);
/// Long enough to write a file, short enough that a shutdown does not drag.
pub const STOP_TIMEOUT: Span = Span::seconds(5);

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_no(word: &bool) -> bool {
    !*word
}

fn default_umask() -> u32 {
    0o022
}

fn default_output() -> Stream {
    Stream::Usual
}

impl EntityPlan {
    /// An entity with nothing but a command, and the defaults of unit files.
    #[must_use]
    pub fn new(id: EntityId, name: &str, command: Vec<String>) -> EntityPlan {
        EntityPlan {
            id,
            name: name.to_owned(),
            description: String::new(),
            source: String::new(),
            kind: Kind::Service,
            command,
            expand: false,
            start: StartMode::Auto,
            main: false,
            links: Links::default(),
            on_dependency_restart: OnDependencyRestart::Keep,
            on_change: OnChange::NextStart,
            start_when: None,
            ready: Readiness::Exec,
            pre_start: Vec::new(),
            reload: Vec::new(),
            post_stop: Vec::new(),
            success_exit: Ends::default(),
            no_restart_exit: Ends::default(),
            notify_access: NotifyAccess::None,
            fd_store: 0,
            identity: None,
            directory: None,
            umask: default_umask(),
            inherit_environment: InheritEnvironment::Default,
            environment: Vec::new(),
            environment_files: Vec::new(),
            stdin: Stream::Null,
            stdout: default_output(),
            stderr: default_output(),
            tty: None,
            settings: Settings::default(),
            directories: Vec::new(),
            heartbeat: None,
            states: Vec::new(),
            state_sets: Vec::new(),
            attach_by: None,
            start_timeout: START_TIMEOUT,
            stop: StopPlan {
                signal: Signal::TERM,
                send_to: SendTo::Main,
                command: None,
                timeout: STOP_TIMEOUT,
                kill: KillScope::All,
            },
            conditions: Vec::new(),
            next: None,
            leaving: false,
        }
    }

    /// The one restart action over all conditions, if there is one.
    #[must_use]
    pub fn restart(&self) -> Option<&RestartPlan> {
        self.conditions.iter().flat_map(|condition| &condition.actions).find_map(|action| {
            match &action.verb {
                Verb::Restart(restart) => Some(restart),
                Verb::Execute(_)
                | Verb::NotifySignal(_)
                | Verb::NotifyPulse(_)
                | Verb::WaitFor(_)
                | Verb::Log(_)
                | Verb::HeartbeatHealthy
                | Verb::Start(_)
                | Verb::Stop(_)
                | Verb::Shutdown(_) => None,
            }
        })
    }

    /// The place of an action in the entity's flat list of actions, which is
    /// the bit that stands for it in the entity's record.
    #[must_use]
    pub fn action_bit(&self, condition: usize, action: usize) -> usize {
        self.conditions
            .iter()
            .take(condition)
            .fold(action, |bit, before| bit.saturating_add(before.actions.len()))
    }
}

/// Whether an entity starts by itself when the manager does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartMode {
    /// With the manager.
    #[default]
    Auto,
    /// Only when somebody says so, or something that starts requires or wants
    /// it.
    Manual,
}

/// A resolved user: numbers, and the words that go into the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// `USER` and `LOGNAME`; empty when the unit names only groups.
    #[serde(default)]
    pub user: String,
    /// `HOME`.
    #[serde(default)]
    pub home: String,
    /// `SHELL`.
    #[serde(default)]
    pub shell: String,
}

/// A file of `NAME=VALUE` lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFile {
    /// Absolute path.
    pub path: String,
    /// Whether it may be absent (a `-` before the path in the unit).
    #[serde(default)]
    pub optional: bool,
}
