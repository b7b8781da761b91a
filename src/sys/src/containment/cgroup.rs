//! A tree of cgroups in ham's own: `ham-LABEL/units/NAME/GENERATION` and
//! `ham-LABEL/actions/NAME/GENERATION`. Owns making, watching, clearing and
//! removing them. Moves no process of ham: that is `own`'s.
//!
//! A directory that was killed once is never used again: some kernels (6.12
//! to 6.18 at least) then kill every process that is born in it. So a
//! generation has a directory of its own, and one found in the way is removed
//! and made afresh.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::own::Own;
use super::{Cleared, mounts};
use crate::process::PidFd;
use crate::{Errno, Result, SysError, clock};

/// The two kinds of processes that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The processes of an entity.
    Unit,
    /// The command of an action, never in the cgroup of its entity.
    Action,
}

impl Kind {
    pub(super) fn directory(self) -> &'static str {
        match self {
            Kind::Unit => "units",
            Kind::Action => "actions",
        }
    }
}

/// The tree of one manager. All methods may be called from any thread.
#[derive(Debug)]
pub struct CgroupTree {
    root: PathBuf,
    /// The same as /proc tells it.
    told: PathBuf,
    /// The cgroup of ham itself.
    here: PathBuf,
    /// Use cgroup.kill (Linux 5.14) where it exists.
    kill_file: bool,
}

/// How often `create` begins again when a `remove` in another thread takes
/// the directory of the name away in between. Each such remove needs a
/// generation to end, so more than a few in a row mean something else.
const CREATE_ATTEMPTS: u32 = 8;

/// How often `let_go` looks for who was born while the others were moved.
const LET_GO_PASSES: u32 = 32;

/// How long to wait for "populated 0" before killing once more: cgroup.kill
/// takes all at once, but a process may have been moved in since. Death
/// itself wakes the wait at once.
const KILL_AGAIN_MS: u64 = 100;

/// Turns cgroups off where it is 1.
pub(super) const HAM_NO_CGROUP: &str = "HAM_NO_CGROUP";

/// Finds (and makes) the tree `ham-LABEL` in the cgroup of this process, or in the
/// one above its leaf ([`super::settle`]). `HAM_NO_CGROUP=1` turns it off;
/// `HAM_NO_CGROUP_KILL=1` turns off the use of cgroup.kill.
///
/// # Errors
/// Why entities cannot be held in cgroups, as a sentence for people.
pub fn find_tree(label: &str) -> std::result::Result<CgroupTree, String> {
    if switched_off(HAM_NO_CGROUP) {
        return Err(format!("switched off by {HAM_NO_CGROUP}"));
    }
    let own = Own::find()?;
    own.writable()?;
    let name = format!("ham-{}", escape(label));
    let (root, told) = (own.base.join(&name), own.told.join(&name));
    for kind in [Kind::Unit, Kind::Action] {
        let dir = root.join(kind.directory());
        fs::create_dir_all(&dir).map_err(|error| {
            format!("could not create {}: {}", dir.display(), Errno::from(error))
        })?;
    }
    let kill_file = !switched_off("HAM_NO_CGROUP_KILL");
    Ok(CgroupTree { root, told, here: own.here, kill_file })
}

