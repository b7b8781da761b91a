//! The command line: verbs and options, and the two habits that clap does not
//! know (QNX's `-stop`, the second name `hamctrl`). Decides nothing about what
//! a verb does.

mod heartbeat;
mod verb;
mod words;

pub(crate) use heartbeat::Beats;
pub(crate) use verb::{Stop, Targets, Unit, UnitNames, Verb};
pub(crate) use words::{Flags, Level};

use crate::exit;
use clap::{CommandFactory, FromArgMatches, Parser};
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
