//! The command line: verbs and options, and the two habits that clap does not
//! know (QNX's `-stop`, the second name `hamctrl`). Decides nothing about what
//! a verb does.

use crate::exit;
use crate::zone::{self, Zone};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ham_core::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Look at and control the High Availability Manager.
#[derive(Debug, Parser)]
#[command(name = "hamctl", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Talk to one's own manager instead of the system's
    #[arg(long, global = true)]
    pub(crate) user: bool,
    /// Runtime directory of the manager [default: $HAM_RUNTIME_DIR, /run/ham]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
    /// Print nothing on standard output
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// What to do [default: status]
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show the manager and its entities (the default)
    Status {
        /// Names or patterns (*, ?) [default: all]
        names: Vec<String>,
    },
    /// Print names and states, one entity a line
    List,
    /// Show everything about one entity
    Show {
        /// Its name
        name: String,
    },
    /// Start entities
    Start(Targets),
    /// Stop entities
    Stop(Targets),
    /// Restart entities; starts those that do not run
    Restart(Targets),
    /// Send a signal to the main processes of entities
    Kill {
        /// Name (TERM, SIGTERM, RTMIN+1) or number of the signal
        #[arg(short, long, default_value = "TERM", value_parser = signal, allow_hyphen_values = false)]
        signal: Signal,
        /// Names or patterns (*, ?)
        #[arg(required = true)]
        names: Vec<String>,
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
            | Verb::Stop(_)
            | Verb::Restart(_)
            | Verb::Kill { .. }
            | Verb::Shutdown { .. } => true,
            Verb::Status { .. }
            | Verb::List
            | Verb::Show { .. }
            | Verb::Check { .. }
            | Verb::IsActive { .. }
            | Verb::IsFailed { .. }
            | Verb::History { .. }
            | Verb::Events { .. }
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

/// The name that this program was called by: `hamctrl` when it is a link or a
/// copy of that name, else `hamctl`.
pub(crate) fn program(argv0: Option<&OsStr>) -> &'static str {
    match argv0.and_then(|path| Path::new(path).file_name()) {
        Some(name) if name == "hamctrl" => "hamctrl",
        Some(_) | None => "hamctl",
    }
}

/// Reads the command line.
///
/// # Errors
/// What clap has to say: a usage error, the help or the version.
pub(crate) fn read(program: &'static str, words: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let command = Arguments::command().name(program).bin_name(program).after_help(exit::help());
    let matches = command.try_get_matches_from(with_shutdown(words))?;
    Arguments::from_arg_matches(&matches)
}

/// QNX's `hamctrl -stop` is `shutdown`. Only in the place of the verb: after
/// one, `-stop` is left to clap (`kill -stop` would be a signal "top").
fn with_shutdown(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut rest = words.iter_mut().skip(1);
    while let Some(word) = rest.next() {
        if word == "-stop" {
            *word = OsString::from("shutdown");
            break;
        }
        if word == "--runtime-dir" {
            rest.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        read("hamctl", line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn stop_with_a_dash_is_shutdown_only_in_the_place_of_the_verb() {
        for line in
            ["hamctl -stop", "hamctl --json -stop --code 3", "hamctl --runtime-dir stop -stop"]
        {
            assert!(matches!(parse(line).unwrap().verb, Some(Verb::Shutdown { .. })), "{line}");
        }
        for line in ["hamctl kill -stop audio", "hamctl stop -stop", "hamctl show -stop"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn signals_are_names_or_numbers() {
        for (line, number) in [
            ("hamctl kill audio", 15),
            ("hamctl kill -s sigusr1 audio", 10),
            ("hamctl kill --signal=9 audio", 9),
            ("hamctl kill -s RTMIN+1 audio", 35),
        ] {
            let verb = parse(line).unwrap().verb;
            let Some(Verb::Kill { signal, .. }) = verb else { panic!("{line}: {verb:?}") };
            assert_eq!(signal.0, number, "{line}");
        }
        assert!(parse("hamctl kill -s 0 audio").is_err());
        assert!(parse("hamctl kill -s TREM audio").is_err());
    }

    #[test]
    fn a_verbosity_is_a_digit_or_a_step() {
        for (line, expected) in [
            ("hamctl verbosity", None),
            ("hamctl verbosity 0", Some(Level::To(0))),
            ("hamctl verbosity +", Some(Level::More)),
            ("hamctl verbosity -", Some(Level::Less)),
        ] {
            let verb = parse(line).unwrap().verb;
            let Some(Verb::Verbosity { level }) = verb else { panic!("{line}: {verb:?}") };
            assert_eq!(level, expected, "{line}");
        }
        for line in ["hamctl verbosity 10", "hamctl verbosity -1", "hamctl verbosity more"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_second_name_is_kept() {
        assert_eq!(program(Some(OsStr::new("/usr/bin/hamctrl"))), "hamctrl");
        assert_eq!(program(Some(OsStr::new("hamctl"))), "hamctl");
        assert_eq!(program(None), "hamctl");
    }

    #[test]
    fn the_manual_page_names_every_verb_and_option() {
        let page = include_str!("../../../man/hamctl.1").replace("\\-", "-");
        let command = Arguments::command();
        let mut options: Vec<String> = Vec::new();
        for verb in command.get_subcommands() {
            let heading = format!("\n.BR {}", verb.get_name());
            let plain = format!("\n.B {}", verb.get_name());
            assert!(
                page.contains(&heading) || page.contains(&plain),
                "no verb {}",
                verb.get_name()
            );
            options.extend(verb.get_opts().filter_map(|option| option.get_long().map(Into::into)));
        }
        options.extend(command.get_opts().filter_map(|option| option.get_long().map(Into::into)));
        for option in options {
            assert!(page.contains(&format!("--{option}")), "hamctl(1) lacks --{option}");
        }
    }
}
