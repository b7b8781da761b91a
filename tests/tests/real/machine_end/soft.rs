//! Soft-reboot: all entities are stopped, and the manager begins again in the
//! same process, by the program that stands at its path by then.

use super::{asks, done, go, sleeping, slow_machine};
use ham_tests::bare::{Bare, told};
use ham_tests::executables::{copy_program, write_program};
use ham_tests::machine::End;
use ham_tests::own_units::{SLEEPER, Units};
use ham_tests::programs::{Scratch, ham};
use std::fs;
use std::process::Command;

#[test]
fn a_machine_begins_again_with_the_same_init() {
    let Some((units, mut machine)) = sleeping("soft", &[]) else { return };
    let init = machine.init();
    units.write("second", SLEEPER);
    let output = machine.hamctl(&["soft-reboot"]);
    done(&output);
    assert!(told(&output).contains("has begun again"), "{}", told(&output));
    // A fresh plan, and nothing of the machine has ended.
    machine.wait_for_log("both", |log| {
        log.contains("second: started") && log.matches("sleeper: started").count() == 2
    });
    assert!(ham_tests::processes::lives(init), "{}", machine.log());
    assert!(!machine.log().contains("unmounted"), "{}", machine.log());
    // As often as one likes, and the machine ends as before.
    machine.signal(&(nix::libc::SIGRTMIN() + 7).to_string());
    machine.wait_for_log("a third time", |log| log.matches("sleeper: started").count() == 3);
    asks(&machine, &["poweroff"]);
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
}

#[test]
fn a_soft_reboot_goes_on_under_a_successor() {
    let Some((units, mut machine)) = slow_machine("soft-kill") else { return };
    machine.signal(&(nix::libc::SIGRTMIN() + 7).to_string());
    units.wait_for_text("asked", |text| !text.is_empty());
    assert!(machine.kill("ham-monitor"));
    machine.wait_for_log("a successor", |log| log.contains("has taken over"));
    go(&units);
    machine.wait_for_log("the next", |log| log.matches("slow: started").count() == 2);
    asks(&machine, &["reboot"]);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
}

/// A manager beside others is brought to a new version so.
#[test]
fn what_stands_at_its_path_takes_its_place() {
    let (units, scratch) = (Units::new("soft-new"), Scratch::new("soft-new-manager"));
    units.write("sleeper", SLEEPER);
    let own = scratch.path().join("ham");
    copy_program(ham(), &own);
    let runtime = scratch.path().join("run");
    let mut manager =
        Bare::start(Command::new(&own), &units.path(), &runtime, &["-t", "none", "--user"]);
    ham_tests::own_units::wait_until("a sleeper", || {
        manager.entity("sleeper")["state"] == "running"
    });
    // An upgrade: another file by the same name. It tells that it is another.
    let [mark, next] = ["mark", "next"].map(|name| scratch.path().join(name));
    // By the shell alone: what it executes may have another mask.
    let script = format!(
        "#!/bin/sh\nwhile read name mask; do [ \"$name\" = SigBlk: ] && blocked=$mask; done \
         </proc/$$/status\necho \"$$ $*\" > {mark}\necho \"$blocked\" >> {mark}\n\
         exec {} \"$@\"\n",
        ham().display(),
        mark = mark.display()
    );
    write_program(&next, &script);
    fs::rename(&next, &own).expect("our file");
    let output = manager.hamctl(&["--json", "soft-reboot"]);
    done(&output);
    assert!(told(&output).contains("\"into\":\"soft-reboot\",\"version\":\""), "{}", told(&output));
    let marked = fs::read_to_string(&mark).expect("it was executed");
    let expected = format!("{} run --runtime-dir {}", manager.pid(), runtime.display());
    assert!(marked.starts_with(&expected) && marked.contains(" --user"), "{marked}");
    // A signal that comes now waits for the next manager: TERM is the 15th.
    let blocked = u64::from_str_radix(marked.lines().nth(1).unwrap_or_default(), 16);
    assert!(blocked.is_ok_and(|mask| mask & 1 << 14 != 0), "{marked}");
    ham_tests::own_units::wait_until("a sleeper again", || {
        manager.entity("sleeper")["state"] == "running"
    });
    assert!(manager.hamctl(&["shutdown"]).status.success());
    let status = manager.ended_within(ham_tests::programs::PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn without_a_program_at_its_path_the_one_that_runs_begins_again() {
    let (units, scratch) = (Units::new("soft-gone"), Scratch::new("soft-gone-manager"));
    units.write("sleeper", SLEEPER);
    let own = scratch.path().join("ham");
    copy_program(ham(), &own);
    let runtime = scratch.path().join("run");
    let manager = Bare::start(Command::new(&own), &units.path(), &runtime, &["-t", "none"]);
    ham_tests::own_units::wait_until("a sleeper", || {
        manager.entity("sleeper")["state"] == "running"
    });
    fs::remove_file(&own).expect("our file");
    done(&manager.hamctl(&["soft-reboot"]));
    ham_tests::own_units::wait_until("a sleeper again", || {
        manager.entity("sleeper")["state"] == "running"
    });
}
