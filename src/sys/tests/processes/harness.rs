//! Running a scenario in its own process, and the help that scenarios share:
//! waiting for a condition, a temporary directory, a monitor, a program to
//! spawn. Every wait has a generous deadline and none is a measurement.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ham_sys::containment::signal_stragglers;
use ham_sys::process::{self, Forked, PidFd};
use ham_sys::reap::{self, Exit};
use ham_sys::shm::Map;
use ham_sys::spawn::{Exec, Program, Settings, SlotWords, Stdio};

/// Longest wait for anything: far beyond what a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The exit code of a scenario that cannot run here.
const SKIPPED: i32 = 77;

/// One test.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    /// Only started by another scenario.
    pub(crate) inner: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Skipped,
    Failed,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "ok",
            Outcome::Skipped => "SKIPPED",
            Outcome::Failed => "FAILED",
        }
    }
}

/// Ends the scenario: what it needs is not here.
pub(crate) fn skip(reason: &str) -> ! {
    eprintln!("SKIPPED: {reason}");
    process::exit_now(SKIPPED)
}

/// Runs a scenario in a forked process, three times PATIENCE at most.
pub(crate) fn run(scenario: &Scenario) -> Outcome {
    process::set_child_subreaper().unwrap();
    let pid = match process::fork().unwrap() {
        Forked::Child => process::exit_now(body(scenario)),
        Forked::Parent(pid) => pid,
    };
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut exit = reap::peek(pid);
    while exit.is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
        exit = reap::peek(pid);
    }
    if exit.is_none() {
        eprintln!("{}: no end in sight, killed", scenario.name);
        PidFd::open(pid).unwrap().send(libc::SIGKILL).unwrap();
    }
    let left = end_leftovers();
    match exit {
        Some(Exit { code: Exit::EXITED, status: SKIPPED, .. }) => Outcome::Skipped,
        Some(Exit { code: Exit::EXITED, status: 0, .. }) if left == 0 => Outcome::Passed,
        other => {
            eprintln!("{}: {other:?}, {left} processes left behind", scenario.name);
            Outcome::Failed
        }
    }
}

/// The inner scenario `name`, in this process; its exit code.
pub(crate) fn run_inner(scenarios: &[Scenario], name: &str) -> i32 {
    let scenario = scenarios.iter().find(|scenario| scenario.name == name).unwrap();
    body(scenario)
}

fn body(scenario: &Scenario) -> i32 {
    process::set_child_subreaper().unwrap();
    let passed = std::panic::catch_unwind(scenario.run).is_ok();
    i32::from(!passed)
}

/// Kills what a scenario has left, and reaps everything. Returns how many
/// live ones there were.
fn end_leftovers() -> usize {
    let mut killed = 0;
    while reap::has_children() {
        killed += signal_stragglers(process::pid(), &[], libc::SIGKILL);
        while let Some(exit) = reap::peek_any() {
            reap::collect(exit.pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    killed
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for the end of a child and reaps it.
pub(crate) fn wait_exit(pid: i32) -> Exit {
    let exit = wait_for("an exit", || reap::peek(pid));
    assert!(reap::collect(pid));
    exit
}

/// Kills a child and reaps it.
pub(crate) fn end(pid: i32) {
    PidFd::open(pid).unwrap().send(libc::SIGKILL).unwrap();
    assert_eq!(wait_exit(pid).code, Exit::KILLED);
}

/// Runs `work` in a forked child, as the monitor of this reaper, and waits
/// for its end. A panic in it is a panic here.
pub(crate) fn as_monitor(work: impl FnOnce()) {
    let pid = start_monitor(work);
    let exit = wait_exit(pid);
    assert_eq!((exit.code, exit.status), (Exit::EXITED, 0), "the monitor failed");
}

/// Runs `work` in a forked child; its pid.
pub(crate) fn start_monitor(work: impl FnOnce()) -> i32 {
    match process::fork().unwrap() {
        Forked::Parent(pid) => pid,
        Forked::Child => {
            let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            process::exit_now(i32::from(!passed))
        }
    }
}

/// Runs the inner scenario `name` with one more variable.
pub(crate) fn again(name: &str, variable: &str) {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--inner", name])
        .env(variable, "1")
        .status()
        .unwrap();
    if status.code() == Some(SKIPPED) {
        process::exit_now(SKIPPED);
    }
    assert!(status.success(), "{name} with {variable}: {status}");
}

/// Shared words for one slot: pid, child pid, error, and four to use freely.
#[derive(Clone, Copy)]
pub(crate) struct Words(&'static [AtomicU64]);

impl Words {
    pub(crate) fn new() -> Words {
        Words(Map::memfd(c"test", 64).unwrap().0.words())
    }

    pub(crate) fn slot(&self) -> SlotWords<'static> {
        SlotWords { pid: &self.0[0], child_pid: &self.0[1], error: &self.0[2] }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0[0].load(Ordering::Acquire) as i32
    }

    pub(crate) fn free(&self, number: usize) -> &'static AtomicU64 {
        &self.0[3 + number]
    }
}

/// A directory that is removed at the end of the process that made it.
pub(crate) struct TempDir {
    path: PathBuf,
    owner: i32,
}

impl TempDir {
    pub(crate) fn new() -> TempDir {
        let name = format!("ham-sys-test-{}-{}", process::pid(), ham_sys::clock::monotonic());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        TempDir { path, owner: process::pid() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of a file, once it ends in a newline.
    pub(crate) fn line_of(&self, name: &str) -> String {
        wait_for(name, || {
            let text = std::fs::read_to_string(self.file(name)).ok()?;
            text.ends_with('\n').then(|| text.trim_end().to_owned())
        })
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Forked monitors hold a copy.
        if process::pid() == self.owner {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

pub(crate) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// A program with nothing special about it.
pub(crate) fn program(argv: &[&str]) -> Program {
    Program {
        exec: Exec::Paths(vec![c_text(argv[0])]),
        argv: argv.iter().map(|argument| c_text(argument)).collect(),
        envp: vec![c_text("PATH=/usr/bin:/bin")],
        directory: None,
        umask: 0o022,
        stdin: Stdio::Null,
        stdout: Stdio::Inherit,
        stderr: Stdio::Inherit,
        ids: None,
        settings: Settings::default(),
        cgroup: None,
        little_memory: false,
        passed: Vec::new(),
        listen_pid: false,
        watchdog_pid: false,
    }
}

/// A shell script as a program.
pub(crate) fn script(text: &str) -> Program {
    program(&["/bin/sh", "-c", text])
}

/// This binary as a program, acting.
pub(crate) fn act(arguments: &[&str]) -> Program {
    let own = std::env::current_exe().unwrap();
    let mut argv = vec![own.to_str().unwrap(), "--act"];
    argv.extend(arguments);
    program(&argv)
}
