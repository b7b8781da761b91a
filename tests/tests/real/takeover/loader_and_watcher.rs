//! The helper processes die, or the monitor while they work.

use ham_tests::chaos::strike;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, PATIENCE};
use nix::sys::signal::Signal;
use std::time::Instant;

/// So many units that the loader is seen at work.
fn many_units() -> Units {
    let units = Units::new("many");
    units.write("main", SLEEPER);
    for number in 0..400 {
        units.write(&format!("more-{number}"), &format!("{SLEEPER}start = \"manual\"\n"));
    }
    units
}

/// A manager whose loader has been stopped at its work.
fn with_stopped_loader(units: &Units, options: &[&str]) -> (Manager, u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let manager = Manager::start(&units.path(), options);
        let loader = manager.catch_child("ham-load");
        if strike(loader, Signal::SIGSTOP) && manager.child("ham-load") == Some(loader) {
            return (manager, loader);
        }
        assert!(Instant::now() < deadline, "the loader is always faster");
    }
}

#[test]
fn a_monitor_killed_while_the_loader_works_loads_again() {
    let units = many_units();
    let (manager, loader) = with_stopped_loader(&units, &[]);
    manager.replace_monitor();
    manager.wait_for_state("main", "running");
    assert!(!ham_tests::chaos::lives(loader));
    let status = manager.status();
    assert_eq!(status["ham"]["plan"]["generation"], 1, "{}", status["ham"]);
    assert_eq!(status["entities"].as_array().map(Vec::len), Some(401));
    assert!(manager.log().matches("main: started").count() == 1, "{}", manager.log());
}

#[test]
fn a_loader_that_is_killed_is_replaced() {
    let units = many_units();
    let (mut manager, loader) = with_stopped_loader(&units, &[]);
    assert!(strike(loader, Signal::SIGKILL));
    manager.wait_for_log("that it was lost", |log| log.contains("signal KILL; trying again"));
    manager.wait_for_state("main", "running");
}

/// Kills every loader that shows itself until the manager gives up.
fn kill_loaders(manager: &mut Manager, first: u32) {
    let mut last = first;
    assert!(strike(first, Signal::SIGKILL));
    for _ in 0..2 {
        // The one before can still be seen for a moment.
        while last == manager.catch_child("ham-load") {}
        last = manager.catch_child("ham-load");
        assert!(strike(last, Signal::SIGKILL));
    }
}

#[test]
fn loaders_that_are_killed_again_and_again_are_an_error_that_is_told() {
    let units = many_units();
    let (mut manager, loader) = with_stopped_loader(&units, &[]);
    kill_loaders(&mut manager, loader);
    let error = "could not load units: the loader ended with signal KILL\n";
    manager.wait_for_log("the error", |log| log.contains(error));
    let status = manager.status();
    let errors = status["ham"]["plan"]["errors"].to_string();
    assert!(errors.contains("signal KILL"), "{errors}");
    // Whoever asks has it tried at once, and is answered.
    let applied = manager.hamctl(&["apply"]);
    assert!(applied.status.success(), "{}", manager.log());
    manager.wait_for_state("main", "running");

    let (mut manager, loader) = with_stopped_loader(&units, &["--strict"]);
    kill_loaders(&mut manager, loader);
    assert_eq!(manager.wait_for_end().code(), Some(78), "{}", manager.log());
}

#[test]
fn a_path_is_seen_whoever_died_while_it_was_waited_for() {
    let units = Units::new("paths");
    let [first, second, third] = ["first", "second", "third"].map(|name| units.file(name));
    units.write(
        "watched",
        &format!(
            r#"
[entity]
command = ["sh", "-c", "exit 1"]
[[condition]]
on = "death"
actions = [
  {{ waitfor = {{ path = "{first}", timeout = "1min" }} }},
  {{ log = "seen first" }},
  {{ waitfor = {{ path = "{second}", timeout = "1min" }}, name = "second" }},
  {{ log = "seen second", name = "told" }},
  {{ waitfor = {{ path = "{third}/deep/file", timeout = "1min" }}, name = "third" }},
  {{ log = "seen third", name = "told-again" }},
]
"#
        ),
    );
    let mut manager = Manager::start(&units.path(), &[]);

    let helper = manager.catch_child("ham-watch");
    assert!(strike(helper, Signal::SIGKILL));
    wait_until("another helper", || {
        manager.child("ham-watch").is_some_and(|another| another != helper)
    });
    std::fs::write(&first, "").expect("a file");
    manager.wait_for_log("the first", |log| log.contains("seen first"));

    // Helper and monitor at once.
    let helper = manager.catch_child("ham-watch");
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGKILL));
    strike(helper, Signal::SIGKILL);
    manager.next_monitor(monitor);
    std::fs::write(&second, "").expect("a file");
    manager.wait_for_log("the second", |log| log.contains("seen second"));

    // The path comes while there is nobody.
    for _ in 0..5 {
        manager.replace_settled_monitor();
    }
    let monitor = manager.take_monitor();
    std::fs::create_dir_all(format!("{third}/deep")).expect("directories");
    std::fs::write(format!("{third}/deep/file"), "").expect("a file");
    manager.next_monitor(monitor);
    manager.wait_for_log("the third", |log| log.contains("seen third"));
    assert!(!manager.log().contains("failed"), "{}", manager.log());
    // Nobody waits any more.
    wait_until("the end of the helper", || manager.child("ham-watch").is_none());
}
