//! The monitor is killed at moments that matter: right after a death, in its
//! first instructions, while a process is between clone and exec.

use ham_tests::chaos::{children, strike};
use ham_tests::fake::Random;
use ham_tests::ledger::{End, add_worker, audit, starts};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs::File;
use std::time::Duration;

/// As a worker of the ledger, but it lives until it is killed.
fn victim(units: &Units) {
    add_worker(units, "victim", "60", End::Signal("KILL"), "0s");
}

fn last_start(units: &Units) -> Option<u32> {
    units.text("victim.starts").lines().last()?.split_once(' ')?.1.parse().ok()
}

#[test]
fn a_monitor_killed_right_after_a_death_loses_nothing() {
    const DEATHS: usize = 60;
    let units = Units::new("moments");
    victim(&units);
    let mut manager = Manager::start(&units.path(), &["-t", "relative"]);
    let mut random = Random::new(3);
    let mut monitor = 0;
    for death in 0..DEATHS {
        wait_until("the victim's start", || starts(&units, "victim") == death + 1);
        let pid = last_start(&units).expect("it has noted its start");
        // The last one may have made this start, and not be gone yet.
        monitor = manager.next_monitor(monitor);
        assert!(strike(pid, Signal::SIGKILL));
        // Within this time the reaper records, the monitor commits, clones,
        // and sees the exec.
        std::thread::sleep(Duration::from_micros(random.below(3_000)));
        assert!(strike(monitor, Signal::SIGKILL));
    }
    wait_until("the last start", || starts(&units, "victim") == DEATHS + 1);
    manager.wait_for("victim", |entity| entity["restarts"] == DEATHS);
    manager.signal("TERM");
    manager.wait_for_end();
    assert_eq!(audit(&units, "victim", End::Signal("KILL"), &manager.log()), DEATHS);
}

#[test]
fn monitors_killed_before_their_first_commit_start_everything_once() {
    let units = Units::new("first");
    victim(&units);
    for _ in 0..10 {
        let mut manager = Manager::start(&units.path(), &["-t", "relative"]);
        // Its name changes a moment after the fork; no other child comes first.
        let reaper = manager.pid();
        let mut first = None;
        while first.is_none() {
            first = children(reaper).first().map(|child| child.pid);
        }
        assert!(first.is_some_and(|pid| strike(pid, Signal::SIGKILL)));
        wait_until("the start", || starts(&units, "victim") == 1);
        manager.wait_for_state("victim", "running");
        manager.signal("TERM");
        assert!(manager.wait_for_end().success(), "{}", manager.log());
        assert_eq!(starts(&units, "victim"), 1);
        std::fs::remove_file(units.file("victim.starts")).expect("it was there");
    }
}

/// A unit whose process waits between clone and exec, for somebody who writes
/// into a FIFO that it opens as its standard input.
fn hanging(units: &Units, name: &str, command: &str, more: &str) -> String {
    let fifo = units.file(&format!("{name}.fifo"));
    nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    let text = format!(
        "[entity]\ncommand = {command}\nstdin = {{ file = \"{fifo}\" }}\n{more}\n\
         [[condition]]\non = \"death\"\nactions = [ {{ log = \"that was a death\" }} ]\n"
    );
    units.write(name, &text);
    fifo
}

/// The process of that entity, which is on its way to exec: it has the name
/// of its maker, as the loader has for a moment, which is gone by then.
fn on_its_way(manager: &Manager, name: &str) -> u32 {
    manager.wait_for_state(name, "starting");
    manager.catch_child("ham-spawn")
}

#[test]
fn a_process_before_its_exec_is_adopted_as_one_that_starts() {
    let units = Units::new("before-exec");
    let fifo = hanging(&units, "late", "\"sleep infinity\"", "");
    let manager = Manager::start(&units.path(), &[]);
    let pid = on_its_way(&manager, "late");
    for _ in 0..3 {
        manager.replace_monitor();
        let entity = manager.wait_for("late", |entity| entity["state"] == "starting");
        assert!(entity["pid"].is_null(), "{entity}");
    }
    let _writer = File::options().write(true).open(fifo).expect("the child reads");
    manager.wait_for_state("late", "running");
    assert_eq!(manager.pid_of("late"), pid);
    assert!(!manager.log().contains("death"), "{}", manager.log());
}

#[test]
fn an_exec_that_fails_under_a_successor_is_a_failed_start() {
    let units = Units::new("failing-exec");
    let fifo = hanging(&units, "missing", "[\"/no/such/program\"]", "");
    let manager = Manager::start(&units.path(), &[]);
    on_its_way(&manager, "missing");
    manager.replace_monitor();
    manager.wait_for_state("missing", "starting");
    drop(File::options().write(true).open(fifo).expect("the child reads"));
    let entity = manager.wait_for_state("missing", "failed");
    let why = entity["why"].as_str().unwrap_or_default();
    assert!(why.contains("ENOENT"), "{entity}");
    assert!(!manager.log().contains("death"), "{}", manager.log());
}

#[test]
fn the_time_for_a_start_goes_on_under_a_successor() {
    let units = Units::new("late-start");
    hanging(&units, "slow", "\"sleep infinity\"", "start-timeout = \"1s\"");
    let manager = Manager::start(&units.path(), &[]);
    let pid = on_its_way(&manager, "slow");
    manager.replace_monitor();
    let entity = manager.wait_for_state("slow", "failed");
    let why = entity["why"].as_str().unwrap_or_default();
    assert!(why.contains("start-timeout"), "{entity}");
    wait_until("its end", || !ham_tests::chaos::lives(pid));
    assert!(!manager.log().contains("death"), "{}", manager.log());
}
