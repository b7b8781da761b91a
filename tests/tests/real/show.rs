//! `hamctl show` and `why` against real managers: what a unit says of heartbeats
//! and states, what is gone after a restart and since when, and what is waited
//! for.

use ham_tests::bare::told;
use ham_tests::own_units::Units;
use ham_tests::processes::send;
use ham_tests::programs::Manager;
use serde_json::{Value, json};
use std::fs;

/// Brought back whenever it is killed.
const AUDIO: &str = r#"
[entity]
command = ["sleep", "1000"]
[heartbeat]
interval = "1s"
low = 3
high = 7
grace = "900s"
max = { count = 50, within = "2s" }
[states]
run = 1
idle = 2
odd = ["run", 3]
rest = { not = "run" }
[[condition]]
on = { state = { from = "idle", to = "odd" } }
name = "odd"
actions = [ { log = "odd" } ]
[[condition]]
on = "heartbeat-missed-high"
actions = [ { log = "high" } ]
[[condition]]
on = "death"
run = "independent"
actions = [
    { restart = { first = "0s" } },
    { log = "once", name = "once", rearm = false },
    { execute = ["false"], name = "fails", keep-on-fail = false, on-fail = [ { log = "x" } ] },
]
"#;
const LATE: &str = "[[condition]]\nname = \"late\"\non = \"death\"\nrearm = false\nactions = [ { log = \"l\" } ]\n";

/// A file beside the units, which ham does not read.
fn write(units: &Units, name: &str, text: &str) {
    fs::write(units.file(name), text).expect("a file");
}

fn done(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}. The log:\n{}", told(&output), manager.log());
    String::from_utf8(output.stdout).expect("text")
}

