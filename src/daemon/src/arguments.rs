//! The command line of `ham`. As PID 1 nothing on it may keep the system from
//! starting: what is not understood is a warning then.

use crate::lines::Look;
use crate::options::{LogFormat, Options, Stamps, VERBOSITY};
use crate::runtime;
use crate::say::say;
use ham_core::time::Span;
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;
use std::path::PathBuf;

/// `ham --help`.
pub(crate) const HELP: &str = "\
ham, a High Availability Manager for Linux

Usage: ham [run] [OPTIONS]

Starts the manager in the foreground. TERM and INT stop all entities and end
it; a second one hurries.

Options:
      --units DIR          read units from DIR (repeatable; default: /etc/ham,
                           /run/ham/units, /usr/local/lib/ham, /usr/lib/ham)
      --runtime-dir DIR    control socket and state (default: /run/ham, or
                           $XDG_RUNTIME_DIR/ham for a user's manager)
      --user               be a user's manager, also when run by root
      --strict             refuse to start when a unit has an error
      --background         return when the units have been read
      --stop-deadline TIME how long a shutdown may take (default: 8s)
  -f FILE                  append the log to FILE instead of standard error
  -t KIND                  time stamps: none, relative, absolute, shortabs
      --log-format FORMAT  text or json: the log, and the output of entities
                           that goes through ham
  -v                       say more (repeatable)
  -V LEVEL                 set the verbosity: 0 errors, 1 events, 2 details
  -d                       verbosity 0
  -h, -?, --help           this text
      --version            version of ham

See ham(8), ham.unit(5), hamctl(1).
";

/// What `ham` was called to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Be the manager.
    Run(Options),
    /// Be the reaper again, after a fault: internal.
    Resume(Result<Options, String>),
    /// Be its loader: internal.
    Load(load::Request),
    /// Be its path watcher: internal.
    Watch,
    /// Be what writes to a file for the hardware watchdog: internal.
    Disk,
    /// Be its helper for output: internal.
    Output(Look),
    Help,
    Version,
}

use crate::load;
use crate::output;
use crate::reaper::AGAIN;

pub(crate) fn parse(mut words: Vec<OsString>) -> Result<Command, String> {
    match words.first().and_then(|word| word.to_str()) {
        Some("load") => return load::Request::parse(&words[1..]).map(Command::Load),
        Some(AGAIN) => {
            words.remove(0);
            // It must not end over anything on its command line.
            return Ok(Command::Resume(match parse(words) {
                Ok(Command::Run(options)) => Ok(options),
                Ok(_) => Err(format!("`{AGAIN}` is for ham itself")),
                Err(why) => Err(why),
            }));
        }
        Some("watch") if words.len() == 1 => return Ok(Command::Watch),
        Some("disk") if words.len() == 1 => return Ok(Command::Disk),
        Some("output") => {
            return output::look_of(words.get(1..).unwrap_or_default()).map(Command::Output);
        }
        Some("run") => {
            words.remove(0);
        }
        _ => {}
    }
    let is_init = ham_sys::process::pid() == 1;
    let mut run = Run::default();
    let mut parser = lexopt::Parser::from_args(words);
    loop {
        match next(&mut parser, &mut run) {
            Ok(Some(Next::Command(command))) => return Ok(command),
            Ok(Some(Next::Option)) => {}
            Ok(None) => return run.options().map(Command::Run),
            // A kernel passes words of its own command line on to PID 1.
            Err(why) if is_init => say(format_args!("warning: {why}; ignored")),
            Err(why) => return Err(why),
        }
    }
}

enum Next {
    Command(Command),
    Option,
}

#[derive(Default)]
struct Run {
    units: Vec<PathBuf>,
    runtime: Option<PathBuf>,
    user: bool,
    strict: bool,
    background: bool,
    log_file: Option<PathBuf>,
    stamps: Stamps,
    format: LogFormat,
    verbosity: Option<u32>,
    stop_deadline: Option<Span>,
}

/// The value of the option just read.
fn value(parser: &mut lexopt::Parser) -> Result<OsString, String> {
    parser.value().map_err(|error| error.to_string())
}

fn next(parser: &mut lexopt::Parser, run: &mut Run) -> Result<Option<Next>, String> {
    let Some(argument) = parser.next().map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let word = match argument {
        Long(name) => format!("--{name}"),
        Short(letter) => format!("-{letter}"),
        Value(word) => return Err(format!("unexpected argument `{}`", word.to_string_lossy())),
    };
    match word.as_str() {
        "--help" | "-h" | "-?" => return Ok(Some(Next::Command(Command::Help))),
        "--version" => return Ok(Some(Next::Command(Command::Version))),
        "--units" => run.units.push(PathBuf::from(value(parser)?)),
        "--runtime-dir" => run.runtime = Some(PathBuf::from(value(parser)?)),
        "--user" => run.user = true,
        "--strict" => run.strict = true,
        "--background" => run.background = true,
        "--stop-deadline" => {
            let text = value(parser)?.to_string_lossy().into_owned();
            let span = ham_unit::parse_duration(&text)
                .map_err(|why| format!("--stop-deadline {text}: {why}"))?;
            run.stop_deadline = Some(span);
        }
        "-f" => run.log_file = Some(PathBuf::from(value(parser)?)),
        "-t" => {
            let kind = value(parser)?;
            let kind = kind.to_string_lossy();
            run.stamps = Stamps::from_word(&kind).ok_or_else(|| {
                format!("-t {kind}: expected none, relative, absolute or shortabs")
            })?;
        }
        "--log-format" => {
            let word = value(parser)?;
            let word = word.to_string_lossy();
            run.format = LogFormat::from_word(&word)
                .ok_or_else(|| format!("--log-format {word}: expected text or json"))?;
        }
        "-d" => run.verbosity = Some(0),
        "-v" => run.verbosity = Some(run.verbosity.unwrap_or(VERBOSITY).saturating_add(1)),
        "-V" => {
            let level = value(parser)?;
            let level = level.to_string_lossy();
            let number = level.parse().map_err(|_| format!("-V {level}: expected a number"))?;
            run.verbosity = Some(number);
        }
        _ => return Err(format!("unknown option `{word}`")),
    }
    Ok(Some(Next::Option))
}

