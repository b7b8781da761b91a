//! The units of a small machine, as they stand in units/examples/board.

use ham_core::plan::{EntityPlan, Kind};
use ham_tests::programs::repository;
use ham_unit::{Settings, SystemUsers, codes, load_directories};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_units_of_a_board_are_right_and_in_order() {
    let users = SystemUsers::new();
    let settings = Settings::new(&users, 0);
    let loaded = load_directories(&[repository().join("units/examples/board")], &settings);
    // Not every machine has every program.
    let said = loaded.diagnostics.iter().filter(|found| found.code != codes::COMMAND_NOT_FOUND);
    let said: Vec<String> = said.map(|found| found.render_plain()).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    let units: BTreeMap<&str, &EntityPlan> =
        loaded.entities.iter().map(|plan| (plan.name.as_str(), plan)).collect();
    let names: Vec<&str> = units.keys().copied().collect();
    let expected = [
        "base",
        "fsck",
        "getty@tty1",
        "getty@ttyS0",
        "modules",
        "mounts",
        "network",
        "root-rw",
        "seed",
        "sysctl",
        "syslog",
    ];
    assert_eq!(names, expected);
    let getty = units["getty@tty1"].tty.as_ref().expect("a terminal");
    assert!(getty.path == "/dev/tty1" && getty.hang_up);
    assert_eq!(units["base"].kind, Kind::Target);

    // A login comes after all that mounts, directly or by others.
    let mut before = BTreeSet::new();
    let mut open = vec![units["getty@tty1"].id];
    while let Some(id) = open.pop() {
        let unit = loaded.entities.iter().find(|plan| plan.id == id).expect("a unit");
        if before.insert(unit.name.as_str()) {
            open.extend(unit.links.requires.iter().chain(&unit.links.after));
        }
    }
    for name in ["base", "mounts", "root-rw", "fsck", "modules"] {
        assert!(before.contains(name), "{name} in {before:?}");
    }
}
