//! Ham by the names of the programs that other inits have for it.

use super::sleeping;
use ham_tests::bare::told;
use ham_tests::machine::{End, Machine};
use ham_tests::own_units::Units;
use ham_tests::programs::ham;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

/// Runs `ham` inside by another name.
fn call(units: &Units, machine: &Machine, words: &[&str]) -> Output {
    let (name, rest) = words.split_first().expect("a name");
    let link = units.folder().join(name);
    if !link.exists() {
        symlink(ham(), &link).expect("a link in our folder");
    }
    let path = link.to_str().expect("a plain name");
    machine.inside(&[&[path], rest].concat())
}

#[test]
fn each_name_ends_the_machine_in_its_way() {
    let off = (End::Off, "the machine is switched off");
    let again = (End::Again, "the machine restarts");
    let still = (End::Off, "the machine is halted");
    for (words, (end, text)) in [
        (&["reboot"][..], again),
        (&["poweroff"][..], off),
        (&["halt"][..], still),
        (&["shutdown", "-r", "now"][..], again),
        (&["shutdown", "-h", "+0", "for", "repairs"][..], off),
        (&["telinit", "0"][..], off),
        (&["init", "6"][..], again),
    ] {
        let Some((units, mut machine)) = sleeping("names", &[]) else { return };
        let output = call(&units, &machine, words);
        assert!(output.status.success(), "{words:?}: {}", told(&output));
        assert_eq!(machine.end(), end, "{words:?}: {}", machine.log());
        let log = machine.log();
        assert!(log.contains(text) && log.contains("sleeper: stopped"), "{words:?}: {log}");
    }
}

/// As for an init that does not answer any more.
#[test]
fn forced_it_is_done_without_the_init() {
    for (words, end) in [(&["reboot", "-f"][..], End::Again), (&["halt", "-fn"][..], End::Off)] {
        let Some((units, mut machine)) = sleeping("forced", &[]) else { return };
        machine.signal("STOP");
        // It ends together with the machine, so what becomes of it tells nothing.
        let _ = call(&units, &machine, words);
        assert_eq!(machine.end(), end, "{words:?}: {}", machine.log());
        assert!(!machine.log().contains("sleeper: stopp"), "{words:?}: {}", machine.log());
    }
}

#[test]
fn hamctl_forces_it_by_ham() {
    let Some((_units, mut machine)) = sleeping("forced-hamctl", &[]) else { return };
    machine.signal("STOP");
    let hamctl = ham_tests::programs::hamctl();
    let hamctl = hamctl.to_str().expect("a plain name").to_owned();
    let _ = machine.inside(&[&hamctl, "reboot", "--force"]);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
}

#[test]
fn what_cannot_be_is_refused_and_nothing_happens() {
    let Some((units, mut machine)) = sleeping("refused", &[]) else { return };
    for (words, code, why) in [
        (&["shutdown", "-h", "22:00"][..], 64, "shutdown: `22:00`: ham plans nothing for later"),
        (&["telinit", "3"][..], 64, "telinit: `3`: ham has no run levels"),
        (&["init"][..], 64, "telinit: which run level?"),
        (&["reboot", "-x"][..], 64, "reboot: unknown option `-x`"),
        (&["halt", "-w"][..], 0, ""),
    ] {
        let output = call(&units, &machine, words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", told(&output));
        assert!(told(&output).contains(why), "{words:?}: {}", told(&output));
    }
    // In its order behind all of those.
    machine.signal("HUP");
    machine.wait_for_log("the units again", |log| log.matches("units").count() > 1);
    assert!(machine.hamctl(&["is-active", "sleeper"]).status.success(), "{}", machine.log());
    assert!(!machine.log().contains("shutting down"), "{}", machine.log());
}

#[test]
fn an_init_that_means_something_else_by_signals_gets_none() {
    // A PID namespace whose first process is a shell, and no init at all.
    let script = "mount -t proc proc /proc && \"$0\" ; echo $?";
    let link = Units::new("foreign-init");
    let path = link.folder().join("poweroff");
    symlink(ham(), &path).expect("a link in our folder");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]);
    let output = command.args(["sh", "-c", script]).arg(&path).stdin(Stdio::null()).output();
    let output = output.expect("unshare can be executed");
    if !output.status.success() {
        ham_tests::skip::skipped("another init", "no user and PID namespaces of its own");
        return;
    }
    let told = told(&output);
    assert!(told.contains("poweroff: process 1 is `sh`"), "{told}");
    assert!(told.contains("71\n"), "{told}");
}

/// Ham is what it is called only by the last part of the path.
#[test]
fn a_directory_of_such_a_name_is_none() {
    let output = Command::new(ham()).arg0("/sbin/reboot/ham").arg("--version").output();
    let output = output.expect("ham can be executed");
    assert!(told(&output).contains("ham 0."), "{}", told(&output));
}
