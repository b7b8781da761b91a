//! The hardware watchdog, on a kernel with softdog: `tests/qemu/watchdog`, which
//! makes and judges its machines itself.

use super::parts;
use ham_tests::programs::repository;
use ham_tests::skip;
use std::process::Command;

/// What is tried; its README says what each is about. `takeovers` is left to
/// people, since `tests/qemu/survival` has the same and more.
const SCENARIOS: [&str; 5] = ["hung", "bite", "disk", "stop", "killed"];

#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn the_watchdog_bites_when_nobody_feeds_it_and_only_then() {
    let what = "the_watchdog_bites_when_nobody_feeds_it_and_only_then";
    let Some(parts) = parts(what) else { return };
    if skip::program("cpio", what).is_none() {
        return;
    }
    let output = Command::new("sh")
        .arg(repository().join("tests/qemu/watchdog/run"))
        .args([&parts.kernel.image, &parts.kernel.modules])
        .arg(parts.programs.folder())
        .args(SCENARIOS)
        .output()
        .expect("sh can be executed");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let passed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("PASS ")).collect();
    assert_eq!(passed, SCENARIOS, "{text}{errors}");
}
