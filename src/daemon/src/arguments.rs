//! The command line of `ham`. As PID 1 nothing on it may keep the system from
//! starting: what is not understood is a warning then.

use crate::board::words::Word;
use crate::board::{self, shell};
use crate::init;
use crate::last;
use crate::lines::Look;
use crate::load;
use crate::options::{LogFormat, Options, Place, Stamps, VERBOSITY};
use crate::output;
use crate::reaper::AGAIN;
use crate::runtime;
use crate::say::say;
use crate::signalled::Signals;
use ham_core::time::Span;
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;
use std::path::PathBuf;

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
    /// Be its helper for the last steps of a machine: internal.
    Last,
    /// Be what writes to a file for the hardware watchdog: internal.
    Disk,
    /// Leave clock and random seed to the next boot.
    Keep,
    /// Be its helper for output: internal.
    Output(Look),
    /// Be the init of one command, with these words.
    Init(Vec<OsString>),
    /// Be the program of its emergency entity: internal. Whether it takes the
    /// console itself.
    Emergency(bool),
    Help,
    Version,
}

pub(crate) fn parse(words: Vec<OsString>) -> Result<Command, String> {
    let is_init = ham_sys::process::pid() == 1;
    parse_as(is_init, place(is_init, &words), words)
}

fn parse_as(is_init: bool, place: Place, mut words: Vec<OsString>) -> Result<Command, String> {
    if words.first().is_some_and(|word| word == AGAIN) {
        words.remove(0);
        // It must not end over anything on its command line.
        return Ok(Command::Resume(match parse_as(is_init, place, words) {
            Ok(Command::Run(options)) => Ok(options),
            Ok(_) => Err(format!("`{AGAIN}` is for ham itself")),
            Err(why) => Err(why),
        }));
    }
    // On a board any word may stand there for somebody else.
    if place == Place::Elsewhere
        && let Some(command) = internal(&words)?
    {
        return Ok(command);
    }
    if words.first().is_some_and(|word| word == "run") {
        words.remove(0);
    }
    let mut run = Run { place, ..Run::default() };
    let mut warnings = Vec::new();
    let mut parser = lexopt::Parser::from_args(words);
    loop {
        match next(&mut parser, &mut run) {
            Ok(Some(Next::Command(command))) => return Ok(command),
            Ok(Some(Next::Option)) => {}
            Ok(None) => break,
            Err(why) if place != Place::Elsewhere => warnings.push(why),
            // An engine passes words on, too.
            Err(why) if is_init => say(format_args!("warning: {why}; ignored")),
            Err(why) => return Err(why),
        }
    }
    match place {
        Place::Elsewhere => run.options().map(Command::Run),
        Place::Namespace | Place::Machine => Ok(Command::Run(run.on_board(warnings))),
    }
}

/// What is done instead of what would end it.
const NO_END: &str = "what prints a text and ends, or ends for an error, is not for the init of \
                      a machine";

/// A kernel passes on what it does not know, and nothing of that may end its
/// init.
fn place(is_init: bool, words: &[OsString]) -> Place {
    if !is_init {
        return Place::Elsewhere;
    }
    match ham_sys::machine::this_is_init_of_machine() {
        true => Place::Machine,
        false if words.iter().any(|word| word == "--board") => Place::Namespace,
        false => Place::Elsewhere,
    }
}

/// The roles that ham itself starts.
fn internal(words: &[OsString]) -> Result<Option<Command>, String> {
    let rest = words.get(1..).unwrap_or_default();
    Ok(Some(match words.first().and_then(|word| word.to_str()) {
        Some("load") => return load::Request::parse(rest).map(Command::Load).map(Some),
        Some("watch") if rest.is_empty() => Command::Watch,
        Some("disk") if rest.is_empty() => Command::Disk,
        Some(word) if init::is_meant(word) => Command::Init(init::words_after(words.to_vec())),
        Some("keep") if rest.is_empty() => Command::Keep,
        Some(last::WORD_OF_ROLE) if rest.is_empty() => Command::Last,
        Some("output") => return output::look_of(rest).map(Command::Output).map(Some),
        Some(shell::WORD) => Command::Emergency(!rest.is_empty()),
        _ => return Ok(None),
    }))
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
    container: Option<bool>,
    signals: Option<Signals>,
    place: Place,
    emergency: bool,
}

/// The value of the option just read.
fn value(parser: &mut lexopt::Parser) -> Result<OsString, String> {
    parser.value().map_err(|error| error.to_string())
}

