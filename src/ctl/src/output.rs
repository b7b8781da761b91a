//! Standard output: whether it is a terminal, how wide, whether in colour,
//! and writing to it. Knows nothing of what is written.

use crate::arguments::Arguments;
use crate::error::Error;
use serde::Serialize;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

/// Where the results go and how they may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    quiet: bool,
    /// Whether a person looks at it.
    pub(crate) terminal: bool,
    /// Whether frames may be drawn: a terminal that can more than print.
    pub(crate) frames: bool,
    /// How text may look.
    pub(crate) look: Look,
}

/// How text may look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// With escape sequences for colour.
    pub(crate) colour: bool,
    /// Columns of the terminal; `None` when lines may be of any length.
    pub(crate) width: Option<usize>,
    /// Whether frames may be drawn with characters beyond ASCII.
    pub(crate) unicode: bool,
}

impl Output {
    /// Standard output as the options and the environment want it.
    pub(crate) fn new(arguments: &Arguments) -> Output {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let term = std::env::var_os("TERM");
        let no_colour = std::env::var_os("NO_COLOR");
        let width = terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
        Output {
            json: arguments.json,
            quiet: arguments.quiet,
            terminal,
            frames: terminal && able(term.as_deref()),
            look: Look {
                colour: colourful(terminal, no_colour.as_deref(), term.as_deref()),
                width: width.filter(|_| terminal),
                unicode: locale_is_utf8(std::env::var_os),
            },
        }
    }

    /// Writes the whole of `text`.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(crate) fn print(&self, text: &str) -> Result<(), Error> {
        if self.quiet {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::Output)
    }

    /// Writes `text` and ends the line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(crate) fn print_line(&self, text: &str) -> Result<(), Error> {
        self.print(&format!("{text}\n"))
    }

    /// Writes one JSON document on one line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub(crate) fn print_document<T: Serialize>(&self, document: &T) -> Result<(), Error> {
        // Only text and numbers are printed, which cannot fail to be JSON.
        let text = serde_json::to_string(document).map_err(|cause| Error::Output(cause.into()))?;
        self.print_line(&text)
    }
}

/// One line on standard error. That nobody can read it changes nothing about
/// the exit code, which is why `eprintln!` is not used: it panics then.
pub(crate) fn complain(program: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{program}: {text}");
}

/// Colours only for a terminal that knows them and a person who wants them
/// (<https://no-color.org>: set and not empty).
fn colourful(terminal: bool, no_colour: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && able(term) && no_colour.is_none_or(OsStr::is_empty)
}

/// Whether the terminal knows more than lines of text.
fn able(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term != "dumb")
}

/// Whether the locale's characters are UTF-8, by locale(7): the first of the
/// three that is set counts.
fn locale_is_utf8(variable: impl Fn(&'static str) -> Option<std::ffi::OsString>) -> bool {
    let value = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let value = value.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    value.contains("utf-8") || value.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal_that_wants_it() {
        let xterm = Some(OsStr::new("xterm"));
        assert!(colourful(true, None, xterm));
        assert!(colourful(true, Some(OsStr::new("")), xterm));
        assert!(!colourful(false, None, xterm));
        assert!(!colourful(true, Some(OsStr::new("1")), xterm));
        assert!(!colourful(true, None, Some(OsStr::new("dumb"))));
        assert!(!colourful(true, None, None));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_counts() {
        let both = |name: &'static str| match name {
            "LC_ALL" => Some("C".into()),
            _ => Some("en_US.UTF-8".into()),
        };
        assert!(!locale_is_utf8(both));
        assert!(locale_is_utf8(|name| (name == "LANG").then(|| "C.utf8".into())));
        assert!(!locale_is_utf8(|_| None));
    }
}
