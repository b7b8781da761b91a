//! The path watcher: a helper process that tells when paths come into being.
//! It touches paths that users named, which may hang, so the monitor does not.
//!
//! It is asked `+NUMBER SINCE PATH` and `-NUMBER` and answers `NUMBER`, one
//! packet each on descriptor 3. It ends when the monitor closes the channel.
//!
//! With a SINCE other than 0 (nanoseconds since 1970) a path counts only if it
//! is not older: changed since then, or seen to be made, changed or moved there.
//! So the socket that a killed daemon has left says nothing about the next one.

use crate::say::say;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use ham_sys::Errno;
use ham_sys::poller::{EventFd, Interest, Poller, Ready};
use ham_sys::{process, socket};

/// The descriptor that the helper is given.
pub(crate) const FIRST_DESCRIPTOR: i32 = 3;
/// The longest path (`PATH_MAX` less its NUL).
pub(crate) const PATH_BYTES: usize = 4_095;
/// A path and what stands before it: two numbers of up to 20 digits.
pub(crate) const MESSAGE_BYTES: usize = 4_200;
/// Paths that have changed and were not looked at yet; more are forgotten, and
/// their time of change has to do.
const MOST_CHANGES: usize = 4_096;

const CHANNEL: u64 = 0;
const CHANGED: u64 = 1;
const MOUNTS: u64 = 2;

