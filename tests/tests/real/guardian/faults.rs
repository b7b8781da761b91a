//! Fatal signals in the reaper: it is executed again in place, and what it did
//! goes on.

use ham_tests::chaos::{lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use nix::sys::signal::Signal;
use std::process::Command;

fn faults(manager: &Manager) -> u64 {
    manager.status()["ham"]["failures"]["reaper"].as_u64().unwrap_or(0)
}

/// Two entities, and the faults that leave them alone.
fn survives(manager: &Manager, reaper: u32, signals: &[Signal]) {
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    let two = manager.pid_of("two");
    for (number, signal) in (1u64..).zip(signals) {
        let one = manager.pid_of("one");
        let restarts = manager.entity("one")["restarts"].as_u64().unwrap_or(0);
        assert!(strike(reaper, *signal));
        // Ended while the reaper is being executed again, or close to it.
        assert!(strike(one, Signal::SIGKILL));
        manager.wait_for("one", |entity| {
            entity["restarts"] == restarts + 1
                && entity["state"] == "running"
                && entity["last_exit"]["signal"] == "KILL"
        });
        wait_until("the fault", || faults(manager) == number);
        assert_eq!(manager.pid_of("two"), two, "{signal}");
        assert!(lives(reaper));
        // Monitor and guardian are still known to it.
        manager.replace_settled_monitor();
    }
    let ham = manager.status()["ham"].clone();
    assert_eq!(ham["reaper_allocations"], 0, "{ham}");
}

fn units(what: &str) -> Units {
    let units = Units::new(what);
    units.write("one", SLEEPER);
    units.write("two", SLEEPER);
    units
}

#[test]
fn the_reaper_survives_a_segmentation_fault_and_an_abort() {
    let units = units("fault-segv");
    let mut manager = Manager::start(&units.path(), &[]);
    survives(&manager, manager.pid(), &[Signal::SIGSEGV, Signal::SIGABRT]);
    let two = manager.pid_of("two");
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    wait_until("the end of its entities", || !lives(two));
}

#[test]
fn the_reaper_survives_a_bus_error_and_an_illegal_instruction() {
    let units = units("fault-bus");
    let manager = Manager::start(&units.path(), &[]);
    survives(&manager, manager.pid(), &[Signal::SIGBUS, Signal::SIGILL]);
}

#[test]
fn the_reaper_survives_an_arithmetic_fault() {
    let units = units("fault-fpe");
    let manager = Manager::start(&units.path(), &[]);
    survives(&manager, manager.pid(), &[Signal::SIGFPE]);
}

#[test]
fn the_init_of_a_pid_namespace_survives_its_faults() {
    let what = "faults of a reaper that is PID 1 of a PID namespace";
    if !skip::is_root(what) {
        return;
    }
    let Some(unshare) = skip::program("unshare", what) else { return };
    let units = units("fault-init");
    let mut command = Command::new(unshare);
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(ham());
    let manager = Manager::start_by(command, Scratch::new("fault-init"), &units.path(), &[]);
    manager.wait_for_state("one", "running");
    let inside = manager.status()["ham"]["reaper"]["pid"].clone();
    assert_eq!(inside, 1);
    let init = ham_tests::chaos::children(manager.pid());
    let init = init.first().map(|child| child.pid).expect("unshare has a child");
    for number in 1..=2u64 {
        assert!(strike(init, Signal::SIGSEGV));
        wait_until("the fault", || faults(&manager) == number);
    }
    let restarts = manager.entity("one")["restarts"].clone();
    assert_eq!(restarts, 0, "nothing of it was seen by an entity");
    let output = manager.hamctl(&["restart", "one"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn after_the_third_fault_at_once_it_only_reaps() {
    let units = units("fault-third");
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    let (one, two) = (manager.pid_of("one"), manager.pid_of("two"));
    let said = |log: &str| log.matches("the reaper had a fault").count();
    for number in 1..=2 {
        assert!(strike(manager.pid(), Signal::SIGSEGV));
        manager.wait_for_log("that it goes on", |log| said(log) == number);
    }
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    manager.wait_for_log("that it only reaps", |log| log.contains("goes on without its state"));
    assert!(lives(one) && lives(two));
    // Nobody acts by slots that nobody keeps true.
    wait_until("the end of monitor and guardian", || {
        manager.child("ham-monitor").is_none() && manager.child("ham-guardian").is_none()
    });
    assert!(strike(one, Signal::SIGKILL));
    wait_until("that it is reaped", || {
        ham_tests::chaos::children(manager.pid()).iter().all(|child| child.pid != one)
    });
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(70), "{}", manager.log());
    assert!(!lives(two));
}

#[test]
fn faults_that_follow_at_once_are_survived_too() {
    let units = units("fault-twice");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    // The second one meets the image that is just being executed.
    for _ in 0..2 {
        assert!(strike(manager.pid(), Signal::SIGSEGV));
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    wait_until("a fault", || faults(&manager) > 0);
    assert!(lives(manager.pid()));
    assert!(manager.hamctl(&["restart", "one"]).status.success());
}

#[test]
fn a_fault_needs_no_working_directory_and_no_relative_path() {
    let units = units("fault-directory");
    let directory = units.folder().join("here");
    std::fs::create_dir(&directory).expect("a directory");
    let mut command = Command::new(ham());
    command.current_dir(&directory);
    let scratch = Scratch::new("fault-directory");
    let log = "--stop-deadline=5s";
    let manager = Manager::start_by(command, scratch, std::path::Path::new("../units"), &[log]);
    manager.wait_for_state("one", "running");
    std::fs::remove_dir(&directory).expect("it can be removed");
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    wait_until("the fault", || faults(&manager) == 1);
    assert!(manager.hamctl(&["restart", "one"]).status.success());
}
