//! The file systems that the kernel itself has, where programs look for them.
//! What is mounted already, by an initramfs or by the kernel, stays as it is.

use ham_sys::machine::{Without, is_mount_point, make_device, mount};
use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

struct FileSystem {
    at: &'static str,
    kind: &'static CStr,
    without: Without,
    /// Its own options; where it does not know the first, the next.
    options: &'static [&'static CStr],
}

const ALL: Without = Without { exec: true, dev: true };

/// In this order: some are mounted in others.
const FILE_SYSTEMS: [FileSystem; 7] = [
    FileSystem { at: "/proc", kind: c"proc", without: ALL, options: &[c""] },
    FileSystem { at: "/sys", kind: c"sysfs", without: ALL, options: &[c""] },
    FileSystem {
        at: "/dev",
        kind: c"devtmpfs",
        without: Without { exec: false, dev: false },
        options: &[c"mode=0755", c""],
    },
    FileSystem {
        at: "/dev/pts",
        kind: c"devpts",
        without: Without { exec: true, dev: false },
        // The group `tty`, wherever there are groups. Without it where a user
        // namespace has no such number.
        options: &[c"gid=5,mode=0620,ptmxmode=0666", c"mode=0620,ptmxmode=0666", c""],
    },
    FileSystem {
        at: "/dev/shm",
        kind: c"tmpfs",
        without: Without { exec: false, dev: true },
        options: &[c"mode=1777"],
    },
    FileSystem {
        at: "/run",
        kind: c"tmpfs",
        without: Without { exec: false, dev: true },
        options: &[c"mode=0755"],
    },
    FileSystem {
        at: "/sys/fs/cgroup",
        kind: c"cgroup2",
        without: ALL,
        options: &[c"nsdelegate,memory_recursiveprot", c"nsdelegate", c""],
    },
];

/// What programs expect in /dev, and no driver makes.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Nothing runs without the first; numbers of Documentation/admin-guide/devices
/// of the kernel. Made where its own file system of devices is not there.
const DEVICES: [(&CStr, u32, u32); 6] = [
    (c"/dev/null", 1, 3),
    (c"/dev/zero", 1, 5),
    (c"/dev/full", 1, 7),
    (c"/dev/random", 1, 8),
    (c"/dev/urandom", 1, 9),
    (c"/dev/tty", 5, 0),
];
/// Those are the machine's, and root's.
const OF_MACHINE: [(&CStr, u32, u32); 2] = [(c"/dev/kmsg", 1, 11), (c"/dev/console", 5, 1)];

/// Gives what could not be mounted, in sentences.
pub(super) fn mount_all(is_machine: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for file_system in &FILE_SYSTEMS {
        let at = Path::new(file_system.at);
        if is_mount_point(at) {
            continue;
        }
        // On a root that cannot be written to it has to be there.
        let _ = fs::DirBuilder::new().mode(0o755).create(at);
        let tried = file_system
            .options
            .iter()
            .map(|options| mount(file_system.kind, at, file_system.without, options));
        // The last reason is not about an option, which is the one to tell.
        let mut failed = None;
        for result in tried {
            failed = result.err();
            if failed.is_none() {
                break;
            }
        }
        warnings.extend(failed.map(|error| error.to_string()));
    }
    let of_machine = OF_MACHINE.iter().filter(|_| is_machine).map(|device| (device, true));
    for ((path, major, minor), private) in
        DEVICES.iter().map(|device| (device, false)).chain(of_machine)
    {
        // One that is there is an error that says so.
        let _ = make_device(path, private, *major, *minor);
    }
    for (link, to) in LINKS {
        if fs::symlink_metadata(link).is_err() {
            // Nothing that ham itself needs.
            let _ = symlink(to, link);
        }
    }
    warnings
}
