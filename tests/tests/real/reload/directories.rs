//! Directories that come, go and are exchanged. That files are not there is
//! never taken for their removal where their directory is not there either.

use super::{
    described, errors, is_quiet, names, says, sleeper, start, wait_for_description, wait_for_error,
    wait_for_names, wait_for_no_errors,
};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// As Kubernetes mounts a ConfigMap: files are links into `..data`, which is a
/// link to a directory, and that link is replaced.
fn mount(directory: &Path, stamp: &str, files: &[(&str, String)]) {
    let data = directory.join(stamp);
    fs::create_dir(&data).expect("a directory");
    for (name, text) in files {
        fs::write(data.join(name), text).expect("a unit");
    }
    symlink(stamp, directory.join("..data_tmp")).expect("a link");
    let before = fs::read_link(directory.join("..data"));
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("a swap");
    for (name, _) in files {
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), link).expect("a link");
        }
    }
    if let Ok(before) = before {
        for entry in fs::read_dir(directory).expect("the directory").flatten() {
            let target = directory.join("..data").join(entry.file_name());
            let is_unit = entry.path().extension().is_some_and(|end| end == "toml");
            if is_unit && !target.exists() {
                fs::remove_file(entry.path()).expect("a link");
            }
        }
        fs::remove_dir_all(directory.join(before)).expect("the directory before");
    }
}

#[test]
fn a_config_map_that_is_swapped_is_followed_again_and_again() {
    let units = Units::new("config-map");
    let path = units.path();
    let unit = |text: &str| ("a.toml", described(1, text));
    mount(&path, "..2026_01", &[unit("first"), ("b.toml", sleeper(1))]);
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    manager.wait_for_state("b", "running");
    let (a, b) = (manager.pid_of("a"), manager.pid_of("b"));
    for (stamp, text) in [("..2026_02", "second"), ("..2026_03", "third")] {
        mount(&path, stamp, &[unit(text), ("b.toml", sleeper(1))]);
        wait_for_description(&manager, "a", text);
    }
    // One more, one less.
    mount(&path, "..2026_04", &[unit("fourth"), ("b.toml", sleeper(1)), ("c.toml", sleeper(1))]);
    manager.wait_for_state("c", "running");
    mount(&path, "..2026_05", &[unit("fifth"), ("b.toml", sleeper(1))]);
    wait_for_names(&manager, &["a", "b"]);
    assert_eq!((manager.pid_of("a"), manager.pid_of("b")), (a, b));
    is_quiet(&manager);
}

/// Two units whose directory will go.
fn two() -> (Units, Manager, [u32; 2]) {
    let units = Units::new("vanishes");
    units.write("a", &sleeper(1));
    units.write("b", &sleeper(1));
    let manager = start(&units);
    let pids = ["a", "b"].map(|name| {
        manager.wait_for_state(name, "running");
        manager.pid_of(name)
    });
    (units, manager, pids)
}

fn unchanged(manager: &Manager, pids: [u32; 2]) {
    assert_eq!(["a", "b"].map(|name| manager.pid_of(name)), pids, "{}", manager.log());
}

#[test]
fn a_directory_that_is_deleted_and_made_again_stops_nothing() {
    let (units, manager, pids) = two();
    for _ in 0..2 {
        fs::remove_dir_all(units.path()).expect("the directory");
        wait_for_error(&manager, "is not there, or cannot be read");
        assert!(says(&manager, &["status"], 0).contains("not applied"));
        unchanged(&manager, pids);
        // Not even by who asks.
        assert!(says(&manager, &["apply"], 6).contains("--prune"));
        unchanged(&manager, pids);
        fs::create_dir(units.path()).expect("a directory");
        units.write("a", &sleeper(1));
        units.write("b", &sleeper(1));
        wait_for_no_errors(&manager);
        unchanged(&manager, pids);
    }
    // It is followed as before.
    units.write("a", &described(1, "again"));
    wait_for_description(&manager, "a", "again");
    unchanged(&manager, pids);
}

#[test]
fn a_directory_that_is_emptied_is_none_that_somebody_has_meant() {
    let (units, manager, pids) = two();
    for name in ["a", "b"] {
        fs::remove_file(units.path().join(format!("{name}.toml"))).expect("a unit");
    }
    wait_for_error(&manager, "is empty, and units came from it: a, b");
    unchanged(&manager, pids);
    assert!(says(&manager, &["apply"], 6).contains("is empty"));
    unchanged(&manager, pids);
    let said = says(&manager, &["apply", "--prune"], 0);
    assert!(said.contains("- a: is stopped") && said.contains("- b: is stopped"), "{said}");
    wait_for_names(&manager, &[]);
    assert!(errors(&manager).is_empty());
}

