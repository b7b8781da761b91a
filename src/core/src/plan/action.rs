//! Actions: what is done, in which order, and when it is given up.

use super::{Identity, yes};
use crate::signal::Signal;
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// One action of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionPlan {
    /// Its name, unique in the condition.
    pub name: String,
    /// What is done.
    pub verb: Verb,
    /// If it fails, the rest of the list is skipped.
    #[serde(default)]
    pub break_on_fail: bool,
    /// It stays in the list when it has failed.
    #[serde(default = "yes")]
    pub keep_on_fail: bool,
    /// It survives a restart of the entity.
    #[serde(default = "yes")]
    pub rearm: bool,
    /// What is done when it fails, in order; these have no such list.
    #[serde(default)]
    pub on_fail: Vec<Verb>,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Bring the entity back.
    Restart(RestartPlan),
    /// Run a command.
    Execute(ExecutePlan),
    /// Send a signal to an entity.
    NotifySignal(SignalPlan),
    /// Put a pulse into a channel, for whoever receives from it.
    NotifyPulse(PulsePlan),
    /// Wait for a path, or just wait.
    WaitFor(WaitPlan),
    /// Write a line to ham's log; `{…}` as design §6.
    Log(String),
    /// Take the heartbeat of the entity for healthy again.
    HeartbeatHealthy,
    /// Start an entity by name.
    Start(String),
    /// Stop an entity by name.
    Stop(String),
    /// Stop all entities, and end the manager so.
    Shutdown(Ending),
}

impl Verb {
    /// The channel into which it puts a pulse.
    #[must_use]
    pub fn channel(&self) -> Option<&String> {
        match self {
            Verb::NotifyPulse(pulse) => Some(&pulse.channel),
            Verb::Restart(_)
            | Verb::Execute(_)
            | Verb::NotifySignal(_)
            | Verb::WaitFor(_)
            | Verb::Log(_)
            | Verb::HeartbeatHealthy
            | Verb::Start(_)
            | Verb::Stop(_)
            | Verb::Shutdown(_) => None,
        }
    }

    /// The word of the unit file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Verb::Restart(_) => "restart",
            Verb::Execute(_) => "execute",
            Verb::NotifySignal(_) => "notify-signal",
            Verb::NotifyPulse(_) => "notify-pulse",
            Verb::WaitFor(_) => "waitfor",
            Verb::Log(_) => "log",
            Verb::HeartbeatHealthy => "heartbeat-healthy",
            Verb::Start(_) => "start",
            Verb::Stop(_) => "stop",
            Verb::Shutdown(Ending::Exit(_)) => "shutdown",
            Verb::Shutdown(Ending::Reboot) => "reboot",
            Verb::Shutdown(Ending::Execute(_)) => "exec-recovery",
        }
    }
}

/// How restarts are spaced and when they are given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPlan {
    /// How long to wait before each attempt.
    pub spacing: Spacing,
    /// A process that ran at least this long starts the spacing anew.
    pub reset_after: Span,
    /// When to give up; `None`: never.
    #[serde(default)]
    pub limit: Option<LimitPlan>,
}

impl Default for RestartPlan {
    /// The defaults of unit files (design §6).
    fn default() -> RestartPlan {
        RestartPlan {
            spacing: Spacing::Growing {
                first: Span::ZERO,
                delay: Span::millis(200),
                factor_permille: 2000,
                max_delay: Span::seconds(30),
            },
            reset_after: Span::seconds(30),
            limit: None,
        }
    }
}

/// The waits before attempts, counted since the last reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spacing {
    /// `first`, then `delay`, then each time longer by the factor.
    Growing {
        /// Before the first attempt.
        first: Span,
        /// Before the second.
        delay: Span,
        /// Growth per attempt in thousandths (2000 doubles); at least 1000.
        factor_permille: u32,
        /// Never longer than this.
        max_delay: Span,
    },
    /// These, the last one repeated; never empty.
    List(Vec<Span>),
}

