//! The terminal: who has it, what its keys do, what happens when it goes.

use super::bed::{Init, Kind, children, link, settled, status};
use super::passing::LAST;
use super::points::receiver;
use ham_tests::own_units::wait_until;
use ham_tests::processes;
use ham_tests::programs::Scratch;
use ham_tests::terminal::{CTRL_C, CTRL_Z, Terminal};
use nix::sys::signal::Signal;
use std::fs;

const WHAT: &str = "ham init on a terminal";

/// A shell with job control, in front of nobody yet.
fn shell() -> Option<Terminal> {
    ham_tests::skip::program("bash", WHAT)?;
    Terminal::start(&["bash", "--norc", "--noprofile", "--noediting", "-i"], WHAT)
}

/// The line that a shell reads.
fn line(init: &Init, command: &str) -> String {
    format!("{} {command}", init.words(&[]).join(" "))
}

/// The init below a shell, and its command, when that is executed.
fn below(terminal: &Terminal) -> (u32, u32) {
    let mut found = (0, 0);
    wait_until("init and its command", || {
        let Some(init) = children(terminal.leader()).first().copied() else { return false };
        let Some(command) = children(init).first().copied() else { return false };
        found = (init, command);
        link(command, "exe").is_some_and(|path| path.ends_with("sleep"))
    });
    found
}

/// A field of /proc/PID/stat, counted from 1, beyond the name.
fn field(pid: u32, number: usize) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(number - 3).unwrap_or_default().to_owned()
}

/// The group in the foreground of a process's terminal.
fn foreground(pid: u32) -> String {
    field(pid, 8)
}

fn word(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn has_terminal(init: &Init) -> Option<String> {
    let mut terminal = shell()?;
    terminal.keys(&format!("{}\n", line(init, "sh -c 'echo reads-$((1+1)); read x; echo got-$x'")));
    terminal.wait_for("reads-2");
    terminal.keys("word\n");
    terminal.wait_for("got-word");
    word("yes")
}

pub(crate) fn in_background(init: &Init) -> Option<String> {
    if init.kind == Kind::Catatonit {
        // What it does in the background is not the same each time.
        return None;
    }
    let mut terminal = shell()?;
    // A shell that read on would end when the terminal is taken from it.
    terminal.keys(&format!("{} & wait\n", line(init, "sleep 60")));
    let (own, command) = below(&terminal);
    settled(own);
    let taken = foreground(terminal.leader()) == command.to_string();
    processes::send("KILL", command);
    word(if taken { "takes the terminal" } else { "leaves the terminal" })
}

pub(crate) fn stopped(init: &Init) -> Option<String> {
    let mut terminal = shell()?;
    terminal.keys(&format!("{}\n", line(init, "sleep 60")));
    let (own, command) = below(&terminal);
    settled(own);
    let blocked = u64::from_str_radix(&status(command, "SigBlk"), 16).unwrap_or(0);
    if blocked & (1 << (Signal::SIGTSTP as i32 - 1)) != 0 {
        processes::send("KILL", command);
        return word("blocked in the command");
    }
    terminal.keys(CTRL_Z);
    wait_until("a stopped command", || field(command, 3) == "T");
    let state = settled(own);
    processes::send("KILL", command);
    word(if state == 'T' { "the shell goes on" } else { "the shell waits" })
}

pub(crate) fn resized(init: &Init) -> Option<String> {
    let words = init.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).chain(receiver()).collect();
    let mut terminal = Terminal::start(&words, WHAT)?;
    terminal.wait_for("ready ");
    settled(terminal.leader());
    terminal.resize(33);
    terminal.wait_for("28 ");
    super::passing::send(terminal.leader(), &[LAST]);
    terminal.end();
    word("yes")
}

