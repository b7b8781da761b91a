//! What a manager says of itself and its entities, and the means to take its
//! monitor away.

use crate::chaos::{Child, children};
use crate::programs::{Manager, PATIENCE};
use serde_json::Value;
use std::process::Command;
use std::time::Instant;

impl Manager {
    /// `hamctl status --json`.
    ///
    /// # Panics
    /// When the manager does not answer, or not in JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let output = self.hamctl(&["--json", "status"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("no status: {error}; {errors}. The log:\n{}", self.log())
        })
    }

    /// One entity of it.
    ///
    /// # Panics
    /// When there is no such entity.
    #[must_use]
    pub fn entity(&self, name: &str) -> Value {
        let status = self.status();
        let entities = status["entities"].as_array().cloned().unwrap_or_default();
        let found = entities.into_iter().find(|entity| entity["name"] == name);
        found.unwrap_or_else(|| panic!("no entity {name} in {status}"))
    }

    /// The process id of a running entity.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid_of(&self, name: &str) -> u32 {
        let entity = self.entity(name);
        let pid = entity["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.unwrap_or_else(|| panic!("{name} has no process: {entity}"))
    }

    /// Waits until an entity is as `holds` wants it, and gives it. The manager
    /// may not answer yet, or not have read its units.
    ///
    /// # Panics
    /// When that does not happen within [`PATIENCE`]; shows the log.
    pub fn wait_for(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.hamctl(&["--json", "status", name]);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let entity = &status["entities"][0];
            if entity.is_object() && holds(entity) {
                return entity.clone();
            }
            assert!(Instant::now() < deadline, "never: {entity}. The log:\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Waits until an entity is in that state.
    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for(name, |entity| entity["state"] == state)
    }

    /// The process id of the monitor at the moment, found below the reaper.
    #[must_use]
    pub fn monitor(&self) -> Option<u32> {
        // Its successor may act before the reaper has let a dead one go.
        let is_it = |child: &Child| child.name == "ham-monitor" && !child.zombie;
        children(self.pid()).into_iter().find(is_it).map(|child| child.pid)
    }

    /// Ends the monitor by a signal (name without SIG), and gives its pid.
    ///
    /// # Panics
    /// When there is none for [`PATIENCE`].
    pub fn kill_monitor(&self, signal: &str) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(pid) = self.monitor() {
                let script = "kill -s \"$1\" \"$2\"";
                let sent = Command::new("sh")
                    .args(["-c", script, "sh", signal, &pid.to_string()])
                    .status();
                if sent.is_ok_and(|status| status.success()) {
                    return pid;
                }
            }
            assert!(Instant::now() < deadline, "no monitor. The log:\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}
