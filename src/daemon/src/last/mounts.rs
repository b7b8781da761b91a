//! Which file systems go at the end of a machine, and in which order.

use ham_sys::unmount::{Mounted, mounted};
use std::collections::BTreeMap;
use std::path::Path;

/// Those of the kernel itself: there is nothing in them to lose, and some are
/// needed until the end.
const OF_KERNEL: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Where ham's own files are, the console, and what the kernel shows.
const OF_SYSTEM: [&str; 3] = ["/run", "/dev", "/sys"];

/// Those that ask somebody who may be gone.
const REMOTE: [&str; 9] = ["9p", "afs", "ceph", "cifs", "fuseblk", "ncpfs", "nfs", "nfs4", "smb3"];

/// Whether a file system of this type may wait for somebody.
pub(super) fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.")
}

/// Whether one stays: the root, those of the kernel, and what lies in memory
/// where the system itself has its files.
fn stays(one: &Mounted) -> bool {
    let in_memory = one.kind == "tmpfs" || one.kind == "ramfs";
    one.point == Path::new("/")
        || OF_KERNEL.contains(&one.kind.as_str())
        || (in_memory && OF_SYSTEM.iter().any(|place| one.point.starts_with(place)))
}

/// What was tried.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Those that cannot be unmounted however often that is tried, by id, and
    /// whether that hangs.
    given_up: BTreeMap<u64, bool>,
}

impl Taken {
    /// Those that may go, the last mounted first: what stands on another goes
    /// before it.
    pub(super) fn left(&self) -> Vec<Mounted> {
        let mut left = in_order(mounted());
        left.retain(|one| !self.given_up.contains_key(&one.id));
        left
    }

    /// All that is still there.
    pub(super) fn busy(&self) -> Vec<Mounted> {
        in_order(mounted())
    }

    pub(super) fn give_up(&mut self, one: &Mounted, hangs: bool) {
        self.given_up.insert(one.id, hangs);
    }

    /// Whether it hangs, so that nothing but force is left.
    pub(super) fn hangs(&self, one: &Mounted) -> bool {
        self.given_up.get(&one.id).copied().unwrap_or(false)
    }
}

fn in_order(mut all: Vec<Mounted>) -> Vec<Mounted> {
    all.retain(|one| !stays(one));
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mounted_last_goes_first_and_the_kernels_own_stay() {
        let all = [
            ("/", "ext4"),
            ("/proc", "proc"),
            ("/dev", "devtmpfs"),
            ("/dev/shm", "tmpfs"),
            ("/run", "tmpfs"),
            ("/run/user/1000", "tmpfs"),
            ("/srv", "xfs"),
            ("/srv/data", "nfs4"),
            ("/run/media/stick", "vfat"),
            ("/runner", "tmpfs"),
            ("/sys/fs/cgroup", "cgroup2"),
            ("/srv", "tmpfs"),
        ];
        let all = (1..).zip(all).map(|(id, (point, kind))| Mounted {
            id,
            point: point.into(),
            kind: kind.into(),
        });
        let order: Vec<u64> = in_order(all.collect()).iter().map(|one| one.id).collect();
        assert_eq!(order, [12, 10, 9, 8, 7]);
    }

    #[test]
    fn whoever_may_be_gone_is_waited_for_less_long() {
        for kind in ["nfs", "nfs4", "cifs", "fuse", "fuse.sshfs", "9p"] {
            assert!(is_remote(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "tmpfs", "overlay", "fusectl", "nfsd"] {
            assert!(!is_remote(kind), "{kind}");
        }
    }
}
