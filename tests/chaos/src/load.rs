//! Two processes that want all of the processor, held until they are wanted.

use crate::targets::strike;
use nix::sys::signal::Signal;
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// As many as make the smallest machine that this runs on busy.
const PROCESSES: usize = 2;

/// The processes.
#[derive(Debug)]
pub(crate) struct Load {
    children: Vec<Child>,
    on: Cell<bool>,
}

impl Load {
    /// Starts them, held.
    pub(crate) fn new(program: &Path) -> io::Result<Load> {
        let mut load = Load { children: Vec::new(), on: Cell::new(true) };
        for _ in 0..PROCESSES {
            let child = Command::new(program).arg("busy").stdin(Stdio::null()).spawn()?;
            load.children.push(child);
        }
        load.set(false);
        Ok(load)
    }

    /// Lets them go, or holds them.
    pub(crate) fn set(&self, on: bool) {
        if self.on.replace(on) == on {
            return;
        }
        let signal = if on { Signal::SIGCONT } else { Signal::SIGSTOP };
        for child in &self.children {
            strike(i32::try_from(child.id()).unwrap_or(0), signal);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended already is as wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
