//! Exit codes of `ham`, from sysexits.h where it has one; ham(8) lists them.

/// The command line is wrong (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The kernel, or a filter around ham, lacks what ham cannot do without
/// (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// A process of the manager came upon a mistake of its own (`EX_SOFTWARE`).
pub(crate) const MISTAKE: u8 = 70;
/// The system refused something at start (`EX_OSERR`).
pub(crate) const SYSTEM: u8 = 71;
/// Another manager runs on the runtime directory, or its processes still run
/// (`EX_TEMPFAIL`).
pub(crate) const OCCUPIED: u8 = 75;
/// What was to take the place of the manager could not be executed.
pub(crate) const RECOVERY: u8 = 111;
/// A file or directory may not be used (`EX_NOPERM`).
pub(crate) const PERMISSION: u8 = 77;
/// Units have errors and `--strict` was given (`EX_CONFIG`).
pub(crate) const CONFIGURATION: u8 = 78;
