//! Processes that ham did not start, by real ones: attached by number, by
//! themselves, by a file, let go of again; whoever dies meanwhile.

use ham_tests::bare::told;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{lives, send};
use ham_tests::programs::{Manager, hamctl};
use ham_tests::strangers::Stranger;
use std::fs;
use std::process::{Command, Output, Stdio};

/// Nothing is started for it; what happens to it is in the log.
const PLACEHOLDER: &str = r#"
[entity]
[[condition]]
on = "attach"
actions = [ { log = "fired {condition} {pid}" } ]
[[condition]]
on = "detach"
actions = [ { log = "fired {condition} {pid}" } ]
[[condition]]
on = "death"
actions = [ { log = "fired {condition}: {status}" } ]
"#;

fn start(units: &Units) -> Manager {
    Manager::start(&units.path(), &["-t", "none"])
}

fn attach(manager: &Manager, name: &str, pid: u32) -> Output {
    manager.hamctl(&["attach", name, &pid.to_string()])
}

fn good(output: &Output, manager: &Manager) {
    assert!(output.status.success(), "{}. The log:\n{}", told(output), manager.log());
}

fn refused(output: &Output, code: i32, why: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", told(output));
    assert!(told(output).contains(why), "{why} is not in {}", told(output));
}

fn count(manager: &Manager, line: &str) -> usize {
    manager.log().lines().filter(|one| *one == line).count()
}

