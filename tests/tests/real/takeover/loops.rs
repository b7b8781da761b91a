//! Monitors that die as soon as they are there: slowed down, and harmless.

use ham_snapshot::header::Field;
use ham_tests::chaos::{lives, strike};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, PATIENCE, Scratch, ham};
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::{Duration, Instant};

/// Kills each monitor in its first instructions until so many in a row got
/// nothing done, and nobody has its place: a guardian that there was in time takes
/// it at once, however many there were.
fn kill_at_birth(state: &StateFile, in_a_row: u64) {
    let deadline = Instant::now() + PATIENCE;
    while state.get(Field::CrashLoop) < in_a_row || state.get(Field::MonitorPid) != 0 {
        let pid = u32::try_from(state.get(Field::MonitorPid)).unwrap_or(0);
        if pid != 0 && strike(pid, Signal::SIGKILL) {
            // Reaped, so that it is not killed twice.
            while state.get(Field::MonitorPid) == u64::from(pid) {
                std::hint::spin_loop();
            }
        }
        assert!(Instant::now() < deadline, "no crash loop");
    }
}

#[test]
fn monitors_that_die_at_once_are_slowed_down_and_touch_nothing() {
    let Some(scratch) = Scratch::in_memory("crash-loop") else { return };
    let units = Units::new("crash-loop");
    units.write("steady", "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n");
    units.write("other", "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n");
    let mut manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &[]);
    manager.wait_for_state("steady", "running");
    manager.wait_for_state("other", "running");
    let [steady, other] = ["steady", "other"].map(|name| manager.pid_of(name));
    let state = StateFile::open(&manager.runtime());

    // 1 s after the third in a row, and more after later ones (ham(8)).
    kill_at_birth(&state, 3);
    let slowed = Instant::now();
    assert!(strike(other, Signal::SIGKILL));
    manager.next_monitor(0);
    assert!(slowed.elapsed() >= Duration::from_millis(500), "{:?}", slowed.elapsed());
    // It recovers by itself, and does what has become due meanwhile.
    manager.wait_for("other", |entity| entity["restarts"] == 1 && entity["state"] == "running");
    assert_eq!(manager.pid_of("steady"), steady);
    manager.replace_monitor();
    // The reaper notes it when it has taken the end of that one.
    wait_until("that one had got something done", || state.get(Field::CrashLoop) == 0);

    // A shutdown does not wait for the end of the longest pause, which is 10 s
    // (this allows for half of it).
    kill_at_birth(&state, 4);
    assert!(lives(steady));
    manager.signal("TERM");
    let status = manager.wait_for_end();
    assert!(status.success(), "{status}\n{}", manager.log());
    let took = Duration::from_nanos(state.get(Field::TakeoverTook));
    assert!(took < Duration::from_secs(5), "{took:?}");
    wait_until("the end of its entities", || !lives(steady));
}
