//! Taking a machine's file systems away at its end: umount(2), remounting
//! read-only, swapoff(2). Whoever calls this must know that they are its own to
//! take away, and that each call may hang.

use crate::{Result, SysError};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;

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

