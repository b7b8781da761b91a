//! The reaper: it reaps whatever ends below it, records each end truly, uses
//! no heap for that, and does init's work as PID 1.

use ham_snapshot::header::Field;
use ham_tests::chaos::{children, lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::process::Command;

/// An entity that leaves `count` orphans to the reaper and lives on.
fn parent_of_orphans(count: u32, of: &str) -> String {
    // The shell in between ends at once, which makes its child an orphan.
    let script = format!("for i in $(seq {count}); do ({of} &); done; exec sleep infinity");
    format!("[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n")
}

fn entities(manager: &Manager) -> Vec<Value> {
    manager.status()["entities"].as_array().cloned().unwrap_or_default()
}

fn no_zombies(reaper: u32) -> bool {
    children(reaper).iter().all(|child| !child.zombie)
}

#[test]
fn thousands_of_ends_take_no_heap() {
    const TAKEOVERS: u32 = 20;
    let units = Units::new("heap");
    units.write("many", &parent_of_orphans(1_500, "true"));
    units.write("sleeping", &parent_of_orphans(300, "exec sleep 0.3"));
    for name in ["a", "b"] {
        let quick = "[entity]\ncommand = \"true\"\n[[condition]]\non = \"death\"\n\
                     actions = [ { restart = { delays = [\"0s\"] } } ]\n";
        units.write(name, quick);
    }
    let manager = Manager::start(&units.path(), &["-d"]);
    manager.wait_for_plan();
    for _ in 0..TAKEOVERS {
        // With something done in between, so that it is no crash loop.
        let before = manager.status()["ham"]["turns"].as_u64();
        wait_until("a turn", || manager.status()["ham"]["turns"].as_u64() > before);
        manager.replace_monitor();
    }
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    wait_until("the ends", || {
        let status = manager.status();
        let entities = status["entities"].as_array().cloned().unwrap_or_default();
        let restarts: u64 = entities.iter().map(|entity| number(&entity["restarts"])).sum();
        number(&status["ham"]["orphans"]) >= 1_800 && restarts >= 200
    });
    wait_until("the last zombie", || no_zombies(manager.pid()));
    let ham = manager.status()["ham"].clone();
    assert_eq!(ham["reaper_allocations"], 0, "{ham}");
    assert_eq!(ham["takeovers"], TAKEOVERS, "{ham}");
}

#[test]
fn every_exit_code_is_recorded() {
    let units = Units::new("codes");
    for code in 0..=255 {
        let text = format!("[entity]\ncommand = [\"sh\", \"-c\", \"exit {code}\"]\n");
        units.write(&format!("code-{code}"), &format!("{text}restart = \"no\"\n"));
    }
    let manager = Manager::start(&units.path(), &["-d"]);
    manager.wait_for_plan();
    wait_until("all ends", || {
        entities(&manager).iter().all(|entity| !entity["last_exit"].is_null())
    });
    for entity in entities(&manager) {
        let name = entity["name"].as_str().unwrap_or_default();
        let code: u64 = name.strip_prefix("code-").and_then(|code| code.parse().ok()).expect(name);
        assert_eq!(entity["last_exit"]["code"], code, "{entity}");
        let state = if code == 0 { "finished" } else { "failed" };
        assert_eq!(entity["state"], state, "{entity}");
    }
}

#[test]
fn hundreds_of_deaths_at_once_are_each_recorded() {
    const COUNT: usize = 300;
    let units = Units::new("mass");
    for number in 0..COUNT {
        units.write(&format!("e{number}"), SLEEPER);
    }
    let manager = Manager::start(&units.path(), &["-t", "relative"]);
    let pids = || -> Vec<u32> {
        let pid = |entity: &Value| u32::try_from(entity["pid"].as_u64()?).ok();
        entities(&manager).iter().filter_map(pid).collect()
    };
    manager.wait_for_plan();
    wait_until("all starts", || pids().len() == COUNT);
    let before = pids();
    for pid in &before {
        assert!(strike(*pid, Signal::SIGKILL));
    }
    // The monitor may go as well.
    manager.take_monitor();
    wait_until("all restarts", || {
        let all = entities(&manager);
        all.iter().all(|entity| entity["restarts"] == 1 && entity["state"] == "running")
    });
    let log = manager.log();
    for pid in before {
        let line = format!("died: signal KILL (pid {pid})");
        let mut lines: Vec<&str> = log.lines().filter(|text| text.ends_with(&line)).collect();
        lines.dedup();
        assert_eq!(lines.len(), 1, "{line}");
        assert!(!lives(pid));
    }
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);
}

