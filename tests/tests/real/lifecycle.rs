//! The life of an entity as a person sees it: it dies in every way that there
//! is, is asked to stop, outlives that, gives up, and is brought back. What
//! lists of actions do beside that is in `actions.rs`.

use ham_core::signal::Signal;
use ham_tests::own_units::Units;
use ham_tests::processes::{lives, send};
use ham_tests::programs::{Manager, Scratch, ham};
use std::process::Command;

/// Signals of signal(7) whose default action ends a process.
const DEADLY: [u8; 23] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31];

/// Those of them that are an ordinary way to be told to end.
const ORDINARY: [u8; 4] = [1, 2, 13, 15];

/// Lines of this test's log that tell which conditions have fired.
const CONDITIONS: &str = r#"
[[condition]]
on = "death"
actions = [ { log = "fired {condition}: {status} code=[{code}] signal=[{signal}]" } ]
[[condition]]
on = "abnormal-death"
actions = [ { log = "fired {condition}" } ]
[[condition]]
on = "failure"
actions = [ { log = "fired {condition}" } ]
[[condition]]
on = "stopped"
actions = [ { log = "fired {condition}: {status}" } ]
[[condition]]
name = "last"
on = "death"
actions = [ { log = "that was all" } ]
[[condition]]
name = "last-of-stop"
on = "stopped"
actions = [ { log = "that was all" } ]
"#;

/// What the log says of an entity, without stamps.
fn lines(log: &str, entity: &str) -> Vec<String> {
    let prefix = format!("{entity}: ");
    let own = log.lines().filter_map(|line| line.strip_prefix(&prefix));
    own.map(str::to_owned).collect()
}

fn starts_with(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.starts_with(text))
}

fn count(log: &str, entity: &str, text: &str) -> usize {
    lines(log, entity).iter().filter(|line| line.starts_with(text)).count()
}

fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

fn done(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
}

#[test]
fn a_killed_entity_is_back_with_the_reason_in_the_log() {
    let units = Units::new("killed");
    units.write("sleeper", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    let mut manager = start(&units);
    manager.wait_for_state("sleeper", "running");
    let mut pid = manager.pid_of("sleeper");
    for round in 1..=3u64 {
        send("KILL", pid);
        let back = manager.wait_for("sleeper", |entity| {
            entity["state"] == "running" && entity["restarts"] == round
        });
        assert_eq!(back["last_exit"]["signal"], "KILL");
        assert_eq!(back["last_exit"]["abnormal"], true);
        assert_eq!(back["why"], "restarted after signal KILL");
        let died = format!("died: signal KILL (pid {pid})");
        pid = manager.pid_of("sleeper");
        let again = format!("restarted, pid {pid}");
        manager.wait_for_log(&again, |log| starts_with(&lines(log, "sleeper"), &again));
        let told = lines(&manager.log(), "sleeper");
        let place = |text: &str| told.iter().position(|line| line == text);
        assert!(place(&died) < place(&again) && place(&died).is_some(), "{told:?}");
    }
    // The first of a series comes at once, the others wait.
    assert!(!starts_with(&lines(&manager.log(), "sleeper"), "next start in 200ms (attempt 1)"));
}

#[test]
fn each_deadly_signal_is_told_by_name_and_fires_what_it_should() {
    let units = Units::new("signals");
    for number in DEADLY {
        // A shell resets no signal for itself; the sleep is never reached.
        let command = format!("command = [\"sh\", \"-c\", \"kill -{number} $$; sleep 600\"]");
        units.write(&format!("by-{number}"), &format!("[entity]\n{command}\n{CONDITIONS}"));
    }
    // No core dumps: they would land in the root directory.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; exec \"$0\" \"$@\""]).arg(ham());
    let options = ["-t", "none"];
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &options);
    manager.wait_for_log("every entity has ended", |log| {
        DEADLY.iter().all(|number| starts_with(&lines(log, &format!("by-{number}")), "that was"))
    });
    let log = manager.log();
    for number in DEADLY {
        let name = Signal(number).to_string();
        let entity = format!("by-{number}");
        let told = lines(&log, &entity);
        assert!(starts_with(&told, &format!("died: signal {name} (pid ")), "{told:?}");
        let death = format!("fired death: signal {name} code=[] signal=[{name}]");
        assert!(told.contains(&death), "{told:?}");
        let abnormal = !ORDINARY.contains(&number);
        for condition in ["abnormal-death", "failure"] {
            let fired = told.contains(&format!("fired {condition}"));
            assert_eq!(fired, abnormal, "{condition} of {name}: {told:?}");
        }
        assert!(!starts_with(&told, "fired stopped"), "{told:?}");
        let last = &manager.entity(&entity)["last_exit"];
        assert_eq!(last["signal"], name.as_str());
        assert_eq!(last["code"], serde_json::Value::Null);
        assert_eq!(last["abnormal"], abnormal);
    }
}