pub(crate) fn hung_up(init: &Init) -> Option<String> {
    let scratch = Scratch::new("init");
    let file = scratch.path().join("received");
    let script = format!("exec {} > {}", receiver().join(" "), file.display());
    let words = init.words(&[]);
    let words = words.iter().map(String::as_str).chain(["sh", "-c", &script]);
    let mut terminal = Terminal::start(&words.collect::<Vec<_>>(), WHAT)?;
    let text = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("a receiver", || text().contains("ready "));
    let receiver = children(terminal.leader()).first().copied().expect("it is there");
    settled(terminal.leader());
    terminal.hang_up();
    wait_until("a hang-up", || text().lines().any(|line| line.starts_with("1 ")));
    settled(terminal.leader());
    settled(receiver);
    let count = text().lines().filter(|line| line.starts_with("1 ")).count();
    processes::send("KILL", receiver);
    terminal.end();
    Some(if count == 1 { "once".to_owned() } else { format!("{count} times") })
}

/// A shell without job control reads again after it.
pub(crate) fn given_back(init: &Init) -> Option<String> {
    let script = format!("{}; read x; echo got-$x", line(init, "true"));
    let mut terminal = Terminal::start(&["sh", "-c", &script], WHAT)?;
    terminal.keys("word\n");
    terminal.wait_for("got-");
    let shown = terminal.shown();
    terminal.end();
    word(if shown.contains("got-word") { "is given back" } else { "is lost" })
}

#[test]
fn a_stopped_command_goes_on_in_the_foreground_or_the_background() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    terminal.keys(&format!("{}\n", line(&init, "sleep 60")));
    let (own, command) = below(&terminal);
    let has_it = || foreground(command) == command.to_string();
    for _ in 0..3 {
        wait_until("the command in the foreground", has_it);
        terminal.keys(CTRL_Z);
        wait_until("both stopped", || [own, command].iter().all(|pid| field(*pid, 3) == "T"));
        wait_until("the shell in front", || !has_it());
        terminal.keys("fg\n");
    }
    wait_until("the command in the foreground", has_it);
    terminal.keys(CTRL_Z);
    wait_until("the shell in front", || !has_it() && field(own, 3) == "T");
    terminal.keys("bg\n");
    wait_until("both going on", || [own, command].iter().all(|pid| field(*pid, 3) == "S"));
    assert!(!has_it());
    // Of a job that runs the shell tells nobody that it is in front: the keys
    // are told to init.
    terminal.keys("fg\n");
    wait_until("init in the foreground", || foreground(own) == field(own, 5));
    terminal.keys(CTRL_C);
    wait_until("their end", || children(terminal.leader()).is_empty());
    terminal.keys("echo code-$?\n");
    terminal.wait_for("code-130");
}

#[test]
fn a_command_that_reads_in_the_background_waits_for_the_foreground() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    terminal.keys(&format!("{} &\n", line(&init, "sh -c 'read x; echo got-$x'")));
    wait_until("a stopped init", || {
        children(terminal.leader()).first().is_some_and(|own| field(*own, 3) == "T")
    });
    terminal.keys("fg\n");
    let own = children(terminal.leader()).first().copied().expect("it is there");
    wait_until("the command in the foreground", || {
        children(own).first().is_some_and(|pid| foreground(own) == pid.to_string())
    });
    terminal.keys("word\n");
    terminal.wait_for("got-word");
}

#[test]
fn a_command_that_reads_in_front_after_it_ran_in_the_background_gets_the_terminal() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    let scratch = Scratch::new("init");
    let go = scratch.path().join("go");
    let script =
        format!("while ! test -e {}; do sleep 0.02; done; read x; echo got-$x", go.display());
    terminal.keys(&format!("{} &\n", line(&init, &format!("sh -c '{script}'"))));
    wait_until("init", || !children(terminal.leader()).is_empty());
    let own = children(terminal.leader()).first().copied().expect("it is there");
    wait_until("the command", || !children(own).is_empty());
    terminal.keys("fg\n");
    wait_until("init in the foreground", || foreground(own) == field(own, 5));
    fs::write(&go, "").expect("a file");
    terminal.keys("word\n");
    terminal.wait_for("got-word");
}

