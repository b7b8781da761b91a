//! What was asked for before the monitor died is done after it, and whoever
//! asked gets an answer.

use ham_tests::chaos::strike;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, PATIENCE};
use nix::sys::signal::Signal;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A unit that takes its time to end, and says when it does.
const SLOW_TO_END: &str = r#"
[entity]
command = ["sh", "-c", "trap 'sleep 1; exit 9' TERM; while :; do sleep 0.05; done"]
stop = { timeout = "1min" }
restart = "always"
"#;

/// A unit that does not end when it is asked to.
const DEAF: &str = r#"
[entity]
command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]
stop = { timeout = "700ms" }
restart = "always"
"#;

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{:?}: {out}{err}", output.status)
}

#[test]
fn a_stop_asked_for_before_is_carried_out_after() {
    let units = Units::new("stop");
    units.write("slow", SLOW_TO_END);
    units.write("deaf", DEAF);
    let manager = Manager::start(&units.path(), &[]);
    let before = ["slow", "deaf"].map(|name| {
        manager.wait_for_state(name, "running");
        manager.pid_of(name)
    });
    // The shells have set their traps when they have started a sleep.
    for pid in before {
        wait_until("a child of it", || !ham_tests::chaos::children(pid).is_empty());
    }
    let output = manager.hamctl(&["stop", "--no-wait", "slow", "deaf"]);
    assert!(output.status.success(), "{}", text(&output));
    for _ in 0..3 {
        manager.replace_settled_monitor();
    }
    let slow = manager.wait_for_state("slow", "stopped");
    let deaf = manager.wait_for_state("deaf", "stopped");
    assert_eq!(slow["last_exit"]["code"], 9, "{slow}");
    assert_eq!(deaf["last_exit"]["signal"], "KILL", "{deaf}");
    manager.replace_monitor();
    for (name, pid) in ["slow", "deaf"].into_iter().zip(before) {
        assert_eq!(manager.wait_for_state(name, "stopped")["restarts"], 0);
        assert!(!ham_tests::chaos::lives(pid));
    }
}

#[test]
fn a_shutdown_by_signal_goes_on_and_is_not_hurried() {
    let units = Units::new("shutdown");
    units.write("slow", SLOW_TO_END);
    let mut manager = Manager::start(&units.path(), &["--stop-deadline", "1min"]);
    manager.wait_for_state("slow", "running");
    let pid = manager.pid_of("slow");
    wait_until("a child of it", || !ham_tests::chaos::children(pid).is_empty());
    manager.signal("TERM");
    manager.wait_for_log("the shutdown", |log| log.contains("shutting down"));
    for _ in 0..3 {
        manager.replace_settled_monitor();
    }
    assert_eq!(manager.wait_for_end().code(), Some(0));
    let log = manager.log();
    assert!(log.contains("slow: stopped: exit 9"), "{log}");
    assert!(!log.contains("shutting down now"), "{log}");
}

#[test]
fn a_shutdown_by_hamctl_goes_on_with_its_code() {
    let units = Units::new("shutdown-code");
    units.write("slow", SLOW_TO_END);
    let mut manager = Manager::start(&units.path(), &["--stop-deadline", "1min"]);
    manager.wait_for_state("slow", "running");
    let pid = manager.pid_of("slow");
    wait_until("a child of it", || !ham_tests::chaos::children(pid).is_empty());
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| manager.hamctl(&["shutdown", "--code", "7"]));
        let deadline = Instant::now() + PATIENCE;
        while !manager.log().contains("shutting down") {
            assert!(Instant::now() < deadline, "{}", manager.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        manager.replace_monitor();
        let output = asked.join().expect("no panic");
        assert!(output.status.success(), "{}", text(&output));
    });
    assert_eq!(manager.wait_for_end().code(), Some(7));
    assert!(manager.log().contains("slow: stopped: exit 9"), "{}", manager.log());
}

#[test]
fn who_waits_for_an_answer_gets_it() {
    const ROUNDS: usize = 10;
    let units = Units::new("answers");
    let starts = units.file("starts");
    let command = format!("echo started >> {starts}; sleep infinity");
    let text_of =
        format!("[entity]\ncommand = [\"sh\", \"-c\", \"{command}\"]\nstart = \"manual\"\n");
    units.write("asked", &text_of);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("asked", "stopped");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                manager.replace_monitor();
                // Who asks gets something done in most of them.
                std::thread::sleep(Duration::from_millis(25));
            }
        });
        let mut failed = Vec::new();
        for round in 0..ROUNDS {
            for verb in ["start", "stop"] {
                let output = manager.hamctl(&[verb, "asked"]);
                if !output.status.success() {
                    failed.push(format!("{verb} {round}: {}", text(&output)));
                }
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}\n{}", manager.log());
    });
    let count = units.text("starts").lines().count();
    assert!(count <= ROUNDS, "started {count} times, asked {ROUNDS} times\n{}", manager.log());
}

/// Says when it starts, and does not hear of its end before it has said so:
/// nobody minds WINCH until a trap for it is set.
const COUNTED: &str = "echo started >> {starts}; trap 'exit 0' WINCH; \
                       while :; do sleep 0.02; done";

#[test]
fn each_restart_happens_once_whatever_becomes_of_the_monitor() {
    const ROUNDS: u32 = 40;
    let units = Units::new("restarts");
    let command = COUNTED.replace("{starts}", &units.file("starts"));
    let command = format!("[entity]\ncommand = [\"sh\", \"-c\", \"{command}\"]\n");
    units.write("asked", &(command + "stop = { signal = \"WINCH\", timeout = \"5s\" }\n"));
    let manager = Manager::start(&units.path(), &[]);
    let count = || units.text("starts").lines().count();
    manager.wait_for_state("asked", "running");
    wait_until("its first start", || count() == 1);
    for round in 1..=ROUNDS {
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| manager.hamctl(&["restart", "asked"]));
            // From before it has said anything to after it was answered.
            std::thread::sleep(Duration::from_millis(2) * (round % 20));
            manager.replace_monitor();
            let output = asked.join().expect("no panic");
            assert!(output.status.success(), "round {round}: {}", text(&output));
            assert_eq!(output.stdout, b"asked: restarted\n", "round {round}");
        });
        let expected = 1 + round as usize;
        wait_until("its next start", || count() >= expected);
        assert_eq!(count(), expected, "in round {round}\n{}", manager.log());
    }
    // Had one come twice, it would have been seen by now.
    manager.wait_for_state("asked", "running");
    assert_eq!(count(), 1 + ROUNDS as usize, "{}", manager.log());
}

#[test]
fn a_monitor_that_pauses_misses_nothing() {
    let units = Units::new("paused");
    units.write("back", "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n");
    units.write("other", "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n");
    let manager = Manager::start(&units.path(), &[]);
    for name in ["back", "other"] {
        manager.wait_for_state(name, "running");
    }
    let [back, other] = ["back", "other"].map(|name| manager.pid_of(name));
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGSTOP));
    assert!(strike(back, Signal::SIGKILL));
    // Reaped without the monitor.
    wait_until("the reaper", || !std::path::Path::new(&format!("/proc/{back}")).exists());
    assert!(strike(monitor, Signal::SIGCONT));
    manager.wait_for("back", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    assert_eq!(manager.pid_of("other"), other);
    assert_eq!(manager.status()["ham"]["takeovers"], 0);
    let log = manager.log();
    assert!(log.contains(&format!("back: died: signal KILL (pid {back})")), "{log}");
}
