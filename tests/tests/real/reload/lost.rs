//! The manager's own processes are taken away, or stand still, while units
//! change: nothing that was asked for is lost.

use super::{
    described, errors, generation, is_quiet, names, says, sleeper, start, wait_for_description,
    wait_for_error, wait_for_names,
};
use ham_tests::chaos::strike;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use ham_tests::skip::skipped;
use nix::sys::signal::Signal;
use std::fs;
use std::time::{Duration, Instant};

fn running(units: &Units, all: &[&str]) -> Manager {
    for name in all {
        units.write(name, &sleeper(1));
    }
    let manager = start(units);
    for name in all {
        manager.wait_for_state(name, "running");
    }
    manager
}

fn remove(units: &Units, all: &[&str]) {
    for name in all {
        fs::remove_file(units.path().join(format!("{name}.toml"))).expect("a unit");
    }
}

#[test]
fn a_hangup_signal_applies_what_is_held() {
    let units = Units::new("hangup");
    let manager = running(&units, &["a", "b", "c"]);
    remove(&units, &["a", "b"]);
    wait_for_error(&manager, "gone at once");
    manager.signal("HUP");
    wait_for_names(&manager, &["c"]);
    assert!(manager.log().contains("loading units, as a signal says"), "{}", manager.log());
}

#[test]
fn a_hangup_signal_to_a_manager_without_monitor_is_not_lost() {
    let units = Units::new("hangup-lost");
    let manager = running(&units, &["a", "b", "c", "d", "e"]);
    // The monitor stands still, and ends without having heard it.
    remove(&units, &["a", "b"]);
    wait_for_error(&manager, "gone at once");
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGSTOP));
    manager.signal("HUP");
    assert!(strike(monitor, Signal::SIGKILL));
    wait_for_names(&manager, &["c", "d", "e"]);
    // It ends as soon as it has heard it.
    remove(&units, &["d", "e"]);
    wait_for_error(&manager, "gone at once");
    let guardian = manager.child("ham-guardian");
    let monitor = manager.next_monitor(0);
    manager.signal("HUP");
    strike(monitor, Signal::SIGKILL);
    if let Some(guardian) = guardian {
        strike(guardian, Signal::SIGKILL);
    }
    wait_for_names(&manager, &["c"]);
    wait_until("no errors", || errors(&manager).is_empty());
}

#[test]
fn who_takes_over_right_after_it_knows_what_was_applied() {
    let units = Units::new("right-after");
    let manager = running(&units, &["a", "b"]);
    let a = manager.pid_of("a");
    for round in 0..8 {
        let text = format!("round {round}");
        let name = format!("c{round}");
        units.write("a", &described(1, &text));
        units.write(&name, &sleeper(1));
        if round > 0 {
            remove(&units, &[&format!("c{}", round - 1)]);
        }
        let _ = says(&manager, &["apply"], 0);
        let before = generation(&manager);
        manager.replace_settled_monitor();
        assert_eq!(manager.entity("a")["description"], *text, "{}", manager.log());
        manager.wait_for_state(&name, "running");
        wait_for_names(&manager, &["a", "b", &name]);
        assert!(generation(&manager) >= before);
    }
    assert_eq!(manager.pid_of("a"), a);
    is_quiet(&manager);
}

#[test]
fn what_changes_while_there_is_no_monitor_is_seen_by_the_next() {
    let units = Units::new("no-monitor");
    let manager = running(&units, &["a"]);
    let a = manager.pid_of("a");
    for round in 0..3 {
        let monitor = manager.next_monitor(0);
        assert!(strike(monitor, Signal::SIGSTOP));
        units.write("a", &described(1, &format!("round {round}")));
        assert!(strike(monitor, Signal::SIGKILL));
        wait_for_description(&manager, "a", &format!("round {round}"));
    }
    assert_eq!(manager.pid_of("a"), a);
}

#[test]
fn a_loader_that_is_killed_is_made_again() {
    let units = Units::new("loader-killed");
    let manager = running(&units, &["a"]);
    // It lives for milliseconds, so not each can be met.
    let said = "the loader ended with signal KILL; trying again";
    wait_until("the end of a loader", || {
        let text = format!("round {}", generation(&manager));
        units.write("a", &described(1, &text));
        let mut struck = false;
        while manager.entity("a")["description"] != *text {
            let until = Instant::now() + Duration::from_millis(200);
            while !struck && Instant::now() < until {
                let loader = manager.child("ham-load");
                struck = loader.is_some_and(|pid| strike(pid, Signal::SIGKILL));
            }
        }
        manager.log().contains(said)
    });
}

/// What happens beyond the kernel's queue is not told; that it happened is.
#[test]
fn a_queue_that_overflows_leads_to_a_look() {
    let what = "a_queue_that_overflows_leads_to_a_look";
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap_or_default();
    let most: u32 = most.trim().parse().unwrap_or(u32::MAX);
    if most > 100_000 {
        return skipped(what, "the queue is too long to be filled");
    }
    let units = Units::new("overflow");
    let manager = running(&units, &["a"]);
    // What is looked at after the start is over.
    units.write("b", &sleeper(1));
    manager.wait_for_state("b", "running");
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGSTOP));
    // None of these is a unit. Two, for the same thing twice is told once.
    let noise = ["one", "two"].map(|name| units.path().join(name));
    for _ in 0..=most / 2 {
        for path in &noise {
            // At the least its making and its end are told.
            fs::write(path, "").expect("a file");
        }
    }
    units.write("a", &described(1, "behind it"));
    assert!(strike(monitor, Signal::SIGCONT));
    wait_for_description(&manager, "a", "behind it");
    assert_eq!(manager.status()["ham"]["takeovers"], 0, "{}", manager.log());
    assert_eq!(names(&manager), ["a", "b"]);
}
