//! The points: each is tried on one init and gives a word for the table; `None`
//! when it was not possible here, which was said aloud.

use super::bed::{
    Init, Kind, Running, children, code, link, probe, settled, status, text, to_the_end,
};
use super::table::NONE;
use super::{jobs, passing};
use ham_tests::executables::write_program;
use ham_tests::own_units::wait_until;
use ham_tests::processes;
use ham_tests::programs::Scratch;
use std::fs;

/// A point tried on an init.
pub(crate) type Point = fn(&Init) -> Option<String>;

/// Name in the table, and how it is measured.
pub(crate) const POINTS: &[(&str, Point)] = &[
    ("`exit 3` of the command", |init| sh(init, "exit 3")),
    ("`kill -TERM $$` in it", |init| sh(init, "kill -TERM $$")),
    ("`kill -KILL $$` in it", |init| sh(init, "kill -KILL $$")),
    ("`-e 3` and `exit 3`", |init| remapped(init, "3", "exit 3")),
    ("`-e 143` and `kill -TERM $$`", |init| remapped(init, "143", "kill -TERM $$")),
    ("no such command", |init| Some(code(&mut init.command(&[], &["/nonexistent/program"])))),
    ("not executable", |init| Some(code(&mut init.command(&[], &["/dev/null"])))),
    ("a file in the place of a directory", |init| {
        Some(code(&mut init.command(&[], &["/dev/null/program"])))
    }),
    ("a text without `#!`", without_interpreter),
    ("no command given", |init| Some(code(&mut init.command(&[], &[])))),
    ("options end at the command, without `--`", options_end),
    ("`--version` begins with `tini version`", version),
    ("signals that reach the command", passing::reaching),
    ("value of a queued signal", passing::value),
    ("a signal goes to", |init| passing::target(init, &[], None)),
    ("with `-g`", |init| {
        let has = init.kind != Kind::DumbInit;
        if has { passing::target(init, &["-g"], None) } else { none() }
    }),
    ("with TINI_KILL_PROCESS_GROUP", |init| {
        passing::target(init, &[], Some("TINI_KILL_PROCESS_GROUP"))
    }),
    ("a signal passed on as another", |init| passing::rewritten(init, "10:12")),
    ("a signal dropped", |init| passing::rewritten(init, "10:0")),
    ("`-p USR1`, and the parent ends", passing::parent_death),
    ("mask and ignored signals of the command", mask),
    ("started with SIGCHLD ignored", child_ignored),
    ("a descriptor 3 gets to the command", descriptor_passed),
    ("init itself closes it", descriptor_closed),
    ("working directory of the command", |init| directory(init).map(|(command, _)| command)),
    ("working directory of init", |init| directory(init).map(|(_, init)| init)),
    ("the command leads", group),
    ("LISTEN_PID of init becomes the command's", |init| own_pid(init, "LISTEN_PID")),
    ("WATCHDOG_PID of init becomes the command's", |init| own_pid(init, "WATCHDOG_PID")),
    ("orphans, not PID 1", |init| orphans(init, &[])),
    ("with `-s`", |init| {
        let has = matches!(init.kind, Kind::Ham | Kind::HamAsTini | Kind::Tini);
        if has { orphans(init, &["-s"]) } else { none() }
    }),
    ("20 orphans end, as PID 1", zombies),
    ("others at the end of the command, as PID 1", others),
    ("as the command of itself", nested),
    ("`-P`, and TERM comes", pause),
    ("the command has the terminal", jobs::has_terminal),
    ("started in the background", jobs::in_background),
    ("Ctrl-Z below a shell", jobs::stopped),
    ("SIGWINCH of the terminal", jobs::resized),
    ("SIGHUP when the terminal goes", jobs::hung_up),
    ("the terminal, after the command", jobs::given_back),
];

pub(crate) fn none() -> Option<String> {
    Some(NONE.to_owned())
}

fn yes(holds: bool) -> Option<String> {
    Some(if holds { "yes" } else { "no" }.to_owned())
}

fn sh(init: &Init, script: &str) -> Option<String> {
    Some(code(&mut init.command(&[], &["sh", "-c", script])))
}