#[test]
fn orphans_are_told_apart_from_entities() {
    let Some(scratch) = Scratch::in_memory("orphans") else { return };
    let units = Units::new("orphans");
    units.write("parent", &parent_of_orphans(100, "exec sleep 0.5"));
    let manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &[]);
    manager.wait_for_state("parent", "running");
    let state = StateFile::open(&manager.runtime());
    wait_until("100 orphans", || state.get(Field::OrphanTail) >= 100);
    wait_until("the last zombie", || no_zombies(manager.pid()));
    assert_eq!(state.get(Field::ReaperAllocations), 0);
    let parent = manager.entity("parent");
    assert_eq!((&parent["restarts"], &parent["state"]), (&0.into(), &"running".into()));
}

/// A manager as PID 1 of a namespace of its own, with what a kernel might
/// pass on to it; ended with all of its namespace when the test fails.
fn in_namespace(units: &Units, flags: &[&str], what: &str) -> Option<(Manager, u32)> {
    let unshare = skip::program("unshare", what)?;
    let base = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    let probe = Command::new(&unshare).args(base).args(flags).arg("true").output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            skip::skipped(what, String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        Err(error) => {
            skip::skipped(what, &error.to_string());
            return None;
        }
    }
    let mut command = Command::new(unshare);
    command.args(base).args(flags).arg(ham());
    let words = ["quiet", "--splash=1", "-Z", "-t", "relative"];
    let manager = Manager::start_by(command, Scratch::new("namespace"), &units.path(), &words);
    let mut init = None;
    wait_until("ham as PID 1", || {
        init = children(manager.pid()).into_iter().find(|child| child.name == "ham");
        init.is_some()
    });
    init.map(|init| (manager, init.pid))
}

fn named(reaper: u32, name: &str) -> Option<u32> {
    children(reaper).into_iter().find(|child| child.name == name).map(|child| child.pid)
}

/// What both kinds of namespace must be able to do. Process ids here are those
/// of this namespace, in the status those of the other.
fn works_as_init(manager: &Manager, init: u32) {
    manager.wait_for_state("steady", "running");
    let log = manager.log();
    for word in ["`quiet`", "--splash", "-Z"] {
        let warned = |line: &str| line.contains("warning") && line.contains(word);
        assert!(log.lines().any(warned), "no warning about {word}:\n{log}");
    }
    assert_eq!(manager.status()["ham"]["reaper"]["pid"], 1);

    let steady = named(init, "tail").expect("an entity");
    assert!(strike(steady, Signal::SIGKILL));
    manager.wait_for("steady", |entity| entity["restarts"] == 1 && entity["state"] == "running");

    let steady = named(init, "tail").expect("it is back");
    let monitor = named(init, "ham-monitor").expect("a monitor");
    assert!(strike(monitor, Signal::SIGKILL));
    wait_until("the next monitor", || manager.status()["ham"]["takeovers"] == 1);
    assert!(lives(steady));
    wait_until("orphans", || manager.status()["ham"]["orphans"].as_u64() >= Some(20));
    wait_until("the last zombie", || no_zombies(init));
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);
}

fn units_for_init() -> Units {
    let units = Units::new("init");
    // No other process here has its name.
    units.write("steady", &SLEEPER.replace("sleep infinity", "tail -f /dev/null"));
    units.write("parent", &parent_of_orphans(20, "exec sleep 0.1"));
    units
}

#[test]
fn as_pid_1_it_is_init() {
    let what = "ham as PID 1";
    if !skip::is_root(what) {
        return;
    }
    let units = units_for_init();
    let Some((mut manager, init)) = in_namespace(&units, &[], what) else { return };
    works_as_init(&manager, init);
    // An ordinary init would not get this signal without a handler.
    assert!(strike(init, Signal::SIGTERM));
    assert_eq!(manager.wait_for_end().code(), Some(0));
    assert!(manager.log().contains("steady: stopped"), "{}", manager.log());
}

#[test]
fn as_pid_1_without_rights_it_is_init() {
    let what = "ham as PID 1 of a user's namespace";
    let units = units_for_init();
    let flags = ["--user", "--map-root-user"];
    let Some((mut manager, init)) = in_namespace(&units, &flags, what) else { return };
    works_as_init(&manager, init);
    let output = manager.hamctl(&["shutdown", "--code", "7"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(manager.wait_for_end().code(), Some(7));
    wait_until("its end", || !lives(init));
}
