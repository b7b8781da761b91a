//! Errors of the start, with the exit code that each leads to.

use crate::exit;
use std::fmt;

/// Why the manager could not start.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) code: u8,
    pub(crate) what: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Trouble {
    pub(crate) fn new(code: u8, what: impl Into<String>) -> Trouble {
        Trouble { code, what: what.into() }
    }

    /// A file or directory: permission has a code of its own.
    pub(crate) fn file(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Trouble {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                exit::PERMISSION
            }
            _ => exit::SYSTEM,
        };
        Trouble::new(code, format!("could not {verb} {}: {error}", path.display()))
    }
}

impl From<ham_sys::SysError> for Trouble {
    fn from(error: ham_sys::SysError) -> Trouble {
        Trouble::new(exit::SYSTEM, error.to_string())
    }
}
