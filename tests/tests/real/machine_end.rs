//! How a machine ends: by signals, by hamctl, by the programs that other inits
//! have for it; what is done last, and who of ham is killed meanwhile. The
//! machines are namespaces, whose init the kernel ends for a reboot(2).

mod asked;
mod called;
mod elsewhere;
mod hung;
mod kills;
mod last;
mod soft;

use crate::endings::slow;
use ham_tests::machine::Machine;
use ham_tests::own_units::{SLEEPER, Units};
use std::fs;
use std::process::Output;

/// A machine on which something sleeps, that is up.
fn sleeping(what: &str, options: &[&str]) -> Option<(Units, Machine)> {
    let units = Units::new(what);
    units.write("sleeper", SLEEPER);
    let mut machine = Machine::start(what, &units, "", options)?;
    machine.wait_for_log("a sleeper", |log| log.contains("sleeper: started"));
    Some((units, machine))
}

/// A machine with one that ends when it may, and time for that.
fn slow_machine(what: &str) -> Option<(Units, Machine)> {
    let units = Units::new(what);
    slow(&units);
    let mut machine = Machine::start(what, &units, "", &["--stop-deadline", "60s"])?;
    machine.wait_for_log("the slow one", |log| log.contains("slow: started"));
    units.wait_for_text("up", |text| !text.is_empty());
    Some((units, machine))
}

/// Lets the slow one go.
fn go(units: &Units) {
    fs::write(units.file("go"), "").expect("our file");
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", ham_tests::bare::told(output));
}

/// The same, of a machine that says what else has happened.
fn asks(machine: &Machine, words: &[&str]) {
    let output = machine.hamctl(words);
    let told = ham_tests::bare::told(&output);
    assert!(output.status.success(), "{words:?}: {told}\n{}", machine.log());
}
