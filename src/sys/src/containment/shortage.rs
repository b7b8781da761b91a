//! What a cgroup with the memory controller tells of processes that the kernel
//! has ended because memory was short (memory.events, cgroup-v2.rst): counts, and
//! that they have changed. Without the controller there is nothing to tell: it is
//! turned on where somebody wants to know, and for nobody else, since the kernel
//! needs memory of its own for each cgroup that it counts for.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::cgroup::write;
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

/// By what the children of a cgroup are counted, and which of that this is about.
pub(super) const PASSED_ON: &str = "cgroup.subtree_control";
pub(super) const MEMORY: &str = "memory";

/// How much memory a cgroup may have, and what stands there when nobody has said.
const LIMIT: &str = "memory.max";
const NO_LIMIT: &str = "max";

/// Whether a controller counts for the children of a cgroup.
pub(super) fn passes_on(cgroup: &Path, controller: &str) -> bool {
    let passed = std::fs::read_to_string(cgroup.join(PASSED_ON)).unwrap_or_default();
    passed.split_ascii_whitespace().any(|name| name == controller)
}

impl CgroupTree {
    /// Has the kernel count memory for the generations of a name, of which one is
    /// there. Does what it can: a cgroup that has processes of its own, as that of
    /// ham may have where it is not alone in it ([`super::settle`]), can count for
    /// none below it. Makes others wait in the kernel: for a worker thread.
    pub fn count_memory(&self, kind: Kind, name: &str) {
        let of_name = self.name_path(kind, name);
        // That of ham, the tree in it, those of the kind, that of the name: each
        // passes on what it was given itself.
        let places: Vec<&Path> = of_name.ancestors().take(4).collect();
        for place in places.into_iter().rev().filter(|place| !passes_on(place, MEMORY)) {
            if write(place, PASSED_ON, "+memory").is_err() {
                return;
            }
        }
    }

    /// Whether a limit stands on the generations of a name, on their kind or on the
    /// tree (memory.max): a process that is born there may find no memory at all.
    /// What stands above concerns ham as well.
    pub fn limits_memory(&self, kind: Kind, name: &str) -> bool {
        let of_name = self.name_path(kind, name);
        let limited = |place: &Path| {
            let limit = std::fs::read_to_string(place.join(LIMIT));
            limit.is_ok_and(|limit| limit.trim() != NO_LIMIT)
        };
        of_name.ancestors().take(3).any(limited)
    }

    /// Whether the kernel counts memory for some of the entities.
    pub fn counts_memory(&self) -> bool {
        passes_on(&self.root().join(Kind::Unit.directory()), MEMORY)
    }

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

    /// Folders instead of cgroups: this is about which files say what.
    #[test]
    fn each_cgroup_passes_on_what_the_one_above_it_has() {
        let own = std::env::temp_dir().join(format!("ham-passed-on-{}", crate::process::pid()));
        let tree = CgroupTree::of_test(own.join("ham-test"));
        let name = tree.name_path(Kind::Unit, "audio");
        fs::create_dir_all(&name).unwrap();
        let places = [own.clone(), own.join("ham-test"), own.join("ham-test/units"), name];
        for (number, place) in places.iter().enumerate() {
            fs::write(place.join(PASSED_ON), if number == 0 { "cpu memory\n" } else { "cpu" })
                .unwrap();
        }
        assert!(!tree.counts_memory());
        tree.count_memory(Kind::Unit, "audio");
        let told = places.map(|place| fs::read_to_string(place.join(PASSED_ON)).unwrap());
        // The kernel would take it for a word of its own.
        assert_eq!(told, ["cpu memory\n", "+memory", "+memory", "+memory"]);
        // One that cannot ends it: what is below has nothing to pass on.
        fs::remove_file(own.join("ham-test").join(PASSED_ON)).unwrap();
        fs::write(own.join("ham-test/units").join(PASSED_ON), "").unwrap();
        tree.count_memory(Kind::Unit, "audio");
        assert_eq!(fs::read(own.join("ham-test/units").join(PASSED_ON)).unwrap(), b"");
        fs::remove_dir_all(&own).unwrap();
    }

    #[test]
    fn a_limit_counts_wherever_it_stands_in_the_tree() {
        let own = std::env::temp_dir().join(format!("ham-limited-{}", crate::process::pid()));
        let tree = CgroupTree::of_test(own.join("ham-test"));
        let name = tree.name_path(Kind::Unit, "audio");
        fs::create_dir_all(&name).unwrap();
        // Without the controller there is no such file.
        assert!(!tree.limits_memory(Kind::Unit, "audio"));
        fs::write(own.join(LIMIT), "1024\n").unwrap();
        let places = [own.join("ham-test"), own.join("ham-test/units"), name];
        for place in &places {
            fs::write(place.join(LIMIT), "max\n").unwrap();
        }
        assert!(!tree.limits_memory(Kind::Unit, "audio"));
        for place in &places {
            fs::write(place.join(LIMIT), "65536\n").unwrap();
            assert!(tree.limits_memory(Kind::Unit, "audio"), "{}", place.display());
            fs::write(place.join(LIMIT), "max\n").unwrap();
        }
        fs::remove_dir_all(&own).unwrap();
    }

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