#[test]
fn a_core_dump_is_told() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.contains('/') || pattern.starts_with('|') || pattern.trim().is_empty() {
        ham_tests::skip::skipped("a_core_dump_is_told", "core_pattern leads out of the test");
        return;
    }
    let units = Units::new("core");
    let folder = units.folder().display();
    let script = "ulimit -c 4096 || exit 77; kill -SEGV $$; sleep 600";
    units.write(
        "dumps",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\ndirectory = \"{folder}\"\n\
             {CONDITIONS}"
        ),
    );
    let mut manager = start(&units);
    manager.wait_for_log("the end", |log| starts_with(&lines(log, "dumps"), "that was all"));
    let told = lines(&manager.log(), "dumps");
    if starts_with(&told, "died: exit 77") {
        ham_tests::skip::skipped("a_core_dump_is_told", "the limit on core files is 0");
        return;
    }
    assert!(starts_with(&told, "died: signal SEGV (core) (pid "), "{told:?}");
    assert_eq!(manager.entity("dumps")["last_exit"]["text"], "signal SEGV (core)");
}

#[test]
fn exit_codes_are_told_and_only_success_is_no_failure() {
    let units = Units::new("codes");
    for code in [0, 3, 255] {
        let command = format!("command = [\"sh\", \"-c\", \"exit {code}\"]");
        units.write(&format!("exits-{code}"), &format!("[entity]\n{command}\n{CONDITIONS}"));
    }
    let mut manager = start(&units);
    manager.wait_for_log("every entity has ended", |log| {
        [0, 3, 255].iter().all(|code| starts_with(&lines(log, &format!("exits-{code}")), "that"))
    });
    for code in [0, 3, 255] {
        let entity = format!("exits-{code}");
        let told = lines(&manager.log(), &entity);
        assert!(starts_with(&told, &format!("died: exit {code} (pid ")), "{told:?}");
        let death = format!("fired death: exit {code} code=[{code}] signal=[]");
        assert!(told.contains(&death), "{told:?}");
        assert_eq!(told.contains(&"fired failure".to_owned()), code != 0, "{told:?}");
        assert!(!told.contains(&"fired abnormal-death".to_owned()), "{told:?}");
        let status = manager.entity(&entity);
        assert_eq!(status["last_exit"]["code"], code);
        assert_eq!(status["last_exit"]["abnormal"], false);
        // Nothing brings it back, which is the unit's choice.
        assert_eq!(status["desired"], "running");
        assert_eq!(status["pid"], serde_json::Value::Null);
    }
}

