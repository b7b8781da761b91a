//! A manager of one's own: in a scratch directory on a tmpfs, with the units
//! that a measurement writes, ended with it. Its state is mapped, so that what
//! its processes note is read without disturbing them.

use crate::Error;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::layout;
use ham_sys::process::{self, PidFd};
use ham_sys::shm::Map;
use ham_sys::signals::{SIGKILL, SIGTERM};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A monitor that lives for so long is not taken for one that dies at once,
/// after which the next would be slowed down; and its guardian is ready.
pub const SETTLED: Duration = Duration::from_millis(150);

/// A running manager.
#[derive(Debug)]
pub struct Manager {
    child: Child,
    scratch: PathBuf,
    hamctl: PathBuf,
    state: State,
}

/// A directory in memory for one manager and its units; `what` is in its name.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(what: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(format!("/dev/shm/ham-bench-{what}-{}", std::process::id()));
    let make = || {
        fs::create_dir(&path)?;
        fs::create_dir(path.join("units"))
    };
    make().map_err(|error| format!("could not make {}: {error}", path.display()))?;
    Ok(path)
}

/// A program of ham's, beside this one.
fn built(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    let build = "build it: cargo build --release -p ham -p hamctl";
    Err(format!("{} is not there; {build}", path.display()).into())
}

/// Looks until something holds.
///
/// # Errors
/// When it does not in two minutes.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return Err(format!("never: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

impl Manager {
    /// Starts `ham` on the units in `scratch`, which is removed at the end.
    ///
    /// # Errors
    /// When it is not built, or does not start.
    pub fn start(scratch: PathBuf) -> Result<Manager, Error> {
        let (ham, hamctl) = (built("ham")?, built("hamctl")?);
        let run = scratch.join("run");
        let log = File::create(scratch.join("log"))?;
        let mut child = Command::new(ham)
            .arg("run")
            .arg("--units")
            .arg(scratch.join("units"))
            .arg("--runtime-dir")
            .arg(&run)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        match attach(&run, &mut child) {
            Ok(state) => Ok(Manager { child, scratch, hamctl, state }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Where it and its units are.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The process id of its reaper.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs `hamctl` on it.
    ///
    /// # Errors
    /// When that cannot be executed.
    pub fn hamctl(&self, words: &[&str]) -> Result<Output, Error> {
        let mut command = Command::new(&self.hamctl);
        command.arg("--runtime-dir").arg(self.scratch.join("run")).args(words);
        Ok(command.env_remove("HAM_RUNTIME_DIR").stdin(Stdio::null()).output()?)
    }

    /// Waits until so many processes run in slots.
    ///
    /// # Errors
    /// When they do not in time.
    pub fn wait_for_processes(&self, count: usize) -> Result<(), Error> {
        wait_until("all entities run", || self.running().len() >= count)
    }

    /// The process ids of entities and commands.
    #[must_use]
    pub fn running(&self) -> Vec<i32> {
        let used = u32::try_from(self.state.get(Field::SlotsUsed)).unwrap_or(0);
        let slots = (ham_slots_from()..used).filter_map(|index| self.state.slot(index));
        slots.filter_map(|slot| slot.live_pid()).collect()
    }

    /// Waits until a monitor acts and has a guardian, both for a while.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn wait_until_settled(&self) -> Result<(), Error> {
        let state = self.state;
        wait_until("monitor and guardian", || {
            let monitor = state.get(Field::MonitorPid);
            monitor != 0
                && state.get(Field::ActingPid) == monitor
                && state.get(Field::GuardianPid) != 0
        })?;
        std::thread::sleep(SETTLED);
        Ok(())
    }

    /// The process that a word of the header names.
    ///
    /// # Errors
    /// When there is none.
    pub fn process(&self, field: Field) -> Result<PidFd, Error> {
        let pid = i32::try_from(self.state.get(field))?;
        Ok(PidFd::open(pid)?)
    }
}

/// Slots below are for ham's own helpers (schema/state.md).
fn ham_slots_from() -> u32 {
    8
}

fn attach(run: &Path, child: &mut Child) -> Result<State, Error> {
    let mut ended = None;
    wait_until("a state", || {
        ended = child.try_wait().ok().flatten();
        let file = fs::metadata(run.join("state"));
        ended.is_some()
            || file.is_ok_and(|file| file.len() >= (layout::TOTAL * layout::WORD) as u64)
    })?;
    if let Some(status) = ended {
        return Err(format!("ham has ended with {status}").into());
    }
    let directory = File::open(run)?;
    let bytes = layout::TOTAL * layout::WORD;
    let (map, _fd) = Map::file(std::os::fd::AsFd::as_fd(&directory), c"state", bytes, false)?;
    let mut state = None;
    wait_until("a state that counts", || {
        state = State::open(map.words()).ok().filter(|state| state.get(Field::StartedReal) != 0);
        state.is_some()
    })?;
    state.ok_or_else(|| "no state".into())
}

impl Drop for Manager {
    fn drop(&mut self) {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if !ended(&mut self.child) {
            if let Ok(reaper) = i32::try_from(self.child.id())
                .map_or_else(|_| Err(()), |pid| PidFd::open(pid).map_err(|_| ()))
            {
                let _ = reaper.send(SIGTERM);
            }
            if wait_until("the end of ham", || ended(&mut self.child)).is_err() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Ends a process at once, if it is (still) the one of a slot.
pub fn kill_in_slot(state: State, pid: i32) {
    let Some(slot) = state.slot_of_pid(pid) else { return };
    let Ok(process) = PidFd::open(pid) else { return };
    // Looked at after it was opened: until then the number may have changed hands.
    if slot.live_pid() == Some(pid) && pid != process::pid() {
        let _ = process.send(SIGKILL);
    }
}
