//! Conditions of units, as far as real processes show them: of another entity,
//! of any, of the states that an entity reports.

use ham_tests::own_units::Units;
use ham_tests::processes::send;
use ham_tests::programs::{Manager, PATIENCE};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// An action that puts a line into a file.
fn notes(file: &str, line: &str) -> String {
    let script = format!("echo {line} >> {file}");
    format!("{{ execute = [\"/bin/sh\", \"-c\", {script:?}] }}")
}

fn sleeper(rest: &str) -> String {
    format!("[entity]\ncommand = [\"/bin/sleep\", \"600\"]\n{rest}\n")
}

fn condition(on: &str, of: &str, action: &str) -> String {
    let of = if of.is_empty() { String::new() } else { format!("of = {of:?}\n") };
    format!("[[condition]]\non = {on}\n{of}actions = [ {action} ]\n")
}

fn pid(entity: &Value) -> u32 {
    let pid = entity["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.unwrap_or_else(|| panic!("no process: {entity}"))
}

/// Kills the process of an entity that is restarted, and waits for the next.
fn kill(manager: &Manager, name: &str) {
    let old = pid(&manager.wait_for_state(name, "running"));
    send("KILL", old);
    manager.wait_for(name, |entity| {
        entity["state"] == "running" && entity["pid"].as_u64() != Some(u64::from(old))
    });
}

fn done(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
}

/// Also over a monitor that is killed: whom a condition is about is part of the
/// plan, and so is which units are about any.
#[test]
fn a_death_is_answered_by_other_units_and_by_those_about_any() {
    let units = Units::new("of-and-any");
    let (of, any) = (units.file("of"), units.file("any"));
    units.write("worker", &sleeper("restart = \"always\""));
    units.write("other", &sleeper("restart = \"always\""));
    let told = notes(&of, "{entity} {status} {condition}");
    units.write("watcher", &format!("[target]\n{}", condition("\"death\"", "worker", &told)));
    let told = notes(&any, "{entity} {status}");
    units.write("all", &format!("[global]\n{}", condition("\"abnormal-death\"", "", &told)));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("all", "running");
    kill(&manager, "worker");
    units.wait_for_text("of", |text| text == "worker signal KILL death\n");
    units.wait_for_text("any", |text| text == "worker signal KILL\n");
    let monitor = manager.monitor().expect("a monitor");
    send("KILL", monitor);
    kill(&manager, "other");
    units.wait_for_text("any", |text| text == "worker signal KILL\nother signal KILL\n");
    // It is about any as long as it is up; the other goes on.
    done(&manager, &["stop", "all"]);
    kill(&manager, "worker");
    units.wait_for_text("of", |text| text == "worker signal KILL death\n".repeat(2));
    done(&manager, &["start", "all"]);
    kill(&manager, "other");
    let expected = "worker signal KILL\nother signal KILL\nother signal KILL\n";
    units.wait_for_text("any", |text| text == expected);
    assert_eq!(units.text("of"), "worker signal KILL death\n".repeat(2));
}

#[test]
fn transitions_are_matched_by_the_names_of_the_one_that_reports() {
    let units = Units::new("states");
    let file = units.file("seen");
    let states = "[states]\nrun = 2\nhung = 7\nbad = [\"hung\", 8]\n";
    let own = condition("{ state = { to = \"bad\" } }", "", &notes(&file, "own {from} {to}"));
    units.write("worker", &sleeper(&format!("restart = \"no\"\n{states}{own}")));
    let on = "{ state = { from = { not = \"run\" }, to = [\"run\", 9] } }";
    let told = notes(&file, "other {entity} {from} {to}");
    units.write("watcher", &format!("[target]\n{}", condition(on, "worker", &told)));
    let told = notes(&file, "event {type} {class} {severity}");
    let event = condition("{ raise = { type = 5, severity = 2 } }", "worker", &told);
    units.write("events", &format!("[target]\n{event}"));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("worker", "running");
    let mut stream = UnixStream::connect(manager.runtime().join("control")).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit of time");
    let mut answers = BufReader::new(stream.try_clone().expect("its other end"));
    let mut say = |method: &str, parameters: Value| {
        let method = format!("io.ham.Manager.{method}");
        let call = json!({ "method": method, "parameters": parameters });
        stream.write_all(format!("{call}\0").as_bytes()).expect("the manager reads");
        let mut answer = Vec::new();
        answers.read_until(0, &mut answer).expect("an answer");
        let text = answer.strip_suffix(b"\0").expect("a whole answer");
        let answer: Value = serde_json::from_slice(text).expect("JSON");
        assert_eq!(answer["error"], Value::Null, "{answer}");
    };
    let mut expected = String::new();
    // What is not among them leaves no line before the next that is.
    for (state, line) in [
        ("run", "other worker 0 run\n"),
        ("1", ""),
        ("9", "other worker 1 9\n"),
        ("hung", "own 9 hung\n"),
        ("8", "own hung 8\n"),
        ("8", ""),
        ("run", "other worker 8 run\n"),
        ("9", ""),
        ("2", "other worker 9 run\n"),
    ] {
        say("State", json!({ "name": "worker", "state": state }));
        expected.push_str(line);
        units.wait_for_text("seen", |text| text == expected);
    }
    for (kind, class, severity, line) in
        [(5, 1, 3, ""), (4, 1, 2, ""), (5, 1, 2, "event 5 1 2\n"), (5, 9, 2, "event 5 9 2\n")]
    {
        say(
            "Raise",
            json!({ "name": "worker", "type": kind, "class": class, "severity": severity }),
        );
        expected.push_str(line);
        units.wait_for_text("seen", |text| text == expected);
    }
}