#[test]
fn a_stop_that_was_asked_for_is_no_death() {
    let units = Units::new("stop");
    let restart =
        "[[condition]]\nname = \"back\"\non = \"death\"\nactions = [ { restart = {} } ]\n";
    units.write("guarded", &format!("[entity]\ncommand = \"sleep 600\"\n{CONDITIONS}\n{restart}"));
    let mut manager = start(&units);
    manager.wait_for_state("guarded", "running");
    let first = manager.pid_of("guarded");
    done(&manager, &["stop", "guarded"]);
    let stopped = manager.entity("guarded");
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(stopped["desired"], "stopped");
    assert_eq!(stopped["pid"], serde_json::Value::Null);
    assert_eq!(stopped["why"], "stopped on request (signal TERM)");
    manager.wait_for_log("the conditions", |log| starts_with(&lines(log, "guarded"), "that was"));
    let told = lines(&manager.log(), "guarded");
    assert!(told.contains(&"fired stopped: signal TERM".to_owned()), "{told:?}");
    assert!(!starts_with(&told, "fired death"), "{told:?}");
    assert!(!starts_with(&told, "fired failure"), "{told:?}");

    done(&manager, &["start", "guarded"]);
    let second = manager.pid_of("guarded");
    assert_ne!(first, second);
    done(&manager, &["restart", "guarded"]);
    let third = manager.pid_of("guarded");
    assert_ne!(second, third);
    assert_eq!(manager.entity("guarded")["restarts"], 0, "what a person does is not counted");
    assert_eq!(count(&manager.log(), "guarded", "fired death"), 0);

    // A signal is no stop.
    done(&manager, &["kill", "-s", "TERM", "guarded"]);
    let back = manager
        .wait_for("guarded", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    assert_eq!(back["last_exit"]["signal"], "TERM");
    manager.wait_for_log("its death", |log| count(log, "guarded", "fired death") == 1);
}

#[test]
fn what_outlives_its_stop_is_killed_after_the_time_that_it_has() {
    let units = Units::new("outlive");
    let probe = env!("CARGO_BIN_EXE_ham-probe");
    let file = units.file("told");
    units.write(
        "stubborn",
        &format!(
            "[entity]\ncommand = [\"{probe}\", \"outlive\"]\nstdout = {{ file = \"{file}\" }}\n\
             stop = {{ timeout = \"300ms\" }}\nrestart = \"always\"\n"
        ),
    );
    let manager = start(&units);
    units.wait_for_text("told", |text| text == "ready\n");
    done(&manager, &["stop", "stubborn"]);
    assert_eq!(units.text("told"), "ready\nTERM\n");
    let entity = manager.entity("stubborn");
    assert_eq!(entity["state"], "stopped");
    assert_eq!(entity["last_exit"]["signal"], "KILL");
    let log = manager.log();
    let told = lines(&log, "stubborn");
    assert!(told.contains(&"did not stop in time; killed".to_owned()), "{told:?}");
    assert_eq!(count(&log, "stubborn", "died"), 0, "{told:?}");
}

#[test]
fn the_signal_of_a_stop_is_the_units() {
    let units = Units::new("stop-signal");
    units.write(
        "by-usr1",
        "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\nstop = { signal = \"USR1\" }\n",
    );
    units.write(
        "at-once",
        "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\nstop = { timeout = \"0s\" }\n",
    );
    let manager = start(&units);
    manager.wait_for_state("by-usr1", "running");
    manager.wait_for_state("at-once", "running");
    done(&manager, &["stop", "by-usr1", "at-once"]);
    assert_eq!(manager.entity("by-usr1")["last_exit"]["signal"], "USR1");
    assert!(manager.entity("at-once")["state"] == "stopped");
}

#[test]
fn a_persons_restart_gives_a_fresh_limit() {
    let units = Units::new("limit");
    units.write(
        "crashes",
        "[entity]\ncommand = [\"sh\", \"-c\", \"exit 4\"]\n\
         [[condition]]\non = \"death\"\nactions = [ { restart = { delay = \"10ms\", \
         limit = { count = 2, within = \"1h\" } } } ]\n\
         [[condition]]\non = \"restart-limit\"\nactions = [ { log = \"gave up: {status}\" } ]\n",
    );
    let mut manager = start(&units);
    for round in 1..=2 {
        manager.wait_for_log("the end", |log| count(log, "crashes", "gave up: exit 4") == round);
        let entity = manager.wait_for_state("crashes", "failed");
        assert_eq!(entity["why"], "restart limit reached, last: exit 4");
        let log = manager.log();
        assert_eq!(count(&log, "crashes", "died: exit 4"), 3 * round, "{log}");
        assert_eq!(count(&log, "crashes", "restart limit reached, given up"), round, "{log}");
        // Whether it ends before or after the answer is up to the machine.
        let _ = manager.hamctl(&["restart", "crashes"]);
    }
}

#[test]
fn a_manual_entity_starts_when_it_is_told_to() {
    let units = Units::new("manual");
    units.write(
        "reserve",
        "[entity]\ncommand = \"sleep 600\"\nstart = \"manual\"\nrestart = \"always\"\n",
    );
    units.write("other", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    let manager = start(&units);
    manager.wait_for_state("other", "running");
    let entity = manager.entity("reserve");
    assert_eq!(entity["desired"], "stopped");
    assert_eq!(entity["pid"], serde_json::Value::Null);
    assert_eq!(entity["why"], "not started yet");
    done(&manager, &["start", "reserve"]);
    assert_eq!(manager.entity("reserve")["state"], "running");
}

#[test]
fn the_end_of_the_manager_is_the_end_of_its_entities() {
    let units = Units::new("shutdown");
    units.write("a", &format!("[entity]\ncommand = \"sleep 600\"\n{CONDITIONS}"));
    units.write("b", "[entity]\ncommand = [\"sh\", \"-c\", \"exit 9\"]\nrestart = \"always\"\n");
    let mut manager = start(&units);
    manager.wait_for_state("a", "running");
    let pid = manager.pid_of("a");
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    let log = manager.log();
    assert!(lines(&log, "a").contains(&"fired stopped: signal TERM".to_owned()), "{log}");
    assert_eq!(count(&log, "a", "fired death"), 0, "{log}");
    assert!(log.ends_with("ham: done\n"), "{log}");
    assert!(!lives(pid));
    for name in ["control", "state"] {
        assert!(!manager.runtime().join(name).exists(), "{name} was left");
    }
}