fn next(parser: &mut lexopt::Parser, run: &mut Run) -> Result<Option<Next>, String> {
    let Some(argument) = parser.next().map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let on_board = run.place != Place::Elsewhere;
    let word = match argument {
        Long(name) => format!("--{name}"),
        Short(letter) => format!("-{letter}"),
        Value(word) => {
            let text = word.to_string_lossy();
            return match Word::of(&text).filter(|_| on_board) {
                Some(word) => Ok(Some(run.take(word))),
                None => Err(format!("unexpected argument `{text}`")),
            };
        }
    };
    if let Some(word) = Word::of(&word).filter(|_| on_board) {
        return Ok(Some(run.take(word)));
    }
    match word.as_str() {
        "--help" | "-h" | "-?" | "--version" if on_board => {
            return Err(format!("{word}: {NO_END}"));
        }
        "--help" | "-h" | "-?" => return Ok(Some(Next::Command(Command::Help))),
        "--version" => return Ok(Some(Next::Command(Command::Version))),
        "--units" => run.units.push(PathBuf::from(value(parser)?)),
        "--runtime-dir" => run.runtime = Some(PathBuf::from(value(parser)?)),
        "--board" if on_board => {}
        "--board" => return Err("--board is for process 1".to_owned()),
        "--user" | "--strict" | "--background" if on_board => {
            return Err(format!("{word}: {NO_END}"));
        }
        "--user" => run.user = true,
        "--strict" => run.strict = true,
        "--background" => run.background = true,
        "--stop-deadline" => {
            let text = value(parser)?.to_string_lossy().into_owned();
            let span = ham_unit::parse_duration(&text)
                .map_err(|why| format!("--stop-deadline {text}: {why}"))?;
            run.stop_deadline = Some(span);
        }
        "--container" => {
            let word = value(parser)?;
            let word = word.to_string_lossy();
            run.container = match &*word {
                "yes" => Some(true),
                "no" => Some(false),
                "auto" => None,
                _ => return Err(format!("--container {word}: expected yes, no or auto")),
            };
        }
        "--signals" => {
            let word = value(parser)?;
            let word = word.to_string_lossy();
            run.signals = Signals::from_word(&word)
                .map(Some)
                .ok_or_else(|| format!("--signals {word}: expected board or container"))?;
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
    fn take(&mut self, word: Word) -> Next {
        match word {
            Word::Emergency => self.emergency = true,
            Word::Quiet | Word::Debug => self.verbosity = word.verbosity(),
        }
        Next::Option
    }

    /// As [`Run::options`], and if that cannot be, what ham does without any.
    fn on_board(self, mut warnings: Vec<String>) -> Options {
        let runtime = Some(PathBuf::from("/run/ham"));
        let usual = Run { place: self.place, emergency: self.emergency, runtime, ..Run::default() };
        let options = self.options().or_else(|why| {
            warnings.push(why);
            usual.options()
        });
        match options {
            Ok(options) => Options { warnings, ..options },
            // An absolute path is one wherever this process stands.
            Err(why) => board::hold(&why),
        }
    }

    fn options(self) -> Result<Options, String> {
        let on_board = self.place != Place::Elsewhere;
        let of_user = !on_board && (self.user || ham_sys::process::effective_uid() != 0);
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
        if self.place == Place::Namespace {
            words.push("--board".into());
        }
        if self.emergency {
            words.push(shell::WORD.into());
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
        if let Some(container) = self.container {
            let word = if container { "yes" } else { "no" };
            words.extend(["--container".into(), word.into()]);
        }
        if let Some(signals) = self.signals {
            words.extend(["--signals".into(), signals.word().into()]);
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
            container: self.container,
            signals: self.signals,
            place: self.place,
            emergency: self.emergency,
            warnings: Vec::new(),
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
            &["--runtime-dir", "/r", "--log-format", "json", "--container", "yes"][..],
            &["--runtime-dir", "/r", "--container", "no", "--signals", "board"][..],
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

    fn on_board(words: &[&str]) -> Options {
        let words = words.iter().map(OsString::from).collect();
        match parse_as(true, Place::Namespace, words) {
            Ok(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_a_kernel_passes_on_a_board_goes_up() {
        // Each would end a manager that is no init, or make another of it.
        for word in [
            "--help",
            "-h",
            "-?",
            "--version",
            "--user",
            "--strict",
            "--background",
            "load",
            "watch",
            "output",
            "serve",
            "-t",
            "-V",
            "--units",
            "--stop-deadline=soon",
            "--no=x",
            "BOOT_IMAGE=/vmlinuz",
            "ro",
            "--",
            "-",
        ] {
            let options = on_board(&["--board", word]);
            assert!(!options.strict && !options.background, "{word}");
            assert_eq!(options.runtime, PathBuf::from("/run/ham"), "{word}");
            assert_eq!(options.warnings.is_empty(), word == "--", "{word}: {:?}", options.warnings);
        }
        let options = on_board(&["--runtime-dir", "/r", "nonsense", "-vv", "run"]);
        assert_eq!((options.runtime, options.verbosity), (PathBuf::from("/r"), Some(3)));
        assert_eq!(options.warnings.len(), 2);
    }

    #[test]
    fn words_of_other_inits_are_understood_on_a_board_alone() {
        for word in ["single", "emergency", "rescue", "s", "S", "1", "-b", "-s"] {
            assert!(on_board(&[word]).emergency, "{word}");
        }
        assert_eq!(on_board(&["quiet"]).verbosity, Some(0));
        assert_eq!(on_board(&["debug"]).verbosity, Some(2));
        assert!(parsed(&["run", "single"]).is_err());
        assert!(parsed(&["--board"]).is_err());
        // They are told again to a reaper that executes itself again.
        let first = on_board(&["--board", "single", "quiet", "--units", "/u"]);
        let again = parse_as(true, Place::Namespace, {
            std::iter::once(AGAIN.into()).chain(first.words.iter().cloned()).collect()
        });
        let Ok(Command::Resume(Ok(second))) = again else { panic!("{again:?}") };
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, expected) in [
            (&["--untis", "/u"][..], "--untis"),
            (&["-t", "often"][..], "often"),
            (&["-V", "loud"][..], "loud"),
            (&["--log-format", "xml"][..], "expected text or json"),
            (&["--container", "maybe"][..], "expected yes, no or auto"),
            (&["--signals", "yes"][..], "expected board or container"),
            (&["serve"][..], "serve"),
        ] {
            let why = parsed(words).map(|_| ()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
