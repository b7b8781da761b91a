//! Where there is too little of something: room in a channel, readers of a
//! FIFO, processes, memory of a file system.

use super::clients::hamctl_in_time;
use ham_snapshot::header::Field;
use ham_tests::bare::{Bare, told};
use ham_tests::chaos::{lives, strike};
use ham_tests::executables::copy_program;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, PATIENCE, Scratch, ham};
use ham_tests::skip;
use ham_tests::state_file::StateFile;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn any_number_of_lists_can_wait_for_a_path() {
    // More than fit into the helper's channel at once, which is some 280.
    const ENTITIES: usize = 7;
    const LISTS: usize = 60;
    let units = Units::new("lists");
    let path = units.file("awaited");
    for entity in 0..ENTITIES {
        let mut text = "[entity]\ncommand = \"true\"\n".to_owned();
        for list in 0..LISTS {
            let _ = write!(
                text,
                "[[condition]]\non = \"death\"\nname = \"c{list}\"\nrun = \"independent\"\n\
                 actions = [ {{ log = \"waits {list}.\" }}, \
                 {{ waitfor = {{ path = \"{path}\", timeout = \"5min\" }} }}, \
                 {{ log = \"goes on {list}.\", name = \"after\" }} ]\n"
            );
        }
        units.write(&format!("e{entity}"), &text);
    }
    let mut manager = Manager::start(&units.path(), &[]);
    let all = |log: &str, word: &str| log.matches(word).count() == ENTITIES * LISTS;
    manager.wait_for_log("all wait", |log| all(log, ": waits "));
    // The next one is told of all of them before it can read any.
    let first = manager.catch_child("ham-watch");
    assert!(strike(first, Signal::SIGKILL));
    wait_until("its end", || !lives(first));
    wait_until("the next", || manager.child("ham-watch").is_some_and(|pid| pid != first));
    let helper = manager.catch_child("ham-watch");
    // Longer than the pause (one second) after which a helper that could not
    // work would have been replaced.
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(manager.child("ham-watch"), Some(helper), "the helper was made again");
    fs::write(&path, "").expect("a file");
    manager.wait_for_log("all go on", |log| all(log, ": goes on "));
    wait_until("the end of the helper", || manager.child("ham-watch").is_none());
    assert!(!manager.log().contains("failed"), "{}", manager.log());
}

#[test]
fn what_hangs_before_its_exec_is_ended_without_a_cgroup() {
    let units = Units::new("hung");
    let fifo = units.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    // Opened for writing, which waits for a reader; there is none.
    let hung = "[entity]\ncommand = \"sleep infinity\"\nrestart = \"no\"\n";
    let more = format!("start-timeout = \"1s\"\nstdout = {{ file = \"{fifo}\" }}\n");
    units.write("hung", &format!("{hung}{more}"));
    units.write("well", SLEEPER);
    let mut command = Command::new(ham());
    command.env("HAM_NO_CGROUP", "1");
    let manager = Manager::start_by(command, Scratch::new("manager"), &units.path(), &[]);
    manager.wait_for_state("well", "running");
    let pid = manager.catch_child("ham-spawn");
    let entity = manager.wait_for_state("hung", "failed");
    assert!(entity["why"].as_str().is_some_and(|why| why.contains("start-timeout")), "{entity}");
    wait_until("its end", || !lives(pid));
    for words in [["stop", "hung"], ["stop", "well"]] {
        let output = hamctl_in_time(&manager, &words);
        assert!(output.status.success(), "{words:?}: {}", told(&output));
    }
}

/// A user that nobody is: limits count all processes of a user.
const NOBODY_ELSE: u32 = 58_321;

