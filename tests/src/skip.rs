//! What a test needs that not every machine has, and how it says so when it
//! cannot run: aloud, past the test harness, which keeps the output of tests
//! that pass.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// Says that a test, or a part of it, was not run, and why.
pub fn skipped(what: &str, why: &str) {
    // A test whose standard error is closed still passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}: {why}");
}

/// Whether this process may do everything; says what was skipped when not.
#[must_use]
pub fn is_root(what: &str) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        skipped(what, "not root");
    }
    root
}

/// The version of the kernel: its first two numbers.
#[must_use]
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether the kernel keeps how a process has ended for who is not its parent, when
/// that has reaped it (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15). Before that
/// nobody knows it.
#[must_use]
pub fn keeps_ends() -> bool {
    kernel() >= (6, 15)
}

/// The path of a program, in PATH or where administration programs stand;
/// says what was skipped when it is not installed.
#[must_use]
pub fn program(name: &str, what: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|file| {
        fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 1 == 1)
    });
    if found.is_none() {
        skipped(what, &format!("{name} is not installed"));
    }
    found
}
