//! Directories that ham makes and removes for its entities, below a base that
//! only its own user can write to. What stands below may belong to an entity:
//! no symbolic link there is followed, nothing that is mounted there is
//! touched, and no depth of nesting costs memory or descriptors. All of this
//! may block, as any path does.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use nix::dir::Dir;
use nix::errno::Errno as Code;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, fchown, unlinkat};

use crate::{Result, SysError, clock};

const MODE_BITS: u32 = 0o7777;

/// Makes directory `name` below `base`, which exists, and the parents between
/// (0755, of this process's user); gives it this mode (0 to 0o7777), user and
/// group, also when it was there already. What is in it stays as it is.
///
/// # Errors
/// EINVAL for a name that is empty or absolute or holds `.` or `..`; ENOTDIR
/// for anything in the way, a symbolic link included; EPERM, EACCES, ENOSPC.
pub fn make(base: &Path, name: &Path, mode: u32, owner: (u32, u32)) -> Result<()> {
    let failed = |code: Code| SysError::new("make", shown(base, name), code);
    let (parents, last) = parts(name).ok_or_else(|| failed(Code::EINVAL))?;
    let mut place = open_base(base).map_err(failed)?;
    for parent in &parents {
        let made = make_one(&place, parent).map_err(failed)?;
        place = enter(&place, parent).map_err(failed)?;
        if made {
            // The mask of this process has no say.
            fchmod(&place, Mode::from_bits_truncate(0o755)).map_err(failed)?;
        }
    }
    make_one(&place, &last).map_err(failed)?;
    let directory = enter(&place, &last).map_err(failed)?;
    let (uid, gid) = owner;
    let found = fstat(&directory).map_err(failed)?;
    if (found.st_uid, found.st_gid) != owner {
        fchown(&directory, Some(uid.into()), Some(gid.into())).map_err(failed)?;
    }
    // A change of owner may have taken bits away.
    let found = fstat(&directory).map_err(failed)?;
    if found.st_mode & MODE_BITS != mode & MODE_BITS {
        fchmod(&directory, Mode::from_bits_truncate(mode & MODE_BITS)).map_err(failed)?;
    }
    Ok(())
}

/// Removes directory `name` below `base` with all that is in it; its parents
/// stay. That it is not there is fine. `deadline_ns`, of the monotonic clock,
/// is for the case that somebody fills it faster than this empties it.
///
/// # Errors
/// EINVAL as for [`make`]; EBUSY when something is mounted there; ETIMEDOUT
/// after the deadline; EACCES, EPERM. Some of it may be gone then.
pub fn remove(base: &Path, name: &Path, deadline_ns: u64) -> Result<()> {
    match remove_tree(base, name, deadline_ns) {
        Ok(()) | Err(Code::ENOENT) => Ok(()),
        Err(code) => Err(SysError::new("remove", shown(base, name), code)),
    }
}

fn remove_tree(base: &Path, name: &Path, deadline_ns: u64) -> nix::Result<()> {
    let (parents, last) = parts(name).ok_or(Code::EINVAL)?;
    let mut place = open_base(base)?;
    for parent in &parents {
        place = enter(&place, parent)?;
    }
    let top = match enter_same_mount(&place, &last) {
        Ok(top) => top,
        // Something else that stands there under that name.
        Err(Code::ENOTDIR) => return unlinkat(&place, last.as_c_str(), UnlinkatFlags::NoRemoveDir),
        Err(code) => return Err(code),
    };
    let mut emptying = Emptying { top, moved: 0, deadline_ns };
    loop {
        emptying.pass()?;
        match unlinkat(&place, last.as_c_str(), UnlinkatFlags::RemoveDir) {
            Err(Code::ENOTEMPTY | Code::EEXIST) => emptying.in_time()?,
            result => return result,
        }
    }
}

/// A directory that is being emptied. What is nested deeper is moved up into
/// it first, so that two descriptors are enough for any depth.
struct Emptying {
    top: OwnedFd,
    /// How many directories were moved up, for their names.
    moved: u64,
    deadline_ns: u64,
}

impl Emptying {
    fn in_time(&self) -> nix::Result<()> {
        if clock::monotonic() < self.deadline_ns { Ok(()) } else { Err(Code::ETIMEDOUT) }
    }

    /// Removes all that is found there now, but for what it has moved there.
    fn pass(&mut self) -> nix::Result<()> {
        for name in list(&self.top)? {
            if !remove_file(&self.top, &name)? {
                self.in_time()?;
                self.dissolve(&name)?;
            }
        }
        Ok(())
    }

