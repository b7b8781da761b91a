//! Why ham could not be told.

use ham_core::wire::Refusal;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why ham could not be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens at this socket.
    NoManager {
        /// The socket.
        socket: PathBuf,
        /// Why it could not be connected to.
        cause: io::Error,
    },
    /// The connection was lost, and no successor of the manager answered.
    Lost(io::Error),
    /// The manager says no.
    Refused(Refusal),
    /// It answers what cannot be understood.
    Protocol(String),
    /// No memory for heartbeats came with the answer.
    NoPage,
    /// The memory for heartbeats could not be mapped.
    Map(ham_sys::SysError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoManager { socket, cause } => {
                write!(f, "could not reach ham at {}: {cause}", socket.display())
            }
            Error::Lost(cause) => write!(f, "the connection to ham was lost: {cause}"),
            Error::Refused(refusal) => write!(f, "ham refused: {refusal}"),
            Error::Protocol(what) => write!(f, "could not understand ham: {what}"),
            Error::NoPage => f.write_str("ham sent no memory for heartbeats"),
            Error::Map(cause) => write!(f, "could not map the memory for heartbeats: {cause}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::NoManager { cause, .. } | Error::Lost(cause) => Some(cause),
            Error::Map(cause) => Some(cause),
            Error::Refused(_) | Error::Protocol(_) | Error::NoPage => None,
        }
    }
}
