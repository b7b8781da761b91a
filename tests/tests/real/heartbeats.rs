//! Heartbeats of real processes: into the page that libham maps, and as
//! messages of the real systemd-notify.

use ham_sys::clock::monotonic;
use ham_tests::own_units::Units;
use ham_tests::processes::send;
use ham_tests::programs::Manager;
use ham_tests::skip::skipped;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// A program that beats as long as the file `alive` of the test is there.
fn beater(units: &Units, interval: u32, rest: &str) -> String {
    let (probe, alive) = (env!("CARGO_BIN_EXE_ham-probe"), units.file("alive"));
    fs::write(&alive, "").expect("a file");
    format!("[entity]\ncommand = [\"{probe}\", \"beat\", \"{interval}\", {alive:?}]\n{rest}")
}

/// Every one of these conditions leaves a line.
fn told(units: &Units, conditions: &[&str]) -> String {
    let file = units.file("told");
    let of = |condition: &&str| {
        let script = format!("echo {condition} {{missed}} >> {file}");
        format!(
            "[[condition]]\non = \"{condition}\"\n\
             actions = [ {{ execute = [\"/bin/sh\", \"-c\", {script:?}] }} ]\n"
        )
    };
    conditions.iter().map(of).collect()
}

const MISSED: [&str; 3] = ["heartbeat-missed-low", "heartbeat-missed-high", "heartbeat-healthy"];

fn stall(units: &Units) {
    fs::remove_file(units.file("alive")).expect("it was alive");
}

fn revive(units: &Units) {
    fs::write(units.file("alive"), "").expect("a file");
}

fn level(entity: &Value) -> &str {
    entity["heartbeat"]["level"].as_str().unwrap_or("none")
}

/// The times of facts of one kind, in ns.
fn times(manager: &Manager, kind: &str) -> Vec<u64> {
    let output = manager.hamctl(&["history", "--json", "heart"]);
    let history: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let facts = history["facts"].as_array().expect("facts").iter();
    facts
        .filter(|fact| fact["kind"] == kind)
        .map(|fact| fact["mono_ns"].as_u64().expect("a time"))
        .collect()
}

#[test]
fn who_stalls_is_low_then_high_and_then_brought_back() {
    let units = Units::new("stalls");
    let heartbeat = "[heartbeat]\ninterval = \"100ms\"\nlow = 2\nhigh = 5\n";
    let kill = "[[condition]]\nname = \"hung\"\non = \"heartbeat-missed-high\"\n\
                actions = [ { notify-signal = { signal = \"KILL\" } } ]\n\
                [[condition]]\non = \"death\"\nactions = [ { restart = {} } ]\n";
    let rest = format!("{heartbeat}{}{kill}", told(&units, &MISSED));
    units.write("heart", &beater(&units, 20, &rest));
    let manager = Manager::start(&units.path(), &[]);
    let first = manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    assert_eq!(level(&first), "healthy", "{first}");
    stall(&units);
    let next = manager.wait_for("heart", |heart| heart["restarts"] == 1);
    assert_ne!(first["pid"], next["pid"]);
    assert_eq!(next["last_exit"]["text"], "signal KILL");
    revive(&units);
    let expected = "heartbeat-missed-low 2\nheartbeat-missed-high 5\n";
    units.wait_for_text("told", |text| text == expected);
    // Three periods lie between two misses and five, and two looks at least.
    let missed = times(&manager, "heartbeat-missed");
    assert_eq!(missed.len(), 2, "{}", manager.log());
    assert!(missed[1] - missed[0] >= 200_000_000, "{missed:?}");
}

/// A successor goes on counting where the monitor was, and begins nothing anew.
#[test]
fn misses_are_counted_over_a_takeover() {
    let units = Units::new("counted");
    let heartbeat = "[heartbeat]\ninterval = \"400ms\"\nlow = 1\nhigh = 5\n";
    units.write("heart", &beater(&units, 20, &format!("{heartbeat}{}", told(&units, &MISSED))));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    stall(&units);
    manager.wait_for("heart", |heart| level(heart) == "low");
    for _ in 0..3 {
        manager.kill_monitor("KILL");
    }
    manager.wait_for("heart", |heart| level(heart) == "high");
    revive(&units);
    // High stays so until somebody says otherwise, or another process comes.
    let output = manager.hamctl(&["restart", "heart"]);
    assert!(output.status.success());
    manager.wait_for("heart", |heart| level(heart) == "healthy");
    let expected = "heartbeat-missed-low 1\nheartbeat-missed-high 5\n";
    units.wait_for_text("told", |text| text == expected);
}