#[test]
fn all_of_a_pipeline_stops_with_it() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    terminal.keys(&format!("{} | cat; echo over-$((1+1))\n", line(&init, "sleep 60")));
    wait_until("both", || children(terminal.leader()).len() == 2);
    let both = children(terminal.leader());
    let command = || both.iter().flat_map(|pid| children(*pid)).next();
    wait_until("the command", || {
        command().and_then(|pid| link(pid, "exe")).is_some_and(|path| path.ends_with("sleep"))
    });
    terminal.keys(CTRL_Z);
    wait_until("both stopped", || both.iter().all(|pid| field(*pid, 3) == "T"));
    terminal.keys("fg\n");
    wait_until("both going on", || both.iter().all(|pid| field(*pid, 3) == "S"));
    let command = command().expect("it is there");
    wait_until("the command in front", || foreground(command) == command.to_string());
    terminal.keys(CTRL_C);
    terminal.wait_for("over-2");
}

#[test]
fn the_command_of_an_init_of_an_init_has_the_terminal() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    let inner = line(&init, "sh -c 'echo reads-$((1+1)); read x; echo got-$x'");
    terminal.keys(&format!("{}\n", line(&init, &inner)));
    terminal.wait_for("reads-2");
    terminal.keys("word\n");
    terminal.wait_for("got-word");
    wait_until("their end", || children(terminal.leader()).is_empty());
    terminal.keys("echo again-$((1+1))\n");
    terminal.wait_for("again-2");
}

#[test]
fn standard_input_need_not_be_the_terminal() {
    let init = Init::ham();
    let Some(mut terminal) = shell() else { return };
    let command = "sh -c 'echo reads-$((1+1)); read x < /dev/tty; echo got-$x'";
    terminal.keys(&format!("true | {} 2>&1 | cat\n", line(&init, command)));
    terminal.wait_for("reads-2");
    terminal.keys("word\n");
    terminal.wait_for("got-word");
}

#[test]
fn in_a_namespace_of_its_own_it_has_the_terminal_too() {
    let init = Init::ham();
    let Some(before) = super::bed::namespace(&[]) else { return };
    let words = init.words(&[]);
    let script = "echo reads-$((1+1)); read x; echo got-$x-$$";
    let words = before.iter().chain(&words).map(String::as_str).chain(["sh", "-c", script]);
    let Some(mut terminal) = Terminal::start(&words.collect::<Vec<_>>(), WHAT) else { return };
    terminal.wait_for("reads-2");
    terminal.keys("word\n");
    terminal.wait_for("got-word-");
    assert_eq!(terminal.end().code(), Some(0));
}

/// The shell's group and its own are outside, and look alike from inside.
#[test]
fn in_a_namespace_of_its_own_it_leaves_the_terminal_too() {
    let init = Init::ham();
    let Some(before) = super::bed::namespace(&[]) else { return };
    let Some(mut terminal) = shell() else { return };
    let before = before.join(" ");
    terminal.keys(&format!("{before} {} &\n", line(&init, "sleep 60")));
    let mut inside = (0, 0);
    wait_until("init and its command", || {
        let Some(outside) = children(terminal.leader()).first().copied() else { return false };
        let is_init = |pid: &u32| link(*pid, "exe").is_some_and(|path| path == init.program);
        let Some(own) = children(outside).into_iter().find(is_init) else { return false };
        let Some(command) = children(own).first().copied() else { return false };
        inside = (own, command);
        link(command, "exe").is_some_and(|path| path.ends_with("sleep"))
    });
    let (own, command) = inside;
    settled(own);
    assert_ne!(foreground(terminal.leader()), command.to_string());
    terminal.keys("echo still-$((1+1))\n");
    terminal.wait_for("still-2");
    processes::send("KILL", command);
}
