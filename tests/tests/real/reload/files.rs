//! A file is made, edited, replaced and removed, as editors and programs do.

use super::{
    described, generation, is_quiet, names, says, sleeper, start, version_of, wait_for_description,
    wait_for_names, with,
};
use ham_tests::own_units::{Units, wait_until};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::Duration;

#[test]
fn files_that_come_change_and_go_are_followed_and_nobody_else_is_touched() {
    let units = Units::new("followed");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");

    units.write("b", &sleeper(1));
    manager.wait_for_state("b", "running");
    let b = manager.pid_of("b");
    units.write("b", &described(1, "other"));
    wait_for_description(&manager, "b", "other");
    assert_eq!(manager.pid_of("b"), b);

    // By another file that is given its name.
    let other = units.path().join("b.toml.new");
    fs::write(&other, described(1, "moved over")).expect("a file");
    fs::rename(&other, units.path().join("b.toml")).expect("it can be moved");
    wait_for_description(&manager, "b", "moved over");
    assert_eq!(manager.pid_of("b"), b);

    fs::remove_file(units.path().join("b.toml")).expect("it is there");
    wait_for_names(&manager, &["a"]);
    assert!(!ham_tests::processes::lives(b));
    assert_eq!(manager.pid_of("a"), a);
    is_quiet(&manager);
}

#[test]
fn another_command_waits_for_the_next_start_and_that_is_shown() {
    let units = Units::new("outdated");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    assert_eq!(manager.entity("a")["outdated"], false);

    units.write("a", &sleeper(2));
    let entity = manager.wait_for("a", |entity| entity["outdated"] == true);
    assert_eq!(entity["pid"], a);
    let text = "its unit has changed: used from its next start on";
    assert!(entity["why"].as_str().is_some_and(|why| why.contains(text)), "{entity}");
    for words in [["why", "a"], ["status", "a"]] {
        assert!(says(&manager, &words, 0).contains(text));
    }
    // Whoever takes over knows it, too.
    manager.replace_monitor();
    let entity = manager.wait_for("a", |entity| entity["outdated"] == true);
    assert_eq!((entity["pid"].as_u64(), version_of(a)), (Some(a.into()), Some(1)));
    let _ = says(&manager, &["restart", "a"], 0);
    let entity = manager.wait_for_state("a", "running");
    assert_eq!(entity["outdated"], false);
    assert_eq!(version_of(manager.pid_of("a")), Some(2));
    is_quiet(&manager);
}

#[test]
fn what_is_put_back_before_it_was_used_was_never_changed() {
    let units = Units::new("put-back");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    units.write("a", &sleeper(2));
    manager.wait_for("a", |entity| entity["outdated"] == true);
    units.write("a", &sleeper(1));
    manager.wait_for("a", |entity| entity["outdated"] == false);
    assert_eq!(manager.pid_of("a"), a);
}

/// What editors and programs do to a file before it is what it should be.
#[test]
fn what_is_half_written_is_waited_for() {
    let units = Units::new("half");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    let path = units.path().join("a.toml");
    let pause = || std::thread::sleep(Duration::from_millis(330));

    // Three pieces over a second.
    let mut file = File::create(units.path().join("b.toml")).expect("a file");
    for piece in ["[entity]\ncomm", "and = [\"sleep\", \"10", "0001\"]\nrestart = \"always\"\n"] {
        file.write_all(piece.as_bytes()).expect("it can be written");
        pause();
    }
    drop(file);
    manager.wait_for_state("b", "running");

    // Emptied, and written a moment later.
    let mut file = OpenOptions::new().write(true).truncate(true).open(&path).expect("the file");
    std::thread::sleep(Duration::from_millis(200));
    file.write_all(described(1, "written").as_bytes()).expect("it can be written");
    drop(file);
    wait_for_description(&manager, "a", "written");

    // Wrong for a moment.
    units.write("a", "[entity]\ncommnd = 1\n");
    std::thread::sleep(Duration::from_millis(200));
    units.write("a", &described(1, "right"));
    wait_for_description(&manager, "a", "right");

    // As vim does: a copy, a swap file, and the file anew.
    let (swap, copy) = (units.path().join(".a.toml.swp"), units.path().join("a.toml~"));
    fs::write(&swap, "no unit").expect("a file");
    fs::write(units.path().join("4913"), "").expect("a file");
    fs::remove_file(units.path().join("4913")).expect("it is there");
    fs::rename(&path, &copy).expect("it can be moved");
    std::thread::sleep(Duration::from_millis(200));
    units.write("a", &described(1, "by vim"));
    fs::remove_file(&copy).expect("it is there");
    fs::remove_file(&swap).expect("it is there");
    wait_for_description(&manager, "a", "by vim");

    // A file that names another is right as soon as that is there.
    units.write("c", &with(1, "requires = [\"d\"]"));
    std::thread::sleep(Duration::from_millis(200));
    units.write("d", &sleeper(1));
    manager.wait_for_state("c", "running");
    // One that is named is replaced, and is not there for a moment.
    let (path, copy) = (units.path().join("d.toml"), units.path().join("d.toml~"));
    fs::rename(&path, &copy).expect("it can be moved");
    std::thread::sleep(Duration::from_millis(200));
    fs::rename(&copy, &path).expect("it can be moved");
    units.write("d", &described(1, "again"));
    wait_for_description(&manager, "d", "again");

    assert_eq!(manager.pid_of("a"), a);
    assert_eq!(names(&manager), ["a", "b", "c", "d"]);
    is_quiet(&manager);
}

#[test]
fn what_is_no_unit_is_not_even_looked_at() {
    let units = Units::new("no-units");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let before = generation(&manager);
    for name in [".a.toml.swp", "a.toml~", "#a.toml#", ".#a.toml", "README", "a.toml.orig"] {
        fs::write(units.path().join(name), "no unit at all {{{").expect("a file");
    }
    units.write("b", &sleeper(1));
    manager.wait_for_state("b", "running");
    assert_eq!((names(&manager), generation(&manager)), (vec!["a".into(), "b".into()], before + 1));
    is_quiet(&manager);
}

#[test]
fn many_edits_at_once_are_few_plans() {
    const MANY: u32 = 60;
    let units = Units::new("many");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let (a, before) = (manager.pid_of("a"), generation(&manager));
    for number in 0..MANY {
        units.write(&format!("e{number:02}"), &sleeper(number));
    }
    for round in 0..5 {
        for number in 0..MANY {
            units.write(&format!("e{number:02}"), &described(number, &format!("round {round}")));
        }
    }
    for number in 0..MANY {
        wait_for_description(&manager, &format!("e{number:02}"), "round 4");
    }
    let plans = generation(&manager) - before;
    // One, unless this machine was so slow that a look was due meanwhile.
    assert!((1..10).contains(&plans), "{plans} plans for {} edits", 6 * MANY);
    wait_until("all of them", || {
        let status = manager.status();
        let all = status["entities"].as_array().cloned().unwrap_or_default();
        all.len() == 61 && all.iter().all(|entity| entity["state"] == "running")
    });
    assert_eq!(manager.pid_of("a"), a);
    is_quiet(&manager);
}