fn remapped(init: &Init, from: &str, script: &str) -> Option<String> {
    if matches!(init.kind, Kind::DumbInit | Kind::Catatonit) {
        return none();
    }
    Some(code(&mut init.command(&["-e", from], &["sh", "-c", script])))
}

fn without_interpreter(init: &Init) -> Option<String> {
    let scratch = Scratch::new("init");
    let path = scratch.path().join("text");
    write_program(&path, "exit 5\n");
    let code = code(&mut init.command(&[], &[path.to_str().expect("plain")]));
    Some(if code == "5" { "read by sh".to_owned() } else { code })
}

/// The command has an option that none of them has, or that takes a value.
fn options_end(init: &Init) -> Option<String> {
    let mut words = init.words(&[]);
    words.pop();
    let mut command = std::process::Command::new(&words[0]);
    command.args(&words[1..]).args(["sh", "-x", "-c", "exit 3"]);
    command.stdin(std::process::Stdio::null());
    yes(to_the_end(&mut command).status.code() == Some(3))
}

fn version(init: &Init) -> Option<String> {
    let mut words = init.words(&["--version"]);
    words.pop();
    let mut command = std::process::Command::new(&words[0]);
    let output = to_the_end(command.args(&words[1..]));
    yes(String::from_utf8_lossy(&output.stdout).starts_with("tini version "))
}

fn mask(init: &Init) -> Option<String> {
    let look = ["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"];
    let started = ["env", "--ignore-signal=HUP,PIPE", "--block-signal=USR1,TSTP"];
    let words = init.words(&[]);
    let words = started.into_iter().chain(words.iter().map(String::as_str)).chain(look);
    let run = |words: Vec<&str>| {
        let mut command = std::process::Command::new(words[0]);
        text(command.args(&words[1..]).stdin(std::process::Stdio::null()))
    };
    let expected = run(started.into_iter().chain(look).collect());
    assert!(expected.contains("SigIgn"), "env(1) or grep(1) does not do it: {expected}");
    let found = run(words.collect());
    Some(if found == expected { "as init was started" } else { "changed" }.to_owned())
}

fn child_ignored(init: &Init) -> Option<String> {
    if init.kind == Kind::Catatonit {
        // It is a matter of luck which of the two it does.
        return None;
    }
    let scratch = Scratch::new("init");
    let trace = scratch.path().join("trace");
    let script = format!("echo > {}; exit 3", trace.display());
    let words = init.words(&[]);
    let mut command = std::process::Command::new("env");
    command.arg("--ignore-signal=CHLD").args(words).args(["sh", "-c", &script]);
    command.stderr(std::process::Stdio::null()).stdin(std::process::Stdio::null());
    let mut running = Running::start(&mut command);
    wait_until("the command", || trace.exists());
    wait_until("its end", || children(running.pid()).is_empty());
    if settled(running.pid()) == 'Z' {
        return running.end().map(|code| format!("ends with {code}"));
    }
    Some("never ends".to_owned())
}

/// An init with a file open as descriptor 3.
fn with_descriptor(init: &Init) -> (Running, Scratch, String, String) {
    let scratch = Scratch::new("init");
    let file = scratch.path().join("file");
    fs::write(&file, "text").expect("a file");
    let file = file.to_str().expect("a plain path").to_owned();
    let script = "readlink /proc/$$/fd/3 || echo none; exec 3<&-; exec sleep 60";
    let mut command = init.after(&format!("exec 3<{file}"), &[], &["sh", "-c", script]);
    let mut running = Running::start(&mut command);
    let line = running.line();
    (running, scratch, file, line)
}

fn descriptor_passed(init: &Init) -> Option<String> {
    let (running, _scratch, file, line) = with_descriptor(init);
    settled(running.pid());
    running.send("TERM");
    yes(line == file)
}

fn descriptor_closed(init: &Init) -> Option<String> {
    let (running, _scratch, file, _) = with_descriptor(init);
    settled(running.pid());
    let held = (3..20).any(|number| {
        link(running.pid(), format!("fd/{number}")).is_some_and(|to| to.ends_with(&file))
    });
    running.send("TERM");
    yes(!held)
}

