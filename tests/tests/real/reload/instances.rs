//! Instances of templates that somebody starts: there as long as somebody wants
//! them, and no longer. And a manager that is told to change nothing by itself.

use super::{names, says, seconds, start, version_of, wait_for_names};
use ham_tests::own_units::Units;
use std::fs;

const TEMPLATE: &str = "[entity]\ncommand = [\"sleep\", \"{instance}\"]\nrestart = \"always\"\n";

#[test]
fn a_start_makes_an_instance_that_goes_when_nobody_wants_it() {
    let units = Units::new("instances");
    units.write("a", &super::sleeper(1));
    units.write("nap@", TEMPLATE);
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let name = format!("nap@{}", seconds(7));
    says(&manager, &["start", &name], 0);
    let pid = manager.wait_for_state(&name, "running")["pid"].as_u64().expect("a pid");
    assert_eq!(version_of(u32::try_from(pid).expect("a pid")), Some(7));
    // What else changes does not touch it, nor does the end of a monitor.
    manager.kill_monitor("KILL");
    units.write("b", &super::sleeper(2));
    manager.wait_for_state("b", "running");
    assert_eq!(manager.entity(&name)["pid"].as_u64(), Some(pid));
    says(&manager, &["stop", &name], 0);
    units.write("c", &super::sleeper(3));
    manager.wait_for_state("c", "running");
    wait_for_names(&manager, &["a", "b", "c"]);
}

#[test]
fn what_is_no_instance_of_anything_is_unknown_and_a_wrong_template_is_told() {
    let units = Units::new("no-instance");
    units.write("a", &super::sleeper(1));
    units.write("broken@", &TEMPLATE.replace("command", "comand"));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    for name in ["none@1", "a@", "@1"] {
        assert!(says(&manager, &["start", name], 5).contains("no entity"), "{name}");
    }
    let said = says(&manager, &["start", "broken@1"], 2);
    assert!(said.contains("unknown key `comand`"), "{said}");
    assert_eq!(names(&manager), ["a"]);
}

#[test]
fn a_manager_that_is_told_so_applies_only_what_it_is_asked_to() {
    let units = Units::new("manual");
    units.write("a", &super::sleeper(1));
    fs::write(units.path().join("ham.conf"), "[manager]\napply = \"manual\"\n").expect("a file");
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    units.write("b", &super::sleeper(2));
    let said = says(&manager, &["plan", "--exit-code"], 10);
    assert!(said.contains("+ b: starts"), "{said}");
    assert_eq!(names(&manager), ["a"]);
    manager.kill_monitor("KILL");
    assert_eq!(names(&manager), ["a"]);
    says(&manager, &["apply"], 0);
    manager.wait_for_state("b", "running");
}