#[test]
fn an_attached_process_is_supervised_and_its_end_told() {
    let units = Units::new("attached");
    units.write("db", PLACEHOLDER);
    let mut manager = start(&units);
    manager.wait_for_state("db", "placeholder");
    refused(&manager.hamctl(&["start", "db"]), 1, "ham does not start it");
    for (script, status) in [
        ("read _ < FIFO; exit 7", "exit 7"),
        ("read _ < FIFO; exit 0", "exit 0"),
        ("read _ < FIFO; kill -KILL $$", "signal KILL"),
    ] {
        let fifo = units.file("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
        let mut stranger = Stranger::script(&script.replace("FIFO", &fifo));
        let pid = stranger.pid();
        good(&attach(&manager, "db", pid), &manager);
        assert_eq!(manager.pid_of("db"), pid);
        assert_eq!(manager.entity("db")["state"], "running");
        // Its own process again: so it is.
        let again = attach(&manager, "db", pid);
        good(&again, &manager);
        assert!(told(&again).contains("attached already"), "{}", told(&again));
        fs::write(&fifo, "\n").expect("somebody reads");
        // Nobody reaps it before it was told: this test is its parent.
        let line = format!("db: died: {status} (pid {pid})");
        manager.wait_for_log(&line, |log| log.lines().any(|one| one == line));
        let _ = stranger.child.wait();
        manager.wait_for_state("db", "placeholder");
        assert_eq!(count(&manager, &format!("db: fired attach {pid}")), 1);
        assert!(count(&manager, &format!("db: fired death: {status}")) >= 1);
        fs::remove_file(&fifo).expect("it was made");
    }
}

#[test]
fn an_end_that_is_reaped_at_once_is_told_as_far_as_the_kernel_does() {
    let units = Units::new("reaped");
    units.write("db", PLACEHOLDER);
    let mut manager = start(&units);
    manager.wait_for_state("db", "placeholder");
    let fifo = units.file("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let mut stranger = Stranger::script(&format!("read _ < {fifo}; exit 9"));
    let pid = stranger.pid();
    good(&attach(&manager, "db", pid), &manager);
    // Held, so that it is a zombie no more when the monitor looks.
    let monitor = manager.monitor().expect("a monitor");
    send("STOP", monitor);
    fs::write(&fifo, "\n").expect("somebody reads");
    let _ = stranger.child.wait();
    send("CONT", monitor);
    let died = |status: &str| format!("db: died: {status} (pid {pid})");
    // By PIDFD_GET_INFO, Linux 6.15; before that nobody knows.
    let either = [died("exit 9"), died("unknown")];
    manager.wait_for_log("its end", |log| log.lines().any(|one| either.iter().any(|e| e == one)));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 15) {
        assert_eq!(count(&manager, &died("exit 9")), 1, "{}", manager.log());
    }
}

#[test]
fn what_cannot_be_attached_is_refused_with_the_reason() {
    let units = Units::new("refused");
    units.write("db", PLACEHOLDER);
    units.write("other", PLACEHOLDER);
    units.write("web", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    units.write("tool", "[entity]\ntype = \"oneshot\"\nremain = true\ncommand = \"true\"\n");
    let manager = start(&units);
    manager.wait_for_state("web", "running");
    let web = manager.pid_of("web");
    let stranger = Stranger::sleeper();
    refused(&attach(&manager, "no body", stranger.pid()), 2, "is no name");
    refused(&attach(&manager, "web", stranger.pid()), 1, "it has a process");
    refused(&attach(&manager, "tool", stranger.pid()), 1, "its kind has no process");
    refused(&attach(&manager, "db", web), 1, "the process is that of web");
    refused(&attach(&manager, "db", manager.pid()), 2, "ham's own");
    refused(&attach(&manager, "db", 5_000_000), 2, "there is no process 5000000");
    refused(&manager.hamctl(&["attach", "db", "1"]), 2, "1");
    refused(&manager.hamctl(&["detach", "db"]), 1, "it has no process");
    good(&attach(&manager, "db", stranger.pid()), &manager);
    refused(&attach(&manager, "other", stranger.pid()), 1, "the process is that of db");
    assert_eq!(manager.pid_of("web"), web);
}

#[test]
fn a_detached_process_goes_on_and_its_end_is_no_death() {
    let units = Units::new("detached");
    units.write("db", PLACEHOLDER);
    units.write("web", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    let mut manager = start(&units);
    manager.wait_for_state("web", "running");
    let stranger = Stranger::sleeper();
    let pid = stranger.pid();
    good(&attach(&manager, "db", pid), &manager);
    good(&manager.hamctl(&["detach", "db"]), &manager);
    let line = format!("db: fired detach {pid}");
    manager.wait_for_log(&line, |log| log.lines().any(|one| one == line));
    assert!(lives(pid));
    assert_eq!(manager.entity("db")["state"], "placeholder");
    // It is nobody's: another may have it.
    good(&attach(&manager, "db", pid), &manager);
    good(&manager.hamctl(&["detach", "db"]), &manager);
    // One that ham has made: it is not brought back either.
    let web = manager.pid_of("web");
    good(&manager.hamctl(&["detach", "web"]), &manager);
    assert!(lives(web));
    send("KILL", web);
    send("KILL", pid);
    wait_until("its end", || !lives(web));
    good(&manager.hamctl(&["start", "web"]), &manager);
    assert_ne!(manager.pid_of("web"), web);
    assert_eq!(manager.entity("db")["state"], "placeholder");
    assert!(!manager.log().contains("died"), "{}", manager.log());
}

#[test]
fn a_stop_ends_the_attached_process_and_it_alone() {
    let units = Units::new("alone");
    units.write("db", PLACEHOLDER);
    let manager = start(&units);
    manager.wait_for_state("db", "placeholder");
    let stranger =
        Stranger::script(&format!("sleep 600 & echo $! > {}; wait", units.file("child")));
    good(&attach(&manager, "db", stranger.pid()), &manager);
    let child = units.wait_for_text("child", |text| text.ends_with('\n'));
    let child: u32 = child.trim().parse().expect("a process id");
    good(&manager.hamctl(&["stop", "db"]), &manager);
    assert!(!lives(stranger.pid()));
    assert!(lives(child));
    send("KILL", child);
    assert_eq!(manager.entity("db")["state"], "placeholder");
}

#[test]
fn an_attached_process_outlives_monitors_and_dies_once() {
    let units = Units::new("takeover");
    units.write("db", PLACEHOLDER);
    let mut manager = start(&units);
    manager.wait_for_state("db", "placeholder");
    for round in 0..10 {
        let mut stranger = Stranger::sleeper();
        let pid = stranger.pid().to_string();
        let mut asking = Command::new(hamctl())
            .arg("--runtime-dir")
            .arg(manager.runtime())
            .args(["attach", "db", &pid])
            .stdout(Stdio::null())
            .spawn()
            .expect("hamctl can be executed");
        // Somewhere between the request and its answer, or right behind.
        manager.kill_monitor("KILL");
        let status = asking.wait().expect("hamctl is our child");
        assert!(status.success(), "round {round}: {status}. The log:\n{}", manager.log());
        assert_eq!(manager.pid_of("db"), stranger.pid(), "{}", manager.log());
        manager.kill_monitor("KILL");
        send("KILL", stranger.pid());
        let line = format!("db: died: signal KILL (pid {pid})");
        manager.wait_for_log(&line, |log| log.lines().any(|one| one == line));
        let _ = stranger.child.wait();
        manager.wait_for_state("db", "placeholder");
        assert_eq!(count(&manager, &line), 1);
        assert_eq!(count(&manager, &format!("db: attached, pid {pid}")), 1, "{}", manager.log());
    }
    assert_eq!(count(&manager, "db: fired death: signal KILL"), 10);
}

#[test]
fn a_process_that_a_file_names_is_attached_and_the_next_after_it() {
    let units = Units::new("pid-file");
    let file = units.file("db.pid");
    units
        .write("db", &PLACEHOLDER.replace("[entity]", &format!("[entity]\npid-file = \"{file}\"")));
    let manager = start(&units);
    manager.wait_for_state("db", "placeholder");
    for _ in 0..2 {
        let mut stranger = Stranger::sleeper();
        fs::write(&file, format!("{}\n", stranger.pid())).expect("a pid file");
        let pid = u64::from(stranger.pid());
        manager.wait_for("db", |db| db["state"] == "running" && db["pid"] == pid);
        send("KILL", stranger.pid());
        manager.wait_for_state("db", "placeholder");
        let _ = stranger.child.wait();
    }
    // One that has its number since then is not the one that was meant.
    let why = manager.entity("db")["why"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains(&file), "{why}");
    good(&manager.hamctl(&["stop", "db"]), &manager);
    assert_eq!(manager.entity("db")["state"], "placeholder");
}

#[test]
fn a_guarded_command_is_the_process_of_the_entity_from_start_to_end() {
    let units = Units::new("guard");
    units.write("job", PLACEHOLDER);
    let manager = start(&units);
    manager.wait_for_state("job", "placeholder");
    let guard = |words: &[&str]| {
        let mut command = Command::new(hamctl());
        command.arg("--runtime-dir").arg(manager.runtime()).args(["guard", "job", "--"]);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.output().expect("hamctl can be executed")
    };
    let output = guard(&["sh", "-c", "echo $$; exit 4"]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let died = format!("job: died: exit 4 (pid {pid})");
    // Its end can reach whoever waits for it sooner than ham.
    wait_until("its end", || count(&manager, &died) == 1);
    let none = guard(&["no-such-command"]);
    refused(&none, 127, "could not execute no-such-command");
    let mut long = Command::new(hamctl());
    long.arg("--runtime-dir").arg(manager.runtime()).args(["guard", "job", "--", "sleep", "600"]);
    let mut long = Stranger::of(&mut long);
    let pid = u64::from(long.pid());
    manager.wait_for("job", |job| job["state"] == "running" && job["pid"] == pid);
    refused(&guard(&["true"]), 1, "could not guard job");
    send("TERM", long.pid());
    let status = long.child.wait().expect("our child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    manager.wait_for_state("job", "placeholder");
}
