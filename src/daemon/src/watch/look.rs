//! One look at a path that a user named, and the only place that touches one.
//! It may hang for ever, so it is a worker's business.

use ham_sys::inotify::{Directories, Watch};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    pub(super) path: PathBuf,
    /// What has not changed since then does not count, nanoseconds since 1970.
    pub(super) since: i128,
    /// It, or a directory that leads to it, was seen to come or change.
    pub(super) came: bool,
}

impl Sought {
    /// A path that cannot be looked at is not there.
    fn is_there(&self) -> bool {
        let Ok(status) = self.path.metadata() else { return false };
        let changed = |status: &Metadata| {
            i128::from(status.ctime()) * 1_000_000_000 + i128::from(status.ctime_nsec())
        };
        // A new link to an old file is new.
        let link = || self.path.symlink_metadata().is_ok_and(|link| changed(&link) >= self.since);
        self.came || changed(&status) >= self.since || link()
    }
}

/// What a look has found.
#[derive(Debug)]
pub(super) struct Seen {
    /// It is there, and counts.
    pub(super) found: bool,
    /// The nearest directory above it, which is watched; `None`: it could not be.
    pub(super) at: Option<(Watch, PathBuf)>,
    /// Directories that it has begun to watch on the way.
    pub(super) passed: Vec<Watch>,
}

/// Watches first, then looks: what comes into being in between is seen by one
/// of the two. Repeats while the directory to be watched is another.
pub(super) fn look(sought: &Sought, directories: &Directories) -> Seen {
    let mut passed = Vec::new();
    let mut parent = nearest_parent(&sought.path);
    loop {
        // Also what is watched already: it may have been removed and made
        // again, and then it is another directory.
        let at = parent.clone().and_then(|parent| Some((directories.watch(&parent).ok()?, parent)));
        let found = sought.is_there();
        let next = nearest_parent(&sought.path);
        if found || next == parent {
            return Seen { found, at, passed };
        }
        passed.extend(at.map(|(watch, _)| watch));
        parent = next;
    }
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
