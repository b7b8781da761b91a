//! What a cgroup with the memory controller tells of processes that the kernel
//! has ended because memory was short (memory.events, cgroup-v2.rst): counts, and
//! that they have changed. Without the controller there is nothing to tell.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::{CgroupTree, Kind};
use crate::{Result, SysError};

/// The file of a cgroup: its own kills and those of all below it.
const FILE: &str = "memory.events";

/// How many processes of a cgroup the kernel has killed so; `None`: it does not
/// count them.
pub fn oom_kills(cgroup: &Path) -> Option<u64> {
    counted(&std::fs::read_to_string(cgroup.join(FILE)).ok()?)
}

fn counted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

impl CgroupTree {
    /// How many processes of a generation the kernel has killed because memory
    /// was short; `None`: it does not count them.
    pub fn oom_kills(&self, kind: Kind, name: &str, id: &str) -> Option<u64> {
        oom_kills(&self.path(kind, name, id))
    }
}

/// Tells when counts change.
#[derive(Debug)]
pub struct ShortageWatch(Inotify);

/// One cgroup that is watched. Ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched(WatchDescriptor);

impl ShortageWatch {
    /// Watches nothing yet. Close-on-exec.
    ///
    /// # Errors
    /// EMFILE at the limit of instances (fs.inotify.max_user_instances).
    pub fn new() -> Result<ShortageWatch> {
        Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map(ShortageWatch)
            .map_err(|errno| SysError::new("watch", "memory events", errno))
    }

    /// Watches a cgroup too.
    ///
    /// # Errors
    /// ENOENT where the kernel does not count; ENOSPC at the limit of watches.
    pub fn add(&self, cgroup: &Path) -> Result<Watched> {
        let path = cgroup.join(FILE);
        self.0
            .add_watch(&path, AddWatchFlags::IN_MODIFY)
            .map(Watched)
            .map_err(|errno| SysError::new("watch", path.display().to_string(), errno))
    }

    /// Those whose counts have changed; those that are gone say so once, too.
    pub fn read(&self) -> Vec<Watched> {
        let mut changed = Vec::new();
        while let Ok(events) = self.0.read_events() {
            changed.extend(events.into_iter().map(|event| Watched(event.wd)));
        }
        changed.dedup();
        changed
    }
}

impl AsFd for ShortageWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder instead of a cgroup: this is about what its file says.
    #[test]
    fn kills_are_counted_and_changes_are_told() {
        let text = "low 0\nhigh 3\nmax 17\noom 4\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(counted(text), Some(2));
        assert_eq!(counted("low 0\nhigh 3\n"), None);
        assert_eq!(counted("oom_kill x\n"), None);
        let folder = std::env::temp_dir().join(format!("ham-shortage-{}", crate::process::pid()));
        fs::create_dir(&folder).unwrap();
        let watch = ShortageWatch::new().unwrap();
        assert_eq!(oom_kills(&folder), None);
        assert_eq!(watch.add(&folder).unwrap_err().errno, crate::Errno::ENOENT);
        fs::write(folder.join(FILE), text).unwrap();
        assert_eq!(oom_kills(&folder), Some(2));
        let watched = watch.add(&folder).unwrap();
        assert_eq!(watch.read(), []);
        fs::write(folder.join(FILE), text.replace("oom_kill 2", "oom_kill 3")).unwrap();
        assert_eq!(watch.read(), [watched]);
        assert_eq!(oom_kills(&folder), Some(3));
        fs::remove_dir_all(&folder).unwrap();
    }
}