/// Those of the command and of init, both started in another one.
fn directory(init: &Init) -> Option<(String, String)> {
    let mut command = init.after("cd /usr/bin", &[], &["sh", "-c", "pwd; exec sleep 60"]);
    let mut running = Running::start(&mut command);
    let line = running.line();
    settled(running.pid());
    let own =
        link(running.pid(), "cwd").map_or_else(String::new, |path| path.display().to_string());
    running.send("TERM");
    let word = |path: &str| if path == "/" { "`/`" } else { "stays" }.to_owned();
    Some((word(&line), word(&own)))
}

fn group(init: &Init) -> Option<String> {
    let script = "cut -d' ' -f1,5,6 /proc/$$/stat";
    let found = text(&mut init.command(&[], &["sh", "-c", script]));
    let numbers: Vec<&str> = found.split(' ').collect();
    let [pid, group, session] = numbers.as_slice() else { panic!("{found}") };
    let word = match (pid == group, pid == session) {
        (_, true) => "a session",
        (true, false) => "a group",
        (false, false) => "nothing",
    };
    Some(word.to_owned())
}

fn own_pid(init: &Init, name: &str) -> Option<String> {
    let before = format!("{name}=$$; export {name}");
    let script = format!("test \"${name}\" = $$");
    yes(code(&mut init.after(&before, &[], &["sh", "-c", &script])) == "0")
}

fn orphans(init: &Init, options: &[&str]) -> Option<String> {
    let script = "(sleep 60 >/dev/null & echo $!); exec sleep 60";
    let mut running = Running::start(&mut init.command(options, &["sh", "-c", script]));
    let orphan: u32 = running.line().parse().expect("a number");
    let ours = || status(orphan, "PPid") == running.pid().to_string();
    settled(running.pid());
    let ours = ours();
    processes::send("KILL", orphan);
    running.send("TERM");
    Some(if ours { "init's" } else { "others'" }.to_owned())
}

fn zombies(init: &Init) -> Option<String> {
    // Of the children of init one is this shell.
    let script = "for i in 0 1 2 3 4 5 6 7 8 9; do (true & true &); done; n=0; \
                  left() { read -r all < /proc/1/task/1/children; set -- $all; echo $(($# - 1)); }; \
                  while test $(left) != 0 && test $n -lt 500; do n=$((n+1)); sleep 0.02; done; left";
    let left = text(&mut init.as_pid_1(&[], &["sh", "-c", script])?);
    Some(if left == "0" { "reaped".to_owned() } else { format!("{left} left") })
}

/// Somebody else has something to do before it ends.
fn others(init: &Init) -> Option<String> {
    if init.kind == Kind::DumbInit {
        // It sends TERM and leaves, and the kernel sends KILL: who is faster
        // is not to be told.
        return None;
    }
    let scratch = Scratch::new("init");
    let ready = scratch.path().join("ready");
    let ready = ready.display();
    let script = format!(
        "(trap 'echo told; exit' TERM; echo > {ready}; while :; do sleep 0.02; done) & \
         while ! test -e {ready}; do sleep 0.02; done; exit 3"
    );
    let output = to_the_end(&mut init.as_pid_1(&[], &["sh", "-c", &script])?);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stdout).contains("told");
    Some(if told { "TERM, and waited for" } else { "KILL" }.to_owned())
}

fn nested(init: &Init) -> Option<String> {
    let words = init.words(&[]);
    let inner = words.iter().map(String::as_str).chain(["sh", "-c", "exit 3"]);
    Some(code(&mut init.command(&[], &inner.collect::<Vec<_>>())))
}

fn pause(init: &Init) -> Option<String> {
    if matches!(init.kind, Kind::Tini | Kind::DumbInit) {
        return none();
    }
    let mut running = Running::start(&mut init.command(&["-P"], &[]));
    settled(running.pid());
    running.send("TERM");
    running.end().map(|code| format!("ends with {code}"))
}

/// Keeps the names of what the probe is called.
pub(crate) fn receiver() -> [&'static str; 2] {
    [probe(), "receive-all"]
}
