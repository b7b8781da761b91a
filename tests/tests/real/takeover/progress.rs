//! What is in the middle of something goes on where it was: lists of actions,
//! waits with a deadline, limits.

use ham_tests::fake::Random;
use ham_tests::ledger::{End, add_worker, audit, starts};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use std::time::Duration;

#[test]
fn lists_in_flight_complete() {
    const ROUNDS: usize = 6;
    let units = Units::new("lists");
    let done = units.file("done");
    units.write(
        "listed",
        &format!(
            r#"
[entity]
command = ["sh", "-c", "sleep 0.1; exit 4"]
[[condition]]
on = "death"
[[condition.actions]]
log = "before {{pid}}"
[[condition.actions]]
waitfor = "300ms"
[[condition.actions]]
execute = ["sh", "-c", 'sleep 0.1; echo "$HAM_PID" >> {done}']
[[condition.actions]]
name = "after"
log = "after {{pid}}"
[[condition.actions]]
restart = {{ delays = ["0s"] }}
"#
        ),
    );
    let mut manager = Manager::start(&units.path(), &["-t", "relative"]);
    let mut random = Random::new(4);
    wait_until("the rounds", || {
        manager.replace_settled_monitor();
        std::thread::sleep(Duration::from_micros(random.below(90_000)));
        // The line stands in the log once or more; the command may have run
        // more than once, too.
        let text = units.text("done");
        let mut pids: Vec<&str> = text.lines().collect();
        pids.dedup();
        pids.len() >= ROUNDS
    });
    manager.signal("TERM");
    manager.wait_for_end();
    let log = manager.log();
    let text = units.text("done");
    let mut pids: Vec<&str> = text.lines().collect();
    pids.dedup();
    for pid in pids {
        let [before, after] = ["before", "after"].map(|word| log.find(&format!("{word} {pid}")));
        let died = log.find(&format!("died: exit 4 (pid {pid})"));
        assert!(died.is_some() && died < before && before < after, "list of {pid}:\n{log}");
    }
    assert!(!log.contains("failed"), "{log}");
}

#[test]
fn a_back_off_keeps_its_true_time() {
    let units = Units::new("back-off");
    add_worker(&units, "waiting", "0", End::Code, "1s");
    let stamp = |name: &str| {
        let stamps = units.text(name);
        stamps.lines().filter_map(|line| line.trim().parse::<f64>().ok()).collect::<Vec<_>>()
    };
    // When it ends and when it is back, as it sees it itself.
    let times = units.file("times");
    units.write(
        "timed",
        &format!(
            r#"
[entity]
command = ["sh", "-c", "date +%s.%N >> {times}"]
[[condition]]
on = "death"
actions = [ {{ restart = {{ delays = ["1s"] }} }} ]
"#
        ),
    );
    let mut manager = Manager::start(&units.path(), &["-t", "relative"]);
    for round in 1..=2 {
        wait_until("a start", || stamp("times").len() >= round);
        for _ in 0..5 {
            manager.replace_settled_monitor();
        }
    }
    wait_until("the starts", || stamp("times").len() >= 3);
    let times = stamp("times");
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        assert!((0.9..10.0).contains(&pause), "{times:?}\n{}", manager.log());
    }
    wait_until("its colleague", || starts(&units, "waiting") >= 2);
    manager.signal("TERM");
    manager.wait_for_end();
    assert!(audit(&units, "waiting", End::Code, &manager.log()) >= 1);
}

#[test]
fn a_limit_counts_on() {
    let units = Units::new("limit");
    let times = units.file("times");
    units.write(
        "limited",
        &format!(
            r#"
[entity]
command = ["sh", "-c", "echo started >> {times}; exit 1"]
[[condition]]
on = "failure"
actions = [ {{ restart = {{ delays = ["100ms"], limit = {{ count = 5, within = "5min" }} }} }} ]
"#
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    for round in 1..=5 {
        wait_until("a start", || units.text("times").lines().count() >= round);
        manager.replace_monitor();
    }
    let entity = manager.wait_for_state("limited", "failed");
    assert_eq!(entity["restarts"], 5, "{entity}");
    manager.replace_monitor();
    assert_eq!(manager.wait_for_state("limited", "failed")["restarts"], 5);
    assert_eq!(units.text("times").lines().count(), 6);
}
