//! What `hamctl plan` says is what `hamctl apply` then does, and nothing else.

use super::{names, says, seconds, sleeper, start, version_of, with};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

fn asked(manager: &Manager, words: &[&str], code: i32) -> Value {
    let words: Vec<&str> = ["--json"].iter().chain(words).copied().collect();
    let output = manager.hamctl(&words);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", super::out(&output));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Name to what becomes of it.
fn consequences(answer: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = answer["changes"].as_array().cloned().unwrap_or_default();
    changes.iter().map(|change| (text(&change["name"]), text(&change["then"]))).collect()
}

fn keys(answer: &Value, name: &str) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = answer["changes"].as_array().cloned().unwrap_or_default();
    let change = changes.iter().find(|change| change["name"] == name).expect("a change");
    let keys = change["keys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| (text(&key["key"]), text(&key["when"]))).collect()
}

/// Name to process.
fn pids(manager: &Manager) -> BTreeMap<String, Option<u64>> {
    let status = manager.status();
    let all = status["entities"].as_array().cloned().unwrap_or_default();
    let name = |entity: &Value| entity["name"].as_str().unwrap_or_default().to_owned();
    all.iter().map(|entity| (name(entity), entity["pid"].as_u64())).collect()
}

fn restarting(version: u32) -> String {
    with(version, "on-change = \"restart\"")
}

/// Two units that vanish at once keep the manager from applying anything by
/// itself, so that a test is the first to ask for it.
const BRAKES: [&str; 2] = ["brake-a", "brake-b"];

fn write_brakes(units: &Units) {
    BRAKES.iter().for_each(|name| units.write(name, &sleeper(1)));
}

fn brake(manager: &Manager, units: &Units) {
    for name in BRAKES {
        fs::remove_file(units.path().join(format!("{name}.toml"))).expect("a unit");
    }
    super::wait_for_error(manager, "gone at once");
}

#[test]
fn each_consequence_is_foretold_and_nobody_else_is_touched() {
    let units = Units::new("foretold");
    units.write("at-once", &sleeper(1));
    units.write("next", &sleeper(1));
    units.write("restarts", &restarting(1));
    let follows = "requires = [\"restarts\"]\non-dependency-restart = \"restart\"";
    units.write("follows", &with(1, follows));
    units.write("keeps", &with(1, "requires = [\"restarts\"]"));
    write_brakes(&units);
    units.write("other", &sleeper(1));
    units.write("stopped", &restarting(1));
    units.write("resting", &with(1, "start = \"manual\""));
    units.write("needs", &sleeper(1));
    units.write("by-hand", &with(1, "start = \"manual\""));
    let manager = start(&units);
    for name in ["at-once", "next", "restarts", "follows", "keeps", "other", "stopped"] {
        manager.wait_for_state(name, "running");
    }
    manager.wait_for_state("needs", "running");
    let _ = says(&manager, &["start", "by-hand"], 0);
    let _ = says(&manager, &["stop", "stopped"], 0);
    manager.wait_for_state("stopped", "stopped");
    assert_eq!(consequences(&asked(&manager, &["plan", "--exit-code"], 0)), BTreeMap::new());
    assert!(says(&manager, &["plan"], 0).contains("nothing changes"));
    let before = pids(&manager);

    brake(&manager, &units);
    let log = "[[condition]]\non = \"death\"\nactions = [{ log = \"x\" }, { restart = {} }]\n";
    let without = sleeper(1).replace("restart = \"always\"\n", "");
    units.write("at-once", &format!("description = \"x\"\n{without}{log}"));
    units.write("next", &format!("description = \"x\"\n{}", sleeper(2)));
    units.write("restarts", &restarting(2));
    units.write("stopped", &restarting(2));
    units.write("needs", &with(1, "requires = [\"resting\"]"));
    units.write("added", &sleeper(1));
    units.write("manual", &with(1, "start = \"manual\""));
    units.write("yields", &with(1, "conflicts = [\"by-hand\"]"));
    let planned = asked(&manager, &["plan"], 0);
    let applied = asked(&manager, &["apply"], 0);
    let expected: BTreeMap<String, String> = [
        ("added", "starts"),
        ("at-once", "at-once"),
        ("by-hand", "at-once"),
        ("follows", "restarts"),
        ("brake-a", "stops"),
        ("brake-b", "stops"),
        ("manual", "nothing"),
        ("needs", "at-once"),
        ("next", "next-start"),
        ("restarts", "restarts"),
        ("resting", "starts"),
        ("stopped", "next-start"),
        ("yields", "nothing"),
    ]
    .map(|(name, then)| (name.to_owned(), then.to_owned()))
    .into();
    assert_eq!(consequences(&planned), expected, "{planned:#}");
    assert_eq!(planned["changes"], applied["changes"]);
    assert_eq!(
        (planned["applied"].as_bool(), applied["applied"].as_bool()),
        (Some(false), Some(true))
    );
    let next = keys(&planned, "next");
    let expected = [("command", "next-start"), ("description", "at-once")];
    assert_eq!(next, expected.map(|(key, when)| (key.to_owned(), when.to_owned())).into());

    // It is as it was said.
    for name in ["restarts", "follows", "added", "resting"] {
        manager.wait_for(name, |entity| {
            entity["state"] == "running"
                && entity["pid"].as_u64() != before.get(name).copied().flatten()
        });
    }
    wait_until("the end of two", || !names(&manager).iter().any(|name| name.contains("brake")));
    let after = pids(&manager);
    for name in ["at-once", "next", "keeps", "other", "needs", "stopped", "by-hand"] {
        assert_eq!(after[name], before[name], "{name}. The log:\n{}", manager.log());
    }
    assert_eq!((after["manual"], after["yields"]), (None, None));
    assert_eq!(version_of(manager.pid_of("restarts")), Some(2));
    assert_eq!(version_of(manager.pid_of("next")), Some(1));
    assert_eq!(manager.entity("next")["outdated"], true);
    assert_eq!(manager.entity("stopped")["outdated"], false);
    let _ = says(&manager, &["start", "stopped"], 0);
    assert_eq!(version_of(manager.pid_of("stopped")), Some(2));
    assert_eq!(consequences(&asked(&manager, &["plan", "--exit-code"], 0)), BTreeMap::new());
}

#[test]
fn the_exit_code_says_whether_anything_changes() {
    let units = Units::new("codes");
    units.write("a", &sleeper(1));
    write_brakes(&units);
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let _ = says(&manager, &["plan", "--exit-code"], 0);
    brake(&manager, &units);
    let wrong = "[entity]\ncommnd = 1\n";
    units.write("b", wrong);
    for words in [&["plan"][..], &["plan", "--exit-code"], &["apply"]] {
        let said = says(&manager, words, 6);
        assert!(said.contains("b.toml:2"), "{said}");
    }
    fs::remove_file(units.path().join("b.toml")).expect("a unit");
    units.write("a", &sleeper(2));
    let said = says(&manager, &["plan", "--exit-code"], 10);
    let key = format!(
        "~ a: from its next start on  ({})\n    command: from its next start on\n      - [\"sleep\", \"{}\"]\n      + [\"sleep\", \"{}\"]\n",
        units.path().join("a.toml").display(),
        seconds(1),
        seconds(2)
    );
    assert!(said.contains(&key), "{said}");
    assert!(said.contains("0 to add, 1 to change, 2 to remove; `hamctl apply` does it"), "{said}");
    // Without being asked for it is no matter of the exit code.
    let _ = says(&manager, &["plan"], 0);
    let said = says(&manager, &["apply"], 0);
    assert!(said.contains("0 added, 1 changed, 2 removed"), "{said}");
    let _ = says(&manager, &["plan", "--exit-code"], 0);
}

/// There and back again: every entity is what it was.
#[test]
fn what_is_undone_leaves_nothing_behind() {
    let units = Units::new("undone");
    units.write("a", &sleeper(1));
    units.write("b", &with(1, "after = [\"a\"]"));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    manager.wait_for_state("b", "running");
    let shown = |name: &str| says(&manager, &["show", "--toml", name], 0);
    let (before, pids_before) = (["a", "b"].map(shown), pids(&manager));
    for _ in 0..3 {
        units.write("a", &format!("description = \"other\"\n{}", sleeper(2)));
        units.write("b", &with(1, "conflicts = [\"a\"]\nstart = \"manual\""));
        units.write("b", &with(2, "requires = [\"a\"]"));
        units.write("c", &sleeper(1));
        let _ = says(&manager, &["apply"], 0);
        assert_ne!(["a", "b"].map(shown), before);
        units.write("a", &sleeper(1));
        units.write("b", &with(1, "after = [\"a\"]"));
        fs::remove_file(units.path().join("c.toml")).expect("a unit");
        let _ = says(&manager, &["apply"], 0);
        wait_until("the end of one", || names(&manager) == ["a", "b"]);
        assert_eq!(["a", "b"].map(shown), before);
        assert_eq!(pids(&manager), pids_before, "{}", manager.log());
    }
}
