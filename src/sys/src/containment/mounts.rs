//! Where the unified cgroup hierarchy is mounted and where in it this process
//! sits. Reads /proc/self only; hybrid layouts put it anywhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The directory of this process's own cgroup, and its path as /proc tells it; or
/// why there is none.
pub(super) fn own_cgroup() -> Result<(PathBuf, PathBuf), String> {
    let read =
        |path: &str| std::fs::read(path).map_err(|error| format!("could not read {path}: {error}"));
    let path = own_path(&read("/proc/self/cgroup")?)
        .ok_or("this process is in no unified cgroup (no \"0::\" in /proc/self/cgroup)")?;
    let mounts = cgroup2_mounts(&read("/proc/self/mountinfo")?);
    if mounts.is_empty() {
        return Err("no cgroup2 file system is mounted".into());
    }
    let found = mounts
        .iter()
        .filter_map(|mount| mount.resolve(&path))
        .find(|dir| dir.join("cgroup.procs").exists());
    match found {
        Some(dir) => Ok((dir, path)),
        None => Err(format!("the own cgroup {} is not visible here", path.display())),
    }
}

/// The cgroup of a process as /proc tells it, which is how this process sees it.
/// `None`: there is no such process, or it is in no unified cgroup.
pub(super) fn cgroup_of(pid: &str) -> Option<PathBuf> {
    own_path(&std::fs::read(format!("/proc/{pid}/cgroup")).ok()?)
}

/// A cgroup2 mount: which part of the hierarchy is seen at which place.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn resolve(&self, cgroup: &Path) -> Option<PathBuf> {
        // "/../x" is outside of the cgroup namespace, so nobody here can see it.
        let inner = cgroup.strip_prefix(&self.root).ok()?;
        let outside = inner.components().any(|part| part == std::path::Component::ParentDir);
        (!outside).then(|| self.point.join(inner))
    }
}

/// The path in the line "0::/path" (cgroups(7)).
fn own_path(text: &[u8]) -> Option<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(PathBuf::from(OsString::from_vec(line.to_vec())))
}

/// All lines of file system type cgroup2 (proc_pid_mountinfo(5)).
fn cgroup2_mounts(text: &[u8]) -> Vec<Mount> {
    let parse = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        // A varying number of optional fields ends in "-"; the type follows.
        let dash = fields.iter().position(|field| *field == b"-")?;
        let kind = fields.get(dash.checked_add(1)?)?;
        if *kind != b"cgroup2" {
            return None;
        }
        Some(Mount { root: unescape(fields.get(3)?), point: unescape(fields.get(4)?) })
    };
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// Space, tab, newline and backslash stand there as three octal digits.
pub(crate) fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits =
            tail.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match digits {
            Some(digits) if *first == b'\\' => {
                let value =
                    digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                plain.push(value as u8);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_wherever_it_is() {
        let text = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 /a\\040b /mnt/two\\134x rw shared:3 master:1 - cgroup2 cgroup2 rw\n";
        let mounts = cgroup2_mounts(text);
        assert_eq!(mounts, [Mount { root: "/a b".into(), point: "/mnt/two\\x".into() }]);
        assert_eq!(mounts[0].resolve(Path::new("/a b/c")), Some("/mnt/two\\x/c".into()));
        assert_eq!(mounts[0].resolve(Path::new("/other")), None);
    }

    #[test]
    fn a_cgroup_outside_of_the_namespace_is_not_ours() {
        let path = own_path(b"1:name=systemd:/x\n0::/../up\n").unwrap();
        let mount = Mount { root: "/".into(), point: "/sys/fs/cgroup".into() };
        assert_eq!(mount.resolve(&path), None);
        assert_eq!(own_path(b"1:cpu:/\n"), None);
    }
}
