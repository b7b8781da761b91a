//! Monitors that are killed on the way down of a machine, at any moment of it:
//! what comes at the end stays.

use super::{asks, go, slow_machine};
use ham_tests::machine::{End, Machine};
use ham_tests::own_units::{Units, wait_until};
use std::time::{Duration, Instant};

/// Rounds, each with a kill at another moment.
const ROUNDS: u64 = 12;

#[test]
fn a_monitor_that_is_killed_at_any_moment_changes_nothing_of_the_end() {
    for round in 0..ROUNDS {
        let Some((units, mut machine)) = slow_machine("kills") else { return };
        asks(&machine, &["reboot"]);
        units.wait_for_text("asked", |text| !text.is_empty());
        go(&units);
        // From here to its end it takes some hundred milliseconds, so most of the
        // kills come before that; one that comes too late is a round without.
        std::thread::sleep(Duration::from_millis(round * 25));
        let killed = machine.kill("ham-monitor");
        assert_eq!(machine.end(), End::Again, "round {round}, {killed}: {}", machine.log());
        let log = machine.log();
        assert!(log.contains("the machine restarts"), "round {round}: {log}");
    }
}

/// A machine whose last steps hang for a while: what is written for the next
/// boot waits for a reader that never comes.
fn hanging(what: &str) -> Option<(Units, Machine)> {
    let units = Units::new(what);
    let file = "/var/lib/ham/clock";
    units.write(
        "trap",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"rm -f {file}; mkfifo {file}; \
             echo > {}\"]\ntype = \"oneshot\"\nrestart = \"no\"\n",
            units.file("trapped")
        ),
    );
    let machine = Machine::start(what, &units, "", &[])?;
    units.wait_for_text("trapped", |text| !text.is_empty());
    Some((units, machine))
}

#[test]
fn a_step_that_hangs_is_left_behind() {
    let Some((_units, mut machine)) = hanging("hanging-step") else { return };
    asks(&machine, &["poweroff"]);
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    let log = machine.log();
    assert!(log.contains("could not keep the clock: it hangs"), "{log}");
    let after = log.split("it hangs").nth(1).unwrap_or_default();
    assert!(after.contains("unmounted /var/lib"), "{log}");
}

#[test]
fn the_last_steps_begin_again_with_another_monitor() {
    let Some((_units, mut machine)) = hanging("last-again") else { return };
    asks(&machine, &["reboot"]);
    let mut first = 0;
    wait_until("the last steps", || {
        first = machine.role("ham-last").unwrap_or(0);
        first != 0
    });
    assert!(machine.kill("ham-monitor"));
    machine.wait_for_log("a successor", |log| log.contains("has taken over"));
    wait_until("others", || !ham_tests::processes::lives(first));
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
    assert!(machine.log().contains("unmounted /var/lib"), "{}", machine.log());
}

/// As if all of it hung in the kernel.
#[test]
fn last_steps_that_never_end_do_not_keep_the_machine() {
    let Some((_units, mut machine)) = hanging("last-for-ever") else { return };
    asks(&machine, &["reboot"]);
    let mut last = 0;
    wait_until("the last steps", || {
        last = machine.role("ham-last").unwrap_or(0);
        last != 0
    });
    ham_tests::processes::send("STOP", last);
    let begun = Instant::now();
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
    let log = machine.log();
    assert!(log.contains("the last steps take too long"), "{:?}: {log}", begun.elapsed());
}
