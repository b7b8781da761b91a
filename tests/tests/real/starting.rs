//! Starting: whose runtime directory it is, what runs already, what the units
//! are like; and that a refusal says why and harms nobody.

use ham_tests::bare::{Bare, ham_output, hamctl_on, told};
use ham_tests::chaos::{lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use nix::sys::signal::Signal;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const WRONG: &str = "[entity]\ncomand = \"sleep infinity\"\n";

fn sleepers(what: &str) -> Units {
    let units = Units::new(what);
    units.write("one", SLEEPER);
    units.write("two", SLEEPER);
    units
}

/// Starts a manager that should refuse.
fn refused(units: &Path, runtime: &Path, more: &[&str]) -> Output {
    let [units, runtime] = [units, runtime].map(|path| path.to_str().expect("plain names"));
    let mut words = vec!["run", "--units", units, "--runtime-dir", runtime];
    words.extend(more);
    ham_output(&words)
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &[&str]) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "it does not say {word:?}: {told}");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.trim_end().lines().count(), 1, "one clear line: {told}");
}

fn second_is_refused(manager: &Manager, units: &Units) {
    manager.wait_for_state("one", "running");
    let pid = manager.pid_of("one");
    let directory = manager.runtime();
    for more in [&[][..], &["--background"]] {
        let output = refused(&units.path(), &directory, more);
        let words = [&manager.pid().to_string(), directory.to_str().unwrap_or_default()];
        expect(&output, 75, &words);
    }
    assert_eq!(manager.pid_of("one"), pid);
    manager.kill_monitor("KILL");
    assert_eq!(manager.wait_for("one", |entity| entity["pid"] == pid)["restarts"], 0);
}

#[test]
fn a_second_manager_is_refused() {
    let units = sleepers("second");
    second_is_refused(&Manager::start(&units.path(), &[]), &units);
}

#[test]
fn a_second_manager_is_refused_with_the_state_in_a_file() {
    let Some(scratch) = Scratch::in_memory("second") else { return };
    let units = sleepers("second-in-memory");
    second_is_refused(&Manager::start_by(Command::new(ham()), scratch, &units.path(), &[]), &units);
}

