//! What can go wrong in hamctl, each as one line for standard error, and the
//! exit that it leads to. Prints nothing itself.

use crate::exit::Exit;
use ham_core::wire::Refusal;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nothing accepts connections on the control socket.
    NoManager {
        /// The control socket.
        socket: PathBuf,
        /// What connect(2) said.
        cause: io::Error,
        /// Whether it is the system's manager, so that `--user` is another.
        system: bool,
    },
    /// The control socket may not be used by the caller.
    NoAccess {
        /// The control socket.
        socket: PathBuf,
        /// What connect(2) said.
        cause: io::Error,
    },
    /// The connection broke, and broke again at every repeat.
    Lost {
        /// The method.
        method: String,
        /// How often the request was sent.
        attempts: u32,
        /// What was seen last.
        cause: io::Error,
    },
    /// The manager took the request and gave no answer in time.
    Silent {
        /// The method.
        method: String,
        /// How long was waited.
        after: Duration,
    },
    /// Reading or writing the connection failed in another way.
    Connection {
        /// `send a request to`, `read the answer of`.
        verb: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The answer is not what the interface says.
    Protocol {
        /// The method.
        method: String,
        /// What is wrong with the answer.
        cause: String,
    },
    /// The manager does not have this method.
    UnknownMethod {
        /// The method.
        method: String,
    },
    /// The manager does not have this parameter of the method.
    UnknownParameter {
        /// The method.
        method: String,
        /// The parameter.
        parameter: String,
    },
    /// The manager refused with an error of `io.ham.Manager`.
    Refused(Refusal),
    /// The manager refused with an error that this hamctl does not know.
    RefusedOtherwise {
        /// The method.
        method: String,
        /// Name of the Varlink error.
        error: String,
        /// Its parameters as JSON.
        parameters: String,
    },
    /// Nothing matched, or it is not in the answer.
    Missing {
        /// What was asked for.
        names: String,
    },
    /// No diagnostic has this code.
    UnknownCode {
        /// What was asked for.
        code: String,
        /// The nearest code there is.
        nearest: Option<&'static str>,
    },
    /// There is no file of a unit.
    UnknownUnit {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
    },
    /// A unit cannot be enabled, masked and so on as it is.
    Unit {
        /// `enable`, `mask`, `unmask`.
        verb: &'static str,
        /// The unit.
        name: String,
        /// Why not, and what helps.
        why: String,
    },
    /// A link of a unit directory.
    Link {
        /// `make`, `read`, `remove`.
        verb: &'static str,
        /// The link.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// A file could not be written.
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// A directory cannot be used or found.
    Directory {
        /// The directory, or what it was to be found by.
        what: String,
        /// Why not.
        cause: String,
    },
    /// The manager did not end in time.
    StillRuns {
        /// Its reaper.
        reaper: i32,
        /// How long was waited.
        after: Duration,
    },
    /// A command could not be executed.
    Execute {
        /// Its first word.
        program: String,
        /// Why not.
        cause: io::Error,
    },
    /// An entity has nothing of that path.
    NoItem { path: String },
    /// A file with what is to be added could not be read.
    Read { path: PathBuf, cause: io::Error },
    /// A service file cannot be imported.
    Import { file: String, why: String },
    /// Standard input could not be read.
    Input(io::Error),
    /// Standard output could not be written.
    Output(io::Error),
}

impl Error {
    /// The exit for it. `acts` says whether the verb changes something: an
    /// unknown entity is then another code (LSB).
    pub(crate) fn exit(&self, acts: bool) -> Exit {
        match self {
            Error::NoManager { .. } => Exit::NoManager,
            Error::NoAccess { .. } | Error::Refused(Refusal::PermissionDenied { .. }) => {
                Exit::NotPermitted
            }
            Error::Execute { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Exit::NoCommand
            }
            Error::Execute { .. } => Exit::NotExecutable,
            Error::Link { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                Exit::NotPermitted
            }
            Error::UnknownCode { .. } => Exit::Usage,
            Error::Missing { .. }
            | Error::UnknownUnit { .. }
            | Error::NoItem { .. }
            | Error::Refused(Refusal::UnknownEntity { .. }) => {
                if acts {
                    Exit::NoEntity
                } else {
                    Exit::Unknown
                }
            }
            Error::Refused(Refusal::BadParameter { .. }) => Exit::Usage,
            // A reader that went away has what it wanted (`hamctl | head`).
            Error::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Error::Refused(Refusal::NotChanged { .. }) => Exit::Failed,
            Error::Refused(
                Refusal::ShuttingDown { .. }
                | Refusal::Busy { .. }
                | Refusal::SerialUsed {}
                | Refusal::NotPossible { .. },
            )
            | Error::Lost { .. }
            | Error::Silent { .. }
            | Error::Connection { .. }
            | Error::Protocol { .. }
            | Error::UnknownMethod { .. }
            | Error::UnknownParameter { .. }
            | Error::RefusedOtherwise { .. }
            | Error::Unit { .. }
            | Error::Link { .. }
            | Error::File { .. }
            | Error::Directory { .. }
            | Error::StillRuns { .. }
            | Error::Read { .. }
            | Error::Import { .. }
            | Error::Input(_)
            | Error::Output(_) => Exit::Failed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoManager { socket, cause, system } => {
                let hint = if *system { " try --user" } else { "" };
                let path = socket.display();
                write!(f, "no manager answers at {path}: {cause} (is `ham run` running?{hint})")
            }
            Error::NoAccess { socket, cause } => {
                write!(f, "could not connect to {}: {cause}", socket.display())
            }
            Error::Lost { method, attempts, cause } => {
                let end = "the manager ended before it answered";
                write!(f, "could not call {method}: {attempts} times {end}: {cause}")
            }
            Error::Silent { method, after } => {
                write!(f, "the manager gave no answer to {method} for {} s", after.as_secs())
            }
            Error::Connection { verb, cause } => write!(f, "could not {verb} the manager: {cause}"),
            Error::Protocol { method, cause } => {
                write!(f, "could not read the answer to {method}: {cause}")
            }
            Error::UnknownMethod { method } => {
                write!(f, "the manager does not know {method} (is it older than this hamctl?)")
            }
            Error::UnknownParameter { method, parameter } => write!(
                f,
                "the manager does not take the parameter `{parameter}` of {method} \
                 (is it older than this hamctl?)"
            ),
            Error::Refused(refusal) => write!(f, "{refusal}"),
            Error::RefusedOtherwise { method, error, parameters } => {
                write!(f, "the manager refused {method}: {error} {parameters}")
            }
            Error::Missing { names } => write!(f, "no entity `{names}`"),
            Error::UnknownCode { code, nearest } => {
                write!(f, "no diagnostic has the code `{code}`")?;
                match nearest {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => write!(f, " (`hamctl explain` lists them)"),
                }
            }
            Error::UnknownUnit { name, nearest, directories } => {
                let paths: Vec<String> =
                    directories.iter().map(|path| path.display().to_string()).collect();
                write!(f, "no unit `{name}` in {}", paths.join(", "))?;
                match nearest {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => Ok(()),
                }
            }
            Error::Unit { verb, name, why } => write!(f, "could not {verb} `{name}`: {why}"),
            Error::Link { verb, path, cause } => {
                write!(f, "could not {verb} the link {}: {cause}", path.display())
            }
            Error::File { path, cause } => {
                write!(f, "could not write {}: {cause}", path.display())
            }
            Error::Directory { what, cause } => write!(f, "could not use {what}: {cause}"),
            Error::StillRuns { reaper, after } => write!(
                f,
                "the manager (reaper {reaper}) took the request and still runs after {} s",
                after.as_secs()
            ),
            Error::Execute { program, cause } => {
                write!(f, "could not execute {program}: {cause}")
            }
            Error::NoItem { path } if path.split('/').count() > 3 => write!(
                f,
                "no item `{path}` was added at run time; those of a unit's on-fail list have no \
                 names, and go with their action"
            ),
            Error::NoItem { path } => write!(f, "no item `{path}` (`hamctl show` has their names)"),
            Error::Read { path, cause } => write!(f, "could not read {}: {cause}", path.display()),
            Error::Import { file, why } => write!(f, "could not import {file}: {why}"),
            Error::Input(cause) => write!(f, "could not read standard input: {cause}"),
            Error::Output(cause) => write!(f, "could not write to standard output: {cause}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::NoManager { cause, .. }
            | Error::NoAccess { cause, .. }
            | Error::Lost { cause, .. }
            | Error::Connection { cause, .. }
            | Error::Link { cause, .. }
            | Error::File { cause, .. }
            | Error::Execute { cause, .. }
            | Error::Read { cause, .. }
            | Error::Input(cause)
            | Error::Output(cause) => Some(cause),
            Error::Refused(_)
            | Error::NoItem { .. }
            | Error::Silent { .. }
            | Error::Protocol { .. }
            | Error::UnknownMethod { .. }
            | Error::UnknownParameter { .. }
            | Error::RefusedOtherwise { .. }
            | Error::Missing { .. }
            | Error::UnknownUnit { .. }
            | Error::UnknownCode { .. }
            | Error::Unit { .. }
            | Error::Import { .. }
            | Error::Directory { .. }
            | Error::StillRuns { .. } => None,
        }
    }
}
