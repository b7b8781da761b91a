//! Options of `ham run`, its signals, and streams that nobody reads.

use ham_tests::bare::{Bare, ham_output, told};
use ham_tests::chaos::{children, lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, PATIENCE, Scratch, ham};
use nix::sys::signal::Signal;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::{Command, Stdio};

/// Does not end when it is asked to, for longer than any test waits.
const DEAF: &str = r#"
[entity]
command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]
stop = { timeout = "10min" }
restart = "always"
"#;

/// Ends again and again, and says so.
const TALKER: &str = r#"
[entity]
command = ["sh", "-c", "sleep 0.02; exit 3"]
stdout = "null"
stderr = "null"
[[condition]]
on = "death"
actions = [ { log = "an action speaks" }, { restart = { delays = ["0s"] } } ]
"#;

fn text(text: &str) -> impl Fn(&str) -> bool + '_ {
    move |log| log.contains(text)
}

#[test]
fn help_version_and_mistakes() {
    for word in ["--help", "-h", "-?"] {
        let output = ham_output(&[word]);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", told(&output));
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(help.contains("--stop-deadline") && help.contains("Usage: ham"), "{help}");
    }
    let output = ham_output(&["--version"]);
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && version.starts_with("ham "), "{}", told(&output));
    for (words, named) in [
        (&["run", "--untis", "/tmp"][..], "--untis"),
        (&["-t", "often"], "often"),
        (&["-V", "loud"], "loud"),
        (&["--stop-deadline", "8"], "--stop-deadline"),
        (&["serve"], "serve"),
        (&["run", "--units"], "--units"),
        (&["load"], "internal"),
    ] {
        let output = ham_output(words);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {}", told(&output));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.starts_with("ham: ") && errors.contains(named), "{words:?}: {errors}");
    }
    // A reader who has gone is no mistake.
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(ham()).arg("--help").stdout(writer).output().expect("ham");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", told(&output));
}

#[test]
fn the_log_is_appended_to_a_file() {
    let units = Units::new("log-file");
    units.write("one", SLEEPER);
    let log = units.file("ham.log");
    for round in 1..=2 {
        let mut manager = Manager::start(&units.path(), &["-f", &log]);
        manager.wait_for_state("one", "running");
        // A successor opens it again.
        manager.replace_monitor();
        units.wait_for_text("ham.log", |log| log.matches("taken over").count() == round);
        manager.signal("TERM");
        assert!(manager.wait_for_end().success());
        let written = units.text("ham.log");
        assert_eq!(written.matches("one: started, pid").count(), round, "{written}");
        assert_eq!(written.matches("one: stopped").count(), round, "{written}");
        assert_eq!(manager.log(), "");
    }
    // One that cannot be opened is told, and standard error takes its place.
    let mut manager = Manager::start(&units.path(), &["-f", "/no/such/directory/log"]);
    manager.wait_for_log("the lines", text("one: started, pid"));
    assert!(manager.log().contains("/no/such/directory/log"), "{}", manager.log());
}

/// Whether `line` begins as `shape`, where 0 stands for a digit.
fn has_shape(line: &str, shape: &str) -> bool {
    let fits = |(have, want): (char, char)| match want {
        '0' => have.is_ascii_digit(),
        other => have == other,
    };
    line.len() >= shape.len() && line.chars().zip(shape.chars()).all(fits)
}

#[test]
fn stamps_are_as_asked_for() {
    let units = Units::new("stamps");
    units.write("one", SLEEPER);
    for (words, shape) in [
        (&["-t", "none"][..], "one: "),
        (&["-t", "relative"], "0.000000 one: "),
        (&["-t", "absolute"], "0000-00-00 00:00:00.000 one: "),
        (&["-t", "shortabs"], "00:00:00.000 one: "),
        (&[], "00:00:00.000 one: "),
    ] {
        let mut manager = Manager::start(&units.path(), words);
        manager.wait_for_log("the start", text("one: started, pid"));
        let log = manager.log();
        let line = log.lines().find(|line| line.contains("one: ")).unwrap_or_default();
        // Seconds may have two digits on a busy machine.
        assert!(
            has_shape(line, shape) || has_shape(line, &format!("0{shape}")),
            "{words:?}: {line}"
        );
    }
}

#[test]
fn verbosity_is_as_asked_for() {
    let units = Units::new("verbosity");
    units.write("talker", TALKER);
    units.write("missing", "[entity]\ncommand = [\"/no/such\"]\nrestart = \"no\"\n");
    for (words, events) in [
        (&["-d"][..], false),
        (&["-V", "0"], false),
        (&["-v", "-d"], false),
        (&[], true),
        (&["-V1"], true),
        (&["-v"], true),
    ] {
        let mut manager = Manager::start(&units.path(), words);
        manager.wait_for_log("two actions", |log| log.matches("an action speaks").count() >= 2);
        // Errors always.
        manager.wait_for_log("the error", text("missing: could not start"));
        assert_eq!(manager.log().contains("talker: started, pid"), events, "{words:?}");
        assert_eq!(manager.log().contains("ham: units from"), events, "{words:?}");
    }
}

fn deaf_manager(units: &Units, options: &[&str]) -> (Manager, u32) {
    units.write("deaf", DEAF);
    let manager = Manager::start(&units.path(), options);
    manager.wait_for_state("deaf", "running");
    let pid = manager.pid_of("deaf");
    // The trap is set when it has started a sleep.
    wait_until("its trap", || !children(pid).is_empty());
    (manager, pid)
}

