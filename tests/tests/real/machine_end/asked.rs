//! The machine's end, asked for by a signal or by hamctl.

use super::{asks, done, go, sleeping, slow_machine};
use ham_tests::bare::told;
use ham_tests::machine::End;

/// Of RTMIN, as the C library of the tests has it.
fn real_time(number: i32) -> String {
    (nix::libc::SIGRTMIN() + number).to_string()
}

const OFF: &str = "the machine is switched off";
const AGAIN: &str = "the machine restarts";
const STILL: &str = "the machine is halted";

#[test]
fn each_signal_of_a_board_ends_it_in_its_way() {
    let table = [
        ("TERM".to_owned(), End::Again, AGAIN),
        ("INT".to_owned(), End::Again, AGAIN),
        ("USR1".to_owned(), End::Off, STILL),
        ("USR2".to_owned(), End::Off, OFF),
        ("PWR".to_owned(), End::Off, OFF),
        (real_time(3), End::Off, STILL),
        (real_time(4), End::Off, OFF),
        (real_time(5), End::Again, AGAIN),
    ];
    for (signal, end, text) in table {
        let Some((_units, mut machine)) = sleeping("signals", &[]) else { return };
        machine.signal(&signal);
        assert_eq!(machine.end(), end, "{signal}: {}", machine.log());
        let log = machine.log();
        assert!(log.contains("sleeper: stopped") && log.contains(text), "{signal}: {log}");
    }
}

#[test]
fn with_the_signals_of_a_container_a_board_is_switched_off() {
    let options = &["--signals", "container"];
    let Some((_units, mut machine)) = sleeping("container-signals", options) else { return };
    // Means nothing there; were it heard, the machine would stand still.
    machine.signal("USR1");
    machine.signal("TERM");
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    assert!(machine.log().contains(OFF), "{}", machine.log());
}

#[test]
fn hamctl_ends_the_machine() {
    for (verb, end, text) in
        [("poweroff", End::Off, OFF), ("reboot", End::Again, AGAIN), ("halt", End::Off, STILL)]
    {
        let Some((_units, mut machine)) = sleeping("verbs", &[]) else { return };
        let output = machine.hamctl(&["--json", verb]);
        done(&output);
        assert_eq!(output.stdout, format!("{{\"into\":\"{verb}\"}}\n").as_bytes());
        assert_eq!(machine.end(), end, "{verb}: {}", machine.log());
        assert!(machine.log().contains(text), "{verb}: {}", machine.log());
    }
}

#[test]
fn an_exit_of_the_init_switches_the_machine_off() {
    let Some((_units, mut machine)) = sleeping("exit", &[]) else { return };
    let output = machine.hamctl(&["shutdown", "--code", "3"]);
    done(&output);
    assert_eq!(machine.end(), End::Off, "{}: {}", told(&output), machine.log());
}

#[test]
fn who_changes_his_mind_is_not_in_a_hurry() {
    let Some((units, mut machine)) = slow_machine("mind") else { return };
    machine.signal("TERM");
    units.wait_for_text("asked", |text| !text.is_empty());
    machine.signal("USR2");
    machine.wait_for_log("another end", |log| log.contains("shutting down for poweroff"));
    // The monitor dies with what it was told, and its successor knows.
    assert!(machine.kill("ham-monitor"));
    machine.wait_for_log("a successor", |log| log.contains("has taken over"));
    asks(&machine, &["reboot"]);
    asks(&machine, &["halt"]);
    go(&units);
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    let log = machine.log();
    assert!(log.contains("slow: stopped: exit 0") && log.contains(STILL), "{log}");
}

#[test]
fn the_second_of_the_same_hurries() {
    let Some((units, mut machine)) = slow_machine("hurry") else { return };
    asks(&machine, &["poweroff"]);
    units.wait_for_text("asked", |text| !text.is_empty());
    machine.signal("USR2");
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    let log = machine.log();
    assert!(
        log.contains("shutting down now") && log.contains("slow: did not stop in time; killed"),
        "{log}"
    );
}

#[test]
fn hup_reads_the_units_again_on_a_board_too() {
    let Some((units, mut machine)) = sleeping("hup", &[]) else { return };
    asks(&machine, &["status"]);
    units.write("second", ham_tests::own_units::SLEEPER);
    machine.signal("HUP");
    machine.wait_for_log("the second", |log| log.contains("second: started"));
    machine.signal("TERM");
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
}
