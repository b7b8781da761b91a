//! Taking a machine's file systems away at its end: umount(2), remounting
//! read-only, swapoff(2). Whoever calls this must know that they are its own to
//! take away, and that each call may hang.

use crate::containment::mounts::unescape;
use crate::{Result, SysError};
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::null;

/// A file system that is mounted somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Unlike that of any other mount that is there.
    pub id: u64,
    /// Where.
    pub point: PathBuf,
    /// Of which type.
    pub kind: String,
}

/// What is mounted as this process sees it, in the order in which that came to
/// be: what stands on another comes after it (proc_pid_mountinfo(5)). Without
/// /proc nothing.
pub fn mounted() -> Vec<Mounted> {
    mounts_in(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
}

fn mounts_in(text: &[u8]) -> Vec<Mounted> {
    let parse = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let id = std::str::from_utf8(fields.first()?).ok()?.parse().ok()?;
        let dash = fields.iter().position(|field| *field == b"-")?;
        let kind = String::from_utf8_lossy(fields.get(dash.checked_add(1)?)?).into_owned();
        Some(Mounted { id, point: unescape(fields.get(4)?), kind })
    };
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// Files and devices that are used as swap (proc_swaps(5)).
pub fn swaps() -> Vec<PathBuf> {
    let text = std::fs::read("/proc/swaps").unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    lines.filter_map(|line| line.split(|byte| *byte == b' ').next().map(unescape)).collect()
}

/// How a file system goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// When nobody uses it.
    Free,
    /// Out of sight at once, and really when nobody uses it any more.
    Lazily,
    /// As lazily, and what waits for its server gets an error.
    Forced,
}

/// Unmounts what is mounted last at this place. A symbolic link is not followed.
///
/// # Errors
/// EBUSY when it is in use, EINVAL when nothing is mounted there; those of
/// umount(2).
pub fn unmount(path: &Path, how: How) -> Result<()> {
    let flags = libc::UMOUNT_NOFOLLOW
        | match how {
            How::Free => 0,
            How::Lazily => libc::MNT_DETACH,
            How::Forced => libc::MNT_DETACH | libc::MNT_FORCE,
        };
    let text = text(path)?;
    // SAFETY: the path is a C string that lives until the call is over.
    if unsafe { libc::umount2(text.as_ptr(), flags) } == 0 {
        return Ok(());
    }
    Err(SysError::last("unmount", path.display().to_string()))
}

/// Makes the file system that is mounted at this place read-only, for all who
/// have it mounted.
///
/// # Errors
/// EBUSY when a file of it is open for writing; those of mount(2).
pub fn remount_read_only(path: &Path) -> Result<()> {
    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
    let text = text(path)?;
    // SAFETY: the path is a C string that lives until the call is over, and a
    // remount takes neither source nor type nor, here, options.
    if unsafe { libc::mount(null(), text.as_ptr(), null(), flags, null()) } == 0 {
        return Ok(());
    }
    Err(SysError::last("remount read-only", path.display().to_string()))
}

/// Takes a file or device out of use as swap.
///
/// # Errors
/// ENOMEM when there is no memory for what it holds; those of swapoff(2).
pub fn swap_off(path: &Path) -> Result<()> {
    let text = text(path)?;
    // SAFETY: the path is a C string that lives until the call is over.
    if unsafe { libc::swapoff(text.as_ptr()) } == 0 {
        return Ok(());
    }
    Err(SysError::last("swap off", path.display().to_string()))
}

/// Writes out what the kernel has of the files of one file system, and waits for
/// no other (syncfs(2)). The path is a directory.
///
/// # Errors
/// What the disk has refused; those of open(2).
pub fn sync_one(path: &Path) -> Result<()> {
    let failed = || SysError::last("write out", path.display().to_string());
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let text = text(path)?;
    // SAFETY: the path is a C string that lives until the call is over.
    let number = unsafe { libc::open(text.as_ptr(), flags) };
    if number < 0 {
        return Err(failed());
    }
    // SAFETY: made above, and nobody else's.
    let directory = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: no pointers.
    if unsafe { libc::syncfs(directory.as_raw_fd()) } == 0 { Ok(()) } else { Err(failed()) }
}

/// Writes out what the kernel has of files; waits until that is done.
pub fn sync() {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::sync() };
}

fn text(path: &Path) -> Result<CString> {
    let errno = crate::Errno::EINVAL;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| SysError::new("use", "a path with a NUL byte in it", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_read_in_its_order() {
        let text = b"21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
            30 21 8:2 / /srv/two\\040words rw shared:3 master:1 - xfs /dev/sda2 rw\nnonsense\n";
        let named: Vec<(u64, String, String)> = mounts_in(text)
            .into_iter()
            .map(|one| (one.id, one.point.display().to_string(), one.kind))
            .collect();
        let expected = [(21, "/", "ext4"), (30, "/srv/two words", "xfs")];
        assert_eq!(named, expected.map(|(id, point, kind)| (id, point.into(), kind.into())));
    }

    #[test]
    fn what_is_mounted_here_is_found_and_what_is_not_is_not_taken() {
        let all = mounted();
        assert!(all.iter().any(|one| one.point == Path::new("/")), "{all:?}");
        let nothing = std::env::temp_dir().join(format!("ham-unmount-{}", std::process::id()));
        for how in [How::Free, How::Lazily, How::Forced] {
            let error = unmount(&nothing, how).unwrap_err();
            let known = [crate::Errno::ENOENT, crate::Errno::EPERM];
            assert!(known.contains(&error.errno), "{error}");
        }
        assert!(remount_read_only(&nothing).is_err());
        assert_eq!(sync_one(&nothing).unwrap_err().errno, crate::Errno::ENOENT);
        sync_one(&std::env::temp_dir()).unwrap();
        assert!(swap_off(&nothing).is_err());
    }
}
