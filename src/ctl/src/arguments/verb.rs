//! The verbs and what belongs to each. Decides nothing about what a verb does.

use super::heartbeat::{Beats, Heartbeat, beats};
use super::words::{Level, level, signal, since, while_disarmed};
use clap::{Args, Subcommand};
use ham_core::signal::Signal;
use ham_core::time::Span;
use ham_core::wire::ReloadParameters;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show the manager and its entities (the default)
    Status {
        /// Names or patterns (*, ?) [default: all]
        names: Vec<String>,
    },
    /// Print names and states, one entity a line
    List {
        /// Names or patterns (*, ?) [default: all]
        names: Vec<String>,
        /// As a tree: below each what it requires and wants
        #[arg(long)]
        tree: bool,
        /// The tree from the other end: below each what requires or wants it
        #[arg(long, requires = "tree")]
        reverse: bool,
    },
    /// Show everything about one entity
    Show {
        /// Its name
        name: String,
        /// As a unit file, with all that was changed at run time
        #[arg(long, conflicts_with = "json")]
        toml: bool,
        /// What its files make together, each value with the place that it
        /// comes from; needs no manager
        #[arg(long, conflicts_with = "toml")]
        merged: bool,
        /// Directory of unit files, the first wins [default: the unit directories]
        #[arg(long = "units", value_name = "DIR", requires = "merged")]
        directories: Vec<PathBuf>,
    },
    /// Print the files of units, with templates and drop-ins; needs no manager
    Cat {
        #[command(flatten)]
        units: UnitNames,
    },
    /// Let what happens to an entity, condition or action count again
    Arm {
        /// NAME, NAME/CONDITION or NAME/CONDITION/ACTION
        path: String,
        /// Also all below it
        #[arg(short, long)]
        recursive: bool,
    },
    /// Let what happens to an entity, condition or action not count
    Disarm {
        /// NAME, NAME/CONDITION or NAME/CONDITION/ACTION
        path: String,
        /// Also all below it
        #[arg(short, long)]
        recursive: bool,
        /// Armed again after that time: 10min, "1h 30s"
        #[arg(long = "for", value_name = "TIME", value_parser = while_disarmed)]
        time: Option<Span>,
    },
    /// Show the flags of an entity, condition or action, or change them
    Flags {
        /// NAME, NAME/CONDITION or NAME/CONDITION/ACTION
        path: String,
        /// +FLAG, -FLAG, or =FLAG,FLAG in place of all [default: show them]
        #[arg(value_name = "+FLAG|-FLAG|=FLAGS", allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Add conditions, an action, an item of an on-fail list, or an entity
    Add {
        /// NAME (conditions, or a new entity), NAME/CONDITION (an action), or
        /// NAME/CONDITION/ACTION/ITEM
        path: String,
        /// What, as it would stand in a unit file; - for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// An action with a command: also run it at once
        #[arg(long)]
        now: bool,
        /// A condition: stays when its last action goes; an entity: stays when
        /// it has died
        #[arg(long)]
        keep: bool,
    },
    /// Remove what was added at run time
    Remove {
        /// Its path
        path: String,
    },
    /// Start entities
    Start(Targets),
    /// Stop entities
    Stop(Stop),
    /// Restart entities; starts those that do not run
    Restart(Targets),
    /// Have entities read their configuration again (their `reload` lists)
    Reload(Targets),
    /// Send a signal to the main processes of entities
    Kill {
        /// Name (TERM, SIGTERM, RTMIN+1) or number of the signal
        #[arg(short, long, default_value = "TERM", value_parser = signal, allow_hyphen_values = false)]
        signal: Signal,
        /// Names or patterns (*, ?)
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Say which state an entity is in now; conditions on that transition fire
    State {
        /// Its name
        name: String,
        /// A number, or a name that its unit gives
        state: String,
    },
    /// Publish an event of an entity; conditions on it fire
    Raise {
        /// Its name
        name: String,
        /// Its type
        #[arg(long = "type", value_name = "N", default_value_t = 0)]
        kind: u32,
        /// Its class
        #[arg(long, value_name = "N", default_value_t = 0)]
        class: u32,
        /// Its severity
        #[arg(long, value_name = "N", default_value_t = 0)]
        severity: u32,
    },
    /// Have heartbeats counted or not, or show whether they are
    Heartbeat {
        /// suspend: not counted until resume; resume: counted again, as if one had
        /// just come; query: print active or suspended [default: query]
        #[arg(value_name = "suspend|resume|query", value_parser = beats)]
        to: Option<Beats>,
        /// An entity [default: all]
        name: Option<String>,
    },
    /// Print what entities are to each other, for dot(1)
    Graph {
        /// Names or patterns (*, ?); these and their neighbours [default: all]
        names: Vec<String>,
    },
    /// Show what the start of the manager has waited for
    Boot {
        /// Write a chart to FILE, or to standard output
        #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
        svg: Option<PathBuf>,
    },
    /// Have units start with the manager; needs no manager
    Enable(Unit),
    /// Have units not start with the manager; needs no manager
    Disable(Unit),
    /// Have units not be there at all; needs no manager
    Mask {
        #[command(flatten)]
        units: UnitNames,
    },
    /// Undo mask; needs no manager
    Unmask {
        #[command(flatten)]
        units: UnitNames,
    },
    /// Print whether a unit starts with the manager; needs no manager
    IsEnabled {
        /// Its name
        name: String,
        /// Directory of unit files, the first wins [default: the unit directories]
        #[arg(long = "units", value_name = "DIR")]
        directories: Vec<PathBuf>,
    },
    /// Translate systemd's service files, with a report; needs no manager
    Import {
        /// Where units are written to; - is standard output
        #[arg(short, long, value_name = "DIR", default_value = "-")]
        output: PathBuf,
        /// Replace units that are there already
        #[arg(long)]
        force: bool,
        /// What is only approximated counts as failed, too
        #[arg(long)]
        strict: bool,
        /// Files NAME.service, with their NAME.service.d beside them
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Check unit files; needs no manager
    Check {
        /// Files, directories, or - for standard input [default: the unit directories]
        paths: Vec<PathBuf>,
        /// What the unit of standard input is called, without .toml
        #[arg(long)]
        name: Option<String>,
        /// Fail on warnings too
        #[arg(short = 'W', long)]
        strict: bool,
    },
    /// Show what unit files would change of the manager that runs
    Plan {
        #[command(flatten)]
        reload: Reload,
        /// Exit code 10 when something changes
        #[arg(long)]
        exit_code: bool,
    },
    /// Read unit files and change what runs accordingly (also: daemon-reload)
    #[command(alias = "daemon-reload")]
    Apply {
        #[command(flatten)]
        reload: Reload,
    },
    /// Tell what a diagnostic means and how to mend it; needs no manager
    Explain {
        /// unknown-key, or ham::unit::unknown-key [default: list all]
        code: Option<String>,
    },
    /// Print the JSON Schema of unit files, for editors; needs no manager
    Schema,
    /// Stop all entities and end the manager (also: -stop)
    Shutdown {
        /// Exit code of the manager
        #[arg(long, value_name = "N", default_value_t = 0)]
        code: u8,
    },
    /// Stop all entities and switch the machine off
    Poweroff {
        #[command(flatten)]
        force: Force,
    },
    /// Stop all entities and start the machine anew
    Reboot {
        #[command(flatten)]
        force: Force,
    },
    /// Stop all entities and let the machine stand still, with its power on
    Halt {
        #[command(flatten)]
        force: Force,
    },
    /// Stop all entities and execute the manager, or what has replaced it, again
    SoftReboot,
    /// Print the state of one entity; succeed when it runs
    IsActive {
        /// Its name
        name: String,
    },
    /// Print the state of one entity; succeed when it has failed
    IsFailed {
        /// Its name
        name: String,
    },
    /// Succeed when all is well, else fail with 1 and say what is not
    IsHealthy {
        /// Names or patterns (*, ?), each of which is to be up [default: all, as
        /// far as they are to be]
        names: Vec<String>,
    },
    /// Show what has happened, as far as it is kept
    History {
        /// Names or patterns (*, ?) [default: all, and the manager]
        names: Vec<String>,
        /// Not before: 10min, "1h 30s", HH:MM, HH:MM:SS, "YYYY-MM-DD HH:MM:SS"
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<f64>,
        /// The last N only
        #[arg(short = 'n', long, value_name = "N")]
        lines: Option<u64>,
    },
    /// Show the last events and, with -f, what comes
    Events {
        /// Names or patterns (*, ?) [default: all, and the manager]
        names: Vec<String>,
        /// Go on until the manager ends
        #[arg(short, long)]
        follow: bool,
        /// The last N
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: u64,
    },
    /// Show the channels of pulses, or receive those of one
    Pulses {
        /// Print the pulses that wait in it; they wait no longer then
        channel: Option<String>,
        /// Go on with those that come, until the manager ends
        #[arg(short, long, requires = "channel")]
        follow: bool,
    },
    /// Say in one sentence why an entity is in its state
    Why {
        /// Its name
        name: String,
    },
    /// Have a process that runs become the process of an entity
    Attach {
        /// Name of the entity
        name: String,
        /// The process
        #[arg(value_parser = clap::value_parser!(i32).range(2..))]
        pid: i32,
        /// Of an entity that is made for it: stays when its process has ended
        #[arg(long)]
        keep_on_death: bool,
        #[command(flatten)]
        heartbeat: Heartbeat,
    },
    /// Have an entity let go of its process, which goes on by itself
    Detach {
        /// Name of the entity
        name: String,
    },
    /// Run a command as the process of an entity, in place of hamctl
    Guard {
        /// Name of the entity
        name: String,
        /// Of an entity that is made for it: stays when its process has ended
        #[arg(long)]
        keep_on_death: bool,
        #[command(flatten)]
        heartbeat: Heartbeat,
        /// The command, after --
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Show how much the log tells, or set it
    Verbosity {
        /// 0 to 9, + for one more, - for one less
        #[arg(value_name = "N|+|-", value_parser = level)]
        level: Option<Level>,
    },
}

/// The entities of a verb, and whether to wait for the outcome.
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// Names or patterns (*, ?)
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Return when the manager has taken the request, not when it is done
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// The entities to stop.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Print what would stop, in order, and do nothing
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) plan: bool,
}

/// Unit files by name, and where they are.
#[derive(Debug, Args)]
pub(crate) struct UnitNames {
    /// Names of units
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Directory of unit files, the first wins [default: the unit directories]
    #[arg(long = "units", value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
}

/// Unit files that are to start by themselves or not.
#[derive(Debug, Args)]
pub(crate) struct Unit {
    #[command(flatten)]
    pub(crate) units: UnitNames,
    /// Also start or stop them, by the manager that runs
    #[arg(long)]
    pub(crate) now: bool,
}

/// What `plan` and `apply` are about.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// Only these units, and what they need [default: all]
    names: Vec<String>,
    /// Also remove units whose directory is not there, or is empty
    #[arg(long, conflicts_with = "names")]
    prune: bool,
}

