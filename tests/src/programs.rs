//! The built programs, and a manager of one's own to try them on: it has a
//! runtime directory under the temporary folder, its log in a file there, and
//! is ended when the test is over, however that ends. Knows nothing of what is
//! tested with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a condition may take to come true: it is waited for, so this is
/// only reached when it never does.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// The program `ham`, built from what is in the tree now.
#[must_use]
pub fn ham() -> PathBuf {
    built("ham")
}

/// The program `hamctl`, built from what is in the tree now.
#[must_use]
pub fn hamctl() -> PathBuf {
    built("hamctl")
}

/// The directory that holds `Cargo.toml` of the workspace.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests stand in the repository").to_owned()
}

/// `cargo test` does not build the programs of other packages, and an old one
/// would be worse than none, so Cargo is asked each time: once per process.
fn built(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let program = DIRECTORY.get_or_init(build).join(name);
    assert!(program.exists(), "{} was not built", program.display());
    program
}

/// Builds both into the directory above this test's own, and returns that.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it stands");
    // target/PROFILE/deps/TEST-HASH
    let directory = test.parent().and_then(Path::parent).expect("a test stands in deps/");
    let target = directory.parent().expect("profiles stand in the target directory");
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(["build", "--quiet", "-p", "ham", "-p", "hamctl", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .output()
        .expect("cargo is there, it has built this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "could not build the programs:\n{errors}");
    directory.to_owned()
}

/// A directory of its own for one test, removed at its end.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it; `what` stands in its name.
    #[must_use]
    pub fn new(what: &str) -> Scratch {
        Scratch::within(&std::env::temp_dir(), what).expect("the temporary folder can be used")
    }

    /// As [`Scratch::new`], where files live in memory, so that the state of a
    /// manager is one; says what was skipped when there is no such place.
    #[must_use]
    pub fn in_memory(what: &str) -> Option<Scratch> {
        let place = Path::new("/dev/shm");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let is_tmpfs = mounts.lines().any(|line| line.contains(" /dev/shm tmpfs "));
        let scratch = is_tmpfs.then(|| Scratch::within(place, what).ok()).flatten();
        if scratch.is_none() {
            crate::skip::skipped(what, "/dev/shm is no tmpfs that can be written to");
        }
        scratch
    }

    fn within(place: &Path, what: &str) -> std::io::Result<Scratch> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("ham-test-{what}-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Scratch { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A running `ham` with a runtime directory of its own.
#[derive(Debug)]
pub struct Manager {
    child: Child,
    scratch: Scratch,
}

impl Manager {
    /// Starts `ham run` on a directory of units, with more options if need be.
    /// Its log and what its entities write go to one file.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(units: &Path, options: &[&str]) -> Manager {
        Manager::start_by(Command::new(ham()), Scratch::new("manager"), units, options)
    }

    /// As [`Manager::start`], by a command that becomes `ham`: with variables
    /// in its environment, or after another program that executes it. The
    /// runtime directory is made in `scratch`.
    ///
    /// # Panics
    /// When the command cannot be started.
    #[must_use]
    pub fn start_by(command: Command, scratch: Scratch, units: &Path, options: &[&str]) -> Manager {
        let log = File::create(scratch.path().join("log")).expect("a log file");
        let out = log.try_clone().expect("a second descriptor of it");
        Manager::start_writing_to(command, scratch, units, options, (out.into(), log.into()))
    }

    /// As [`Manager::start_by`], with a standard output of the test's own: the
    /// log is standard error alone.
    ///
    /// # Panics
    /// When the command cannot be started.
    #[must_use]
    pub fn start_with_output(
        command: Command,
        units: &Path,
        options: &[&str],
        out: impl Into<Stdio>,
    ) -> Manager {
        let scratch = Scratch::new("manager");
        let log = File::create(scratch.path().join("log")).expect("a log file");
        Manager::start_writing_to(command, scratch, units, options, (out.into(), log.into()))
    }

    fn start_writing_to(
        mut command: Command,
        scratch: Scratch,
        units: &Path,
        options: &[&str],
        (out, log): (Stdio, Stdio),
    ) -> Manager {
        let child = command
            .arg("run")
            .arg("--units")
            .arg(units)
            .arg("--runtime-dir")
            .arg(scratch.path().join("run"))
            .args(options)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            .spawn()
            .expect("ham can be executed");
        Manager { child, scratch }
    }

    /// The process id of its reaper.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its runtime directory.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.scratch.path().join("run")
    }

    /// All that was written so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.scratch.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs `hamctl` on this manager.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn hamctl(&self, words: &[&str]) -> Output {
        Command::new(hamctl())
            .arg("--runtime-dir")
            .arg(self.runtime())
            .args(words)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("hamctl can be executed")
    }

    /// Waits until the log says what `holds` looks for.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`], or the manager ends before; shows
    /// the log.
    pub fn wait_for_log(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().expect("the manager is our child");
            let log = self.log();
            if holds(&log) {
                return;
            }
            assert!(ended.is_none(), "the manager ended before {what} ({ended:?}):\n{log}");
            assert!(Instant::now() < deadline, "never: {what}. The log:\n{log}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Sends it a signal by its name without SIG.
    ///
    /// # Panics
    /// When that is refused.
    pub fn signal(&self, name: &str) {
        let status = signal(self.child.id(), name);
        assert!(status.is_some_and(|status| status.success()), "could not send {name}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`]; shows the log.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        match self.ended_within(PATIENCE) {
            Some(status) => status,
            None => panic!("the manager does not end. The log:\n{}", self.log()),
        }
    }

    fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // In good order first, so that no entity is left behind.
            let _ = signal(self.child.id(), "TERM");
            if self.ended_within(PATIENCE).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// By the shell, which every system has: this crate has no unsafe code.
fn signal(pid: u32, name: &str) -> Option<ExitStatus> {
    let pid = pid.to_string();
    Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]).status().ok()
}
