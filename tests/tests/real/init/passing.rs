//! Which signals reach the command, and whom else.

use super::bed::{Init, Kind, Running, children, code, settled, status, to_the_end};
use super::points::{none, receiver};
use ham_sys::process::PidFd;
use ham_tests::processes;
use std::process::{Command, Stdio};

/// The last one: it ends the receiver.
pub(crate) const LAST: u32 = 64;

/// What nobody can pass on, and what would end an init that lets faults be
/// faults; then those of the C library.
const NOT_SENT: [u32; 11] = [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33];

/// The number in `ready NUMBER`.
fn ready(line: &str) -> u32 {
    let number = line.strip_prefix("ready ").and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("not ready: {line}"))
}

/// By the shell: not all have names.
pub(crate) fn send(pid: u32, signals: &[u32]) {
    let list: Vec<String> = signals.iter().map(u32::to_string).collect();
    let script = format!("for s in {}; do kill -$s {pid} || exit 1; done", list.join(" "));
    assert!(Command::new("sh").args(["-c", &script]).status().expect("a shell").success());
}

/// Lines of the receiver up to its end.
fn received(running: &mut Running) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let line = running.line();
        if line.is_empty() || line.starts_with("64 ") {
            return all;
        }
        all.push(line);
    }
}

fn number(line: &str) -> u32 {
    line.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Only the command, where an init has an option for that.
fn single(init: &Init) -> &'static [&'static str] {
    if init.kind == Kind::DumbInit { &["-c"] } else { &[] }
}

pub(crate) fn reaching(init: &Init) -> Option<String> {
    let mut running = Running::start(&mut init.command(single(init), &receiver()));
    let receiver = ready(&running.line());
    settled(running.pid());
    // This one stops when it gets one of these.
    let stops = |signal: &u32| init.kind == Kind::DumbInit && (20..=22).contains(signal);
    let is_sent = |signal: &u32| !NOT_SENT.contains(signal) && !stops(signal);
    let sent: Vec<u32> = (1..LAST).filter(is_sent).collect();
    // One that continues is dropped by the kernel when one that stops comes
    // after it.
    let (continues, others): (Vec<u32>, Vec<u32>) = sent.iter().partition(|signal| **signal == 18);
    send(running.pid(), &others);
    settled(running.pid());
    settled(receiver);
    send(running.pid(), &continues);
    // Of those that wait the kernel gives the lowest number first, here and
    // there, so the last one comes last.
    send(running.pid(), &[LAST]);
    let mut all: Vec<u32> = received(&mut running).iter().map(|line| number(line)).collect();
    assert_eq!(running.end(), Some(0));
    all.sort_unstable();
    let dropped: Vec<String> =
        sent.iter().filter(|signal| !all.contains(signal)).map(u32::to_string).collect();
    Some(match dropped.as_slice() {
        [] => "all".to_owned(),
        some => format!("all but {}", some.join(" ")),
    })
}

pub(crate) fn value(init: &Init) -> Option<String> {
    const FIRST_REAL_TIME: i32 = 34;
    const SI_QUEUE: i32 = -1;
    let mut running = Running::start(&mut init.command(single(init), &receiver()));
    ready(&running.line());
    settled(running.pid());
    let pid = i32::try_from(running.pid()).expect("a process id");
    PidFd::open(pid).and_then(|own| own.queue(FIRST_REAL_TIME, SI_QUEUE, 7)).expect("our child");
    let line = running.line();
    send(running.pid(), &[LAST]);
    Some(if line == "34 -1 7" { "kept" } else { "lost" }.to_owned())
}

