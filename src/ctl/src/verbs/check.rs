//! `hamctl check [PATHS…|-]`: every mistake in unit files, before a manager
//! sees them. Uses the manager's own loader, and no manager.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render::diagnostics;
use ham_unit::{
    Diagnostic, DiagnosticReport, Loaded, Settings, Severity, SystemUsers, check_file, check_text,
    ham_is_init, is_drop_ins, load_directories, no_watchdog, system_directories, user_directories,
};
use serde::Serialize;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The name of a unit that comes from standard input; it has no file name.
const STDIN_NAME: &str = "stdin";
/// The longest unit that is accepted, in bytes, as for files (ham.unit(5)).
const STDIN_LIMIT: u64 = 1024 * 1024;

/// What `--json` prints; hamctl(1) tells what its fields are.
#[derive(Serialize)]
struct Report {
    diagnostics: Vec<DiagnosticReport>,
    good: usize,
    errors: usize,
    warnings: usize,
}

/// What is to be checked, and how.
#[derive(Debug)]
pub(super) struct Check<'a> {
    /// Files, directories and `-`.
    pub(super) paths: &'a [PathBuf],
    /// What the unit of standard input is called.
    pub(super) name: Option<&'a str>,
    /// Whether a warning is as bad as an error.
    pub(super) strict: bool,
    /// Whether the directories are those of one's own manager.
    pub(super) user: bool,
    /// The user who asks.
    pub(super) uid: Option<u32>,
}

/// What was found in all paths together.
#[derive(Default)]
struct Found {
    good: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Found {
    fn add(&mut self, loaded: Loaded) {
        self.good += loaded.entities.len();
        self.diagnostics.extend(loaded.diagnostics);
    }
}

/// See the file.
pub(super) fn run(asked: &Check<'_>, output: Output) -> Result<Exit, Error> {
    let &Check { paths, user, uid, .. } = asked;
    let users = SystemUsers::new();
    // The system's directories are judged as the system's manager would, by
    // whomever they are checked.
    let system = paths.is_empty() && !user;
    let euid = if system { 0 } else { uid.unwrap_or(0) };
    let settings = Settings { strict_owner: system, ..Settings::new(&users, euid) };
    let mut found = Found::default();
    if paths.is_empty() {
        found.add(load_directories(&search_directories(user)?, &settings));
        // Those are the units of this machine, so it is looked at too.
        if system && ham_is_init() {
            let missing = no_watchdog(Path::new("/dev"), &found.diagnostics);
            found.diagnostics.extend(missing);
        }
    }
    for path in paths {
        found.add(if path.as_os_str() == "-" {
            let name = asked.name.unwrap_or(STDIN_NAME);
            // As `--name` says, editors show what is not saved yet.
            let file = asked.name.map_or("-".to_owned(), |name| format!("{name}.toml"));
            check_text(name, &file, &standard_input()?, &settings)
        } else if path.is_dir() && !is_drop_ins(path) {
            load_directories(std::slice::from_ref(path), &settings)
        } else {
            check_file(path, &settings)
        });
    }
    report(&found, asked.strict, output)
}

/// The directories that the manager reads.
fn search_directories(user: bool) -> Result<Vec<PathBuf>, Error> {
    let directories = if user { user_directories() } else { system_directories() };
    if directories.is_empty() {
        let what = "one's own unit directories".to_owned();
        let cause = "neither HOME nor XDG_CONFIG_HOME is set".to_owned();
        return Err(Error::Directory { what, cause });
    }
    Ok(directories)
}

/// Those that were named, else those that the manager reads.
pub(super) fn directories(given: &[PathBuf], user: bool) -> Result<Vec<PathBuf>, Error> {
    if given.is_empty() { search_directories(user) } else { Ok(given.to_vec()) }
}

fn report(found: &Found, strict: bool, output: Output) -> Result<Exit, Error> {
    let errors = diagnostics::count(&found.diagnostics, Severity::Error);
    let warnings = diagnostics::count(&found.diagnostics, Severity::Warning);
    if output.json {
        let diagnostics = found.diagnostics.iter().map(DiagnosticReport::from).collect();
        output.print_document(&Report { diagnostics, good: found.good, errors, warnings })?;
    } else {
        let mut text = if output.frames {
            diagnostics::graphical(&found.diagnostics, output.look)
        } else {
            diagnostics::plain(&found.diagnostics)
        };
        text.push_str(&diagnostics::summary(found.good, &found.diagnostics));
        if let Some(first) = found.diagnostics.iter().find(|one| one.is_error()) {
            let code = first.code.rsplit("::").next().unwrap_or(first.code);
            text.push_str(&format!("; `hamctl explain {code}` tells more"));
        }
        output.print_line(&text)?;
    }
    let failed = errors > 0 || (strict && warnings > 0);
    Ok(if failed { Exit::Failed } else { Exit::Success })
}

pub(super) fn standard_input() -> Result<String, Error> {
    let mut bytes = Vec::new();
    let limit = STDIN_LIMIT.saturating_add(1);
    io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(Error::Input)?;
    if bytes.len() as u64 > STDIN_LIMIT {
        return Err(Error::Input(io::Error::other("it is longer than 1 MiB")));
    }
    String::from_utf8(bytes).map_err(|_| Error::Input(io::Error::other("it is not UTF-8")))
}
