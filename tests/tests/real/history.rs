//! What has happened, told by a real manager: whole and in order over
//! takeovers, explained in one sentence, and to readers that do not read.

use crate::varlink::{Client, call, get_info};
use ham_tests::events::Events;
use ham_tests::ledger::{End, add_worker, starts};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::processes::send;
use ham_tests::programs::Manager;
use serde_json::{Value, json};

/// Starts a manager whose log has no stamps, and hamctl the time zone UTC.
fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

fn text(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The facts of `hamctl --json history`.
fn facts(manager: &Manager, words: &[&str]) -> Vec<Value> {
    let words = [&["--json", "history"], words].concat();
    let history: Value = serde_json::from_str(&text(manager, &words)).expect("JSON");
    history["facts"].as_array().cloned().expect("a list of facts")
}

fn has(fact: &Value, kind: &str) -> bool {
    fact["kind"] == kind
}

#[test]
fn a_follower_sees_every_start_and_death_once_and_in_order_over_20_takeovers() {
    let units = Units::new("follower");
    add_worker(&units, "worker", "0.01", End::Code, "0s");
    units.write("other", SLEEPER);
    let mut manager = start(&units);
    manager.wait_for_plan();
    let mut events = Events::follow(&manager, &units, "worker");
    wait_until("the first lines", || !events.told().is_empty());
    for _ in 0..20 {
        manager.replace_settled_monitor();
        let before = starts(&units, "worker");
        wait_until("a start", || starts(&units, "worker") > before);
    }
    assert!(manager.hamctl(&["stop", "worker"]).status.success());
    let kept = facts(&manager, &["worker"]);
    assert!(manager.hamctl(&["shutdown"]).status.success());
    manager.wait_for_end();
    assert_eq!(events.end(), Some(0), "{}", units.text("errors"));
    assert_eq!(units.text("errors"), "");

    let told = events.told();
    // The list of the last death may have gone on meanwhile.
    let (same, _) = told.split_at_checked(kept.len()).expect("no less than was kept");
    assert_eq!(same, kept, "what was followed is what was kept");
    let numbers: Vec<u64> = told.iter().filter_map(|fact| fact["number"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert!(told.iter().all(|fact| fact["name"] == "worker"));
    let pids = |kind: &str| -> Vec<u64> {
        told.iter().filter(|fact| has(fact, kind)).filter_map(|fact| fact["pid"].as_u64()).collect()
    };
    let text = units.text("worker.starts");
    let truth: Vec<u64> =
        text.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    let (started, died) = (pids("started"), pids("died"));
    // The stop may have hit the last one before it noted its start.
    assert_eq!(started[..truth.len()], truth, "starts");
    assert!(started.len() - truth.len() <= 1 && truth.len() > 20, "{}", truth.len());
    assert_eq!(died[..], started[..died.len()], "deaths");
    assert!(died.len() + 1 >= started.len());
    let alternate: Vec<&str> = told
        .iter()
        .filter_map(|fact| fact["kind"].as_str())
        .filter(|kind| matches!(*kind, "started" | "died"))
        .collect();
    assert!(
        alternate.chunks(2).all(|pair| pair[0] == "started" && pair.get(1) != Some(&"started"))
    );
    for death in told.iter().filter(|fact| has(fact, "died")) {
        let expected = death["pid"].as_u64().map(|pid| pid % 251);
        assert_eq!(death["exit"]["code"].as_u64(), expected, "{death}");
    }
    let done = told.iter().filter(|fact| has(fact, "action-done") && fact["action"] == "restart");
    assert!(done.count() + 2 >= died.len(), "each restart is told");
    assert!(!manager.log().contains("condition death fired"), "a detail in the log");
}

#[test]
fn why_is_told_for_every_way_into_a_state() {
    let units = Units::new("why");
    let death = "[[condition]]\non = \"death\"\nactions = [ { restart = {} } ]\n";
    units.write("audio", &format!("[entity]\ncommand = \"sleep infinity\"\n{death}"));
    units.write("steady", SLEEPER);
    units.write("spare", &format!("{SLEEPER}start = \"manual\"\n"));
    let restarts = |table: &str| {
        format!(
            "[entity]\ncommand = \"sh -c 'exit 3'\"\n[[condition]]\non = \"death\"\n\
             actions = [ {{ restart = {{ {table} }} }} ]\n"
        )
    };
    units.write("limited", &restarts("delay = \"1ms\", limit = { count = 2, within = \"1h\" }"));
    units.write("patient", &restarts("first = \"1h\""));
    units.write("missing", "[entity]\ncommand = \"/nonexistent/program\"\nrestart = \"no\"\n");
    units.write("once", "[entity]\ncommand = \"sh -c 'exit 4'\"\nrestart = \"no\"\n");
    let manager = start(&units);
    manager.wait_for_state("audio", "running");
    for (name, state) in [
        ("steady", "running"),
        ("limited", "failed"),
        ("patient", "backoff"),
        ("missing", "failed"),
        ("once", "failed"),
        ("spare", "stopped"),
    ] {
        manager.wait_for_state(name, state);
    }
    let first = manager.pid_of("audio");
    send("SEGV", first);
    manager.wait_for("audio", |audio| audio["restarts"] == 1 && audio["state"] == "running");
    let second = manager.pid_of("audio");
    let steady = manager.pid_of("steady");
    let _ = text(&manager, &["start", "spare"]);
    let spare = manager.pid_of("spare");
    let _ = text(&manager, &["stop", "spare"]);

    let check = |name: &str, parts: &[&str]| {
        let sentence = text(&manager, &["why", name]);
        assert!(sentence.starts_with(&format!("{name} is ")) && sentence.ends_with(".\n"));
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        let mut rest = sentence.as_str();
        for part in parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {sentence}"));
            rest = &rest[at + part.len()..];
        }
    };
    let all = || {
        check(
            "audio",
            &[
                &format!("running (pid {second}) since "),
                &format!(": its process {first} died at "),
                "(signal SEGV",
                "condition \"death\" fired, action \"restart\" started it again, attempt 1.",
            ],
        );
        check("steady", &[&format!("(pid {steady})"), "it was started with the manager."]);
        check(
            "limited",
            &[
                "failed since",
                "died at",
                "(exit 3)",
                "\"death\" fired",
                "restart limit was reached at",
            ],
        );
        check(
            "patient",
            &[
                "backoff",
                "died at",
                "(exit 3)",
                "fired, it is started again in 59min",
                ", attempt 1.",
            ],
        );
        let missing = "it could not start: could not execute: No such file or directory (ENOENT)";
        check("missing", &["failed since ", ": at ", missing, "nothing starts it again."]);
        check("once", &["failed since ", "died at ", "(exit 4), and nothing starts it again."]);
        check(
            "spare",
            &[
                "stopped since ",
                "asked for it at ",
                &format!("process {spare} ended at "),
                "TERM).",
            ],
        );
    };
    all();
    // The same when another monitor tells it.
    manager.replace_settled_monitor();
    manager.wait_for_plan();
    all();
    let why: Value =
        serde_json::from_str(&text(&manager, &["why", "audio", "--json"])).expect("JSON");
    assert_eq!(why["status"]["pid"], second);
    let kinds: Vec<&Value> =
        why["facts"].as_array().expect("facts").iter().map(|fact| &fact["kind"]).collect();
    assert_eq!(kinds, ["died", "fired", "started", "action-done"]);
    let unknown = manager.hamctl(&["why", "nobody"]);
    assert_eq!(unknown.status.code(), Some(4));

    // When the ring has gone on the status still knows.
    flood(&manager, 4_200);
    check("audio", &[&format!("running (pid {second}) since "), ": restarted after signal SEGV"]);
    check("missing", &["failed since ", ": could not start: could not execute: "]);
}

/// Fills the history with so many facts about the manager.
fn flood(manager: &Manager, facts: usize) {
    let mut client = Client::new(&manager.runtime());
    for _ in 0..facts / 100 {
        let calls: Vec<u8> =
            (0..100).flat_map(|_| call("Verbosity", &json!({ "set": 0 }))).collect();
        client.send(&calls);
        for _ in 0..100 {
            let answer = client.answer().expect("an answer");
            assert_eq!(answer["parameters"]["verbosity"], 0, "{answer}");
        }
    }
}

/// A call that takes several answers.
fn follow(parameters: &Value) -> Vec<u8> {
    let method = "io.ham.Manager.History";
    let call = json!({ "method": method, "parameters": parameters, "more": true });
    [call.to_string().as_bytes(), b"\0"].concat()
}

#[test]
fn a_follower_that_does_not_read_disturbs_nobody_and_learns_what_it_lost() {
    let units = Units::new("lazy");
    units.write("audio", SLEEPER);
    let mut manager = start(&units);
    manager.wait_for_state("audio", "running");
    let mut lazy = Client::new(&manager.runtime());
    lazy.send(&follow(&json!({ "follow": true, "limit": 1 })));
    let first = lazy.answer().expect("a first batch");
    assert_eq!((&first["continues"], &first["parameters"]["lost"]), (&json!(true), &json!(0)));
    // More than the ring, its batch and the kernel's buffer can hold.
    flood(&manager, 8_000);
    let pid = manager.pid_of("audio");
    send("KILL", pid);
    manager.wait_for("audio", |audio| audio["restarts"] == 1);
    let end = facts(&manager, &["-n", "1"])[0]["number"].as_u64().expect("a number");
    let mut next = first["parameters"]["next"].as_u64().expect("a number");
    let mut lost = 0;
    let mut deaths = Vec::new();
    while next <= end {
        let answer = lazy.answer().expect("it is not cut off");
        assert_eq!(answer["continues"], true);
        let batch = &answer["parameters"];
        let gap = batch["lost"].as_u64().expect("a number");
        let told = batch["facts"].as_array().expect("a list");
        for (fact, number) in told.iter().zip(next + gap..) {
            assert_eq!(fact["number"], number, "in order, but for what is lost");
            if has(fact, "died") {
                deaths.push(fact["pid"].clone());
            }
        }
        lost += gap;
        assert_eq!(batch["next"], next + gap + told.len() as u64);
        next = batch["next"].as_u64().expect("a number");
    }
    assert!(lost > 1_000, "it lost {lost}");
    assert_eq!(deaths, [json!(pid)]);
    // It follows on, and hears of the end in good order.
    assert!(manager.hamctl(&["shutdown"]).status.success());
    manager.wait_for_end();
    let mut last = Value::Null;
    let mut done = false;
    while let Some(answer) = lazy.answer() {
        let told = answer["parameters"]["facts"].as_array().cloned().unwrap_or_default();
        done |= told.iter().any(|fact| has(fact, "manager") && fact["text"] == "done");
        last = answer;
    }
    assert!(done, "the last line is told, too");
    assert_eq!(last.get("continues"), None, "{last}");
    assert_eq!(manager.log().matches("has taken over").count(), 0, "{}", manager.log());
}

#[test]
fn what_is_wanted_of_the_history_can_be_said() {
    let units = Units::new("wanted");
    for name in ["web-1", "web-2", "db"] {
        units.write(name, SLEEPER);
    }
    let manager = start(&units);
    for name in ["web-1", "web-2", "db"] {
        manager.wait_for_state(name, "running");
    }
    let names = |words: &[&str]| -> Vec<String> {
        let told = facts(&manager, words).into_iter();
        told.map(|fact| fact["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&["web-1"]), ["web-1"]);
    let mut some = names(&["web-?", "db"]);
    some.sort();
    assert_eq!(some, ["db", "web-1", "web-2"]);
    assert!(names(&[]).contains(&String::new()), "the manager");
    assert_eq!(names(&["-n", "0"]).len(), 0);
    assert_eq!(facts(&manager, &["-n", "2"])[..], facts(&manager, &[])[names(&[]).len() - 2..]);
    assert_eq!(names(&["--since", "1h"]).len(), names(&[]).len());
    assert_eq!(names(&["--since", "2001-01-01 00:00"]).len(), names(&[]).len());
    assert_eq!(manager.hamctl(&["history", "web-3"]).status.code(), Some(4));

    let mut client = Client::new(&manager.runtime());
    let mut ask = |parameters: Value| {
        client.send(&call("History", &parameters));
        client.answer().expect("an answer")
    };
    let all = ask(json!({}))["parameters"].clone();
    let next = all["next"].as_u64().expect("a number");
    assert_eq!(ask(json!({ "after": next }))["parameters"]["facts"], json!([]));
    let last = ask(json!({ "after": next - 1 }))["parameters"].clone();
    assert_eq!(last["facts"], json!([all["facts"].as_array().expect("a list").last()]));
    // A number of an earlier manager.
    assert_eq!(ask(json!({ "after": next + 1 }))["parameters"], all);
    assert_eq!(ask(json!({ "since": 4e9 }))["parameters"]["facts"], json!([]));
    let refused = ask(json!({ "names": ["web-3"] }));
    assert_eq!(refused["error"], "io.ham.Manager.UnknownEntity");
    assert_eq!(ask(json!({ "limit": -1 }))["error"], "io.ham.Manager.BadParameter");
    let alone = ask(json!({ "follow": true }));
    assert_eq!(alone["error"], "org.varlink.service.ExpectedMore", "without `more`");

    // Who has said all may still listen; what it calls meanwhile is not
    // answered.
    client.send(&follow(&json!({ "follow": true, "names": ["web-*"], "after": next })));
    assert_eq!(client.answer().expect("a batch")["parameters"]["facts"], json!([]));
    client.send(&get_info());
    client.close_for_writing();
    assert!(!client.is_answered());
    for name in ["db", "web-2"] {
        send("KILL", manager.pid_of(name));
        manager.wait_for(name, |entity| entity["restarts"] == 1);
    }
    let mut kinds = Vec::new();
    while kinds.len() < 4 {
        let batch = client.answer().expect("a batch");
        for fact in batch["parameters"]["facts"].as_array().expect("facts and no other answer") {
            assert_eq!(fact["name"], "web-2");
            kinds.push(fact["kind"].clone());
        }
    }
    assert_eq!(kinds, ["died", "fired", "started", "action-done"]);
}

#[test]
fn the_verbosity_is_changed_and_survives_a_takeover() {
    let units = Units::new("verbosity");
    units.write("audio", SLEEPER);
    let mut manager = Manager::start(&units.path(), &["-t", "none", "-vv"]);
    manager.wait_for_state("audio", "running");
    assert_eq!(text(&manager, &["verbosity"]), "3\n");
    assert_eq!(text(&manager, &["verbosity", "0"]), "0\n");
    assert_eq!(text(&manager, &["verbosity", "-"]), "0\n");
    let die = |times: u64| {
        send("KILL", manager.pid_of("audio"));
        manager.wait_for("audio", |audio| audio["restarts"] == times);
    };
    die(1);
    assert_eq!(text(&manager, &["verbosity", "+"]), "1\n");
    assert_eq!(text(&manager, &["verbosity", "+"]), "2\n");
    manager.replace_settled_monitor();
    manager.wait_for_plan();
    assert_eq!(text(&manager, &["verbosity"]), "2\n");
    die(2);
    manager.wait_for_log("details", |log| log.contains("audio: action restart/restart done"));
    // What died while only errors were told is in the history alone.
    assert_eq!(manager.log().matches("audio: died: ").count(), 1, "{}", manager.log());
    let died = facts(&manager, &["audio"]).iter().filter(|fact| has(fact, "died")).count();
    assert_eq!(died, 2);
    assert_eq!(manager.hamctl(&["verbosity", "10"]).status.code(), Some(2));
    let mut client = Client::new(&manager.runtime());
    client.send(&call("Verbosity", &json!({ "set": 10 })));
    let refused = client.answer().expect("an answer");
    assert_eq!(refused["error"], "io.ham.Manager.BadParameter");
}