/// `ham watch`.
pub(crate) fn main() -> ExitCode {
    let _ = process::set_name(c"ham-watch");
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        let channel = process::inherited(FIRST_DESCRIPTOR)?;
        Helper::new(channel)?.run()
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The monitor has gone: the next one starts a helper of its own.
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("watch: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the thread of the watcher tells.
struct Changes {
    wake: EventFd,
    /// What was made or moved there (true), or changed (false).
    paths: Mutex<BTreeSet<(PathBuf, bool)>>,
}

/// A path that is waited for.
struct Waiting {
    path: PathBuf,
    /// What has not changed since then does not count, nanoseconds since 1970.
    since: i128,
    /// It, or a directory that leads to it, was seen to come or change.
    came: bool,
}

impl Waiting {
    /// A path that cannot be looked at is not there.
    fn is_there(&self) -> bool {
        let Ok(status) = self.path.metadata() else { return false };
        let changed = |status: &std::fs::Metadata| {
            i128::from(status.ctime()) * 1_000_000_000 + i128::from(status.ctime_nsec())
        };
        // A new link to an old file is new.
        let link = || self.path.symlink_metadata().is_ok_and(|link| changed(&link) >= self.since);
        self.came || changed(&status) >= self.since || link()
    }
}

struct Helper {
    channel: OwnedFd,
    poller: Poller,
    changes: Arc<Changes>,
    watcher: RecommendedWatcher,
    waiting: BTreeMap<u64, Waiting>,
    /// Directories that are watched at the moment.
    watched: BTreeSet<PathBuf>,
    _mounts: Option<File>,
}

impl Helper {
    fn new(channel: OwnedFd) -> Result<Helper, Box<dyn std::error::Error>> {
        let changes =
            Arc::new(Changes { wake: EventFd::new()?, paths: Mutex::new(BTreeSet::new()) });
        let told = Arc::clone(&changes);
        let watcher = notify::recommended_watcher(move |event| told.note(event))?;
        let poller = Poller::new()?;
        poller.add(&channel, CHANNEL, Interest::READ)?;
        poller.add(changes.wake.as_fd(), CHANGED, Interest::READ)?;
        // A mount brings paths without any event in the directory.
        let mounts = File::open("/proc/self/mountinfo").ok();
        if let Some(mounts) = &mounts {
            let priority = Interest { read: false, write: false, priority: true, edge: false };
            poller.add(mounts, MOUNTS, priority)?;
        }
        Ok(Helper {
            channel,
            poller,
            changes,
            watcher,
            waiting: BTreeMap::new(),
            watched: BTreeSet::new(),
            _mounts: mounts,
        })
    }

    fn run(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut ready = [Ready::default(); 4];
        loop {
            let count = self.poller.wait(&mut ready, None)?;
            // What has changed before somebody waited for it says nothing.
            self.take_changes();
            for event in ready.iter().take(count) {
                if event.token == CHANNEL && !self.read()? {
                    return Ok(());
                }
            }
            self.look()?;
        }
    }

    /// False when the monitor has closed the channel.
    fn read(&mut self) -> Result<bool, Box<dyn std::error::Error>> {
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(count) = socket::receive_packet(&self.channel, &mut buffer)? {
            if count == 0 {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
            if let Some(number) = text.strip_prefix('-').and_then(|text| text.parse().ok()) {
                self.waiting.remove(&number);
            } else if let Some((number, rest)) =
                text.strip_prefix('+').and_then(|text| text.split_once(' '))
                && let Some((since, path)) = rest.split_once(' ')
                && let (Ok(number), Ok(since)) = (number.parse(), since.parse::<u64>())
            {
                // Even a file of 1969 is there.
                let since = if since == 0 { i128::MIN } else { i128::from(since) };
                let path = PathBuf::from(path);
                self.waiting.insert(number, Waiting { path, since, came: false });
            }
        }
        Ok(true)
    }

    fn take_changes(&mut self) {
        self.changes.wake.drain();
        let changed =
            std::mem::take(&mut *self.changes.paths.lock().unwrap_or_else(PoisonError::into_inner));
        for waiting in self.waiting.values_mut() {
            // A directory that came brings what is in it; one that changed
            // says nothing about that.
            waiting.came |= changed.iter().any(|(path, came)| {
                waiting.path == *path || (*came && waiting.path.starts_with(path))
            });
        }
    }

    /// Watches first, then looks: what comes into being in between is seen by
    /// one of the two. Repeats while the watches had to move.
    fn look(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        loop {
            let wanted: BTreeSet<PathBuf> =
                self.waiting.values().filter_map(|at| nearest_parent(&at.path)).collect();
            for gone in self.watched.difference(&wanted) {
                let _ = self.watcher.unwatch(gone);
            }
            for directory in &wanted {
                // Also what is watched already: it may have been removed and
                // made again, and then it is another directory. It may be
                // gone again: the next round finds what is there.
                let _ = self.watcher.watch(directory, RecursiveMode::NonRecursive);
            }
            let moved = wanted != self.watched;
            self.watched = wanted;
            let found: Vec<u64> = self
                .waiting
                .iter()
                .filter(|(_, waiting)| waiting.is_there())
                .map(|(number, _)| *number)
                .collect();
            for number in found {
                self.waiting.remove(&number);
                // Blocking is fine here: the monitor reads, or is dead.
                while !socket::send_packet(&self.channel, number.to_string().as_bytes())? {
                    std::thread::yield_now();
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }
}

impl Changes {
    fn note(&self, event: notify::Result<Event>) {
        let (kind, paths) = match event {
            Ok(event) => (event.kind, event.paths),
            // Something was missed: look at everything.
            Err(_) => return self.wake.post(),
        };
        let came = match kind {
            EventKind::Create(_) => Some(true),
            EventKind::Modify(ModifyKind::Name(mode)) => (mode != RenameMode::From).then_some(true),
            EventKind::Modify(_) | EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                Some(false)
            }
            // Opening and reading are no changes; to look again for them
            // would lead to looking again for ever.
            EventKind::Access(_) => return,
            EventKind::Remove(_) | EventKind::Any | EventKind::Other => None,
        };
        // Of two names of a file that was moved the last is where it is.
        if let (Some(path), Some(came)) = (paths.into_iter().last(), came) {
            let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
            if paths.len() < MOST_CHANGES {
                paths.insert((path, came));
            }
        }
        self.wake.post();
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<ham_sys::SysError>().is_some_and(|error| error.errno == Errno::EPIPE)
}

/// The nearest directory above a path that exists.
fn nearest_parent(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find(|parent| parent.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests;
