//! Readiness by a line end on a descriptor.

use ham_tests::chaos::strike;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use std::fs;

/// Writes `what` to its descriptor when the file `go` is there, then `done`.
fn unit(units: &Units, what: &str) {
    let (go, done) = (units.file("go"), units.file("done"));
    let script = format!(
        "while [ ! -e {go} ]; do sleep 0.02; done; {what}; echo > {done}; exec 7>&-; exec sleep 1000"
    );
    let text = format!(
        "[entity]\ncommand = ['sh', '-c', '''{script}''']\nready = {{ fd = 7 }}\n\
         start-timeout = \"60s\"\n"
    );
    units.write("web", &text);
}

fn go(units: &Units) {
    fs::write(units.file("go"), "").expect("a file");
    units.wait_for_text("done", |text| !text.is_empty());
}

#[test]
fn a_line_end_makes_it_ready() {
    let units = Units::new("ready-fd");
    unit(&units, "printf 'no line end yet' >&7; printf '\\n' >&7");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    go(&units);
    manager.wait_for_state("web", "running");
}

#[test]
fn a_line_end_from_before_a_takeover_is_found() {
    let units = Units::new("ready-fd-takeover");
    unit(&units, "echo >&7");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    let pid = manager.pid_of("web");
    let monitor = manager.monitor().expect("a monitor");
    assert!(strike(monitor, Signal::SIGSTOP));
    // Written and closed before anybody looks.
    go(&units);
    assert!(strike(monitor, Signal::SIGKILL));
    manager.next_monitor(monitor);
    manager.wait_for_state("web", "running");
    assert_eq!(manager.pid_of("web"), pid);
}

#[test]
fn after_a_takeover_and_a_fault_it_is_still_looked_at() {
    let units = Units::new("ready-fd-later");
    unit(&units, "echo >&7");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    wait_until("the fault", || manager.status()["ham"]["failures"]["reaper"] == 1);
    manager.replace_settled_monitor();
    manager.wait_for_state("web", "starting");
    go(&units);
    manager.wait_for_state("web", "running");
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);
}

#[test]
fn closed_without_a_line_end_it_is_not_ready() {
    let units = Units::new("ready-fd-closed");
    unit(&units, "printf ready >&7");
    let manager = Manager::start(&units.path(), &["-v", "-v"]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    go(&units);
    wait_until("the line", || manager.log().contains("closed without a line end"));
    assert_eq!(manager.entity("web")["state"], "starting");
}

#[test]
fn nothing_is_kept_of_those_that_are_up_or_gone() {
    use ham_snapshot::header::Field;
    let units = Units::new("ready-fd-kept");
    unit(&units, "echo >&7");
    let Some(scratch) = ham_tests::programs::Scratch::in_memory("ready-fd-kept") else { return };
    let command = std::process::Command::new(ham_tests::programs::ham());
    let manager = Manager::start_by(command, scratch, &units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    let state = ham_tests::state_file::StateFile::open(&manager.runtime());
    // Two sockets of ham's own, and this one.
    assert_eq!(state.get(Field::KeptUsed), 3);
    go(&units);
    manager.wait_for_state("web", "running");
    wait_until("it is dropped", || state.get(Field::KeptUsed) == 2);
    fs::remove_file(units.file("go")).expect("it is there");
    assert!(manager.hamctl(&["restart", "--no-wait", "web"]).status.success());
    wait_until("another is kept", || state.get(Field::KeptUsed) == 3);
    assert!(manager.hamctl(&["stop", "web"]).status.success());
    wait_until("it is dropped as well", || state.get(Field::KeptUsed) == 2);
}

#[test]
fn more_at_once_than_the_reaper_answers_in_one_turn() {
    use ham_snapshot::header::Field;
    const COUNT: usize = 80;
    let units = Units::new("ready-fd-many");
    for number in 0..COUNT {
        let text = "[entity]\ncommand = [\"sh\", \"-c\", \"echo >&3; exec sleep 1000\"]\n\
                    ready = { fd = 3 }\n";
        units.write(&format!("web{number}"), text);
    }
    let Some(scratch) = ham_tests::programs::Scratch::in_memory("ready-fd-many") else { return };
    let command = std::process::Command::new(ham_tests::programs::ham());
    let manager = Manager::start_by(command, scratch, &units.path(), &[]);
    let _ = manager.wait_for_plan();
    wait_until("all are up", || {
        let status = manager.status();
        let entities = status["entities"].as_array().cloned().unwrap_or_default();
        entities.iter().filter(|entity| entity["state"] == "running").count() == COUNT
    });
    let state = ham_tests::state_file::StateFile::open(&manager.runtime());
    wait_until("all are dropped", || state.get(Field::KeptUsed) == 2);
    let ham = manager.status()["ham"].clone();
    assert_eq!(ham["reaper_allocations"], 0);
    // Who closes them is a child of the reaper, and nobody's orphan.
    assert!(ham["orphans"].as_u64() < Some(COUNT as u64 / 2), "{ham}");
}
