//! What the monitor was woken for, or had half done, when it was killed.

use crate::varlink::{Client, call};
use ham_snapshot::header::Field;
use ham_tests::chaos::{children, lives, strike};
use ham_tests::fake::Random;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip::skipped;
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use serde_json::json;
use std::process::Command;
use std::time::Duration;

/// A manager whose state can be looked at while it runs.
fn observable(units: &Units, options: &[&str], what: &str) -> Option<(Manager, StateFile)> {
    let scratch = Scratch::in_memory(what)?;
    let manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), options);
    let state = StateFile::open(&manager.runtime());
    Some((manager, state))
}

fn sleepers(manager: &Manager) -> Vec<u32> {
    let all = children(manager.pid()).into_iter();
    all.filter(|child| child.name == "sleep" && !child.zombie).map(|child| child.pid).collect()
}

#[test]
fn a_shutdown_posted_to_a_monitor_that_is_killed_asleep_is_done() {
    let units = Units::new("posted");
    units.write("a", SLEEPER);
    let what = "a_shutdown_posted_to_a_monitor_that_is_killed_asleep_is_done";
    let Some((mut manager, state)) = observable(&units, &[], what) else { return };
    manager.wait_for_state("a", "running");
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGSTOP));
    manager.signal("TERM");
    wait_until("the request", || state.get(Field::ShutdownRequests) == 1);
    assert!(strike(monitor, Signal::SIGKILL));
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    assert!(manager.log().contains("a: stopped: signal TERM"), "{}", manager.log());
}

/// The wake-up is taken first, then what it stands for, one turn each: exits
/// that have piled up make the time in between long enough to be hit.
#[test]
fn a_shutdown_that_a_killed_monitor_was_woken_for_is_done() {
    const ENTITIES: usize = 250;
    const ROUNDS: usize = 8;
    let what = "a_shutdown_that_a_killed_monitor_was_woken_for_is_done";
    let units = Units::new("woken");
    for number in 0..ENTITIES {
        let once = "[entity]\ncommand = \"sleep infinity\"\nrestart = \"no\"\n";
        units.write(&format!("e{number}"), once);
    }
    for _ in 0..ROUNDS {
        let Some((mut manager, state)) = observable(&units, &[], what) else { return };
        wait_until("all starts", || manager.log().matches(": started, pid ").count() == ENTITIES);
        let monitor = manager.next_monitor(0);
        assert!(strike(monitor, Signal::SIGSTOP));
        let before = state.get(Field::ExitQueueTail);
        for pid in sleepers(&manager) {
            assert!(strike(pid, Signal::SIGKILL));
        }
        let exits = || state.get(Field::ExitQueueTail).wrapping_sub(before);
        wait_until("the exits", || exits() == ENTITIES as u64);
        manager.signal("TERM");
        wait_until("the request", || state.get(Field::ShutdownRequests) == 1);
        let turn = state.get(Field::CommittedTurn);
        assert!(strike(monitor, Signal::SIGCONT));
        while state.get(Field::CommittedTurn) == turn && lives(monitor) {
            std::hint::spin_loop();
        }
        // If this process was held up, all is done by now: the next round.
        strike(monitor, Signal::SIGKILL);
        wait_until("its end", || !lives(monitor));
        // The shutdown's turn comes after one for each exit.
        let turns = state.get(Field::CommittedTurn) - turn;
        assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
        if turns <= ENTITIES as u64 {
            return;
        }
    }
    skipped(what, "the monitor was always faster");
}

#[test]
fn units_loaded_by_a_monitor_that_is_killed_are_started_unasked() {
    const ENTITIES: usize = 300;
    let what = "units_loaded_by_a_monitor_that_is_killed_are_started_unasked";
    let units = Units::new("loaded");
    for number in 0..ENTITIES {
        units.write(&format!("e{number}"), SLEEPER);
    }
    let mut random = Random::new(7);
    for round in 0..4 {
        let Some((manager, state)) = observable(&units, &["-d"], what) else { return };
        if round % 2 == 0 {
            // The moment at which the plan is in force and nothing is booted.
            while state.get(Field::Plan) == 0 {
                std::hint::spin_loop();
            }
        } else {
            std::thread::sleep(Duration::from_micros(random.below(100_000)));
        }
        manager.take_monitor();
        wait_until("all starts", || sleepers(&manager).len() == ENTITIES);
        assert_eq!(state.get(Field::Takeovers), 1);
    }
}

#[test]
fn a_signal_hurries_a_shutdown_by_hamctl_under_a_successor() {
    let units = Units::new("hurried");
    let deaf = "[entity]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 0.1; \
                done\"]\nrestart = \"always\"\nstop = { timeout = \"1min\" }\n";
    units.write("deaf", deaf);
    let mut manager = Manager::start(&units.path(), &["--stop-deadline", "1min"]);
    manager.wait_for_state("deaf", "running");
    let pid = manager.pid_of("deaf");
    wait_until("a child of it", || !children(pid).is_empty());
    let mut client = Client::new(&manager.runtime());
    client.send(&call("Shutdown", &json!({})));
    assert_eq!(client.answer().expect("an answer")["error"], json!(null));
    manager.replace_settled_monitor();
    manager.wait_for_state("deaf", "stopping");
    // It ends long before the minute is over, or never as far as this looks.
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    assert!(manager.log().contains("shutting down now"), "{}", manager.log());
    assert!(manager.log().contains("deaf: stopped: signal KILL"), "{}", manager.log());
}
