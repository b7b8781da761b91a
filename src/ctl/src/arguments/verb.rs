//! The verbs and what belongs to each. Decides nothing about what a verb does.

use crate::zone::{self, Zone};
use clap::{Args, Subcommand};
use ham_core::signal::Signal;
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
    /// Check unit files; needs no manager
    Check {
        /// Files, directories, or - for standard input [default: the unit directories]
        paths: Vec<PathBuf>,
    },
    /// Stop all entities and end the manager (also: -stop)
    Shutdown {
        /// Exit code of the manager
        #[arg(long, value_name = "N", default_value_t = 0)]
        code: u8,
    },
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

/// What `verbosity` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// This.
    To(u64),
    /// One more.
    More,
    /// One less.
    Less,
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
            | Verb::Pulses { channel: Some(_), .. }
            | Verb::Shutdown { .. } => true,
            Verb::Status { .. }
            | Verb::Stop(_)
            | Verb::List { .. }
            | Verb::Graph { .. }
            | Verb::Boot { .. }
            | Verb::IsEnabled { .. }
            | Verb::Show { .. }
            | Verb::Check { .. }
            | Verb::IsActive { .. }
            | Verb::IsFailed { .. }
            | Verb::History { .. }
            | Verb::Events { .. }
            | Verb::Pulses { channel: None, .. }
            | Verb::Why { .. }
            | Verb::Verbosity { .. } => false,
        }
    }
}

fn signal(text: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| {
        "no such signal; write a name (TERM, USR1), RTMIN+n, RTMAX-n, or a number from 1 to 64"
            .to_owned()
    })
}

fn since(text: &str) -> Result<f64, String> {
    zone::since(text, zone::now(), &Zone::local())
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "+" => Ok(Level::More),
        "-" => Ok(Level::Less),
        _ => match text.parse() {
            Ok(level @ 0..=9) => Ok(Level::To(level)),
            Ok(_) | Err(_) => Err("write a number from 0 to 9, + or -".to_owned()),
        },
    }
}
