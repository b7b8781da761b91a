//! A `ham` that is the init of namespaces of its own, told to treat them as a
//! machine: it can be switched off, and what it unmounts or writes to
//! /var/lib and /run is nobody else's. The user namespace sees to that: what the
//! test does not mount in it, nothing in it can change.

use crate::own_units::{Units, wait_until};
use crate::processes::{children, send};
use crate::programs::{PATIENCE, Scratch, ham};
use crate::skip::skipped;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// What makes the namespaces, and stays in front of them.
const UNSHARE: [&str; 8] =
    ["--user", "--map-root-user", "--mount", "--uts", "--net", "--pid", "--fork", "--kill-child"];

/// Of its own: what ham writes as the init of a machine, and no cgroups.
const BEGIN: &str = "mount -t proc proc /proc && mount -t tmpfs none /run && \
                     mount -t tmpfs none /var/lib";

/// How the machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Switched off, or standing still: a namespace does not tell these apart,
    /// but the log does.
    Off,
    /// Started anew.
    Again,
}

/// See the file.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    init: u32,
    scratch: Scratch,
}

impl Machine {
    /// Starts it on these units, after a shell has carried out `more`, with these
    /// options. `None`, and said: there can be no such namespaces here.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(what: &str, units: &Units, more: &str, options: &[&str]) -> Option<Machine> {
        let probe = Command::new("unshare").args(UNSHARE).args(["sh", "-c", BEGIN]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skipped(what, "no user, mount and PID namespaces of its own");
            return None;
        }
        let scratch = Scratch::in_memory(what)?;
        let log = File::create(scratch.path().join("log")).expect("a log file");
        let script = format!("{BEGIN} && {more} exec \"$0\" \"$@\"");
        let child = Command::new("unshare")
            .args(UNSHARE)
            .args(["sh", "-c", &script])
            .arg(ham())
            .args(["run", "--board", "-t", "none", "--units"])
            .arg(units.path())
            .arg("--runtime-dir")
            .arg(scratch.path().join("run"))
            .args(options)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor of it"))
            .stderr(log)
            .spawn()
            .expect("unshare can be executed");
        let mut machine = Machine { child, init: 0, scratch };
        wait_until("an init", || {
            machine.init = children(machine.child.id()).first().copied().unwrap_or(0);
            machine.init != 0
        });
        machine.wait_for_log("units", |log| log.contains("units from"));
        Some(machine)
    }

    /// The process id of its init, as the test sees it.
    #[must_use]
    pub fn init(&self) -> u32 {
        self.init
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

    /// Waits until the log says what `holds` looks for.
    ///
    /// # Panics
    /// When it does not; shows the log.
    pub fn wait_for_log(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.log()) {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "it ended before {what}: {ended:?}\n{}", self.log());
            assert!(Instant::now() < deadline, "never: {what}. The log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs `hamctl` on it, from outside.
    #[must_use]
    pub fn hamctl(&self, words: &[&str]) -> Output {
        crate::bare::hamctl_on(&self.runtime(), words)
    }

    /// Runs a program inside, with these words; the first is how it is called.
    ///
    /// # Panics
    /// When nsenter(1) cannot be executed.
    #[must_use]
    pub fn inside(&self, words: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--user", "--mount", "--pid", "--target", &self.init.to_string(), "--"])
            .args(words)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter can be executed")
    }

    /// Sends its init a signal, by name or number.
    pub fn signal(&self, signal: &str) {
        send(signal, self.init);
    }

    /// One of its own processes by the name that it has given itself; `None`:
    /// there is none now.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<u32> {
        let is_it = |pid: &u32| {
            let comm = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        };
        children(self.init).into_iter().find(is_it)
    }

    /// Ends its monitor, or whoever is called so; false when there was none.
    #[must_use]
    pub fn kill(&self, name: &str) -> bool {
        let found = self.role(name);
        found.is_some_and(|pid| {
            let pid = i32::try_from(pid).map(nix::unistd::Pid::from_raw);
            // It may end at this moment.
            pid.is_ok_and(|pid| nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).is_ok())
        })
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end, or otherwise than by reboot(2); shows the log.
    pub fn end(&mut self) -> End {
        match self.status().signal() {
            Some(1) => End::Again,
            Some(2) => End::Off,
            other => panic!("it ended by {other:?}:\n{}", self.log()),
        }
    }

    fn status(&mut self) -> ExitStatus {
        // Steps that hang have ten seconds, and the whole thirty.
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // With its init all of it ends.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
