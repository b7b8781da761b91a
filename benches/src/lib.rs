//! What the programs of this folder share: a manager of one's own to measure
//! ([`manager`]), processes that tell when they began ([`roles`]), and how
//! figures are shown ([`figures`]). Nothing here judges: no time is asserted.
#![forbid(unsafe_code)]

pub mod figures;
pub mod manager;
pub mod roles;

use std::process::ExitCode;

/// Why a measurement could not be made.
pub type Error = Box<dyn std::error::Error>;

/// The command line is wrong, or a program is not built (sysexits.h).
const USAGE: u8 = 64;

/// How a program of this folder ends.
#[must_use]
pub fn end(name: &str, result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(USAGE)
        }
    }
}