/// What `poweroff`, `reboot` and `halt` take.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Force {
    /// At once: no entity is stopped, nothing is unmounted
    #[arg(short, long)]
    pub(crate) force: bool,
}

impl From<Reload> for ReloadParameters {
    fn from(reload: Reload) -> ReloadParameters {
        ReloadParameters { names: reload.names, prune: reload.prune }
    }
}

impl Verb {
    /// Whether it changes something, which decides the exit code for an
    /// unknown entity.
    pub(crate) fn acts(&self) -> bool {
        match self {
            Verb::Start(_)
            | Verb::Stop(Stop { plan: false, .. })
            | Verb::Restart(_)
            | Verb::Reload(_)
            | Verb::Enable(_)
            | Verb::Disable(_)
            | Verb::Mask { .. }
            | Verb::Unmask { .. }
            | Verb::Kill { .. }
            | Verb::State { .. }
            | Verb::Raise { .. }
            | Verb::Heartbeat { .. }
            | Verb::Arm { .. }
            | Verb::Disarm { .. }
            | Verb::Flags { .. }
            | Verb::Add { .. }
            | Verb::Remove { .. }
            | Verb::Attach { .. }
            | Verb::Detach { .. }
            | Verb::Guard { .. }
            | Verb::Pulses { channel: Some(_), .. }
            | Verb::Apply { .. }
            | Verb::Poweroff { .. }
            | Verb::Reboot { .. }
            | Verb::Halt { .. }
            | Verb::SoftReboot
            | Verb::Shutdown { .. } => true,
            Verb::Status { .. }
            | Verb::Stop(_)
            | Verb::List { .. }
            | Verb::Graph { .. }
            | Verb::Boot { .. }
            | Verb::IsEnabled { .. }
            | Verb::Show { .. }
            | Verb::Cat { .. }
            | Verb::Check { .. }
            | Verb::Explain { .. }
            | Verb::Schema
            | Verb::Import { .. }
            | Verb::Plan { .. }
            | Verb::IsActive { .. }
            | Verb::IsFailed { .. }
            | Verb::IsHealthy { .. }
            | Verb::History { .. }
            | Verb::Events { .. }
            | Verb::Pulses { channel: None, .. }
            | Verb::Why { .. }
            | Verb::Verbosity { .. } => false,
        }
    }
}
