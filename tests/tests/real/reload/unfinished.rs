//! Files of which the first half is a unit, too: it is not applied while somebody
//! is at work on the other half.

use super::{
    described, errors, generation, is_quiet, names, out, says, sleeper, start,
    wait_for_description, wait_for_error, wait_for_names, wait_for_no_errors,
};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::Duration;

/// Longer than a change is left alone before it is looked at.
fn pause() {
    std::thread::sleep(Duration::from_millis(250));
}

/// Two pieces, of which the first is a unit.
fn halves(description: &str) -> [String; 2] {
    let second = "[[condition]]\nname = \"second\"\non = \"stopped\"\n\
                  actions = [{ log = \"so it is\" }]\n";
    [described(1, description), second.to_owned()]
}

fn wait_for_whole(manager: &Manager, name: &str) {
    wait_until(&format!("the whole; the log:\n{}", manager.log()), || {
        let entity = out(&manager.hamctl(&["show", name]));
        entity.contains("second") && entity.contains("whole")
    });
}

#[test]
fn the_first_half_of_a_file_that_is_still_open_is_not_applied() {
    let units = Units::new("still-open");
    units.write("a", &halves("before").concat());
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let before = generation(&manager);
    for name in ["a", "b"] {
        let path = units.path().join(format!("{name}.toml"));
        let mut file = File::create(path).expect("a file");
        for half in halves("whole") {
            file.write_all(half.as_bytes()).expect("it can be written");
            pause();
        }
        drop(file);
        wait_for_whole(&manager, name);
    }
    assert_eq!(generation(&manager), before + 2, "{}", manager.log());
    is_quiet(&manager);
}

/// It may have been opened by who keeps it for ever.
#[test]
fn a_file_that_is_never_closed_is_applied_all_the_same() {
    let units = Units::new("never-closed");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let mut file = File::create(units.path().join("b.toml")).expect("a file");
    file.write_all(sleeper(1).as_bytes()).expect("it can be written");
    manager.wait_for_state("b", "running");
    // Nor does it keep others from being applied.
    file.write_all(b"# more\n").expect("it can be written");
    units.write("a", &described(1, "other"));
    wait_for_description(&manager, "a", "other");
    is_quiet(&manager);
    drop(file);
}

#[test]
fn the_first_half_of_what_was_there_is_not_applied_though_it_is_closed() {
    let units = Units::new("closed-between");
    units.write("a", &halves("before").concat());
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let (a, before) = (manager.pid_of("a"), generation(&manager));
    let [first, second] = halves("whole");
    units.write("a", &first);
    pause();
    let path = units.path().join("a.toml");
    let mut file = OpenOptions::new().append(true).open(path).expect("the file");
    file.write_all(second.as_bytes()).expect("it can be written");
    drop(file);
    wait_for_whole(&manager, "a");
    assert_eq!(generation(&manager), before + 1, "{}", manager.log());
    assert_eq!(manager.pid_of("a"), a);
    is_quiet(&manager);
    // What is meant to go does, a moment later.
    units.write("a", &sleeper(1));
    wait_for_description(&manager, "a", "");
    assert_eq!(generation(&manager), before + 2);
}

#[test]
fn of_two_files_that_were_gone_the_one_that_is_back_does_not_end_the_other() {
    let units = Units::new("one-is-back");
    for name in ["a", "b", "c"] {
        units.write(name, &sleeper(1));
    }
    let manager = start(&units);
    let pids = ["a", "b", "c"].map(|name| {
        manager.wait_for_state(name, "running");
        manager.pid_of(name)
    });
    for name in ["a", "b"] {
        fs::remove_file(units.path().join(format!("{name}.toml"))).expect("a unit");
    }
    wait_for_error(&manager, "2 units are gone at once");
    units.write("a", &sleeper(1));
    wait_for_error(&manager, "the file of b is gone");
    // Who takes over knows it, too.
    manager.replace_monitor();
    units.write("c", &described(1, "other"));
    wait_for_error(&manager, "the file of b is gone");
    assert_eq!(["a", "b", "c"].map(|name| manager.pid_of(name)), pids);
    let said = says(&manager, &["apply"], 0);
    assert!(said.contains("1 removed") && said.contains("1 changed"), "{said}");
    wait_for_names(&manager, &["a", "c"]);
    wait_for_no_errors(&manager);
    assert_eq!([manager.pid_of("a"), manager.pid_of("c")], [pids[0], pids[2]]);
    assert!(errors(&manager).is_empty());
    // From then on one that goes is one that goes.
    fs::remove_file(units.path().join("c.toml")).expect("a unit");
    wait_until("c to go", || names(&manager) == ["a"]);
}