/// Entities without a manager, ended at the latest with the test.
struct Left(Vec<(&'static str, u32)>);

impl Left {
    /// Kills all of ham, reaper first.
    fn by(manager: &mut Manager) -> Left {
        let left = Left(["one", "two"].map(|name| (name, pid_of(manager, name))).to_vec());
        let monitor = manager.next_monitor(0);
        manager.signal("KILL");
        manager.wait_for_end();
        // Without a reaper nothing can be supervised: it ends by itself.
        wait_until("the end of the monitor", || !lives(monitor));
        assert!(manager.log().contains("reaper"), "{}", manager.log());
        assert!(left.all_live());
        let output = manager.hamctl(&["status"]);
        assert_eq!(output.status.code(), Some(7), "{}", told(&output));
        left
    }

    fn all_live(&self) -> bool {
        self.0.iter().all(|(_, pid)| lives(*pid))
    }

    /// How a refusal names them: a state knows their names, a cgroup those of
    /// their programs.
    fn named(&self, by_state: bool) -> Vec<String> {
        let name = |name| if by_state { name } else { "sleep" };
        self.0.iter().map(|(entity, pid)| format!("{} ({pid})", name(*entity))).collect()
    }

    /// Ends the first of them.
    fn end_one(&mut self) {
        let (_, pid) = self.0.remove(0);
        strike(pid, Signal::SIGKILL);
        wait_until("its end", || !lives(pid));
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for (_, pid) in &self.0 {
            strike(*pid, Signal::SIGKILL);
        }
    }
}

fn pid_of(manager: &Manager, name: &str) -> u32 {
    manager.wait_for_state(name, "running");
    manager.pid_of(name)
}

/// The next manager on a runtime directory.
fn next_on(runtime: &Path, units: &Units, variables: &[(&str, &str)]) -> Bare {
    let mut command = Command::new(ham());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs(variables.iter().copied());
    let next = Bare::start(command, &units.path(), runtime, &[]);
    for name in ["one", "two"] {
        wait_until("the new ones", || next.entity(name)["state"] == "running");
    }
    next
}

/// Nothing starts beside what is left, and all of it is named.
fn is_refused_until_they_end(mut manager: Manager, units: &Units, by_state: bool) {
    let mut left = Left::by(&mut manager);
    let runtime = manager.runtime();
    let output = refused(&units.path(), &runtime, &[]);
    let named = left.named(by_state);
    let before = left.0.clone();
    let directory = runtime.to_str().expect("plain names");
    expect(&output, 75, &[&named[0], &named[1], directory]);
    assert!(left.all_live());
    // One is enough to refuse.
    left.end_one();
    let output = refused(&units.path(), &runtime, &[]);
    expect(&output, 75, &[&named[1]]);
    assert!(!told(&output).contains(&named[0]), "{}", told(&output));
    left.end_one();
    let next = next_on(&runtime, units, &[]);
    let one = next.entity("one");
    assert!(one["pid"].is_u64() && before.iter().all(|(_, pid)| one["pid"] != *pid), "{one}");
}

#[test]
fn entities_outlive_ham_and_are_not_started_beside_themselves() {
    let Some(scratch) = Scratch::in_memory("outlived") else { return };
    let units = sleepers("outlived");
    let mut command = Command::new(ham());
    // Found by the state alone.
    command.env("HAM_NO_CGROUP", "1");
    is_refused_until_they_end(
        Manager::start_by(command, scratch, &units.path(), &[]),
        &units,
        true,
    );
}

#[test]
fn entities_that_outlived_ham_are_found_by_their_cgroup() {
    let units = sleepers("outlived-cgroup");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_plan();
    if manager.status()["ham"]["containment"] != "cgroup" {
        skip::skipped("left entities by their cgroup", "no cgroup can be written to here");
        return;
    }
    is_refused_until_they_end(manager, &units, false);
}

#[test]
fn without_state_or_cgroup_nobody_knows_what_outlived_ham() {
    let units = sleepers("forgotten");
    let variables = [("HAM_NO_CGROUP", "1")];
    let mut command = Command::new(ham());
    command.envs(variables);
    let scratch = Scratch::new("forgotten");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &[]);
    pid_of(&manager, "one");
    if manager.runtime().join("state").exists() {
        skip::skipped("no state on a disk", "the temporary folder is in memory");
        return;
    }
    // It was said at the start.
    assert!(manager.log().contains("is on no tmpfs"), "{}", manager.log());
    let left = Left::by(&mut manager);
    let _next = next_on(&manager.runtime(), &units, &variables);
    assert!(left.all_live());
}

#[test]
fn in_memory_the_state_is_a_file_of_its_own_user() {
    let Some(scratch) = Scratch::in_memory("state") else { return };
    let units = sleepers("state");
    let mut manager = Manager::start_by(Command::new(ham()), scratch, &units.path(), &[]);
    manager.wait_for_state("one", "running");
    let state = manager.runtime().join("state");
    let mode = fs::metadata(&state).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!manager.log().contains("tmpfs"), "{}", manager.log());
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    assert!(!state.exists() && !manager.runtime().join("control").exists());
}

#[test]
fn a_runtime_directory_that_others_could_change_is_refused() {
    let units = sleepers("directory");
    let open = units.folder().join("open");
    fs::create_dir(&open).expect("a directory");
    for mode in [0o777, 0o775] {
        fs::set_permissions(&open, Permissions::from_mode(mode)).expect("its mode");
        expect(&refused(&units.path(), &open, &[]), 77, &["open", "write"]);
    }
    let link = units.folder().join("link");
    symlink(&open, &link).expect("a link");
    expect(&refused(&units.path(), &link, &[]), 77, &["link"]);
    let file = units.folder().join("file");
    File::create(&file).expect("a file");
    expect(&refused(&units.path(), &file, &[]), 77, &["file", "no directory"]);
    expect(&refused(&units.path(), Path::new("/proc/none"), &[]), 71, &["/proc/none"]);

    let control = units.folder().join("taken");
    fs::create_dir(&control).expect("a directory");
    fs::write(control.join("control"), "no socket").expect("a file");
    expect(&refused(&units.path(), &control, &[]), 71, &["control"]);
    assert_eq!(fs::read(control.join("control")).expect("untouched"), b"no socket");

    if skip::is_root("a foreign runtime directory") {
        let foreign = units.folder().join("foreign");
        fs::create_dir(&foreign).expect("a directory");
        std::os::unix::fs::chown(&foreign, Some(65_534), None).expect("root may");
        expect(&refused(&units.path(), &foreign, &[]), 77, &["foreign", "65534"]);
    }
}

