//! What surrounds the process of an entity: where its streams go, how it is
//! stopped, what it may use, and which ends are good ones.

use super::ExecutePlan;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// Where one of the three standard streams goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// To where the manager's own goes.
    Inherit,
    /// `/dev/null`.
    #[default]
    Null,
    /// A file: read from its start, or appended to (`O_APPEND`, created 0640).
    File(String),
    /// Standard error only: where standard output goes.
    Same,
    /// Output only: the system's journal, by its stream socket.
    Journal,
    /// Output only: through ham to its own standard output, line by line, each
    /// with the name of the entity.
    Ham,
}

/// The terminal of a process: its three streams, and what controls its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its device.
    pub path: String,
    /// Whether whoever has it loses it first, as by vhangup(2).
    #[serde(default)]
    pub hang_up: bool,
}

/// How an entity is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPlan {
    /// The signal that asks for the end.
    pub signal: Signal,
    /// Whom it is sent to.
    #[serde(default)]
    pub send_to: SendTo,
    /// Run first; when it has ended and the entity has not, the signal follows.
    #[serde(default)]
    pub command: Option<ExecutePlan>,
    /// How long it has until what is left is killed.
    pub timeout: Span,
    /// What is killed then, and what must not outlive the main process.
    #[serde(default)]
    pub kill: KillScope,
}

/// Whom the signal of a stop is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendTo {
    /// The main process.
    #[default]
    Main,
    /// Every process of the entity.
    All,
}

/// Which processes of an entity end by SIGKILL when it is stopped, or when its
/// main process has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillScope {
    /// All that are left.
    #[default]
    All,
    /// The main process; the others run on.
    Main,
    /// None.
    None,
}

/// A set of ends of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Exit codes.
    #[serde(default)]
    pub codes: Vec<u8>,
    /// Signals.
    #[serde(default)]
    pub signals: Vec<Signal>,
}

impl Ends {
    /// Whether a process that ended so is among them.
    #[must_use]
    pub fn hold(&self, status: ExitStatus) -> bool {
        match status {
            ExitStatus::Code(code) => self.codes.contains(&code),
            ExitStatus::Signal { signal, .. } => self.signals.contains(&signal),
            ExitStatus::Unknown => false,
        }
    }
}

/// What of ham's own environment an entity gets (less what was meant for ham
/// alone).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InheritEnvironment {
    /// All, or on a board nothing.
    #[default]
    Default,
    /// All.
    All,
    /// Nothing.
    Nothing,
    /// The variables of these names.
    Names(Vec<String>),
}

/// What a process may use, and how it is treated by the kernel. What is not
/// named is the kernel's default, not what ham happens to have (details 9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// setrlimit(2): resource number, soft and hard limit (`u64::MAX`: none).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<(u32, u64, u64)>,
    /// nice(2), -20 to 19.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i8>,
    /// sched_setscheduler(2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Processors that it may run on, sched_setaffinity(2); empty: as ham.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affinity: Vec<u16>,
    /// proc_pid_oom_score_adj(5), -1000 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adjust: Option<i16>,
    /// `PR_SET_NO_NEW_PRIVS`.
    #[serde(default)]
    pub no_new_privileges: bool,
    /// capabilities(7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Settings that may fail, by their key: then the process starts without,
    /// and the log says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<Setting>,
}

/// A scheduling policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// Which.
    pub policy: Policy,
    /// 1 to 99 for `Fifo` and `RoundRobin`, else 0.
    #[serde(default)]
    pub priority: u8,
    /// Whether children of the process get the ordinary policy again
    /// (`SCHED_RESET_ON_FORK`).
    #[serde(default)]
    pub reset_on_fork: bool,
}

/// sched(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// `SCHED_OTHER`.
    Other,
    /// `SCHED_BATCH`.
    Batch,
    /// `SCHED_IDLE`.
    Idle,
    /// `SCHED_FIFO`.
    Fifo,
    /// `SCHED_RR`.
    RoundRobin,
}

/// Capabilities as masks, bit n for capability n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// All that it and its children can ever have; `None`: as ham.
    #[serde(default)]
    pub bounding: Option<u64>,
    /// What it has although it is not root.
    #[serde(default)]
    pub ambient: u64,
}

/// A setting that the kernel, or a lack of privilege, can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// `limits`
    Limits,
    /// `nice`
    Nice,
    /// `scheduling`
    Scheduling,
    /// `affinity`
    Affinity,
    /// `oom-score-adjust`
    OomScoreAdjust,
    /// `no-new-privileges`
    NoNewPrivileges,
    /// `capabilities`
    Capabilities,
    /// `stdout = "journal"` and `stderr = "journal"`: then as `inherit`.
    Journal,
}

impl Setting {
    /// Every one, with its word in unit files.
    pub const ALL: [(Setting, &'static str); 8] = [
        (Setting::Limits, "limits"),
        (Setting::Nice, "nice"),
        (Setting::Scheduling, "scheduling"),
        (Setting::Affinity, "affinity"),
        (Setting::OomScoreAdjust, "oom-score-adjust"),
        (Setting::NoNewPrivileges, "no-new-privileges"),
        (Setting::Capabilities, "capabilities"),
        (Setting::Journal, "journal"),
    ];
}

/// A directory of the entity's own, made before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryPlan {
    /// Where, and whether it is removed.
    pub place: DirectoryPlace,
    /// Relative names, each made with its parents.
    pub names: Vec<String>,
    /// File mode, 0 to 0o7777.
    pub mode: u32,
    /// When those in `Runtime` are removed.
    #[serde(default)]
    pub keep: KeepDirectory,
}

/// Where a directory of an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryPlace {
    /// `/run`, or `$XDG_RUNTIME_DIR` of a user's manager.
    Runtime,
    /// `/var/lib`, or `$XDG_STATE_HOME`.
    State,
    /// `/var/cache`, or `$XDG_CACHE_HOME`.
    Cache,
    /// `/var/log`, or `log` in `$XDG_STATE_HOME`.
    Logs,
}

/// When runtime directories are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeepDirectory {
    /// Whenever its last process is gone.
    #[default]
    No,
    /// When it is down and will not be restarted.
    Restart,
    /// Never.
    Yes,
}
