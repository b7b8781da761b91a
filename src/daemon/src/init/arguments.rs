//! The command line of `ham init`, and the environment that tini has for the
//! same. Options end with the first word that is none; all that follows is the
//! command's.

use super::Called;
use super::rewrite::Rewrites;
use super::script;
use ham_core::signal::Signal;
use ham_core::time::Span;
use lexopt::prelude::{Long, Short, Value};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

/// The tini whose options, environment and behaviour these are.
const TINI: &str = "0.19.0";

/// How long others may take when the command has ended and nobody says
/// otherwise: half of what container engines give a container to stop.
const WAIT: Span = Span::seconds(5);

/// `ham init -h`, behind the line of usage.
const HELP: &str = "\
Runs one command as the init of a container: passes signals on to it, reaps
orphans, and ends with its exit code.

Options:
  -p SIGNAL          get SIGNAL, and pass it on, when the parent ends
  -s                 be a child subreaper when not PID 1 (`ham init` always is)
  -g                 pass signals on to the process group of the command
  -e CODE            count this exit code as 0 (repeatable)
  -w                 warn about every orphan that is reaped
  -v                 say more (repeatable)
  -P, --pause        run no command; end with TERM or INT
      --rewrite S:R  pass on signal R for S; none if R is 0 (repeatable)
      --wait TIME    when the command has ended: TERM to all others, and KILL to
                     those that are there after TIME (default: 5s; called as
                     tini: 0s, which sends nothing)
      --summary      write a line of JSON on standard error at the end
  -l                 show the licence
  -h, --help         this text
      --version      version

Environment: TINI_SUBREAPER (as -s), TINI_KILL_PROCESS_GROUP (as -g),
TINI_VERBOSITY (a number, 1 if not set).

See ham-init(8).
";

const LICENCE: &str = "\
Licensed under the Apache License, Version 2.0, or the MIT license, as you
like: https://www.apache.org/licenses/LICENSE-2.0, https://opensource.org/license/mit
";

/// Whose children orphans become when init is not PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphans {
    /// Its own.
    Ours,
    /// Not its own, as tini leaves it.
    OfPid1,
}

/// What it was called to do.
#[derive(Debug)]
pub(super) enum Asked {
    Run(Box<Arguments>),
    Text(String),
}

#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) called: Called,
    /// Empty only with `pause`.
    pub(super) command: Vec<CString>,
    pub(super) pause: bool,
    pub(super) parent_death: Option<Signal>,
    pub(super) orphans: Orphans,
    pub(super) to_group: bool,
    pub(super) rewrites: Rewrites,
    pub(super) warn_orphans: bool,
    pub(super) verbosity: u32,
    pub(super) wait: Span,
    pub(super) summary: bool,
    success: Vec<u8>,
}

impl Arguments {
    /// Whether `-e` names this exit code.
    pub(super) fn counts_as_success(&self, code: u8) -> bool {
        self.success.contains(&code)
    }

    /// The command, for messages.
    pub(super) fn shown(&self) -> std::borrow::Cow<'_, str> {
        self.command.first().map_or("nothing".into(), |word| word.to_string_lossy())
    }
}

fn help(called: Called) -> String {
    let name = called.name();
    format!("Usage: {name} [OPTIONS] [--] COMMAND [ARGUMENTS]\n       {name} --pause\n\n{HELP}")
}

/// As tini it begins as Docker expects it of whatever is installed so.
fn version(called: Called) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match called {
        Called::Ham => format!("ham {own}\n"),
        Called::Tini(_) => format!("tini version {TINI} - ham {own}\n"),
    }
}

/// Reads the command line, after what the environment says.
pub(super) fn parse(
    called: Called,
    words: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Asked, String> {
    let (orphans, wait) = match called {
        Called::Ham => (Orphans::Ours, WAIT),
        Called::Tini(_) if variable("TINI_SUBREAPER").is_some() => (Orphans::Ours, Span(0)),
        Called::Tini(_) => (Orphans::OfPid1, Span(0)),
    };
    let verbosity = variable("TINI_VERBOSITY").map_or(1, |text| {
        // Nobody is there to be told of a variable that is no number.
        text.to_str().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    });
    let mut arguments = Arguments {
        called,
        command: Vec::new(),
        pause: false,
        parent_death: None,
        orphans,
        to_group: variable("TINI_KILL_PROCESS_GROUP").is_some(),
        rewrites: Rewrites::default(),
        warn_orphans: false,
        verbosity,
        wait,
        summary: false,
        success: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Asked::Text(help(called))),
            Long("version") => return Ok(Asked::Text(version(called))),
            Short('l') => return Ok(Asked::Text(LICENCE.to_owned())),
            Short('p') => {
                let name = value(&mut parser)?;
                let signal = Signal::parse(&name)
                    .ok_or_else(|| format!("-p {name}: expected a signal, as in SIGTERM"))?;
                arguments.parent_death = Some(signal);
            }
            Short('s') => arguments.orphans = Orphans::Ours,
            Short('g') => arguments.to_group = true,
            Short('e') => {
                let code = value(&mut parser)?;
                let number = code.trim().parse();
                arguments.success.push(
                    number.map_err(|_| format!("-e {code}: expected an exit code, 0 to 255"))?,
                );
            }
            Short('w') => arguments.warn_orphans = true,
            Short('v') => arguments.verbosity = arguments.verbosity.saturating_add(1),
            Short('P') | Long("pause") => arguments.pause = true,
            Long("rewrite") => arguments.rewrites.add(&value(&mut parser)?)?,
            Long("wait") => {
                arguments.wait = time(&value(&mut parser)?)?;
                if arguments.wait != Span(0) {
                    // Others are looked for below init.
                    arguments.orphans = Orphans::Ours;
                }
            }
            Long("summary") => arguments.summary = true,
            Value(first) => {
                let rest = parser.raw_args().map_err(|error| error.to_string())?;
                arguments.command = script::command(first, &variable)
                    .into_iter()
                    .chain(rest)
                    .map(|word| CString::new(word.into_vec()).map_err(|error| error.to_string()))
                    .collect::<Result<_, _>>()?;
                break;
            }
            Short(letter) => return Err(format!("unknown option `-{letter}`")),
            Long(name) => return Err(format!("unknown option `--{name}`")),
        }
    }
    match (arguments.pause, arguments.command.is_empty()) {
        (false, true) => Err("no command: expected one behind the options".to_owned()),
        (true, false) => Err(format!("--pause runs no command, not {}", arguments.shown())),
        (true, true) | (false, false) => Ok(Asked::Run(Box::new(arguments))),
    }
}

