//! What happens while units are being loaded, or when nothing is to be loaded
//! any more.

use super::{described, says, seconds, sleeper, start, wait_for_description};
use ham_tests::chaos::strike;
use ham_tests::own_units::Units;
use ham_tests::programs::PATIENCE;
use nix::sys::signal::Signal;
use std::fs;
use std::time::{Duration, Instant};

/// So many that the loader is seen at its work.
fn many(units: &Units) {
    for number in 0..400 {
        let unit = super::with(number, "start = \"manual\"");
        units.write(&format!("more-{number}"), &unit);
    }
}

#[test]
fn an_instance_that_is_started_while_units_are_loaded_stays() {
    let units = Units::new("started-meanwhile");
    many(&units);
    units.write("a", &sleeper(1));
    let template = "[entity]\ncommand = [\"sleep\", \"{instance}\"]\nrestart = \"always\"\n";
    units.write("nap@", template);
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let name = format!("nap@{}", seconds(7));
    let deadline = Instant::now() + PATIENCE;
    for edit in 0.. {
        assert!(Instant::now() < deadline, "the loader is always faster");
        says(&manager, &["start", &name], 0);
        says(&manager, &["stop", &name], 0);
        let text = format!("edit {edit}");
        units.write("a", &described(1, &text));
        let loader = manager.catch_child("ham-load");
        if strike(loader, Signal::SIGSTOP) && is_held(loader) {
            says(&manager, &["start", &name], 0);
            let pid = manager.wait_for_state(&name, "running")["pid"].clone();
            assert!(strike(loader, Signal::SIGCONT));
            wait_for_description(&manager, "a", &text);
            let entity = manager.entity(&name);
            assert_eq!((&entity["state"], &entity["pid"]), (&"running".into(), &pid));
            return;
        }
        wait_for_description(&manager, "a", &text);
    }
}

/// Whether a process that was sent SIGSTOP is held by it, and has not ended before.
fn is_held(pid: u32) -> bool {
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        match fields.split_whitespace().next() {
            Some("T") => return true,
            None | Some("Z" | "X") => return false,
            Some(_) => std::thread::yield_now(),
        }
    }
}

/// Processor time that a process has used, in ticks of the kernel.
fn ticks(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0u64);
    number(12) + number(13)
}

#[test]
fn a_file_that_changes_in_a_shutdown_keeps_nobody_busy() {
    let units = Units::new("shutdown");
    let stubborn = "[entity]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]\n\
                    restart = \"always\"\nstop = { timeout = \"20s\" }\n";
    units.write("stubborn", stubborn);
    let manager = ham_tests::programs::Manager::start(
        &units.path(),
        &["-t", "none", "--stop-deadline", "20s"],
    );
    manager.wait_for_state("stubborn", "running");
    manager.signal("TERM");
    manager.wait_for_state("stubborn", "stopping");
    units.write("other", &sleeper(2));
    let monitor = u64::from(manager.replace_monitor());
    units.write("other", &sleeper(3));
    // Who is asked for something says so, and does not wait for the end.
    assert!(says(&manager, &["apply"], 1).contains("shutting down"));
    let before = ticks(monitor);
    std::thread::sleep(Duration::from_millis(1_500));
    let used = ticks(monitor) - before;
    // One that spins uses 150.
    assert!(used < 30, "{used} ticks");
    manager.signal("TERM");
}