#[test]
fn a_path_too_long_for_a_socket_is_refused() {
    let units = sleepers("long");
    let long = units.folder().join("d".repeat(100));
    expect(&refused(&units.path(), &long, &[]), 71, &["107", "control"]);
}

#[test]
fn units_with_errors_are_left_out_or_refused() {
    let units = sleepers("wrong");
    units.write("wrong", WRONG);
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    manager.wait_for_log("the error", |log| log.contains("ham::unit::unknown-key"));
    let ham = manager.status()["ham"].clone();
    assert_eq!(ham["plan"]["refused"], serde_json::json!(["wrong"]), "{ham}");
    manager.replace_monitor();
    assert_eq!(manager.status()["ham"]["plan"]["refused"], ham["plan"]["refused"]);

    let mut manager = Manager::start(&units.path(), &["--strict"]);
    assert_eq!(manager.wait_for_end().code(), Some(78));
    let log = manager.log();
    assert!(log.contains("comand") && log.contains("--strict"), "{log}");
    assert!(!log.contains("started, pid"), "{log}");
}

#[test]
fn without_units_it_runs_and_says_so() {
    let units = Units::new("none");
    let mut manager = Manager::start(&units.path(), &["--strict"]);
    manager.wait_for_log("that", |log| log.contains("no units in"));
    assert_eq!(manager.wait_for_plan()["plan"]["generation"], 1);
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());

    let missing = units.folder().join("missing");
    let mut manager = Manager::start(&missing, &[]);
    manager.wait_for_log("that", |log| log.contains("missing") && log.contains("no units in"));
    let output = manager.hamctl(&["status"]);
    assert!(output.status.success(), "{}", told(&output));
}

/// A manager in the background belongs to nobody: it is asked to end.
struct Background<'a>(&'a Path);

impl Drop for Background<'_> {
    fn drop(&mut self) {
        let _ = hamctl_on(self.0, &["shutdown"]);
    }
}

/// Starts one; what it inherits must not be pipes of the test, which would
/// wait for their end.
fn in_background(units: &Units, runtime: &Path, more: &[&str]) -> (Option<i32>, String) {
    let log = units.file("log");
    let file = File::create(&log).expect("a log");
    let status = Command::new(ham())
        .args(["run", "--background", "--units"])
        .arg(units.path())
        .arg("--runtime-dir")
        .arg(runtime)
        .args(more)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second descriptor"))
        .stderr(file)
        .status()
        .expect("ham can be executed");
    (status.code(), units.text("log"))
}

#[test]
fn the_background_begins_when_units_are_read() {
    let units = sleepers("background");
    let scratch = Scratch::new("background");
    let runtime = scratch.path().join("run");
    let stop = Background(&runtime);
    let (code, log) = in_background(&units, &runtime, &["--strict"]);
    assert_eq!(code, Some(0), "{log}");
    // Answers at once, with all units, and lives on.
    let output = hamctl_on(&runtime, &["--json", "status"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(status["entities"].as_array().map(Vec::len), Some(2), "{}", told(&output));
    let output = hamctl_on(&runtime, &["start", "one", "two"]);
    assert!(output.status.success(), "{}", told(&output));
    let (code, log) = in_background(&units, &runtime, &[]);
    assert_eq!(code, Some(75), "{log}");
    let reaper = status["ham"]["reaper"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let reaper = reaper.expect("it has one");
    assert!(lives(reaper));
    drop(stop);
    wait_until("its end", || !lives(reaper));
}

#[test]
fn the_background_tells_of_a_start_that_failed() {
    let units = sleepers("background-wrong");
    units.write("wrong", WRONG);
    let scratch = Scratch::new("background-wrong");
    let runtime = scratch.path().join("run");
    let _stop = Background(&runtime);
    let (code, log) = in_background(&units, &runtime, &["--strict"]);
    assert_eq!(code, Some(78), "{log}");
    let output = hamctl_on(&runtime, &["status"]);
    assert_eq!(output.status.code(), Some(7), "{}", told(&output));
    // Without --strict the good ones run.
    let (code, log) = in_background(&units, &runtime, &[]);
    assert_eq!(code, Some(0), "{log}");
    let output = hamctl_on(&runtime, &["start", "one"]);
    assert!(output.status.success(), "{}", told(&output));
}
