//! A `ham` started just as a test says, where [`crate::programs::Manager`]
//! would hold its streams or expect it to run.

use crate::programs::{PATIENCE, ham, hamctl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs `ham` to its end, with a limit of time: it is expected to refuse.
///
/// # Panics
/// When it cannot be executed.
#[must_use]
pub fn ham_output(words: &[&str]) -> Output {
    let limit = format!("{}s", PATIENCE.as_secs());
    Command::new("timeout")
        .arg(limit)
        .arg(ham())
        .args(words)
        .env_remove("HAM_RUNTIME_DIR")
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) can be executed")
}

/// What a program has written, and how it ended, for messages.
#[must_use]
pub fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}: {out}{err}", output.status)
}

/// A running `ham` whose streams belong to the test.
#[derive(Debug)]
pub struct Bare {
    child: Child,
    runtime: PathBuf,
}

impl Bare {
    /// Lets `command`, which becomes `ham`, run on these directories.
    ///
    /// # Panics
    /// When it cannot be executed.
    #[must_use]
    pub fn start(mut command: Command, units: &Path, runtime: &Path, options: &[&str]) -> Bare {
        let child = command
            .arg("run")
            .arg("--units")
            .arg(units)
            .arg("--runtime-dir")
            .arg(runtime)
            .args(options)
            .env_remove("HAM_RUNTIME_DIR")
            .spawn()
            .expect("ham can be executed");
        Bare { child, runtime: runtime.to_owned() }
    }

    /// The process id of the command.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs `hamctl` on it.
    #[must_use]
    pub fn hamctl(&self, words: &[&str]) -> Output {
        hamctl_on(&self.runtime, words)
    }

    /// One entity as `status --json` has it; null when there is no answer.
    #[must_use]
    pub fn entity(&self, name: &str) -> serde_json::Value {
        let output = self.hamctl(&["--json", "status", name]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["entities"][0].clone()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap_or(i32::MAX);
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// Waits for its end; `None`: it does not within `time`.
    pub fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGTERM);
            if self.ended_within(PATIENCE).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// Runs `hamctl` on whatever manager has this runtime directory.
///
/// # Panics
/// When it cannot be executed.
#[must_use]
pub fn hamctl_on(runtime: &Path, words: &[&str]) -> Output {
    Command::new(hamctl())
        .arg("--runtime-dir")
        .arg(runtime)
        .args(words)
        .env_remove("HAM_RUNTIME_DIR")
        .stdin(Stdio::null())
        .output()
        .expect("hamctl can be executed")
}
