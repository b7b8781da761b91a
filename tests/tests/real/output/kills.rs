//! Whoever dies on the way, or does not read: no line is lost, none comes
//! twice, and an entity learns nothing of it.

use super::reader::{Lines, start, write};
use ham_tests::chaos::strike;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use std::path::Path;

/// Writes so many numbered lines, and leaves word when that has worked.
fn count(units: &Units, lines: usize) -> String {
    let done = units.file("done");
    write(
        units,
        "web",
        &format!(
            "i=1; while [ $i -le {lines} ]; do echo \"line $i\" || exit 9; i=$((i+1)); done; \
             echo $i > {done}"
        ),
    );
    done
}

/// What the descriptors of a process are.
fn descriptors(pid: u32) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    links
        .filter_map(|link| std::fs::read_link(link.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}

/// Each number once and in order.
fn assert_complete(lines: &[String], count: usize) {
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("web: line {}", place + 1));
    }
    assert_eq!(lines.len(), count);
}

#[test]
fn a_helper_that_is_killed_again_and_again_loses_nothing() {
    let units = Units::new("helper");
    let done = count(&units, 60_000);
    let (manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    let mut last = 0;
    for kills in 1..=6 {
        wait_until("another helper at work", || {
            manager.child("ham-output").is_some_and(|pid| pid != last)
                && lines.all().len() > kills * 500
        });
        last = manager.child("ham-output").unwrap_or(last);
        assert!(strike(last, Signal::SIGKILL));
    }
    let all = lines.wait_for("the last", |lines| lines.len() >= 60_000);
    assert_complete(&all, 60_000);
    assert!(Path::new(&done).exists());
}

#[test]
fn monitors_and_helpers_that_are_killed_lose_nothing() {
    let units = Units::new("monitor");
    let done = count(&units, 60_000);
    let (manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    for round in 1..=5 {
        lines.wait_for("some more", |lines| lines.len() > round * 1_000);
        let helper = manager.child("ham-output");
        let monitor = manager.take_monitor();
        if let Some(helper) = helper.filter(|_| round % 2 == 0) {
            strike(helper, Signal::SIGKILL);
        }
        manager.next_monitor(monitor);
    }
    let all = lines.wait_for("the last", |lines| lines.len() >= 60_000);
    assert_complete(&all, 60_000);
    assert!(Path::new(&done).exists());
    assert!(manager.log().matches("web: started").count() == 1, "{}", manager.log());
}

/// A pipe counts once the reaper has it; a start that is repeated has another.
#[test]
fn starts_under_dying_monitors_lose_nothing() {
    const ENTITIES: usize = 120;
    let units = Units::new("starts");
    for number in 0..ENTITIES {
        write(&units, &format!("e{number:03}"), "echo first; echo second >&2; printf third");
    }
    let (manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    for round in 1..=4 {
        lines.wait_for("some more", |lines| lines.len() > round * 20);
        manager.replace_monitor();
    }
    let mut all = lines.wait_for("the last", |lines| lines.len() >= 3 * ENTITIES);
    all.sort();
    let mut expected: Vec<String> = (0..ENTITIES)
        .flat_map(|number| ["first", "second", "third"].map(|text| format!("e{number:03}: {text}")))
        .collect();
    expected.sort();
    assert_eq!(all, expected);
    // Nothing is kept of what has ended.
    wait_until("ends of all pipes", || {
        descriptors(manager.pid()).iter().filter(|kind| kind.starts_with("pipe:")).count() <= 5
    });
}

#[test]
fn who_does_not_read_stops_entities_and_nobody_else() {
    let units = Units::new("slow");
    let done = count(&units, 40_000);
    let (manager, reader) = start(&units, &[]);
    let helper = manager.catch_child("ham-output");
    // In a write for which there is no room.
    wait_until("a helper that waits", || {
        let channel = std::fs::read_to_string(format!("/proc/{helper}/wchan"));
        channel.is_ok_and(|name| name.contains("pipe") || name.contains("poll"))
    });
    let state = |name: &str| {
        let output = manager.hamctl(&["--json", "status", name]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["entities"][0]["state"].clone()
    };
    assert_eq!(state("web"), "running");
    // Also after a takeover, with a helper of the monitor before it.
    manager.replace_monitor();
    assert_eq!(state("web"), "running");
    assert!(!Path::new(&done).exists());
    let lines = Lines::read(reader);
    let all = lines.wait_for("the last", |lines| lines.len() >= 40_000);
    assert_complete(&all, 40_000);
    wait_until("its end", || Path::new(&done).exists());
}

fn pipes(manager: &Manager) -> usize {
    let all = descriptors(manager.pid());
    all.iter().filter(|kind| kind.starts_with("pipe:")).count()
}

/// Each of its processes had pipes of its own, until there was no room for any.
#[test]
fn restarts_that_nobody_reads_of_do_not_fill_the_table() {
    const STARTS: usize = 40;
    const TAKEOVERS: usize = 8;
    let units = Units::new("unread");
    write(&units, "loud", "while :; do echo loud; done");
    let started = units.file("started");
    units.write(
        "brief",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", '''echo >> {started}; echo out; echo err >&2''']\n\
             stdout = \"ham\"\nstderr = \"ham\"\n\n\
             [[condition]]\nname = \"again\"\non = \"death\"\n\
             actions = [ {{ restart = {{ delays = [\"0s\"] }} }} ]\n"
        ),
    );
    let (manager, reader) = start(&units, &[]);
    let starts = || units.text("started").lines().count();
    wait_until("many starts", || starts() >= STARTS);
    // One of the loud one for each stream, four of each stream of the brief
    // one, the helper's own four, and standard output.
    let most = 2 + 2 * 4 + 4 + 1;
    wait_until("no more pipes than that", || pipes(&manager) <= most);
    // Successors, and helpers of their own, know of them too: whoever goes on
    // with a start, goes on in a pipe that is there.
    for _ in 0..TAKEOVERS {
        manager.replace_settled_monitor();
        strike(manager.catch_child("ham-output"), Signal::SIGKILL);
        let so_far = starts();
        wait_until("many more starts", || starts() >= so_far + STARTS);
        eprintln!("pipes {}", pipes(&manager));
    }
    wait_until("no more pipes than that", || pipes(&manager) <= most);
    // Nothing of what was said is lost, nor stays in pipes.
    for name in ["brief", "loud"] {
        assert!(manager.hamctl(&["stop", name]).status.success());
    }
    let lines = Lines::read(reader);
    wait_until("ends of all pipes", || pipes(&manager) <= 5);
    // The last may have been stopped before it said anything.
    let count = |lines: &[String], line| lines.iter().filter(|one| *one == line).count();
    let all = lines.wait_for("the last", |lines| count(lines, "brief: err") + 1 >= starts());
    assert!(count(&all, "brief: out") + 1 >= starts(), "{} starts", starts());
}

/// What a monitor has asked the reaper for may be done after its successor has
/// begun: that finds pipes in the table which are about to be dropped.
#[test]
fn a_start_does_not_count_on_pipes_that_are_about_to_go() {
    const STARTS: usize = 5;
    let units = Units::new("going");
    write(&units, "brief", "echo out; echo err >&2");
    let (manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    let finished = || manager.wait_for_state("brief", "finished");
    let helper = manager.catch_child("ham-output");
    lines.wait_for("the first", |lines| lines.len() == 2);
    finished();
    assert!(strike(helper, Signal::SIGSTOP));
    for _ in 1..STARTS {
        assert!(manager.hamctl(&["start", "brief"]).status.success());
        finished();
    }
    assert!(strike(manager.pid(), Signal::SIGSTOP));
    assert!(strike(helper, Signal::SIGCONT));
    lines.wait_for("all so far", |lines| lines.len() == 2 * STARTS);
    // The helper waits again, so it has told of their ends.
    wait_until("a helper that waits", || {
        let channel = std::fs::read_to_string(format!("/proc/{helper}/wchan"));
        channel.is_ok_and(|name| name.contains("poll"))
    });
    finished();
    assert!(strike(manager.next_monitor(0), Signal::SIGKILL));
    finished();
    let asked = manager.hamctl(&["start", "brief", "--no-wait"]);
    assert!(asked.status.success(), "{asked:?}");
    assert!(strike(manager.pid(), Signal::SIGCONT));
    let all = lines.wait_for("the last", |lines| lines.len() == 2 * STARTS + 2);
    let count = |line| all.iter().filter(|one| *one == line).count();
    assert_eq!([count("brief: out"), count("brief: err")], [STARTS + 1; 2]);
    assert!(!manager.log().contains("could not"), "{}", manager.log());
    wait_until("ends of all pipes", || pipes(&manager) <= 5);
}

#[test]
fn an_entity_does_not_learn_that_nobody_reads_any_more() {
    let units = Units::new("gone");
    let done = count(&units, 20_000);
    let (mut manager, reader) = start(&units, &[]);
    drop(reader);
    wait_until("its end", || Path::new(&done).exists());
    manager.wait_for_log("what became of it", |log| log.contains("output of entities is lost"));
    assert_eq!(manager.log().matches("is lost").count(), 1, "{}", manager.log());
}

/// The pipes are in the reaper's table, whose program is executed anew.
#[test]
fn a_reaper_that_faults_loses_nothing() {
    let units = Units::new("reaper");
    let done = count(&units, 60_000);
    let (manager, reader) = start(&units, &[]);
    let lines = Lines::read(reader);
    lines.wait_for("some", |lines| lines.len() > 1_000);
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    let helper = manager.catch_child("ham-output");
    strike(helper, Signal::SIGKILL);
    let all = lines.wait_for("the last", |lines| lines.len() >= 60_000);
    assert_complete(&all, 60_000);
    assert!(Path::new(&done).exists());
}