    /// Removes one directory; those in it move up.
    fn dissolve(&mut self, name: &CString) -> nix::Result<()> {
        let directory = match enter_same_mount(&self.top, name) {
            Err(Code::ENOENT) => return Ok(()),
            other => other?,
        };
        for inner in list(&directory)? {
            if !remove_file(&directory, &inner)? {
                self.move_up(&directory, &inner)?;
            }
        }
        match unlinkat(&self.top, name.as_c_str(), UnlinkatFlags::RemoveDir) {
            // Filled meanwhile: another pass finds it.
            Err(Code::ENOENT | Code::ENOTEMPTY | Code::EEXIST) => Ok(()),
            result => result,
        }
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CString) -> nix::Result<()> {
        loop {
            let target = format!(".ham-removed-{}", self.moved);
            self.moved = self.moved.wrapping_add(1);
            match renameat(from, name.as_c_str(), &self.top, target.as_str()) {
                Err(Code::ENOENT) => return Ok(()),
                // That name is taken.
                Err(Code::EEXIST | Code::ENOTEMPTY | Code::ENOTDIR) => self.in_time()?,
                // Another mount.
                Err(Code::EXDEV) => return Err(Code::EBUSY),
                result => return result,
            }
        }
    }
}

/// Parents and last part of a plain relative name.
fn parts(name: &Path) -> Option<(Vec<CString>, CString)> {
    let part = |part| match part {
        Component::Normal(text) => CString::new(OsStr::as_bytes(text)).ok(),
        _ => None,
    };
    // Components leave out "." but at the beginning.
    let mut parts: Vec<CString> = name.components().map(part).collect::<Option<_>>()?;
    let last = parts.pop()?;
    Some((parts, last))
}

/// The base may be reached through links: its path is ham's own.
fn open_base(base: &Path) -> nix::Result<OwnedFd> {
    openat(AT_FDCWD, base, OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

fn enter(place: &OwnedFd, name: &CString) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    openat(place, name.as_c_str(), flags, Mode::empty())
}

/// EBUSY for a mount, which is not asked for anything: a file system of a
/// user's (FUSE) may never answer.
fn enter_same_mount(place: &OwnedFd, name: &CString) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = openat(place, name.as_c_str(), flags, Mode::empty())?;
    if mount_of(&found)? != mount_of(place)? {
        return Err(Code::EBUSY);
    }
    reopen(&found)
}

/// With a place in the listing of its own.
fn reopen(directory: &OwnedFd) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    openat(directory, c".", flags, Mode::empty())
}

/// Whether it was made; else there was something.
fn make_one(place: &OwnedFd, name: &CString) -> nix::Result<bool> {
    match mkdirat(place, name.as_c_str(), Mode::S_IRWXU) {
        Ok(()) => Ok(true),
        Err(Code::EEXIST) => Ok(false),
        Err(code) => Err(code),
    }
}

/// False when it is a directory.
fn remove_file(place: &OwnedFd, name: &CString) -> nix::Result<bool> {
    match unlinkat(place, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Code::ENOENT) => Ok(true),
        Err(Code::EISDIR) => Ok(false),
        Err(code) => Err(code),
    }
}

fn list(directory: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut listing = Dir::from_fd(reopen(directory)?)?;
    let names = listing.iter().map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    let names: Vec<CString> = names.collect::<nix::Result<_>>()?;
    Ok(names.into_iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")).collect())
}

/// The mount that a directory is in; where the kernel does not tell (before
/// Linux 5.8, or gVisor), its file system.
fn mount_of(directory: &OwnedFd) -> nix::Result<u64> {
    let mut found = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: an empty path with this flag means the descriptor; the kernel
    // fills the struct, for which all zeros are a valid value too.
    let (result, found) = unsafe {
        let number = directory.as_fd().as_raw_fd();
        let empty = c"".as_ptr();
        let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
        let result = libc::statx(number, empty, flags, libc::STATX_MNT_ID, found.as_mut_ptr());
        (result, found.assume_init())
    };
    if result == 0 && found.stx_mask & libc::STATX_MNT_ID != 0 {
        return Ok(found.stx_mnt_id);
    }
    fstat(directory).map(|found| found.st_dev)
}

fn shown(base: &Path, name: &Path) -> String {
    base.join(name).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_below() {
        let split = |name: &str| {
            let (parents, last) = parts(Path::new(name))?;
            let text = |part: CString| part.into_string().unwrap();
            Some((parents.into_iter().map(text).collect::<Vec<_>>(), text(last)))
        };
        assert_eq!(split("web"), Some((vec![], "web".to_owned())));
        assert_eq!(split("a/b//c/"), Some((vec!["a".to_owned(), "b".to_owned()], "c".to_owned())));
        for name in ["", ".", "..", "/", "/web", "../web", "web/..", "./web", "a/../b", "a\0b"] {
            assert_eq!(split(name), None, "{name:?}");
        }
    }
}