/// Of these monitors none lives at the end of a period: each successor looks at
/// the one that has ended meanwhile.
#[test]
fn misses_are_counted_by_monitors_that_live_for_less_than_a_period() {
    const PERIOD: u64 = 500_000_000;
    let units = Units::new("short-lives");
    let heartbeat = "[heartbeat]\ninterval = \"500ms\"\nlow = 3\nhigh = 0\n";
    units.write("heart", &beater(&units, 20, heartbeat));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    stall(&units);
    let is_low = (1..12).any(|state| {
        // Progress, or the next monitors would be held back; and time to look.
        let output = manager.hamctl(&["state", "heart", &state.to_string()]);
        assert!(output.status.success());
        let is_low = level(&manager.entity("heart")) == "low";
        let monitor = manager.kill_monitor("STOP");
        let period = monotonic() / PERIOD;
        while monotonic() / PERIOD == period {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        send("KILL", monitor);
        is_low
    });
    assert!(is_low, "{}\n{}", manager.entity("heart"), manager.log());
}

/// No condition fires because of a takeover.
#[test]
fn who_beats_is_healthy_over_many_takeovers() {
    let units = Units::new("takeovers");
    let heartbeat = "[heartbeat]\ninterval = \"500ms\"\nlow = 2\nhigh = 3\n";
    units.write("heart", &beater(&units, 20, &format!("{heartbeat}{}", told(&units, &MISSED))));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    let first = manager.entity("heart");
    for state in 1..11 {
        manager.kill_monitor("KILL");
        // One that has done nothing is not followed by the next at once.
        let output = manager.hamctl(&["state", "heart", &state.to_string()]);
        assert!(output.status.success());
        manager.wait_for("heart", |heart| level(heart) == "healthy");
    }
    // Its heart is still the one that is looked at.
    stall(&units);
    manager.wait_for("heart", |heart| level(heart) == "low");
    revive(&units);
    manager.wait_for("heart", |heart| level(heart) == "healthy");
    let expected = "heartbeat-missed-low 2\nheartbeat-healthy 0\n";
    units.wait_for_text("told", |text| text == expected);
    assert_eq!(manager.entity("heart")["pid"], first["pid"]);
}

#[test]
fn nobody_is_missed_while_heartbeats_are_suspended() {
    let units = Units::new("suspended");
    let heartbeat = "[heartbeat]\ninterval = \"50ms\"\nlow = 1\nhigh = 2\n";
    units.write("heart", &beater(&units, 10, &format!("{heartbeat}{}", told(&units, &MISSED))));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    let said = |words: &[&str]| {
        let output = manager.hamctl(words);
        assert!(output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(said(&["heartbeat"]), "active");
    assert_eq!(said(&["heartbeat", "suspend"]), "all heartbeats: suspended, active before");
    stall(&units);
    manager.kill_monitor("KILL");
    assert_eq!(said(&["heartbeat", "query"]), "suspended", "also after a takeover");
    manager.wait_for("heart", |heart| heart["heartbeat"]["age_ns"].as_u64() > Some(500_000_000));
    let heart = manager.entity("heart");
    assert_eq!((level(&heart), &heart["heartbeat"]["suspended"]), ("healthy", &Value::Bool(true)));
    assert_eq!(said(&["heartbeat", "resume"]), "all heartbeats: active, suspended before");
    manager.wait_for("heart", |heart| level(heart) == "high");
    // Their commands come after what is said of it.
    let expected = "heartbeat-missed-low 1\nheartbeat-missed-high 2\n";
    units.wait_for_text("told", |text| text == expected);
}

#[test]
fn systemd_notify_beats_as_well() {
    if Command::new("systemd-notify").arg("--version").output().is_err() {
        skipped("systemd_notify_beats_as_well", "there is no systemd-notify");
        return;
    }
    let units = Units::new("notify");
    let (alive, seen) = (units.file("alive"), units.file("environment"));
    fs::write(&alive, "").expect("a file");
    let script = format!(
        "echo $WATCHDOG_USEC $((WATCHDOG_PID - $$)) > {seen}; systemd-notify --ready; \
         while true; do test -e {alive} && systemd-notify WATCHDOG=1; sleep 0.05; done"
    );
    let rest = format!(
        "ready = \"notify\"\nnotify-access = \"all\"\n\
         [heartbeat]\ninterval = \"1s\"\nlow = 1\nhigh = 2\n{}",
        told(&units, &MISSED)
    );
    units.write("heart", &format!("[entity]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n{rest}"));
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("heart", |heart| !heart["heartbeat"]["age_ns"].is_null());
    assert_eq!(units.text("environment"), "1000000 0\n");
    stall(&units);
    manager.wait_for("heart", |heart| level(heart) == "high");
    let expected = "heartbeat-missed-low 1\nheartbeat-missed-high 2\n";
    units.wait_for_text("told", |text| text == expected);
}
