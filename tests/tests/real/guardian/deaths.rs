//! Deaths of monitor and guardian, of every kind.

use ham_snapshot::header::Field;
use ham_tests::chaos::{children, lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use serde_json::Value;

const SIGNALS: [Signal; 4] = [Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGTERM];

fn guardian(manager: &Manager) -> u32 {
    manager.catch_child("ham-guardian")
}

fn count(manager: &Manager, name: &str) -> usize {
    children(manager.pid()).iter().filter(|child| child.name == name && !child.zombie).count()
}

/// Both are there, and no third.
fn wait_for_both(manager: &Manager) {
    wait_until("one monitor and one guardian", || {
        count(manager, "ham-monitor") == 1 && count(manager, "ham-guardian") == 1
    });
}

#[test]
fn the_guardian_becomes_the_monitor() {
    let units = Units::new("guardian");
    units.write("steady", SLEEPER);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("steady", "running");
    wait_for_both(&manager);
    let (steady, waiting) = (manager.pid_of("steady"), guardian(&manager));
    let before = manager.status()["ham"].clone();
    assert_eq!(before["guardian"]["pid"], waiting, "{before}");
    assert_eq!((&before["last_takeover_us"], &before["takeovers"]), (&Value::Null, &0.into()));

    let last = manager.take_monitor();
    assert_eq!(manager.next_monitor(last), waiting);
    wait_for_both(&manager);
    let after = manager.status()["ham"].clone();
    assert_eq!((&after["monitor"]["pid"], &after["takeovers"]), (&waiting.into(), &1.into()));
    assert!(after["last_takeover_us"].as_u64().is_some(), "{after}");
    assert_eq!(after["failures"]["monitor"], 1, "{after}");

    // The guardian's death is seen by nobody but the count.
    let waiting = guardian(&manager);
    assert!(strike(waiting, Signal::SIGKILL));
    wait_until("another guardian", || {
        manager.child("ham-guardian").is_some_and(|pid| pid != waiting)
    });
    let ham = manager.status()["ham"].clone();
    assert_eq!((&ham["takeovers"], &ham["failures"]["guardian"]), (&1.into(), &1.into()));
    assert_eq!(manager.pid_of("steady"), steady);
}

#[test]
fn any_of_them_may_die_of_anything_again_and_again() {
    let units = Units::new("guardian-storm");
    units.write("steady", SLEEPER);
    let often = "[entity]\ncommand = \"sleep 0.02\"\n[[condition]]\non = \"death\"\n\
                 actions = [ { restart = { delays = [\"0s\"] } } ]\n";
    units.write("often", often);
    let manager = Manager::start(&units.path(), &["-d"]);
    manager.wait_for_state("steady", "running");
    let steady = manager.pid_of("steady");
    for round in 0..60usize {
        let monitor = manager.catch_child("ham-monitor");
        let waiting = guardian(&manager);
        let signal = SIGNALS[round % SIGNALS.len()];
        match round % 3 {
            0 => assert!(strike(monitor, signal) || round > 0),
            1 => {
                strike(waiting, signal);
            }
            _ => {
                strike(waiting, signal);
                strike(monitor, signal);
            }
        }
        // TERM is blocked in both: what it does not end goes on.
        std::thread::sleep(std::time::Duration::from_millis(15));
    }
    wait_for_both(&manager);
    assert_eq!(manager.pid_of("steady"), steady);
    let before = manager.entity("often")["restarts"].as_u64();
    manager.wait_for("often", |entity| entity["restarts"].as_u64() > before);
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);
    manager.signal("TERM");
    let mut manager = manager;
    assert!(manager.wait_for_end().success());
    wait_until("the end of its entities", || !lives(steady));
}

#[test]
fn a_takeover_needs_no_unit_and_no_socket_file() {
    let units = Units::new("guardian-alone");
    units.write("steady", SLEEPER);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("steady", "running");
    wait_for_both(&manager);
    std::fs::remove_dir_all(units.path()).expect("the units can be removed");
    std::fs::remove_file(manager.runtime().join("control")).expect("so can the socket");
    let steady = manager.child("sleep").expect("it runs");
    manager.replace_settled_monitor();
    assert!(strike(steady, Signal::SIGKILL));
    manager.wait_for("steady", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    // The new socket is handed on like the old one.
    wait_for_both(&manager);
    manager.replace_settled_monitor();
    assert_eq!(manager.entity("steady")["restarts"], 1);
    assert!(manager.log().contains("the control socket was gone"), "{}", manager.log());
}

#[test]
fn a_stopped_guardian_does_not_hold_up_the_end() {
    let units = Units::new("guardian-end");
    units.write("steady", SLEEPER);
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("steady", "running");
    assert!(strike(guardian(&manager), Signal::SIGSTOP));
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
}

#[test]
fn nobody_wakes_an_idle_manager() {
    let Some(scratch) = ham_tests::programs::Scratch::in_memory("guardian-idle") else { return };
    let units = Units::new("guardian-idle");
    for number in 0..10 {
        units.write(&format!("steady-{number}"), SLEEPER);
    }
    let command = std::process::Command::new(ham_tests::programs::ham());
    let manager = Manager::start_by(command, scratch, &units.path(), &[]);
    manager.wait_for_state("steady-9", "running");
    wait_for_both(&manager);
    // What was handed over before is looked at once more, after 5 s.
    let pids = [manager.pid(), manager.catch_child("ham-monitor"), guardian(&manager)];
    let switches =
        || -> Vec<u64> { pids.iter().flat_map(|pid| voluntary_switches(*pid)).collect() };
    let state = ham_tests::state_file::StateFile::open(&manager.runtime());
    let mut last = (switches(), state.get(Field::Pulse));
    wait_until("seven seconds without a wake-up", || {
        std::thread::sleep(std::time::Duration::from_secs(7));
        let now = (switches(), state.get(Field::Pulse));
        std::mem::replace(&mut last, now.clone()) == now
    });
}

/// Of each thread: how often it has gone to sleep.
fn voluntary_switches(pid: u32) -> Vec<u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok())
        .filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .collect()
}
