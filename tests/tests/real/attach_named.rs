//! Processes under names that no unit has: what is made for them, what is known
//! of it over the ends of monitors, and when it goes; and processes that attach
//! themselves with a heartbeat of their own.

use ham_tests::bare::told;
use ham_tests::executables::copy_program;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{lives, send};
use ham_tests::programs::{Manager, hamctl};
use ham_tests::skip::{is_root, keeps_ends, program};
use ham_tests::strangers::Stranger;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStdout, Command, Stdio};

/// What is done when anything happens to anybody.
const GLOBAL: &str = r#"
[global]
[[condition]]
on = "attach"
actions = [ { log = "seen attach of {entity} {pid}" } ]
[[condition]]
on = "detach"
actions = [ { log = "seen detach of {entity} {pid}" } ]
[[condition]]
on = "death"
actions = [ { log = "seen death of {entity}: {status}" } ]
[[condition]]
on = "heartbeat-missed-low"
actions = [ { log = "seen low of {entity}" } ]
[[condition]]
on = "heartbeat-missed-high"
actions = [ { log = "seen high of {entity}" } ]
"#;

fn start(units: &Units) -> Manager {
    units.write("all", GLOBAL);
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("all", "running");
    manager
}

fn good(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}. The log:\n{}", told(&output), manager.log());
}