impl Run {
    fn options(self) -> Result<Options, String> {
        let of_user = self.user || ham_sys::process::effective_uid() != 0;
        let runtime = match self.runtime {
            Some(directory) => runtime::absolute(&directory)?,
            None => runtime::default_directory(of_user)?,
        };
        let system_directories = self.units.is_empty() && !of_user;
        let directories = if !self.units.is_empty() {
            self.units.iter().map(|dir| runtime::absolute(dir)).collect::<Result<_, _>>()?
        } else if of_user {
            ham_unit::user_directories()
        } else {
            ham_unit::system_directories()
        };
        let log_file = self.log_file.as_deref().map(runtime::absolute).transpose()?;
        let mut words: Vec<OsString> = vec!["run".into(), "--runtime-dir".into()];
        words.push(runtime.clone().into());
        if !system_directories {
            let each = directories.iter().map(|path: &PathBuf| path.clone().into_os_string());
            words.extend(each.flat_map(|path| ["--units".into(), path]));
        }
        if self.user {
            words.push("--user".into());
        }
        if self.strict {
            words.push("--strict".into());
        }
        if let Some(path) = &log_file {
            words.extend(["-f".into(), path.clone().into_os_string()]);
        }
        words.extend(["-t".into(), self.stamps.word().into()]);
        words.extend(["--log-format".into(), self.format.word().into()]);
        if let Some(verbosity) = self.verbosity {
            words.push(format!("-V{verbosity}").into());
        }
        if let Some(deadline) = self.stop_deadline {
            let deadline = match deadline {
                Span::INFINITE => "infinity".to_owned(),
                Span(nanoseconds) => format!("{nanoseconds}ns"),
            };
            words.extend(["--stop-deadline".into(), deadline.into()]);
        }
        Ok(Options {
            words,
            directories,
            system_directories,
            runtime,
            strict: self.strict,
            background: self.background,
            log_file,
            stamps: self.stamps,
            format: self.format,
            verbosity: self.verbosity,
            stop_deadline: self.stop_deadline,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, String> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_of_qnx_keep_their_meaning() {
        let Ok(Command::Run(options)) = parsed(&[
            "-vv",
            "-t",
            "relative",
            "-f",
            "/tmp/x",
            "--units",
            "/u",
            "--runtime-dir",
            "/r",
        ]) else {
            panic!("not a run");
        };
        assert_eq!(options.verbosity, Some(3));
        assert_eq!(options.stamps, Stamps::Relative);
        assert_eq!(options.log_file, Some(PathBuf::from("/tmp/x")));
        let Ok(Command::Run(options)) = parsed(&["run", "-V5", "-d", "--runtime-dir", "/r"]) else {
            panic!("not a run");
        };
        assert_eq!(options.verbosity, Some(0));
        assert!(matches!(parsed(&["-h"]), Ok(Command::Help)));
    }

    #[test]
    fn a_command_line_made_of_options_means_the_same() {
        for words in [
            &["--runtime-dir", "/r", "--units", "/u", "--units", "rel", "-t", "none", "--strict"][..],
            &["--runtime-dir", "/r", "-vvv", "-f", "log", "--stop-deadline", "1min 2s 30ms"][..],
            &["--runtime-dir", "/r", "--user", "-d", "--stop-deadline", "infinity"][..],
            &["--runtime-dir", "/r", "--log-format", "json"][..],
            // What is not given is left to ham.conf, again too.
            &["--runtime-dir", "/r"][..],
        ] {
            let Ok(Command::Run(first)) = parsed(words) else { panic!("not a run") };
            let again = std::iter::once(AGAIN.into()).chain(first.words.iter().cloned());
            let Ok(Command::Resume(Ok(second))) = parse(again.collect()) else {
                panic!("{:?}", first.words)
            };
            assert_eq!(format!("{first:?}"), format!("{second:?}"));
        }
        assert!(matches!(parsed(&[AGAIN, "--nonsense"]), Ok(Command::Resume(Err(_)))));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, expected) in [
            (&["--untis", "/u"][..], "--untis"),
            (&["-t", "often"][..], "often"),
            (&["-V", "loud"][..], "loud"),
            (&["--log-format", "xml"][..], "expected text or json"),
            (&["serve"][..], "serve"),
        ] {
            let why = parsed(words).map(|_| ()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
