//! A manager that is no init: what ends a machine is refused or is an exit.

use ham_tests::own_units::{SLEEPER, Units};
use ham_tests::programs::Manager;

fn manager(what: &str, options: &[&str]) -> (Units, Manager) {
    let units = Units::new(what);
    units.write("sleeper", SLEEPER);
    let mut manager = Manager::start(&units.path(), &[&["-t", "none"], options].concat());
    manager.wait_for_log("a sleeper", |log| log.contains("sleeper: started"));
    (units, manager)
}

#[test]
fn who_is_not_the_init_does_not_end_the_machine() {
    let (_units, manager) = manager("no-init", &[]);
    for verb in ["poweroff", "reboot", "halt"] {
        let output = manager.hamctl(&[verb]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let expected = format!(
            "hamctl: could not {verb}: this manager is not the init of the machine; `hamctl \
             shutdown` ends it\n"
        );
        assert_eq!(errors, expected);
    }
    assert!(manager.hamctl(&["is-active", "sleeper"]).status.success(), "{}", manager.log());
}

#[test]
fn with_the_signals_of_a_board_it_only_ends() {
    for signal in ["TERM", "USR1", "USR2"] {
        let (_units, mut manager) = manager("board-signals", &["--signals", "board"]);
        manager.signal(signal);
        let status = manager.wait_for_end();
        assert_eq!(status.code(), Some(0), "{signal}: {}", manager.log());
    }
}

#[test]
fn without_them_those_mean_nothing() {
    let (_units, mut manager) = manager("no-signals", &[]);
    for signal in ["USR1", "USR2", "QUIT"] {
        manager.signal(signal);
    }
    // Heard after them.
    manager.signal("HUP");
    manager.wait_for_log("the units again", |log| log.matches("units").count() > 1);
    assert!(manager.hamctl(&["is-active", "sleeper"]).status.success(), "{}", manager.log());
}
