//! Programs for which some system calls end in an error: `tests/programs/refuse.c`,
//! compiled when it is needed, and its rules.

use ham_tests::own_units::Units;
use ham_tests::programs::repository;
use ham_tests::skip;
use nix::libc::c_long;
use std::path::Path;
use std::process::Command;

/// All calls of that number.
pub(crate) fn rule(call: c_long, error: i32) -> String {
    format!("{call}:{error}")
}

/// Those whose argument passes the test; `refuse.c` tells how that is written.
pub(crate) fn rule_of(call: c_long, error: i32, argument: u8, test: &str, value: u32) -> String {
    format!("{call}:{error}:{argument}:{test}:{value}")
}

/// The command of a program under these rules; says what was skipped without a
/// compiler, or where there can be no filter.
pub(crate) fn refusing(
    units: &Units,
    rules: &[String],
    program: &Path,
    what: &str,
) -> Option<Command> {
    let compiler = skip::program("cc", what)?;
    let filter = units.folder().join("refuse");
    if !filter.exists() {
        let source = repository().join("tests/programs/refuse.c");
        let output = Command::new(compiler).arg("-o").arg(&filter).arg(source).output();
        let output = output.expect("the compiler can be executed");
        if !output.status.success() {
            // No headers of the C library or of the kernel.
            let errors = String::from_utf8_lossy(&output.stderr);
            skip::skipped(what, &format!("the filter cannot be compiled: {errors}"));
            return None;
        }
    }
    let trial = Command::new(&filter).args(["--", "/bin/true"]).status();
    let trial = trial.expect("it was just compiled").code();
    if trial == Some(77) {
        skip::skipped(what, "no filter can be installed here");
        return None;
    }
    assert_eq!(trial, Some(0), "the filter");
    let mut command = Command::new(filter);
    command.args(rules).arg("--").arg(program);
    Some(command)
}
