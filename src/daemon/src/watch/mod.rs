//! The path watcher: a helper process that tells when paths come into being.
//! It touches paths that users named, which may hang, so the monitor does not.
//!
//! It is asked `+NUMBER PATH` and `-NUMBER` and answers `NUMBER`, one packet
//! each on descriptor 3. It ends when the monitor closes the channel.

use crate::say::say;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ham_sys::Errno;
use ham_sys::poller::{EventFd, Interest, Poller, Ready};
use ham_sys::{process, socket};

/// The descriptor that the helper is given.
pub(crate) const FIRST_DESCRIPTOR: i32 = 3;
/// The longest path (`PATH_MAX` less its NUL).
pub(crate) const PATH_BYTES: usize = 4_095;
/// A path and what stands before it.
pub(crate) const MESSAGE_BYTES: usize = 4_200;

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

struct Helper {
    channel: OwnedFd,
    poller: Poller,
    changed: Arc<EventFd>,
    watcher: RecommendedWatcher,
    waiting: BTreeMap<u64, PathBuf>,
    /// Directories that are watched at the moment.
    watched: BTreeSet<PathBuf>,
    _mounts: Option<File>,
}

impl Helper {
    fn new(channel: OwnedFd) -> Result<Helper, Box<dyn std::error::Error>> {
        let changed = Arc::new(EventFd::new()?);
        let wake = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Opening and reading are no changes; to look again for them
            // would lead to looking again for ever.
            let matters = match event.map(|event| event.kind) {
                Ok(EventKind::Access(AccessKind::Close(AccessMode::Write))) | Err(_) => true,
                Ok(EventKind::Access(_)) => false,
                Ok(_) => true,
            };
            if matters {
                wake.post();
            }
        })?;
        let poller = Poller::new()?;
        poller.add(&channel, CHANNEL, Interest::READ)?;
        poller.add(changed.as_fd(), CHANGED, Interest::READ)?;
        // A mount brings paths without any event in the directory.
        let mounts = File::open("/proc/self/mountinfo").ok();
        if let Some(mounts) = &mounts {
            let priority = Interest { read: false, write: false, priority: true, edge: false };
            poller.add(mounts, MOUNTS, priority)?;
        }
        Ok(Helper {
            channel,
            poller,
            changed,
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
            for event in ready.iter().take(count) {
                if event.token == CHANNEL && !self.read()? {
                    return Ok(());
                }
            }
            self.changed.drain();
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
            } else if let Some((number, path)) =
                text.strip_prefix('+').and_then(|text| text.split_once(' '))
                && let Ok(number) = number.parse()
            {
                self.waiting.insert(number, PathBuf::from(path));
            }
        }
        Ok(true)
    }

    /// Watches first, then looks: what comes into being in between is seen by
    /// one of the two. Repeats while the watches had to move.
    fn look(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        loop {
            let wanted: BTreeSet<PathBuf> =
                self.waiting.values().filter_map(|path| nearest_parent(path)).collect();
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
                .filter(|(_, path)| path.exists())
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

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<ham_sys::SysError>().is_some_and(|error| error.errno == Errno::EPIPE)
}

/// The nearest directory above a path that exists.
fn nearest_parent(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find(|parent| parent.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_parent_is_what_is_there() {
        let missing = Path::new("/proc/self/task/none/at/all");
        assert_eq!(nearest_parent(missing), Some(PathBuf::from("/proc/self/task")));
    }
}
