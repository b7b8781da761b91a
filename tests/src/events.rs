//! `hamctl events -f` beside a test, which reads what it has told so far.

use crate::own_units::{Units, wait_until};
use crate::programs::{Manager, hamctl};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

/// A follower of one entity, from the last 1000 facts on; ended with the test.
#[derive(Debug)]
pub struct Events {
    child: Child,
    file: String,
}

impl Events {
    /// Starts it. It writes to the files `events` and `errors` of the units'
    /// folder.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn follow(manager: &Manager, units: &Units, name: &str) -> Events {
        let file = units.file("events");
        let child = Command::new(hamctl())
            .arg("--runtime-dir")
            .arg(manager.runtime())
            .args(["events", "--json", "-f", "-n", "1000", name])
            .stdin(Stdio::null())
            .stdout(File::create(&file).expect("a file"))
            .stderr(File::create(units.file("errors")).expect("a file"))
            .spawn()
            .expect("hamctl can be executed");
        Events { child, file }
    }

    /// The facts so far.
    ///
    /// # Panics
    /// When a line is none.
    #[must_use]
    pub fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a fact")).collect()
    }

    /// Waits for its end by itself, and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of hamctl", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