#[test]
fn a_directory_that_is_moved_away_and_back_or_replaced_is_looked_at() {
    let (units, manager, pids) = two();
    let away = PathBuf::from(units.file("away"));
    fs::rename(units.path(), &away).expect("it can be moved");
    wait_for_error(&manager, "is not there");
    unchanged(&manager, pids);
    fs::rename(&away, units.path()).expect("it can be moved");
    wait_for_no_errors(&manager);

    // Another is put in its place, prepared beside it.
    let next = PathBuf::from(units.file("next"));
    fs::create_dir(&next).expect("a directory");
    fs::write(next.join("a.toml"), described(1, "next")).expect("a unit");
    fs::write(next.join("b.toml"), sleeper(1)).expect("a unit");
    fs::rename(units.path(), &away).expect("it can be moved");
    fs::rename(&next, units.path()).expect("it can be moved");
    wait_for_description(&manager, "a", "next");
    unchanged(&manager, pids);
    units.write("a", &described(1, "followed"));
    wait_for_description(&manager, "a", "followed");
    unchanged(&manager, pids);
}

#[test]
fn a_directory_on_the_way_is_replaced() {
    let units = Units::new("above");
    let [above, next, away] = ["above", "next", "away"].map(|name| PathBuf::from(units.file(name)));
    let fill = |directory: &Path, text: &str| {
        fs::create_dir_all(directory.join("units")).expect("directories");
        fs::write(directory.join("units/a.toml"), described(1, text)).expect("a unit");
    };
    fill(&above, "first");
    fill(&next, "second");
    let manager = Manager::start(&above.join("units"), &["-t", "none"]);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    fs::rename(&above, &away).expect("it can be moved");
    fs::rename(&next, &above).expect("it can be moved");
    wait_for_description(&manager, "a", "second");
    fs::write(above.join("units/a.toml"), described(1, "third")).expect("a unit");
    wait_for_description(&manager, "a", "third");
    assert_eq!(manager.pid_of("a"), a);
}

/// As releases are often switched: the search directory is reached by a link.
#[test]
fn a_link_to_a_directory_is_led_elsewhere() {
    let units = Units::new("linked");
    let [one, two, link] = ["one", "two", "link"].map(|name| PathBuf::from(units.file(name)));
    for (directory, text) in [(&one, "one"), (&two, "two")] {
        fs::create_dir(directory).expect("a directory");
        fs::write(directory.join("a.toml"), described(1, text)).expect("a unit");
    }
    symlink(&one, &link).expect("a link");
    let manager = Manager::start(&link, &["-t", "none"]);
    wait_for_description(&manager, "a", "one");
    let a = manager.wait_for_state("a", "running")["pid"].clone();
    let other = PathBuf::from(units.file("link.new"));
    symlink(&two, &other).expect("a link");
    fs::rename(&other, &link).expect("it can be moved");
    wait_for_description(&manager, "a", "two");
    fs::write(two.join("a.toml"), described(1, "three")).expect("a unit");
    wait_for_description(&manager, "a", "three");
    assert_eq!(manager.entity("a")["pid"], a);
    is_quiet(&manager);
}

#[test]
fn a_directory_that_is_made_later_is_found() {
    let units = Units::new("later");
    let directory = PathBuf::from(units.file("not/yet/there"));
    let mut manager = Manager::start(&directory, &["-t", "none"]);
    manager.wait_for_log("that there is nothing", |log| log.contains("no units in"));
    assert!(names(&manager).is_empty());
    fs::create_dir_all(&directory).expect("directories");
    fs::write(directory.join("a.toml"), sleeper(1)).expect("a unit");
    manager.wait_for_state("a", "running");
    // One by one.
    fs::write(directory.join("b.toml"), sleeper(1)).expect("a unit");
    manager.wait_for_state("b", "running");
    wait_until("no errors", || errors(&manager).is_empty());
}
/// A search directory that is not there keeps nothing else from being applied.
#[test]
fn another_directory_that_is_not_there_blocks_no_other() {
    let units = Units::new("one-of-two");
    units.write("a", &sleeper(1));
    let other = PathBuf::from(units.file("other"));
    let manager = Manager::start(
        &units.path(),
        &["-t", "none", "--units", other.to_str().expect("a plain name")],
    );
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    units.write("a", &described(1, "changed"));
    wait_for_description(&manager, "a", "changed");
    fs::create_dir(&other).expect("a directory");
    fs::write(other.join("b.toml"), sleeper(1)).expect("a unit");
    manager.wait_for_state("b", "running");
    wait_for_no_errors(&manager);
    // It goes again, with what came from it: only that is held.
    fs::remove_dir_all(&other).expect("a directory");
    wait_for_error(&manager, "and units came from it: b");
    let said = says(&manager, &["apply", "--prune"], 0);
    assert!(said.contains("- b: is stopped"), "{said}");
    wait_for_names(&manager, &["a"]);
    assert_eq!(manager.pid_of("a"), a);
}

/// Neither its files nor their names are others: what is wrong is seen all the
/// same, and when it is mended.
#[test]
fn who_may_write_a_directory_is_looked_at_again() {
    let (units, manager, pids) = two();
    let drop_ins = units.path().join("a.toml.d");
    fs::create_dir(&drop_ins).expect("a directory");
    fs::set_permissions(&drop_ins, PermissionsExt::from_mode(0o755)).expect("its mode");
    for folder in [units.path(), drop_ins] {
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o757)).expect("its mode");
        wait_for_error(&manager, "everybody may write it (mode 0757)");
        says(&manager, &["plan"], 6);
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("its mode");
        wait_for_no_errors(&manager);
    }
    assert_eq!(["a", "b"].map(|name| manager.pid_of(name)), pids);
}