#[test]
fn a_fork_that_fails_takes_no_heap_of_the_reaper() {
    let what = "a_fork_that_fails_takes_no_heap_of_the_reaper";
    if !skip::is_root(what) {
        return;
    }
    let Some(setpriv) = skip::program("setpriv", what) else { return };
    let Some(prlimit) = skip::program("prlimit", what) else { return };
    let id = NOBODY_ELSE.to_string();
    let as_that_user = || {
        let mut command = Command::new(&setpriv);
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        command
    };
    let mut command = as_that_user();
    let trial = Command::new(command.get_program()).args(command.get_args()).arg("true").output();
    let trial = trial.expect("setpriv can be executed");
    if !trial.status.success() {
        skip::skipped(what, &format!("setpriv is refused: {}", told(&trial)));
        return;
    }
    let units = Units::new("forks");
    units.write("a", SLEEPER);
    // The tree may be where only root comes to.
    let program = units.folder().join("ham");
    copy_program(ham(), &program);
    command.arg(program);
    let scratch = Scratch::new("manager");
    chown(scratch.path(), Some(NOBODY_ELSE), Some(NOBODY_ELSE)).expect("root may");
    let manager = Manager::start_by(command, scratch, &units.path(), &[]);
    manager.wait_for_state("a", "running");
    let limits = fs::read_to_string(format!("/proc/{}/limits", manager.pid())).expect("it runs");
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max processes"));
    let limit = limit.and_then(|line| line.split_whitespace().next()).expect("a line for it");
    let allow = |count: &str| {
        let pid = manager.pid().to_string();
        // Only the soft one, so that it can be raised again; by that user, who
        // may do it where root lacks CAP_SYS_RESOURCE.
        let words = ["--pid", &pid, &format!("--nproc={count}:")];
        let output = as_that_user().arg(&prlimit).args(words).output();
        let output = output.expect("it can be executed");
        assert!(output.status.success(), "prlimit is refused: {}", told(&output));
    };
    let entity = manager.pid_of("a");
    allow("1");
    // The guardian first: it would take over without a fork.
    let guardian = manager.catch_child("ham-guardian");
    for role in [guardian, manager.catch_child("ham-monitor")] {
        assert!(strike(role, Signal::SIGKILL));
        wait_until("its end", || !lives(role));
    }
    assert!(strike(entity, Signal::SIGKILL));
    wait_until("the reaper", || !Path::new(&format!("/proc/{entity}")).exists());
    // Several attempts: one every 100 ms.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(manager.monitor(), None, "the limit has no effect");
    allow(limit);
    manager.wait_for("a", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    let ham = manager.status()["ham"].clone();
    assert_eq!((&ham["takeovers"], &ham["reaper_allocations"]), (&1.into(), &0.into()), "{ham}");
}

/// Mounts a file system of that size and executes the rest.
const ON_TMPFS: &str =
    "mount -t tmpfs -o size=\"$1\",mode=0755 none \"$2\" || exit 99\nshift 2\nexec \"$@\"";

#[test]
fn too_little_memory_for_the_state_is_an_error_or_suffices() {
    let what = "too_little_memory_for_the_state_is_an_error_or_suffices";
    if !skip::is_root(what) {
        return;
    }
    let Some(unshare) = skip::program("unshare", what) else { return };
    let units = Units::new("tiny");
    units.write("a", SLEEPER);
    let (mut refused, mut worked) = (0, 0);
    // The reaper's part alone takes 1.6 MB, all of one entity 2 MB.
    for size in ["1500k", "1600k", "1640k", "1680k", "1800k", "1920k", "1960k", "2100k", "3m"] {
        let scratch = Scratch::new("tiny");
        let runtime = scratch.path().join("run");
        fs::create_dir(&runtime).expect("a directory");
        let log = scratch.path().join("log");
        let errors = File::create(&log).expect("a file");
        let mut command = Command::new(&unshare);
        command.args(["-m", "sh", "-c", ON_TMPFS, "sh", size]).arg(&runtime).arg(ham());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let mut ham = Bare::start(command, &units.path(), &runtime, &["-t", "none"]);
        let said = || fs::read_to_string(&log).unwrap_or_default();

        let deadline = Instant::now() + PATIENCE;
        let mut end = None;
        while end.is_none() && !said().contains("a: started") && !said().contains("a: could not") {
            assert!(Instant::now() < deadline, "{size}: neither works nor ends:\n{}", said());
            end = ham.ended_within(Duration::from_millis(20));
        }
        if let Some(end) = end {
            if end.code() == Some(1) || end.code() == Some(99) {
                skip::skipped(what, &format!("no mounts of one's own here: {}", said()));
                return;
            }
            // EX_OSERR
            assert_eq!(end.code(), Some(71), "{size}: {}", said());
            assert_eq!(said().lines().count(), 1, "{size}: {}", said());
            assert!(said().contains("No space left on device"), "{size}: {}", said());
            refused += 1;
            continue;
        }
        let inside = Path::new("/proc").join(ham.pid().to_string()).join("root");
        let inside = inside.join(runtime.strip_prefix("/").expect("an absolute path"));
        assert_eq!(StateFile::open(&inside).get(Field::Takeovers), 0, "{size}: {}", said());
        worked += usize::from(said().contains("a: started"));
        ham.signal(Signal::SIGTERM);
        let end = ham.ended_within(PATIENCE);
        assert_eq!(end.and_then(|end| end.code()), Some(0), "{size}: {}", said());
    }
    // Both sides of the limit were seen.
    assert!(refused > 0 && worked > 0, "refused {refused} times, worked {worked} times");
}
