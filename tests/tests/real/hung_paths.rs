//! A path on a mount that does not answer, and those who wait for others.

use ham_tests::chaos::{children, lives};
use ham_tests::dead_mount::{Dead, DeadMount, in_own_namespace};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use std::fs;

/// More than a path watcher has threads (32). The next one gives only 24 to those
/// that have hung before, so it has some left beside those that have not.
const MANY: usize = 36;

/// An entity that starts when a path is there.
fn starts_with(path: &str) -> String {
    format!("[entity]\ncommand = [\"sleep\", \"infinity\"]\nstart-when = {{ path = \"{path}\" }}\n")
}

/// An entity that is ready when a path is there, which it makes once it may.
fn ready_with(path: &str, go: &str) -> String {
    format!(
        "[entity]\ncommand = [\"sh\", \"-c\", 'until test -e {go}; do sleep 0.01; done; \
         : > {path}; exec sleep 600']\nrestart = \"no\"\nready = {{ path = \"{path}\" }}\n"
    )
}

/// A place for a dead mount among the files of a test.
fn place(units: &Units) -> String {
    let place = units.file("mount");
    fs::create_dir(&place).expect("a directory");
    place
}

/// The path watchers that there are, also those that hang at their end.
fn watchers(manager: &Manager) -> Vec<u32> {
    let all = children(manager.pid()).into_iter();
    all.filter(|child| child.name == "ham-watch").map(|child| child.pid).collect()
}

#[test]
fn a_path_that_hangs_blinds_no_other_wait() {
    let what = "a path that hangs";
    in_own_namespace(what, || {
        let units = Units::new("hung-path");
        let [fresh, go, other] = ["fresh", "go", "other"].map(|name| units.file(name));
        let place = place(&units);
        units.write("stuck", &starts_with(&format!("{place}/file")));
        units.write("deep", &starts_with(&format!("{place}/some/where/file")));
        units.write("healthy", &ready_with(&fresh, &go));
        units.write("late", &starts_with(&other));
        let Some(mut dead) = DeadMount::on(place.as_ref(), Dead::Silent, what) else { return };
        let mut manager = Manager::start(&units.path(), &["-V2"]);

        let hangs = |path: &str| format!("ham: looking for {place}/{path} hangs");
        let both = [hangs("file"), hangs("some/where/file")];
        manager.wait_for_log("who hangs", |log| both.iter().all(|text| log.contains(text)));
        fs::write(&go, "").expect("a file");
        manager.wait_for_log("readiness", |log| log.contains("healthy: ready"));
        // So it is for the next monitor and its helper.
        manager.replace_monitor();
        manager.wait_for_log("that it is found again", |log| log.matches(&both[0]).count() == 2);
        fs::write(&other, "").expect("a file");
        manager.wait_for_log("its start", |log| log.contains("late: started"));

        // What hung is looked for all the same.
        assert!(!manager.log().contains("stuck: started"), "{}", manager.log());
        dead.end();
        let answers = format!("looking for {place}/file does not hang any more");
        manager.wait_for_log("an answer", |log| log.contains(&answers));
        fs::write(format!("{place}/file"), "").expect("a file");
        manager.wait_for_log("its start", |log| log.contains("stuck: started"));
        let log = manager.log();
        assert!(!log.contains("start-timeout") && !log.contains("replaced"), "{log}");
    });
}

#[test]
fn looks_that_cannot_even_be_killed_cost_a_helper_and_no_wait() {
    let what = "paths that hang in the kernel";
    in_own_namespace(what, || {
        let units = Units::new("hung-paths");
        let [fresh, go] = ["fresh", "go"].map(|name| units.file(name));
        let place = place(&units);
        for number in 0..MANY {
            units.write(&format!("stuck-{number}"), &starts_with(&format!("{place}/{number}")));
        }
        units.write("healthy", &ready_with(&fresh, &go));
        let Some(mut dead) = DeadMount::on(place.as_ref(), Dead::Stubborn, what) else { return };
        let mut manager = Manager::start(&units.path(), &["-V2"]);

        manager.wait_for_log("another helper", |log| {
            log.contains("so many looks for paths hang that the path watcher is replaced")
        });
        manager.wait_for_log("what is left of the first", |log| log.contains("cannot end"));
        manager.wait_for_log("its start", |log| log.contains("healthy: started"));
        fs::write(&go, "").expect("a file");
        manager.wait_for_log("readiness", |log| log.contains("healthy: ready"));
        assert_eq!(watchers(&manager).len(), 2, "{}", manager.log());

        // It ends all the same, though they cannot.
        let left = watchers(&manager);
        manager.signal("TERM");
        assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
        dead.end();
        wait_until("the end of all", || !left.iter().any(|pid| lives(*pid)));
        let log = manager.log();
        assert_eq!(log.matches("path watcher is replaced").count(), 1, "{log}");
        assert!(!log.contains("start-timeout"), "{log}");
    });
}
