//! A state that monitors stumble over, made by writing into it: they give up
//! loudly and slower and slower, until one does without what cannot be read.

use ham_snapshot::layout::{PLANS_AT, WORD};
use ham_tests::chaos::{lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use nix::sys::signal::Signal;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

fn start(what: &str, units: &Units) -> Option<Manager> {
    let scratch = Scratch::in_memory(what)?;
    let manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &[]);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    Some(manager)
}

fn spoil_plan(manager: &Manager) {
    let state = File::options().write(true).open(manager.runtime().join("state"));
    let state = state.expect("the state is a file");
    for half in [0, 64 * 1024 * 1024] {
        let at = u64::try_from(PLANS_AT * WORD + half).expect("it is no larger");
        // Entities, and the checksum of the index.
        state.write_all_at(&[0xff; 24], at + 8).expect("it can be written to");
    }
}

#[test]
fn a_spoilt_plan_is_loaded_again() {
    let units = Units::new("salvage-plan");
    units.write("one", SLEEPER);
    units.write("two", SLEEPER);
    let Some(manager) = start("salvage-plan", &units) else { return };
    let [one, two] = ["one", "two"].map(|name| manager.pid_of(name));
    spoil_plan(&manager);
    // The guardian that has read the index before goes on with that, as long as
    // it lives; those after it cannot.
    let waiting = manager.catch_child("ham-guardian");
    strike(waiting, Signal::SIGKILL);
    manager.take_monitor();
    // Ended while no monitor can use the state.
    assert!(strike(two, Signal::SIGKILL));
    manager.wait_for("two", |entity| {
        entity["state"] == "running" && entity["pid"] != two && entity["restarts"] == 1
    });
    assert_eq!(manager.pid_of("one"), one);
    let log = manager.log();
    assert!(log.contains("could not read the plan"), "{log}");
    assert!(log.contains("failed three times in a row"), "{log}");
    // And all is as it was.
    manager.replace_settled_monitor();
    assert!(strike(one, Signal::SIGKILL));
    manager.wait_for("one", |entity| entity["state"] == "running" && entity["restarts"] == 1);
}

#[test]
fn without_a_plan_and_without_units_entities_wait_for_them() {
    let units = Units::new("salvage-nothing");
    units.write("one", SLEEPER);
    units.write("two", SLEEPER);
    let Some(manager) = start("salvage-nothing", &units) else { return };
    let [one, two] = ["one", "two"].map(|name| manager.pid_of(name));
    std::fs::remove_dir_all(units.path()).expect("the units can be removed");
    spoil_plan(&manager);
    strike(manager.catch_child("ham-guardian"), Signal::SIGKILL);
    manager.take_monitor();
    wait_until("a monitor that answers", || manager.hamctl(&["status"]).status.success());
    // It ends while nobody knows what it is.
    assert!(strike(one, Signal::SIGKILL));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(lives(two), "{}", manager.log());
    // The same units again, under the same numbers: all is known again.
    std::fs::create_dir(units.path()).expect("a directory");
    units.write("two", SLEEPER);
    units.write("one", SLEEPER);
    manager.wait_for("one", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    assert_eq!(manager.pid_of("two"), two);
}

#[test]
fn without_a_plan_other_units_are_not_taken_for_it() {
    let units = Units::new("salvage-other");
    units.write("one", SLEEPER);
    units.write("two", SLEEPER);
    let Some(mut manager) = start("salvage-other", &units) else { return };
    let [one, two] = ["one", "two"].map(|name| manager.pid_of(name));
    std::fs::remove_file(units.path().join("one.toml")).expect("the unit can be removed");
    spoil_plan(&manager);
    strike(manager.catch_child("ham-guardian"), Signal::SIGKILL);
    manager.take_monitor();
    manager.wait_for_log("why not", |log| log.contains("the units are not the same any more"));
    assert!(lives(one) && lives(two));
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    assert!(!lives(one) && !lives(two));
}