#[test]
fn a_shutdown_ends_at_its_deadline() {
    let units = Units::new("deadline");
    for signal in ["TERM", "INT", "PWR", "RTMIN+3"] {
        let (mut manager, pid) = deaf_manager(&units, &["--stop-deadline", "300ms"]);
        manager.signal(signal);
        assert_eq!(manager.wait_for_end().code(), Some(0), "{signal}: {}", manager.log());
        assert!(manager.log().contains("deaf: stopped: signal KILL"), "{}", manager.log());
        assert!(!lives(pid));
    }
}

#[test]
fn a_second_signal_hurries() {
    let units = Units::new("hurry");
    let (mut manager, pid) = deaf_manager(&units, &["--stop-deadline", "10min"]);
    manager.signal("TERM");
    manager.wait_for_log("the first", text("shutting down"));
    assert!(lives(pid));
    manager.signal("INT");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    assert!(manager.log().contains("shutting down now"), "{}", manager.log());
    assert!(!lives(pid));
}

#[test]
fn the_code_of_a_shutdown_is_the_managers() {
    let units = Units::new("code");
    units.write("one", SLEEPER);
    for (words, code) in
        [(&["shutdown", "--code", "7"][..], 7), (&["shutdown"], 0), (&["-stop"], 0)]
    {
        let mut manager = Manager::start(&units.path(), &[]);
        manager.wait_for_state("one", "running");
        let pid = manager.pid_of("one");
        let output = manager.hamctl(words);
        assert!(output.status.success(), "{}", told(&output));
        assert_eq!(manager.wait_for_end().code(), Some(code), "{}", manager.log());
        assert!(!lives(pid));
    }
    // Other signals do nothing.
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    for signal in ["HUP", "QUIT", "USR1", "USR2", "ALRM", "PIPE"] {
        manager.signal(signal);
    }
    assert_eq!(manager.wait_for_state("one", "running")["restarts"], 0);
}

/// Answers, restarts and survives its monitor, whatever its streams are.
fn goes_on(manager: &Bare) {
    wait_until("the start", || manager.entity("one")["state"] == "running");
    let pid = |entity: &serde_json::Value| entity["pid"].as_u64().unwrap_or(0);
    for round in 1..=2 {
        let one = pid(&manager.entity("one"));
        assert!(strike(u32::try_from(one).unwrap_or(0), Signal::SIGKILL));
        wait_until("the restart", || {
            let entity = manager.entity("one");
            entity["restarts"] == round && entity["state"] == "running"
        });
        let monitor = children(manager.pid()).into_iter().find(|child| child.name == "ham-monitor");
        assert!(monitor.is_some_and(|monitor| strike(monitor.pid, Signal::SIGKILL)));
    }
    // It has far more to say than fits into a pipe.
    wait_until("many restarts", || manager.entity("talker")["restarts"].as_u64() > Some(20));
}

fn two_units(what: &str) -> Units {
    let units = Units::new(what);
    units.write("one", &format!("{SLEEPER}stdout = \"null\"\n"));
    units.write("talker", TALKER);
    units
}

fn ends_well(mut manager: Bare) {
    manager.signal(Signal::SIGTERM);
    let status = manager.ended_within(PATIENCE);
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// A pipe into which nothing more can be written.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().expect("a pipe");
    // Its capacity (pipe(7)): 16 pages.
    writer.write_all(&[b'x'; 64 * 1024]).expect("room");
    (reader, writer)
}

#[test]
fn a_reader_who_does_not_read_stops_nobody() {
    let units = two_units("stalled");
    let scratch = Scratch::new("stalled");
    let (reader, writer) = full_pipe();
    let mut command = Command::new(ham());
    command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a copy")).stderr(writer);
    let runtime = scratch.path().join("run");
    let manager = Bare::start(command, &units.path(), &runtime, &["-t", "relative"]);
    goes_on(&manager);
    ends_well(manager);
    drop(reader);
}

#[test]
fn a_reader_who_comes_late_gets_every_line() {
    use std::io::Read;
    let units = two_units("late");
    let scratch = Scratch::new("late");
    let (mut reader, writer) = full_pipe();
    let mut command = Command::new(ham());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let runtime = scratch.path().join("run");
    let manager = Bare::start(command, &units.path(), &runtime, &["-t", "relative"]);
    goes_on(&manager);
    let text = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        ends_well(manager);
        reading.join().expect("no panic").expect("text")
    });
    let text = text.trim_start_matches('x');
    assert_eq!(text.matches("one: restarted, pid").count(), 2, "{text}");
    assert_eq!(text.matches("ham: shutting down\n").count(), 1, "{text}");
    let [died, spoken] =
        ["talker: died: exit 3", "talker: an action speaks"].map(|line| text.matches(line).count());
    assert!(died > 20 && died == spoken, "{died} deaths, {spoken} lines\n{text}");
}

#[test]
fn a_reader_who_has_gone_stops_nobody() {
    let units = two_units("gone");
    let scratch = Scratch::new("gone");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(ham());
    command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a copy")).stderr(writer);
    // Nor is what else it says: there is no such log.
    let options = ["-f", "/no/such/directory/log"];
    let manager = Bare::start(command, &units.path(), &scratch.path().join("run"), &options);
    goes_on(&manager);
    ends_well(manager);
}

#[test]
fn without_any_stream_it_runs() {
    let units = two_units("closed");
    let scratch = Scratch::new("closed");
    for (number, script) in ["exec \"$@\" <&-", "exec \"$@\" <&- >&- 2>&-"].iter().enumerate() {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(ham()).stderr(Stdio::null()).stdout(Stdio::null());
        let runtime = scratch.path().join(format!("run-{number}"));
        let manager = Bare::start(command, &units.path(), &runtime, &[]);
        goes_on(&manager);
        ends_well(manager);
    }
}
