//! The loader: a short-lived child that reads units, so that a parser, a hung
//! mount or a slow directory server can harm neither monitor nor entities
//! (details 21). It writes its result to descriptor 3 and ends.

use crate::say::say;
use ham_core::plan::EntityPlan;
use ham_unit::{DiagnosticReport, Settings, Severity, SystemUsers, load_directories, no_watchdog};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the monitor asks of the loader.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Where units are read from.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether those are the system's own.
    pub(crate) system: bool,
}

const SYSTEM: &str = "--system";

impl Request {
    /// From the command line that [`Request::words`] makes.
    pub(crate) fn parse(words: &[OsString]) -> Result<Request, String> {
        let mut request = Request { directories: Vec::new(), system: false };
        for word in words {
            if word == SYSTEM {
                request.system = true;
            } else {
                request.directories.push(PathBuf::from(word));
            }
        }
        if request.directories.is_empty() {
            return Err("`ham load` is internal: ham starts it itself".to_owned());
        }
        Ok(request)
    }

    /// The command line.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from("load")];
        if self.system {
            words.push(OsString::from(SYSTEM));
        }
        words.extend(self.directories.iter().map(|directory| directory.clone().into_os_string()));
        words
    }
}

/// What it answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) entities: Vec<EntityPlan>,
    pub(crate) diagnostics: Vec<DiagnosticReport>,
    pub(crate) refused: Vec<String>,
}

impl Answer {
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|report| report.severity == Severity::Error)
    }
}

/// `ham load`.
pub(crate) fn main(request: &Request) -> ExitCode {
    let _ = ham_sys::process::set_name(c"ham-load");
    let users = SystemUsers::new();
    let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
    settings.strict_owner = request.system;
    let mut loaded = load_directories(&request.directories, &settings);
    // The reaper is this process's parent.
    let reaper = i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0);
    if ham_sys::ending::is_init_of_machine(reaper) {
        loaded.diagnostics.extend(no_watchdog(Path::new("/dev")));
    }
    let answer = Answer {
        diagnostics: loaded.diagnostics.iter().map(DiagnosticReport::from).collect(),
        entities: loaded.entities,
        refused: loaded.refused,
    };
    let write = || -> std::io::Result<()> {
        // By its name: the number is all that this process was given.
        let mut out = std::fs::File::options().write(true).open("/proc/self/fd/3")?;
        serde_json::to_writer(std::io::BufWriter::new(&mut out), &answer)?;
        out.flush()
    };
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("load: could not write the plan: {error}"));
            ExitCode::FAILURE
        }
    }
}
