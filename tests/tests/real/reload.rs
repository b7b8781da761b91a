//! Units that change while a manager runs: by all ways in which people and
//! programs change files, with errors in them, with files that vanish, and with
//! the processes of the manager taken away meanwhile. Real managers, each on a
//! directory of its own.

mod consequences;
mod directories;
mod files;
mod held;
mod instances;
mod lost;
mod races;
mod soak;
mod unfinished;

use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use std::fs;
use std::process::Output;

/// A process that is told apart by what it is called with.
pub(super) fn sleeper(version: u32) -> String {
    format!("[entity]\ncommand = [\"sleep\", \"{}\"]\nrestart = \"always\"\n", seconds(version))
}

/// With more keys.
pub(super) fn with(version: u32, keys: &str) -> String {
    sleeper(version).replace("[entity]\n", &format!("[entity]\n{keys}\n"))
}

pub(super) fn seconds(version: u32) -> u32 {
    100_000 + version
}

/// What has an effect on no process.
pub(super) fn described(version: u32, description: &str) -> String {
    format!("description = \"{description}\"\n{}", sleeper(version))
}

/// What its processes are called with.
pub(super) fn version_of(pid: u32) -> Option<u32> {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let number: u32 = line.trim_end_matches('\0').rsplit('\0').next()?.parse().ok()?;
    number.checked_sub(100_000)
}

pub(super) fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

/// Names of all entities, as the status tells them.
pub(super) fn names(manager: &Manager) -> Vec<String> {
    let output = manager.hamctl(&["--json", "status"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let all = status["entities"].as_array().cloned().unwrap_or_default();
    all.iter().map(|entity| entity["name"].as_str().unwrap_or_default().to_owned()).collect()
}

pub(super) fn wait_for_names(manager: &Manager, expected: &[&str]) {
    wait_until(&format!("{expected:?}; the log:\n{}", manager.log()), || {
        names(manager) == expected
    });
}

pub(super) fn wait_for_description(manager: &Manager, name: &str, text: &str) {
    manager.wait_for(name, |entity| entity["description"] == text);
}

pub(super) fn generation(manager: &Manager) -> u64 {
    manager.status()["ham"]["plan"]["generation"].as_u64().expect("a generation")
}

/// What `hamctl status --json` says is wrong with units.
pub(super) fn errors(manager: &Manager) -> Vec<String> {
    let status = manager.status();
    let all = status["ham"]["plan"]["errors"].as_array().cloned().unwrap_or_default();
    all.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

pub(super) fn wait_for_error(manager: &Manager, text: &str) {
    wait_until(&format!("{text}; the log:\n{}", manager.log()), || {
        errors(manager).iter().any(|error| error.contains(text))
    });
    assert_eq!(manager.status()["ham"]["plan"]["outdated"], true);
}

pub(super) fn wait_for_no_errors(manager: &Manager) {
    wait_until(&format!("no errors; the log:\n{}", manager.log()), || errors(manager).is_empty());
    assert_eq!(manager.status()["ham"]["plan"]["outdated"], false);
}

/// Nothing has been said of units that are not as they should be.
pub(super) fn is_quiet(manager: &Manager) {
    let log = manager.log();
    for word in ["not applied", "error", "could not"] {
        assert!(!log.contains(word), "{word}:\n{log}");
    }
    assert!(errors(manager).is_empty(), "{:?}", errors(manager));
}

pub(super) fn out(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// Runs hamctl, which ends with that code; gives what it says.
pub(super) fn says(manager: &Manager, words: &[&str], code: i32) -> String {
    let output = manager.hamctl(words);
    let said = out(&output);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}\nThe log:\n{}", manager.log());
    said
}
