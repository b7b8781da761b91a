//! What is not applied, why, and for how long that is shown.

use super::{
    described, errors, generation, is_quiet, names, out, says, sleeper, start,
    wait_for_description, wait_for_error, wait_for_names, wait_for_no_errors, with,
};
use ham_tests::own_units::Units;
use std::fs;

const WRONG: &str = "[entity]\ncommnd = [\"sleep\", \"1\"]\n";

#[test]
fn an_error_keeps_all_as_it_is_until_it_is_mended() {
    let units = Units::new("error");
    for name in ["a", "b"] {
        units.write(name, &sleeper(1));
    }
    let manager = start(&units);
    let pids = ["a", "b"].map(|name| {
        manager.wait_for_state(name, "running");
        manager.pid_of(name)
    });
    let before = generation(&manager);
    // One is right and one is wrong: neither is applied.
    units.write("a", &described(1, "right"));
    units.write("b", WRONG);
    wait_for_error(&manager, "commnd");
    let shown = says(&manager, &["status"], 0);
    assert!(shown.contains("1 plan error") && shown.contains("not applied"), "{shown}");
    // Once in the log, however often somebody looks, asks, or takes over.
    units.write("a", &described(1, "right again"));
    let said = says(&manager, &["apply"], 6);
    assert!(said.contains("b.toml:2") && said.contains("commnd"), "{said}");
    assert!(said.contains("1 error: all stays as it is"), "{said}");
    let output = manager.hamctl(&["--json", "apply"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((answer["applied"].as_bool(), output.status.code()), (Some(false), Some(6)));
    assert!(answer["errors"][0].as_str().is_some_and(|text| text.contains("commnd")), "{answer}");
    let _ = says(&manager, &["plan"], 6);
    manager.replace_monitor();
    wait_for_error(&manager, "commnd");
    let _ = says(&manager, &["apply"], 6);
    assert_eq!(manager.log().matches("are not applied").count(), 1, "{}", manager.log());
    assert_eq!(["a", "b"].map(|name| manager.pid_of(name)), pids);
    assert_eq!(
        (generation(&manager), manager.entity("a")["description"].as_str()),
        (before, Some(""))
    );
    // Another error is another matter.
    units.write("b", "[entity]\ncomand = [\"sleep\", \"1\"]\n");
    wait_for_error(&manager, "comand");
    assert!(errors(&manager).iter().all(|error| !error.contains("commnd")));
    units.write("b", &sleeper(1));
    wait_for_no_errors(&manager);
    wait_for_description(&manager, "a", "right again");
    assert!(!says(&manager, &["status"], 0).contains("not applied"));
    assert_eq!(["a", "b"].map(|name| manager.pid_of(name)), pids);
}

/// Named units are applied beside broken ones, with what they need and nothing
/// else.
#[test]
fn named_units_are_applied_although_others_are_wrong() {
    let units = Units::new("named");
    for name in ["a", "b", "c"] {
        units.write(name, &sleeper(1));
    }
    let manager = start(&units);
    let pids = ["a", "b", "c"].map(|name| {
        manager.wait_for_state(name, "running");
        manager.pid_of(name)
    });
    units.write("b", WRONG);
    wait_for_error(&manager, "commnd");
    units.write("c", &described(1, "not asked for"));
    units.write("new", &with(1, "requires = [\"needed\"]\nafter = [\"c\"]"));
    units.write("needed", &sleeper(1));
    units.write("a", &described(1, "asked for"));
    let planned = says(&manager, &["plan", "a", "new"], 0);
    for line in ["~ a: at once", "+ needed: starts", "+ new: starts"] {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    assert!(planned.contains("2 to add, 1 to change, 0 to remove"), "{planned}");
    let said = says(&manager, &["apply", "a", "new"], 0);
    assert!(said.contains("2 added, 1 changed, 0 removed"), "{said}");
    manager.wait_for_state("new", "running");
    assert_eq!(manager.entity("a")["description"], "asked for");
    assert_eq!(manager.entity("c")["description"], "");
    assert_eq!(manager.entity("new")["ready"], true);
    // What is wrong is shown as before, and said no second time.
    wait_for_error(&manager, "commnd");
    assert!(says(&manager, &["apply", "b"], 6).contains("b.toml:2"));
    assert!(says(&manager, &["apply", "none"], 6).contains("no unit is called none"));
    // One that others require does not go without them.
    fs::remove_file(units.path().join("needed.toml")).expect("a unit");
    assert!(says(&manager, &["apply", "needed"], 6).contains("new requires needed"));
    fs::remove_file(units.path().join("new.toml")).expect("a unit");
    assert!(says(&manager, &["apply", "needed", "new"], 0).contains("2 removed"));
    wait_for_names(&manager, &["a", "b", "c"]);
    assert_eq!(manager.log().matches("are not applied").count(), 1, "{}", manager.log());
    units.write("b", &sleeper(1));
    wait_for_no_errors(&manager);
    wait_for_description(&manager, "c", "not asked for");
    assert_eq!(["a", "b", "c"].map(|name| manager.pid_of(name)), pids);
}

#[test]
fn a_unit_that_was_refused_from_the_start_blocks_no_other() {
    let units = Units::new("refused");
    units.write("a", &sleeper(1));
    units.write("wrong", WRONG);
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let a = manager.pid_of("a");
    units.write("b", &sleeper(1));
    manager.wait_for_state("b", "running");
    assert_eq!(manager.status()["ham"]["plan"]["refused"][0], "wrong");
    assert_eq!(manager.status()["ham"]["plan"]["outdated"], false);
    // Nor after a takeover, and asked for it says what it does.
    manager.replace_monitor();
    units.write("b", &described(1, "after"));
    wait_for_description(&manager, "b", "after");
    let _ = says(&manager, &["apply"], 0);
    // Changed, and still wrong, it does.
    units.write("wrong", "[entity]\ncomand = [\"sleep\", \"1\"]\n");
    units.write("b", &described(1, "held"));
    wait_for_error(&manager, "comand");
    assert_eq!(manager.entity("b")["description"], "after");
    // Mended it is an entity like any other.
    units.write("wrong", &sleeper(1));
    manager.wait_for_state("wrong", "running");
    wait_for_description(&manager, "b", "held");
    wait_for_no_errors(&manager);
    assert_eq!(manager.pid_of("a"), a);
}

#[test]
fn two_units_that_vanish_at_once_are_held_until_somebody_says_so() {
    let units = Units::new("two");
    for name in ["a", "b", "c"] {
        units.write(name, &sleeper(1));
    }
    let manager = start(&units);
    for name in ["a", "b", "c"] {
        manager.wait_for_state(name, "running");
    }
    let c = manager.pid_of("c");
    let remove = || {
        for name in ["a", "b"] {
            fs::remove_file(units.path().join(format!("{name}.toml"))).expect("a unit");
        }
    };
    remove();
    wait_for_error(&manager, "the files of 2 units are gone at once: a, b");
    assert!(says(&manager, &["status"], 0).contains("2 units are gone at once"));
    let planned = says(&manager, &["plan", "--exit-code"], 10);
    assert!(
        planned.contains("- a: is stopped") && planned.contains("- b: is stopped"),
        "{planned}"
    );
    // They are back: all is as it was.
    let pids = ["a", "b"].map(|name| manager.pid_of(name));
    units.write("a", &sleeper(1));
    units.write("b", &sleeper(1));
    wait_for_no_errors(&manager);
    assert_eq!(["a", "b"].map(|name| manager.pid_of(name)), pids);
    remove();
    wait_for_error(&manager, "2 units are gone at once");
    let said = says(&manager, &["apply"], 0);
    assert!(said.contains("2 removed"), "{said}");
    wait_for_names(&manager, &["c"]);
    wait_for_no_errors(&manager);
    assert_eq!(manager.pid_of("c"), c);
}

/// Who asks is answered, whoever writes meanwhile.
#[test]
fn a_file_that_is_wrong_and_written_without_end_does_not_keep_others_waiting() {
    let units = Units::new("endless");
    units.write("a", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    let before = names(&manager);
    units.write("b", WRONG);
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let path = units.path().join("b.toml");
        scope.spawn(move || {
            let wait = std::time::Duration::from_millis(30);
            while stopped
                .recv_timeout(wait)
                .is_err_and(|why| why == std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                fs::write(&path, WRONG).expect("a file");
            }
        });
        for _ in 0..5 {
            let output = manager.hamctl(&["apply"]);
            // It may have been read between two steps of writing it.
            assert!(matches!(output.status.code(), Some(6)), "{}", out(&output));
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        drop(stop);
    });
    assert_eq!(names(&manager), before);
}

#[test]
fn a_masked_unit_goes_at_once() {
    let units = Units::new("masked");
    units.write("a", &sleeper(1));
    units.write("b", &sleeper(1));
    let manager = start(&units);
    manager.wait_for_state("a", "running");
    manager.wait_for_state("b", "running");
    let a = manager.pid_of("a");
    let path = units.path().join("b.toml");
    fs::remove_file(&path).expect("a unit");
    std::os::unix::fs::symlink("/dev/null", &path).expect("a link");
    wait_for_names(&manager, &["a"]);
    assert_eq!(manager.pid_of("a"), a);
    is_quiet(&manager);
}