/// Two receivers in one group, of which one is the command.
pub(crate) fn target(init: &Init, options: &[&str], variable: Option<&str>) -> Option<String> {
    let [program, mode] = receiver();
    let script = format!("{program} {mode} & exec {program} {mode}");
    let mut command = init.command(options, &["sh", "-c", &script]);
    if let Some(variable) = variable {
        if !matches!(init.kind, Kind::Ham | Kind::HamAsTini | Kind::Tini) {
            return none();
        }
        command.env(variable, "1");
    }
    let mut running = Running::start(&mut command);
    let both = [ready(&running.line()), ready(&running.line())];
    let is_command = |pid: u32| status(pid, "PPid") == running.pid().to_string();
    assert_eq!(both.iter().filter(|pid| is_command(**pid)).count(), 1);
    settled(running.pid());
    running.send("WINCH");
    settled(running.pid());
    for pid in both {
        settled(pid);
        send(pid, &[LAST]);
    }
    let mut count = 0;
    loop {
        match running.line().as_str() {
            "" => break,
            line if number(line) == 28 => count += 1,
            _ => {}
        }
    }
    Some(["nobody", "the command", "its group"][count].to_owned())
}

pub(crate) fn rewritten(init: &Init, rule: &str) -> Option<String> {
    let options = match init.kind {
        Kind::Ham | Kind::HamAsTini => vec!["--rewrite", rule],
        Kind::DumbInit => vec!["-c", "-r", rule],
        Kind::Tini | Kind::Catatonit => return none(),
    };
    let mut running = Running::start(&mut init.command(&options, &receiver()));
    ready(&running.line());
    settled(running.pid());
    send(running.pid(), &[10]);
    send(running.pid(), &[LAST]);
    let all: Vec<u32> = received(&mut running).iter().map(|line| number(line)).collect();
    let expected: &[u32] = if rule.ends_with(":0") { &[] } else { &[12] };
    Some(if all == expected { "yes" } else { "no" }.to_owned())
}

/// The parent is a shell that is killed.
pub(crate) fn parent_death(init: &Init) -> Option<String> {
    if !matches!(init.kind, Kind::Ham | Kind::HamAsTini | Kind::Tini) {
        return none();
    }
    let mut command = Command::new("sh");
    command.args(["-c", "\"$@\" & wait", "sh"]).args(init.words(&["-s", "-p", "SIGUSR1"]));
    command.args(receiver()).stdin(Stdio::null()).stderr(Stdio::null());
    let mut running = Running::start(&mut command);
    let receiver = ready(&running.line());
    processes::send("KILL", running.pid());
    assert_eq!(running.end(), None);
    let got = number(&running.line());
    send(receiver, &[LAST]);
    Some(if got == 10 { "passed on".to_owned() } else { format!("got {got}") })
}

#[test]
fn every_exit_code_is_that_of_the_command() {
    let init = Init::ham();
    for number in [0, 1, 2, 63, 125, 126, 127, 128, 200, 255] {
        let script = format!("exit {number}");
        let found = code(&mut init.command(&[], &["sh", "-c", &script]));
        assert_eq!(found, number.to_string());
    }
    for signal in ["HUP", "INT", "QUIT", "ABRT", "SEGV", "PIPE", "USR1", "XCPU", "SYS"] {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let words = ["--summary"];
        let output = to_the_end(&mut init.command(&words, &["sh", "-c", &script]));
        let summary: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(summary["signal"], signal, "{summary}");
        let number = summary["code"].as_i64().and_then(|code| i32::try_from(code).ok());
        assert_eq!(output.status.code(), number);
        assert!(number.is_some_and(|number| number > 128), "{summary}");
    }
}

#[test]
fn a_signal_that_comes_at_once_is_not_lost() {
    let init = Init::ham();
    for _ in 0..20 {
        let mut running = Running::start(&mut init.command(&["-g"], &["sleep", "60"]));
        let pid = running.pid();
        // As soon as it has blocked them: there may be no command yet.
        ham_tests::own_units::wait_until("blocked signals", || {
            // While it waits for them the kernel shows them as not blocked.
            status(pid, "SigBlk").starts_with("ffff") || !children(pid).is_empty()
        });
        running.send("TERM");
        assert_eq!(running.end(), Some(143));
    }
}