/// The value of the option just read.
fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    let text = parser.value().map_err(|error| error.to_string())?;
    Ok(OsStr::to_string_lossy(&text).into_owned())
}

fn time(text: &str) -> Result<Span, String> {
    if text == "0" {
        return Ok(Span(0));
    }
    ham_unit::parse_duration(text).map_err(|why| format!("--wait {text}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(called: Called, words: &[&str]) -> Result<Arguments, String> {
        let words = words.iter().map(OsString::from).collect();
        match parse(called, words, |_| None)? {
            Asked::Run(arguments) => Ok(*arguments),
            Asked::Text(text) => Err(text),
        }
    }

    fn command(words: &[&str]) -> Vec<String> {
        let arguments = parsed(Called::Ham, words).unwrap();
        arguments.command.iter().map(|word| word.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_command_begins_with_the_first_word_that_is_no_option() {
        assert_eq!(command(&["a", "-v", "--", "b"]), ["a", "-v", "--", "b"]);
        assert_eq!(command(&["--", "a", "-v"]), ["a", "-v"]);
        assert_eq!(command(&["--", "--", "a"]), ["--", "a"]);
        assert_eq!(command(&["-gv", "-e", "1", "--", "-x"]), ["-x"]);
        assert!(parsed(Called::Ham, &[]).is_err());
        assert!(parsed(Called::Ham, &["-g", "--"]).is_err());
    }

    #[test]
    fn options_are_those_of_tini() {
        let words = ["-vvgws", "-e143", "-e", "1", "-p", "SIGUSR1", "true"];
        let arguments = parsed(Called::Tini("tini"), &words).unwrap();
        assert_eq!(arguments.verbosity, 3);
        assert!(arguments.to_group && arguments.warn_orphans);
        assert_eq!(arguments.orphans, Orphans::Ours);
        assert_eq!(arguments.parent_death, Some(Signal(10)));
        let codes = [143, 1, 0, 2].map(|code| arguments.counts_as_success(code));
        assert_eq!(codes, [true, true, false, false]);
    }

    #[test]
    fn who_is_called_tini_is_tini() {
        for path in ["tini", "/usr/bin/tini", "/sbin/docker-init", "/run/podman-init"] {
            assert!(matches!(Called::by(OsStr::new(path)), Some(Called::Tini(_))), "{path}");
        }
        for path in ["ham", "/sbin/init", "mytini", ""] {
            assert_eq!(Called::by(OsStr::new(path)), None, "{path}");
        }
        let tini = parsed(Called::Tini("tini"), &["true"]).unwrap();
        assert_eq!((tini.orphans, tini.wait), (Orphans::OfPid1, Span(0)));
        let ours = parsed(Called::Ham, &["true"]).unwrap();
        assert_eq!((ours.orphans, ours.wait), (Orphans::Ours, WAIT));
        let text = parsed(Called::Tini("docker-init"), &["--version"]).unwrap_err();
        assert!(text.starts_with("tini version "), "{text}");
    }

    #[test]
    fn the_environment_is_that_of_tini() {
        let variable = |name: &str| match name {
            "TINI_VERBOSITY" => Some(" 3".into()),
            _ => Some(OsString::new()),
        };
        let asked = parse(Called::Tini("tini"), vec!["-v".into(), "x".into()], variable);
        let Ok(Asked::Run(arguments)) = asked else { panic!("{asked:?}") };
        assert_eq!((arguments.verbosity, arguments.to_group), (4, true));
        assert_eq!(arguments.orphans, Orphans::Ours);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, expected) in [
            (&["-x", "true"][..], "-x"),
            (&["--frob", "true"][..], "--frob"),
            (&["-e", "256", "true"][..], "256"),
            (&["-p", "SIGNOTHING", "true"][..], "SIGNOTHING"),
            (&["--wait", "5", "true"][..], "no unit"),
            (&["--pause", "true"][..], "true"),
            (&["--rewrite", "TERM", "true"][..], "TERM:QUIT"),
        ] {
            let why = parsed(Called::Ham, words).map(|_| ()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