pub(super) fn switched_off(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

/// A name as a directory name. The dot is among what is escaped, since the
/// kernel's own files all have one ("cgroup.procs", "memory.max").
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_:@-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

impl CgroupTree {
    #[cfg(test)]
    pub(super) fn of_test(root: PathBuf) -> CgroupTree {
        let here = root.parent().unwrap_or(&root).to_path_buf();
        CgroupTree { root, told: PathBuf::new(), here, kill_file: true }
    }

    /// The directory `ham-LABEL`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cgroup that the tree is in.
    pub(super) fn base(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// The cgroup of ham itself: that, or the leaf in it.
    pub(super) fn here(&self) -> &Path {
        &self.here
    }

    /// The directory of one generation, existing or not.
    pub fn path(&self, kind: Kind, name: &str, id: &str) -> PathBuf {
        self.name_path(kind, name).join(escape(id))
    }

    pub(super) fn name_path(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.directory()).join(escape(name))
    }

    /// In which generation a process is, or was it when it ended a moment ago:
    /// its kind and id. `None`: in none of this manager's.
    pub fn place_of(&self, pid: i32) -> Option<(Kind, String)> {
        let cgroup = mounts::cgroup_of(&pid.to_string())?;
        let mut parts = cgroup.strip_prefix(&self.told).ok()?.iter().map(|part| part.to_str());
        let kind = parts.next()??;
        let kind = [Kind::Unit, Kind::Action].into_iter().find(|one| one.directory() == kind)?;
        // After it comes the name, and then the id; below is the entity's own.
        Some((kind, parts.nth(1)??.to_owned()))
    }

    /// Makes a fresh directory for a generation and opens it (close-on-exec),
    /// for [`crate::spawn::Program::cgroup`]. One that stands there already,
    /// from a spawn that was cut short, is replaced.
    ///
    /// # Errors
    /// EBUSY when processes live in the old one; else those of mkdir(2).
    pub fn create(&self, kind: Kind, name: &str, id: &str) -> Result<OwnedFd> {
        let path = self.path(kind, name, id);
        let failed = |error: io::Error| SysError::new("create cgroup", shown(&path), error);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let made = fs::create_dir_all(self.name_path(kind, name))
                .and_then(|()| fs::create_dir(&path))
                .and_then(|()| open_directory(&path));
            match made {
                Ok(dir) => return Ok(dir),
                Err(error) if attempts >= CREATE_ATTEMPTS => return Err(failed(error)),
                Err(error) if error.kind() == ErrorKind::NotFound => (),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    remove_empty(&path).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Whether no process lives in a generation. A missing directory is
    /// empty; one that cannot be read is not.
    pub fn is_empty(&self, kind: Kind, name: &str, id: &str) -> bool {
        !populated(&self.path(kind, name, id))
    }

    /// The processes of a generation, those in cgroups that it made included.
    pub fn processes(&self, kind: Kind, name: &str, id: &str) -> Vec<i32> {
        processes(&self.path(kind, name, id))
    }

    /// Sends a signal to every process of a generation.
    pub fn signal(&self, kind: Kind, name: &str, id: &str, signal: i32) {
        signal_each(&self.path(kind, name, id), signal);
    }

    /// All that live anywhere in the tree: before a manager has started
    /// anything these are what an earlier one has left.
    pub fn all_processes(&self) -> Vec<i32> {
        processes(&self.root)
    }

    /// Kills all that live in a generation, waits until they are gone, and
    /// removes its directory. Blocks until `deadline_ns`
    /// ([`crate::clock::monotonic`]): for a worker thread.
    pub fn clear(&self, kind: Kind, name: &str, id: &str, deadline_ns: u64) -> Cleared {
        let path = self.path(kind, name, id);
        let events = File::open(path.join("cgroup.events")).ok();
        while populated(&path) {
            let now = clock::monotonic();
            if now >= deadline_ns {
                return Cleared::Left(processes(&path).len().max(1));
            }
            if !self.kill_file || write(&path, "cgroup.kill", "1").is_err() {
                kill_each(&path);
            }
            let milliseconds = (deadline_ns - now).div_ceil(1_000_000).min(KILL_AGAIN_MS);
            wait_for_change(events.as_ref(), milliseconds, &path);
        }
        self.remove(kind, name, id);
        Cleared::Empty
    }

    /// Moves all that live in a generation to where ham itself is, so that nobody
    /// takes them for what is held here, and removes its directory. False when
    /// some are still there. Moving a process makes it wait for the kernel: for
    /// a worker thread.
    pub fn let_go(&self, kind: Kind, name: &str, id: &str) -> bool {
        let path = self.path(kind, name, id);
        for _ in 0..LET_GO_PASSES {
            let all = processes(&path);
            if all.is_empty() {
                break;
            }
            for pid in all {
                // One that has ended meanwhile need not go.
                let _ = write(&self.here, "cgroup.procs", &pid.to_string());
            }
        }
        self.remove(kind, name, id)
    }

    /// Removes the directory of a generation, if nothing lives in it, and
    /// that of its name after the last generation. Kills nothing. True when
    /// the generation's directory is gone.
    pub fn remove(&self, kind: Kind, name: &str, id: &str) -> bool {
        let gone = remove_empty(&self.path(kind, name, id)).is_ok();
        // Refused while other generations are in it, which is right.
        let _ = fs::remove_dir(self.name_path(kind, name));
        gone
    }

    /// Removes what is empty of the whole tree, at shutdown.
    pub fn remove_tree(&self) {
        for dir in subtree(&self.root).iter().rev() {
            // Refused where processes live, which is right.
            let _ = fs::remove_dir(dir);
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let options = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    // The standard library adds O_CLOEXEC.
    Ok(fs::OpenOptions::new().read(true).custom_flags(options).open(path)?.into())
}

/// "populated 1" in cgroup.events: a live process here or below.
fn populated(dir: &Path) -> bool {
    match fs::read_to_string(dir.join("cgroup.events")) {
        Ok(text) => text.lines().any(|line| line == "populated 1"),
        // ENODEV: removed while we had it open.
        Err(error) => {
            error.kind() != ErrorKind::NotFound && error.raw_os_error() != Some(libc::ENODEV)
        }
    }
}

/// A directory and all below it, parents before children. Not recursive: an
/// entity may have nested cgroups as deep as it likes.
fn subtree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(next) = waiting.pop() {
        waiting.extend(subdirectories(&next));
        found.push(next);
    }
    found
}

pub(super) fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(is_dir).map(|entry| entry.path()).collect()
}

/// Removes a directory without processes, deepest cgroups first.
pub(super) fn remove_empty(dir: &Path) -> io::Result<()> {
    if populated(dir) {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    for dir in subtree(dir).iter().rev() {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

pub(super) fn write(dir: &Path, file: &str, text: &str) -> io::Result<()> {
    // Without O_CREAT: cgroup directories take no new files, and a mistaken
    // path must not make one elsewhere.
    let mut file = fs::OpenOptions::new().write(true).open(dir.join(file))?;
    io::Write::write_all(&mut file, text.as_bytes())
}

pub(super) fn processes(dir: &Path) -> Vec<i32> {
    let mut all = Vec::new();
    for dir in subtree(dir) {
        // EOPNOTSUPP in a threaded cgroup, whose processes its domain lists.
        if let Ok(text) = fs::read_to_string(dir.join("cgroup.procs")) {
            all.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    // 0 stands for processes outside of our PID namespace.
    all.retain(|pid| *pid > 0);
    all
}

/// What cgroup.kill does, before Linux 5.14: nobody can fork while frozen, and
/// SIGKILL reaches the frozen.
fn kill_each(dir: &Path) {
    // A kernel without the freezer still kills, only a fork bomb may win.
    let _ = write(dir, "cgroup.freeze", "1");
    signal_each(dir, libc::SIGKILL);
    let _ = write(dir, "cgroup.freeze", "0");
}

fn signal_each(dir: &Path, signal: i32) {
    let opened: Vec<(i32, PidFd)> =
        processes(dir).into_iter().filter_map(|pid| Some((pid, PidFd::open(pid).ok()?))).collect();
    // Listed again after it was opened: then this descriptor is of a process
    // that was in here, never of a stranger that got the number.
    let still_here: std::collections::HashSet<i32> = processes(dir).into_iter().collect();
    for (pid, process) in &opened {
        if still_here.contains(pid) {
            let _ = process.send(signal);
        }
    }
}

/// Waits until cgroup.events has changed. The kernel tells of changes since
/// the file was last read, so it is read (again) before.
fn wait_for_change(events: Option<&File>, milliseconds: u64, dir: &Path) {
    let timeout = u16::try_from(milliseconds).unwrap_or(u16::MAX);
    let Some(file) = events else {
        std::thread::sleep(std::time::Duration::from_millis(milliseconds.min(10)));
        return;
    };
    let mut text = [0u8; 256];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut text, 0);
    if read.is_err() || !populated(dir) {
        return;
    }
    let mut watched = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
    // An interruption only makes the caller look earlier.
    let _ = poll(&mut watched, PollTimeout::from(timeout));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_be_a_file_of_the_kernel_or_leave_its_directory() {
        assert_eq!(escape("audio@x"), "audio@x");
        assert_eq!(escape("cgroup.procs"), "cgroup%2Eprocs");
        assert_eq!(escape("../a/b"), "%2E%2E%2Fa%2Fb");
        assert_eq!(escape("50%"), "50%25");
    }
}
