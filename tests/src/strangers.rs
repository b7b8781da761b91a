//! Processes that ham has not made, for what is attached to it.

use crate::processes::send;
use std::process::{Child, Command, Stdio};

/// A process of the test's, which is none of ham's; killed at the end.
#[derive(Debug)]
pub struct Stranger {
    /// Its end and its streams.
    pub child: Child,
}

impl Stranger {
    /// That program, with the streams that it was given.
    ///
    /// # Panics
    /// When it cannot be executed.
    #[must_use]
    pub fn of(command: &mut Command) -> Stranger {
        Stranger { child: command.spawn().expect("it can be executed") }
    }

    /// A script for `sh`.
    #[must_use]
    pub fn script(script: &str) -> Stranger {
        Stranger::of(Command::new("sh").args(["-c", script]).stdin(Stdio::null()))
    }

    /// One that does nothing until it is killed.
    #[must_use]
    pub fn sleeper() -> Stranger {
        Stranger::script("exec sleep 600")
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and waits for its end.
    ///
    /// # Panics
    /// When that cannot be done, or it has ended.
    pub fn end(&mut self) {
        send("KILL", self.pid());
        self.child.wait().expect("our child");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
