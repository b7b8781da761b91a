//! What the command line has asked for; read-only once the reaper runs.

use crate::signalled::Signals;
use ham_core::time::Span;
use ham_sys::process;
use std::ffi::OsString;
use std::path::PathBuf;

/// How lines of the log are stamped (QNX `-t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// Not at all.
    None,
    /// Seconds since the manager started.
    Relative,
    /// Date and time with milliseconds.
    Absolute,
    /// Time of day with milliseconds.
    #[default]
    ShortAbsolute,
}

/// How lines of the log look, and those of entities whose output goes through
/// ham.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `NAME: TEXT`, after a stamp.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

impl LogFormat {
    /// As it is written on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }

    /// The inverse of [`LogFormat::word`].
    pub(crate) fn from_word(word: &str) -> Option<LogFormat> {
        [LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.word() == word)
    }
}

/// The verbosity when nobody says otherwise.
pub(crate) const VERBOSITY: u32 = 1;

/// How long a shutdown may take when nobody says otherwise: below the ten
/// seconds that container engines wait before they kill.
pub(crate) const STOP_DEADLINE: Span = Span::seconds(8);

/// The highest verbosity: there is one digit for it.
pub(crate) const MOST_VERBOSITY: u32 = 9;

impl Stamps {
    /// As it is written on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stamps::None => "none",
            Stamps::Relative => "relative",
            Stamps::Absolute => "absolute",
            Stamps::ShortAbsolute => "shortabs",
        }
    }

    /// The inverse of [`Stamps::word`].
    pub(crate) fn from_word(word: &str) -> Option<Stamps> {
        [Stamps::None, Stamps::Relative, Stamps::Absolute, Stamps::ShortAbsolute]
            .into_iter()
            .find(|stamps| stamps.word() == word)
    }
}

/// What this manager is the init of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of nothing, or of a container, which was made fit for it.
    #[default]
    Elsewhere,
    /// Of a PID namespace that it is to treat as a machine (`--board`).
    Namespace,
    /// Of the machine.
    Machine,
}

/// In a container whose manager takes reboot(2) of its init for a request, as
/// LXC and systemd-nspawn do, nobody else can know that it does.
const IN_CONTAINER: &str = "HAM_REBOOT";

impl Place {
    /// Whether what it is the init of ends with it.
    pub(crate) fn is_board(self) -> bool {
        match self {
            Place::Elsewhere => false,
            Place::Namespace | Place::Machine => true,
        }
    }

    /// Whether the reaper, which this process is, may end the machine, or what
    /// takes itself for one.
    pub(crate) fn reboots(self) -> bool {
        let allowed = || std::env::var_os(IN_CONTAINER).is_some_and(|value| value == "1");
        self.is_board() || (process::pid() == 1 && allowed())
    }

    /// Whose signals come here, if nobody says.
    pub(crate) fn signals(self) -> Signals {
        if self.is_board() { Signals::Board } else { Signals::Container }
    }
}

/// Options of `ham run`.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The same as a command line, with paths that stay true wherever the
    /// working directory is or was.
    pub(crate) words: Vec<OsString>,
    /// Where units are read from, first wins.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether those are the system's own, with its stricter rule for owners.
    pub(crate) system_directories: bool,
    /// Where control socket and state are.
    pub(crate) runtime: PathBuf,
    /// Refuse to start when a unit has an error.
    pub(crate) strict: bool,
    /// Return when the control socket answers.
    pub(crate) background: bool,
    /// Where the log goes; `None`: as `ham.conf` says, else standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// How its lines are stamped.
    pub(crate) stamps: Stamps,
    /// How they look beside that.
    pub(crate) format: LogFormat,
    /// 0: errors and `log` actions; 1: what happens; 2 and more: details. `None`:
    /// as `ham.conf` says.
    pub(crate) verbosity: Option<u32>,
    /// How long a shutdown may take; `None` likewise.
    pub(crate) stop_deadline: Option<Span>,
    /// Whether ham is the init of a container; `None`: look.
    pub(crate) container: Option<bool>,
    /// Whose signals are understood; `None`: as the place says.
    pub(crate) signals: Option<Signals>,
    /// What it is the init of.
    pub(crate) place: Place,
    /// Instead of what units say a shell is started: on a board alone.
    pub(crate) emergency: bool,
    /// On a board: what of the command line was not understood, to be said when
    /// somebody can hear it.
    pub(crate) warnings: Vec<String>,
}
