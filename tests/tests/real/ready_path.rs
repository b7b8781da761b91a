//! Readiness by path: what an earlier process has left is no sign of this one.

use ham_tests::own_units::Units;
use ham_tests::programs::Manager;
use std::time::Duration;

/// Longer than the steps of the clocks that file and process are stamped by.
const OLD: Duration = Duration::from_millis(100);

#[test]
fn a_socket_of_an_earlier_run_makes_nobody_ready() {
    let units = Units::new("ready-path");
    let [stale, fresh, go] = ["stale", "fresh", "go"].map(|name| units.file(name));
    std::fs::write(&stale, "").expect("a file");
    std::thread::sleep(OLD);
    let unit = |path: &str, script: &str| {
        format!(
            "[entity]\ncommand = [\"sh\", \"-c\", '{script}; exec sleep 600']\n\
             restart = \"always\"\nready = {{ path = \"{path}\" }}\n"
        )
    };
    let wait = format!("until test -e {go}; do sleep 0.01; done");
    let again = format!("{wait}; rm {stale}; echo again; : > {stale}");
    units.write("late", &unit(&stale, &again));
    // The one after it says that paths are looked at meanwhile.
    units.write("early", &unit(&fresh, &format!(": > {fresh}")));
    let mut manager = Manager::start(&units.path(), &["-t", "none", "-V2"]);
    manager.wait_for_log("the other", |log| log.contains("early: ready"));
    manager.wait_for_log("its start", |log| log.contains("late: started"));
    // Another monitor, another helper: they know it, too.
    manager.replace_monitor();
    std::fs::write(&go, "").expect("a file");
    manager.wait_for_log("readiness", |log| log.contains("late: ready"));
    let log = manager.log();
    let (made, ready) = (log.find("\nagain\n"), log.find("late: ready"));
    assert!(made.is_some() && made < ready, "{log}");
    assert_eq!(log.matches("late: ready").count(), 1, "{log}");
}