/// So many restarts in so much time, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitPlan {
    /// Restarts that are allowed, at least 1.
    pub count: u32,
    /// In this time, counted from the first of them.
    pub within: Span,
}

/// A command to run as an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutePlan {
    /// Program and arguments, `{…}` as design §6; never empty.
    pub command: Vec<String>,
    /// Whether the list goes on only when it has ended with exit code 0.
    pub wait: bool,
    /// Killed after this time.
    pub timeout: Span,
    /// Whom it runs as; `None`: as the manager, or in a list of the entity
    /// itself (`pre-start`, `reload`, `post-stop`, `stop`) as the entity.
    #[serde(default)]
    pub identity: Option<Identity>,
}

/// A signal to be queued (sigqueue(3)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalPlan {
    /// Whom it goes to.
    #[serde(default)]
    pub target: SignalTarget,
    /// Which one.
    pub signal: Signal,
    /// `si_code`: negative as given, but for `SI_TKILL`; any other stands for
    /// `SI_QUEUE` (details 31).
    #[serde(default)]
    pub code: i32,
    /// `si_value`.
    #[serde(default)]
    pub value: i32,
}

impl SignalPlan {
    /// `SI_QUEUE` of sigaction(2).
    pub const QUEUED: i32 = -1;
    /// `SI_TKILL`, which the kernel keeps for itself.
    const BY_TKILL: i32 = -6;

    /// The code that is delivered.
    #[must_use]
    pub fn si_code(&self) -> i32 {
        let own = self.code < 0 && self.code != SignalPlan::BY_TKILL;
        if own { self.code } else { SignalPlan::QUEUED }
    }
}

/// Whom a signal goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalTarget {
    /// The entity that the occurrence is about.
    #[default]
    Own,
    /// The main process of the entity of that name.
    Entity(String),
    /// A process, known by its start time (field 22 of /proc/PID/stat) from a
    /// later one with the same id.
    Process {
        /// Its id.
        pid: i32,
        /// When it was started.
        start: u64,
    },
}

/// A pulse: two numbers for a process that receives from a channel (QNX:
/// MsgSendPulse).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulsePlan {
    /// The name of the channel, at most [`PulsePlan::MOST_NAME`] bytes.
    pub channel: String,
    /// Its code, -128 to 127.
    pub code: i8,
    /// Its value.
    #[serde(default)]
    pub value: i32,
    /// A process of the entity has given it: its channel is one of the few that
    /// are for those. Said by the manager alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
}

impl PulsePlan {
    /// Bytes in the name of a channel.
    pub const MOST_NAME: usize = 64;
}

/// How the manager ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With this exit code; as the init of a machine, by power-off.
    Exit(u8),
    /// The machine starts anew.
    Reboot,
    /// This program takes its place, in the same process.
    Execute(Vec<String>),
}

impl Ending {
    /// Words of a command that takes the place of the manager: their places are
    /// made before it is needed.
    pub const MOST_WORDS: usize = 64;
    /// Bytes of these, each with the NUL behind it.
    pub const MOST_BYTES: usize = 2_048;

    /// Whether a command is short enough, and one that can be executed.
    #[must_use]
    pub fn fits(words: &[String]) -> bool {
        let bytes = words.iter().fold(0usize, |sum, word| sum.saturating_add(word.len()));
        let has_nul = words.iter().any(|word| word.contains('\0'));
        let room = Ending::MOST_BYTES.saturating_sub(words.len());
        !words.is_empty() && words.len() <= Ending::MOST_WORDS && bytes <= room && !has_nul
    }
}

/// A wait inside a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitPlan {
    /// Ends as soon as this path exists; neither this nor `ready`: a mere
    /// pause, never a failure.
    #[serde(default)]
    pub path: Option<String>,
    /// Ends as soon as the entity is up; in a `reload` list, when it says that
    /// it has read its configuration again.
    #[serde(default)]
    pub ready: bool,
    /// How long at the most.
    pub timeout: Span,
}