fn refused(manager: &Manager, words: &[&str], code: i32, why: &str) {
    let output = manager.hamctl(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", told(&output));
    assert!(told(&output).contains(why), "{why} is not in {}", told(&output));
}

fn shown(manager: &Manager, name: &str) -> Value {
    serde_json::from_str(&done(manager, &["--json", "show", name])).expect("JSON")
}

#[test]
fn what_a_unit_says_is_shown() {
    let units = Units::new("shown");
    units.write("audio", AUDIO);
    write(&units, "late", "log = \"z\"\n");
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("audio", "running");
    done(&manager, &["add", "audio/death/fails/z", &units.file("late")]);
    done(&manager, &["heartbeat", "suspend", "audio"]);
    done(&manager, &["disarm", "audio/odd"]);
    let audio = shown(&manager, "audio");
    assert_eq!(
        audio["heartbeat"],
        json!({
            "interval_ns": 1_000_000_000, "low": 3, "high": 7, "grace_ns": 900_000_000_000_u64,
            "max": 50, "max_within_ns": 2_000_000_000_u64, "suspended": true,
        })
    );
    assert_eq!(
        audio["states"],
        json!([
            { "name": "run", "states": [1], "not": false },
            { "name": "idle", "states": [2], "not": false },
            { "name": "odd", "states": [1, 3], "not": false },
            { "name": "rest", "states": [1], "not": true },
        ])
    );
    let conditions = &audio["conditions"];
    assert_eq!(conditions[0]["only"], "from idle to odd");
    assert_eq!(
        (&conditions[0]["class"], &conditions[0]["armed"]),
        (&json!("in-order"), &json!(false))
    );
    assert_eq!(conditions[2]["flags"], json!(["rearm", "independent", "keep-on-empty"]));
    assert_eq!(
        conditions[2]["actions"][2]["on_fail"],
        json!([{ "verb": "log", "name": null }, { "verb": "log", "name": "z" }])
    );
    assert_eq!(audio["disarmed"], json!([{ "path": "audio/odd", "left_ns": null }]));
    let text = done(&manager, &["show", "audio"]);
    for line in [
        "  heartbeat   every 1s, low after 3, high after 7, grace 15min, at most 50 in 2s, suspended",
        "  states      run = 1, idle = 2, odd = 1 3, rest = any but 1",
        "  condition   odd (on state from idle to odd), in-order [rearm, keep-on-empty], not armed",
        "  condition   death, independent [rearm, keep-on-empty]",
        "                once (log) [keep-on-fail]",
        "                  on fail: log, z (log)",
        "  disarmed    audio/odd",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let toml = done(&manager, &["show", "--toml", "audio"]);
    for line in [
        "\"odd\" = [\"run\", 3]",
        "\"rest\" = { not = [\"run\"] }",
        "on = { state = { from = \"idle\", to = \"odd\" } }",
    ] {
        assert!(toml.lines().any(|known| known == line), "{line} is not in\n{toml}");
    }
}

#[test]
fn what_is_gone_is_told_over_takeovers_and_can_be_armed() {
    let units = Units::new("gone");
    units.write("audio", AUDIO);
    write(&units, "late", LATE);
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("audio", "running");
    assert_eq!(shown(&manager, "audio")["gone"], json!([]));
    done(&manager, &["add", "audio", &units.file("late")]);
    send("KILL", manager.pid_of("audio"));
    manager.wait_for("audio", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    let all = |audio: &Value| {
        let gone = audio["gone"].as_array().cloned().expect("a list");
        let mut gone: Vec<(String, Option<u64>)> =
            gone.iter().map(|one| (one["path"].to_string(), one["restart"].as_u64())).collect();
        gone.sort();
        gone
    };
    let expected: Vec<(String, Option<u64>)> = vec![
        ("\"audio/death/fails\"".to_owned(), None),
        ("\"audio/death/once\"".to_owned(), Some(1)),
        ("\"audio/late\"".to_owned(), Some(1)),
    ];
    ham_tests::own_units::wait_until("all three", || all(&shown(&manager, "audio")) == expected);
    let since = |audio: &Value| audio["gone"][0]["since"].as_f64().expect("a time");
    let before = shown(&manager, "audio");
    manager.kill_monitor("KILL");
    let after = shown(&manager, "audio");
    assert_eq!(all(&after), expected);
    assert!((since(&after) - since(&before)).abs() < 1.0, "the same moment");
    let text = done(&manager, &["show", "audio"]);
    assert!(
        text.contains("\n  gone        audio/late: not re-armed after restart 1, since "),
        "{text}"
    );
    assert!(
        text.contains("\n  gone        audio/death/fails: failed and not kept, since "),
        "{text}"
    );
    // What the unit has comes back when it is armed, and what was added by that.
    assert_eq!(done(&manager, &["arm", "audio/death/once"]), "audio/death/once: armed\n");
    assert_eq!(done(&manager, &["arm", "audio/death/once"]), "audio/death/once: already so\n");
    refused(&manager, &["arm", "audio/late"], 5, "no item `audio/late`");
    done(&manager, &["add", "audio", &units.file("late")]);
    assert_eq!(all(&shown(&manager, "audio")), expected[..1]);
    send("KILL", manager.pid_of("audio"));
    manager.wait_for_log("again", |log| {
        log.lines().filter(|line| *line == "audio: once").count() == 2
    });
}

#[test]
fn why_tells_what_is_waited_for() {
    let units = Units::new("waits");
    let path = units.folder().join("disk").display().to_string();
    let gate = format!(
        "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"no\"\n\
         start-when = {{ path = \"{path}\" }}\n"
    );
    units.write("gate", &gate);
    units.write(
        "web",
        "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"no\"\nrequires = [\"gate\"]\n",
    );
    units.write("nobody", "[entity]\nrestart = \"no\"\n");
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("web", "waiting");
    manager.wait_for_state("nobody", "placeholder");
    manager.wait_for_state("gate", "waiting");
    let ends = [
        ("gate", format!("it waits for the path {path}.\n")),
        ("web", format!("it waits for gate (waiting: waits for the path {path}).\n")),
        (
            "nobody",
            ": nothing is attached to it (hamctl attach nobody PID does that).\n".to_owned(),
        ),
    ];
    for (name, end) in ends {
        let told = done(&manager, &["why", name]);
        assert!(told.ends_with(&end), "{told}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let units = Units::new("refused");
    units.write("audio", AUDIO);
    units.write("all", "[global]\n[[condition]]\non = \"death\"\nactions = [ { log = \"d\" } ]\n");
    write(&units, "late", LATE);
    write(&units, "item", "log = \"z\"\n");
    write(
        &units,
        "linked",
        "[entity]\ncommand = [\"sleep\", \"1000\"]\nrestart = \"no\"\nrequires = [\"audio\"]\n",
    );
    let file = |name: &str| units.file(name);
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("audio", "running");
    refused(&manager, &["state", "all", "3"], 2, "it is a [global] unit");
    refused(&manager, &["add", "job", &file("linked")], 1, "`requires` in an entity that is made");
    refused(&manager, &["show", "job"], 4, "no entity `job`");
    // Names of what is there.
    done(&manager, &["add", "audio", &file("late")]);
    refused(&manager, &["add", "audio", &file("late")], 1, "audio/late is there already; give");
    done(&manager, &["disarm", "audio/late"]);
    let off =
        "audio/late is there already, and disarmed (hamctl arm audio/late has it count again)";
    refused(&manager, &["add", "audio", &file("late")], 1, off);
    // Items of on-fail lists go with their action.
    let path = "audio/death/fails/z";
    done(&manager, &["add", path, &file("item")]);
    for words in
        [&["arm", path][..], &["disarm", path], &["flags", path], &["flags", path, "+rearm"]]
    {
        refused(&manager, words, 1, "is armed with its action");
    }
    refused(&manager, &["remove", "audio/death/fails/log"], 5, "on-fail list have no names");
    done(&manager, &["remove", path]);
    refused(&manager, &["arm", path], 5, "was added at run time");
}