fn refused(manager: &Manager, words: &[&str], code: i32, why: &str) {
    let output = manager.hamctl(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", told(&output));
    assert!(told(&output).contains(why), "{why} is not in {}", told(&output));
}

fn is_there(manager: &Manager, name: &str) -> bool {
    let status = manager.status();
    let entities = status["entities"].as_array().expect("a list");
    entities.iter().any(|entity| entity["name"] == name)
}

fn count(manager: &Manager, line: &str) -> usize {
    manager.log().lines().filter(|one| *one == line).count()
}

fn wait_for_line(manager: &mut Manager, line: &str) {
    manager.wait_for_log(line, |log| log.lines().any(|one| one == line));
}

#[test]
fn an_entity_is_made_for_a_process_and_goes_with_it() {
    let units = Units::new("made");
    let mut manager = start(&units);
    let stranger = Stranger::sleeper();
    let pid = stranger.pid().to_string();
    good(&manager, &["attach", "job", &pid]);
    assert_eq!(manager.pid_of("job"), stranger.pid());
    wait_for_line(&mut manager, &format!("all: seen attach of job {pid}"));
    // It is an entity as any other: with conditions of its own, and kept.
    let condition = "[[condition]]\non = \"death\"\nactions = [ { log = \"mine: {status}\" } ]\n";
    fs::write(units.file("condition"), condition).expect("a file");
    good(&manager, &["add", "job", &units.file("condition")]);
    manager.kill_monitor("KILL");
    assert_eq!(manager.pid_of("job"), stranger.pid());
    refused(&manager, &["attach", "other", &pid], 1, "the process is that of job");
    assert!(!is_there(&manager, "other"));
    refused(&manager, &["start", "no-such"], 5, "no entity `no-such`");
    // Its parent, which is this test, reaps it when it was told.
    send("KILL", stranger.pid());
    wait_until("its end", || !is_there(&manager, "job"));
    wait_for_line(&mut manager, "job: mine: signal KILL");
    wait_for_line(&mut manager, "all: seen death of job: signal KILL");
    // The name is free, and nothing of the one before hangs on it.
    let mut next = Stranger::sleeper();
    good(&manager, &["attach", "--keep-on-death", "job", &next.pid().to_string()]);
    next.end();
    manager.wait_for_state("job", "placeholder");
    assert_eq!(count(&manager, "job: mine: signal KILL"), 1);
    let last = Stranger::sleeper();
    good(&manager, &["attach", "job", &last.pid().to_string()]);
    good(&manager, &["stop", "job"]);
    assert!(!lives(last.pid()));
    assert_eq!(manager.entity("job")["state"], "placeholder");
    good(&manager, &["remove", "job"]);
    let stopped = Stranger::sleeper();
    good(&manager, &["attach", "job", &stopped.pid().to_string()]);
    good(&manager, &["stop", "job"]);
    wait_until("its end", || !is_there(&manager, "job"));
}

#[test]
fn names_are_checked_as_those_of_units() {
    let units = Units::new("names");
    units.write("broken", "[entity]\ncommand = 7\n");
    let manager = start(&units);
    let stranger = Stranger::sleeper();
    let pid = stranger.pid().to_string();
    for (name, why) in [
        ("a/b", "holds other characters"),
        ("a b", "holds other characters"),
        (".a", "begins with `.`"),
        ("@a", "begins with `@`"),
        ("", "is empty"),
    ] {
        refused(&manager, &["attach", name, &pid], 2, why);
    }
    let long = "a".repeat(129);
    refused(&manager, &["attach", &long, &pid], 2, "is longer than 128 bytes");
    refused(&manager, &["attach", "broken", &pid], 1, "was refused");
    assert_eq!(manager.status()["entities"].as_array().map(Vec::len), Some(1));
    good(&manager, &["attach", "web@1", &pid]);
}

/// Each is one request: repeated after the end of a monitor it has no second
/// effect, and its answer is the same.
#[test]
fn attach_and_detach_are_done_once_over_takeovers() {
    let units = Units::new("once");
    let mut manager = start(&units);
    let stranger = Stranger::sleeper();
    let pid = stranger.pid().to_string();
    for round in 1..=8 {
        for words in [vec!["attach", "job", pid.as_str()], vec!["detach", "job"]] {
            let mut asking = Command::new(hamctl());
            asking.arg("--runtime-dir").arg(manager.runtime()).args(&words);
            let mut asking = asking.stdout(Stdio::null()).spawn().expect("hamctl");
            // Somewhere between the request and its answer, or right behind.
            manager.kill_monitor("KILL");
            let status = asking.wait().expect("hamctl is our child");
            let log = manager.log();
            assert!(status.success(), "round {round}, {words:?}: {status}. The log:\n{log}");
            // One that has done nothing is not followed by the next at once.
            good(&manager, &["raise", "all"]);
        }
        wait_until("its end", || !is_there(&manager, "job"));
        wait_for_line(&mut manager, &format!("all: seen detach of job {pid}"));
        assert_eq!(count(&manager, &format!("job: attached, pid {pid}")), round);
    }
    assert!(lives(stranger.pid()));
    assert!(!manager.log().contains("seen death"), "{}", manager.log());
}

#[test]
fn a_guarded_command_needs_no_unit() {
    let units = Units::new("guarded");
    let mut manager = start(&units);
    refused(&manager, &["guard", "job", "--", "no-such-command"], 127, "could not execute");
    wait_until("its end", || !is_there(&manager, "job"));
    refused(&manager, &["guard", "job", "--", "sh", "-c", "exit 4"], 4, "");
    let seen = |log: &str, status| log.contains(&format!("all: seen death of job: {status}\n"));
    manager.wait_for_log("its end", |log| {
        seen(log, "exit 4") || !keeps_ends() && seen(log, "unknown")
    });
    wait_until("its end", || !is_there(&manager, "job"));
    assert_eq!(manager.log().matches("seen death").count(), 1);
}

/// A process that attaches itself: 100 ms, low after 2, high after 4.
struct Client {
    process: Stranger,
    lines: BufReader<ChildStdout>,
}

impl Client {
    fn new(manager: &Manager, units: &Units, name: &str) -> Client {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ham-probe"));
        command.args(["attach", name, "100", "2", "4", &units.file("alive")]);
        command.env("HAM_CONTROL", manager.runtime().join("control"));
        let mut process = Stranger::of(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let lines = BufReader::new(process.child.stdout.take().expect("a pipe"));
        Client { process, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

fn level(entity: &Value) -> &str {
    entity["heartbeat"]["level"].as_str().unwrap_or("none")
}

#[test]
fn who_attaches_itself_says_by_what_its_heartbeat_is_counted() {
    let units = Units::new("brings");
    // The unit's numbers are none of this process's.
    units.write("db", "[entity]\n[heartbeat]\ninterval = \"1h\"\n");
    let mut manager = start(&units);
    for name in ["db", "job"] {
        let alive = units.file("alive");
        fs::write(&alive, "").expect("a file");
        let mut client = Client::new(&manager, &units, name);
        assert_eq!(client.line(), "attached true");
        let first = manager.wait_for(name, |one| !one["heartbeat"]["age_ns"].is_null());
        assert_eq!(
            (level(&first), &first["heartbeat"]["interval_ns"]),
            ("healthy", &100_000_000.into())
        );
        manager.kill_monitor("KILL");
        fs::remove_file(&alive).expect("it was there");
        wait_for_line(&mut manager, &format!("all: seen low of {name}"));
        wait_for_line(&mut manager, &format!("all: seen high of {name}"));
        // It is there again, and that alone does not help.
        fs::write(&alive, "").expect("a file");
        manager.kill_monitor("KILL");
        assert_eq!(level(&manager.entity(name)), "high");
        send("USR1", client.process.pid());
        assert_eq!(client.line(), "attached false");
        manager.wait_for(name, |one| level(one) == "healthy");
        assert_eq!(count(&manager, &format!("all: seen high of {name}")), 1);
        send("TERM", client.process.pid());
        assert_eq!(client.line(), "detached");
        assert!(client.process.child.wait().expect("our child").success());
        wait_for_line(
            &mut manager,
            &format!("all: seen detach of {name} {}", client.process.pid()),
        );
    }
    wait_until("its end", || !is_there(&manager, "job"));
    assert_eq!(manager.entity("db")["state"], "placeholder");
    assert!(!manager.log().contains("seen death"), "{}", manager.log());
    // With KILL it has no time to say so.
    fs::write(units.file("alive"), "").expect("a file");
    let mut client = Client::new(&manager, &units, "job");
    assert_eq!(client.line(), "attached true");
    send("KILL", client.process.pid());
    wait_for_line(&mut manager, "all: seen death of job: signal KILL");
    wait_until("its end", || !is_there(&manager, "job"));
}

#[test]
fn states_are_told_by_name_where_they_have_one() {
    let units = Units::new("states");
    let on = "[[condition]]\non.state = {}\nactions = [ { log = \"{from} to {to}\" } ]\n";
    let unit = "[entity]\ncommand = \"sleep 600\"\n";
    units.write("named", &format!("{unit}[states]\nidle = 0\nbusy = 7\n{on}"));
    units.write("plain", &format!("{unit}{on}"));
    let mut manager = start(&units);
    manager.wait_for_state("named", "running");
    manager.wait_for_state("plain", "running");
    assert_eq!(manager.entity("named")["reported"], "idle");
    assert_eq!(manager.entity("plain")["reported"], Value::Null);
    for name in ["named", "plain"] {
        good(&manager, &["state", name, "7"]);
        good(&manager, &["state", name, "8"]);
    }
    for line in ["named: idle to busy", "named: busy to 8", "plain: 0 to 7", "plain: 7 to 8"] {
        wait_for_line(&mut manager, line);
    }
    good(&manager, &["state", "named", "busy"]);
    manager.kill_monitor("KILL");
    assert_eq!(manager.entity("named")["reported"], "busy");
    assert_eq!(manager.entity("plain")["reported"], "8");
    let shown = manager.hamctl(&["status", "named"]);
    assert!(told(&shown).contains("reported    busy\n"), "{}", told(&shown));
}

/// Who may not change all makes nothing of a name.
#[test]
fn nobody_else_makes_entities() {
    let what = "nobody_else_makes_entities";
    if !is_root(what) {
        return;
    }
    let Some(setpriv) = program("setpriv", what) else { return };
    let units = Units::new("others");
    let manager = start(&units);
    let mut sleeper = Command::new(&setpriv);
    sleeper.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sleep", "600"]);
    let stranger = Stranger::of(sleeper.stdin(Stdio::null()));
    let pid = stranger.pid().to_string();
    // Where that user may go.
    let copy = units.folder().join("hamctl");
    copy_program(hamctl(), &copy);
    for path in [units.folder(), manager.runtime().parent().expect("its scratch")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own");
    }
    let asking = |words: &[&str]| {
        let mut command = Command::new(&setpriv);
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
        command.arg("--runtime-dir").arg(manager.runtime()).args(words);
        command.output().expect("setpriv can be executed")
    };
    for words in [vec!["attach", "job", &pid], vec!["guard", "job", "--", "true"]] {
        let output = asking(&words);
        assert_eq!(output.status.code(), Some(5), "{words:?}: {}", told(&output));
    }
    assert!(!is_there(&manager, "job"));
    // Root may give it one.
    good(&manager, &["attach", "job", &pid]);
}
