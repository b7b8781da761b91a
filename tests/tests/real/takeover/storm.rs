//! A hundred monitors in a row are killed while entities come and go.

use ham_snapshot::header::Field;
use ham_tests::chaos::{lives, strike};
use ham_tests::fake::Random;
use ham_tests::ledger::{End, add_worker, audit, starts};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::Duration;

const KILLS: u64 = 100;
const WORKERS: [(&str, &str, End); 4] = [
    ("quick", "0", End::Code),
    ("short", "0.03", End::Code),
    ("killed", "0.02", End::Signal("KILL")),
    ("crashing", "0.05", End::Signal("SEGV")),
];
const STEADY: [&str; 4] = ["north", "east", "south", "west"];

fn units() -> Units {
    let units = Units::new("storm");
    for (name, life, end) in WORKERS {
        add_worker(&units, name, life, end, "0s");
    }
    for name in STEADY {
        units.write(name, "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n");
    }
    units
}

/// Kills monitors by different signals, at moments drawn from `seed`.
fn storm(manager: &Manager, state: Option<&StateFile>, seed: u64) {
    let mut random = Random::new(seed);
    let mut monitor = manager.next_monitor(0);
    for kill in 0..KILLS {
        // Four in a row that die before they get anything done are slowed down
        // (ham(8)), which is not what this is about.
        if let Some(state) = state.filter(|state| state.get(Field::CrashLoop) >= 2) {
            let before = state.get(Field::Progress);
            wait_until("progress", || state.get(Field::Progress) > before);
        }
        std::thread::sleep(Duration::from_micros(random.below(25_000)));
        let signal = match kill % 10 {
            3 => Signal::SIGSEGV,
            6 => Signal::SIGABRT,
            _ => Signal::SIGKILL,
        };
        if kill % 10 == 8 {
            // It does not listen to this one.
            strike(monitor, Signal::SIGTERM);
        }
        assert!(strike(monitor, signal), "monitor {monitor} had gone by itself");
        monitor = manager.next_monitor(monitor);
    }
}

fn storm_on(scratch: Scratch, seed: u64) {
    let units = units();
    let options = ["-t", "relative"];
    let mut manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &options);
    for name in STEADY {
        manager.wait_for_state(name, "running");
    }
    let state = manager.runtime().join("state");
    let state = state.exists().then(|| StateFile::open(&manager.runtime()));
    let before = STEADY.map(|name| manager.pid_of(name));
    storm(&manager, state.as_ref(), seed);
    // All of them go on afterwards.
    let now = WORKERS.map(|(name, ..)| starts(&units, name));
    wait_until("every worker to go on", || {
        WORKERS.iter().zip(now).all(|((name, ..), before)| starts(&units, name) > before + 1)
    });
    assert_eq!(STEADY.map(|name| manager.pid_of(name)), before, "seed {seed}");
    assert_eq!(manager.status()["ham"]["takeovers"], KILLS);
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    let log = manager.log();
    for ((name, _, end), before) in WORKERS.into_iter().zip(now) {
        assert!(audit(&units, name, end, &log) > before, "seed {seed}");
    }
    for (name, pid) in STEADY.into_iter().zip(before) {
        let started = log.matches(&format!("{name}: started, pid ")).count();
        assert!(started >= 1 && log.contains(&format!("{name}: stopped: signal TERM (pid {pid})")));
        assert!(!log.contains(&format!("{name}: died")), "{log}");
        assert!(!lives(pid));
    }
}

#[test]
fn a_hundred_monitors_die_and_nobody_notices() {
    storm_on(Scratch::new("storm"), 1);
}

#[test]
fn the_same_with_the_state_in_a_file() {
    if let Some(scratch) = Scratch::in_memory("storm-in-memory") {
        storm_on(scratch, 2);
    }
}
