//! Monitors and guardians that hang: stopped here, which looks the same from
//! outside as an endless loop.

use ham_tests::chaos::strike;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::Duration;

/// Each waits for seconds and does nothing meanwhile, so they share that time.
#[test]
fn what_hangs_is_replaced_and_nothing_else() {
    let cases: [fn(); 9] = [
        both_stopped_do_not_sleep_over_a_deadline,
        a_guardian_that_dies_over_its_suspicion_takes_nothing_with_it,
        a_stopped_monitor_does_not_keep_an_exit_to_itself,
        a_stopped_monitor_does_not_sleep_over_a_deadline,
        a_stopped_monitor_does_not_keep_a_client_waiting_for_ever,
        a_stopped_guardian_is_replaced_when_it_is_needed,
        who_goes_on_in_time_is_left_alone,
        a_debugger_may_take_its_time,
        a_monitor_whose_last_deadline_is_over_is_left_alone,
    ];
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(case);
        }
    });
}

fn start(what: &str) -> (Units, Manager) {
    let units = Units::new(what);
    units.write("steady", SLEEPER);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("steady", "running");
    (units, manager)
}

fn hung(manager: &Manager) -> u64 {
    manager.status()["ham"]["failures"]["hung"].as_u64().unwrap_or(0)
}

fn a_stopped_monitor_does_not_keep_an_exit_to_itself() {
    let (_units, manager) = start("hang-exit");
    let steady = manager.pid_of("steady");
    let stopped = manager.kill_monitor("STOP");
    assert!(strike(steady, Signal::SIGKILL));
    assert_ne!(manager.next_monitor(stopped), stopped);
    manager.wait_for("steady", |entity| entity["restarts"] == 1 && entity["state"] == "running");
    assert_eq!(hung(&manager), 1);
}

fn a_stopped_monitor_does_not_sleep_over_a_deadline() {
    let units = Units::new("hang-deadline");
    let later = "[entity]\ncommand = \"true\"\n[[condition]]\non = \"death\"\n\
                 actions = [ { restart = { delays = [\"3s\"] } } ]\n";
    units.write("later", later);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("later", "backoff");
    // Its last exit is taken: from here on there is only the deadline.
    let stopped = manager.kill_monitor("STOP");
    assert_ne!(manager.next_monitor(stopped), stopped);
    manager.wait_for("later", |entity| entity["restarts"].as_u64() > Some(0));
    assert_eq!(hung(&manager), 1);
}

fn a_stopped_monitor_does_not_keep_a_client_waiting_for_ever() {
    let (_units, manager) = start("hang-client");
    let stopped = manager.kill_monitor("STOP");
    // It repeats its request by itself once the monitor is replaced.
    let output = manager.hamctl(&["status"]);
    assert!(output.status.success(), "{output:?}");
    assert_ne!(manager.monitor(), Some(stopped));
    assert_eq!(hung(&manager), 1);
}

fn a_stopped_guardian_is_replaced_when_it_is_needed() {
    let (_units, manager) = start("hang-guardian");
    let guardian = manager.catch_child("ham-guardian");
    assert!(strike(guardian, Signal::SIGSTOP));
    let steady = manager.pid_of("steady");
    let last = manager.take_monitor();
    assert!(strike(steady, Signal::SIGKILL));
    wait_until("a monitor that is not the stopped guardian", || {
        manager.monitor().is_some_and(|pid| pid != last && pid != guardian)
    });
    manager.wait_for("steady", |entity| entity["restarts"] == 1 && entity["state"] == "running");
    assert_eq!(hung(&manager), 1);
}

fn who_goes_on_in_time_is_left_alone() {
    let (_units, manager) = start("hang-thawed");
    let steady = manager.pid_of("steady");
    let stopped = manager.kill_monitor("STOP");
    assert!(strike(steady, Signal::SIGKILL));
    std::thread::sleep(Duration::from_secs(2));
    manager.kill_monitor("CONT");
    manager.wait_for("steady", |entity| entity["restarts"] == 1 && entity["state"] == "running");
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!((manager.monitor(), hung(&manager)), (Some(stopped), 0));
}

fn a_debugger_may_take_its_time() {
    let units = Units::new("hang-debugger");
    units.write("steady", SLEEPER);
    let mut command = Command::new(ham());
    command.env("HAM_NO_HANG_CHECK", "1");
    let manager = Manager::start_by(command, Scratch::new("hang-debugger"), &units.path(), &[]);
    manager.wait_for_state("steady", "running");
    let steady = manager.pid_of("steady");
    let stopped = manager.kill_monitor("STOP");
    assert!(strike(steady, Signal::SIGKILL));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(manager.monitor(), Some(stopped));
    manager.kill_monitor("CONT");
    manager.wait_for("steady", |entity| entity["restarts"] == 1 && entity["state"] == "running");
}

/// An entity whose next start is due in some seconds, and nothing else.
fn with_a_deadline(what: &str, delay: &str) -> (Units, Manager) {
    let units = Units::new(what);
    let later = format!(
        "[entity]\ncommand = \"true\"\n[[condition]]\non = \"death\"\n\
         actions = [ {{ restart = {{ delays = [\"{delay}\"] }} }} ]\n"
    );
    units.write("later", &later);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("later", "backoff");
    (units, manager)
}

fn both_stopped_do_not_sleep_over_a_deadline() {
    let (_units, manager) = with_a_deadline("hang-both", "3s");
    let guardian = manager.catch_child("ham-guardian");
    assert!(strike(guardian, Signal::SIGSTOP));
    let stopped = manager.kill_monitor("STOP");
    wait_until("another monitor", || {
        manager.monitor().is_some_and(|pid| pid != stopped && pid != guardian)
    });
    manager.wait_for("later", |entity| entity["restarts"].as_u64() > Some(0));
}

fn a_guardian_that_dies_over_its_suspicion_takes_nothing_with_it() {
    let (_units, manager) = with_a_deadline("hang-suspicion", "2s");
    let guardian = manager.catch_child("ham-guardian");
    let stopped = manager.kill_monitor("STOP");
    // The deadline is over by 5 s, and the guardian waits one more.
    std::thread::sleep(Duration::from_millis(7_400));
    strike(guardian, Signal::SIGKILL);
    assert_ne!(manager.next_monitor(stopped), stopped);
    manager.wait_for("later", |entity| entity["restarts"].as_u64() > Some(0));
}

fn a_monitor_whose_last_deadline_is_over_is_left_alone() {
    let units = Units::new("hang-over");
    let late = "[entity]\ncommand = \"true\"\nrestart = \"no\"\ntype = \"forking\"\n\
                pid-file = \"/nowhere/pid\"\nstart-timeout = \"300ms\"\n";
    units.write("late", late);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("late", "failed");
    // Nothing happens any more, so nothing must.
    std::thread::sleep(Duration::from_secs(9));
    assert_eq!(hung(&manager), 0, "{}", manager.log());
    assert_eq!(manager.status()["ham"]["takeovers"], 0);
}
