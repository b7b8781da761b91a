//! What only the init of a machine does, or of a namespace that stands for one:
//! mounts, the console, the name, the loopback interface, the clock, the keys
//! that restart it. Owns nothing: each is done once, before there is a thread.

mod early;

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::ending::FIRST_PID_NAMESPACE;
use crate::{Errno, Result, SysError, process};

/// Whether this process is the init of the machine, asked where /proc need not
/// be mounted yet: a mount of it that nobody sees tells (fsmount(2)).
pub fn this_is_init_of_machine() -> bool {
    if process::pid() != 1 {
        return false;
    }
    if fs::symlink_metadata("/proc/self").is_ok() {
        return crate::ending::is_init_of_machine(1);
    }
    let Some(proc) = unseen_proc() else { return false };
    let mut buffer = [0u8; 64];
    // SAFETY: a C string, and a buffer of the length given.
    let length = unsafe {
        libc::readlinkat(
            proc.as_raw_fd(),
            c"self/ns/pid".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    let name = usize::try_from(length).ok().and_then(|length| buffer.get(..length));
    name == Some(FIRST_PID_NAMESPACE.as_bytes())
}

fn unseen_proc() -> Option<OwnedFd> {
    // linux/mount.h.
    const FSCONFIG_CMD_CREATE: libc::c_int = 6;
    let owned = |number: libc::c_long| {
        let number = libc::c_int::try_from(number).ok().filter(|number| *number >= 0)?;
        // SAFETY: the kernel has just made it, and nobody else owns it.
        Some(unsafe { OwnedFd::from_raw_fd(number) })
    };
    // SAFETY: a C string; the other arguments are numbers.
    let context =
        owned(unsafe { libc::syscall(libc::SYS_fsopen, c"proc".as_ptr(), 1 as libc::c_int) })?;
    // SAFETY: the command takes neither key nor value.
    let made = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_char>(),
            0 as libc::c_int,
        )
    };
    if made != 0 {
        return None;
    }
    // SAFETY: no pointers; 1 is FSMOUNT_CLOEXEC.
    owned(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1 as libc::c_int, 0 as libc::c_int)
    })
}

/// Whether something is mounted at this directory, or at the root of another
/// file system than its parent's. Asks the file system itself: it must be one
/// that answers.
pub fn is_mount_point(path: &Path) -> bool {
    let (Ok(own), Ok(parent)) = (fs::symlink_metadata(path), fs::metadata(path.join(".."))) else {
        return false;
    };
    own.is_dir() && (own.dev() != parent.dev() || own.ino() == parent.ino())
}

/// What may not be used on a file system that is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// Programs.
    pub exec: bool,
    /// Device nodes.
    pub dev: bool,
}

/// Mounts a file system of the kernel's own, without set-user-id programs.
/// `options`: what is its own business, as mount(8) has it after `-o`.
///
/// # Errors
/// ENOENT without the directory, ENODEV when the kernel does not have that file
/// system, EINVAL for options that it does not know, EPERM.
pub fn mount(what: &CStr, at: &Path, without: Without, options: &CStr) -> Result<()> {
    let named = || format!("{} at {}", what.to_string_lossy(), at.display());
    let path = c_text(at.as_os_str()).map_err(|errno| SysError::new("mount", named(), errno))?;
    let mut flags = libc::MS_NOSUID;
    if without.exec {
        flags |= libc::MS_NOEXEC;
    }
    if without.dev {
        flags |= libc::MS_NODEV;
    }
    // SAFETY: C strings, all of which outlive the call.
    let result = unsafe {
        libc::mount(what.as_ptr(), path.as_ptr(), what.as_ptr(), flags, options.as_ptr().cast())
    };
    if result == 0 { Ok(()) } else { Err(SysError::last("mount", named())) }
}

fn c_text(text: &OsStr) -> std::result::Result<CString, Errno> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Makes the node of a character device that everybody may use, or `private` to
/// root (mknod(2)).
///
/// # Errors
/// EEXIST; EPERM, in a user namespace always.
pub fn make_device(path: &CStr, private: bool, major: u32, minor: u32) -> Result<()> {
    let mode = libc::S_IFCHR | if private { 0o600 } else { 0o666 };
    // SAFETY: a C string; the others are numbers. The mask would take rights away.
    let made = unsafe {
        let mask = libc::umask(0);
        let made = libc::mknod(path.as_ptr(), mode, libc::makedev(major, minor));
        libc::umask(mask);
        made
    };
    if made == 0 {
        return Ok(());
    }
    Err(SysError::last("make", path.to_string_lossy().into_owned()))
}

/// Whether this standard stream leads nowhere: it was closed when this process
/// began, or is /dev/null. Needs /proc.
pub fn leads_nowhere(stream: i32) -> bool {
    /// /dev/null: major 1, minor 3.
    const NULL: u64 = 0x103;
    let link = format!("/proc/self/fd/{stream}");
    let is_nothing = |to: std::path::PathBuf| to.to_string_lossy().starts_with(early::NOTHING);
    fs::metadata(&link).map_or(true, |file| file.rdev() == NULL)
        || fs::read_link(&link).is_ok_and(is_nothing)
}

/// Fills descriptors 0, 1 and 2 with a terminal (or /dev/null) that controls
/// nobody.
///
/// # Errors
/// Those of open(2); ENODEV and ENXIO when there is no console.
pub fn fill_standard_streams(path: &CStr) -> Result<()> {
    let named = || path.to_string_lossy().into_owned();
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK;
    // SAFETY: a C string.
    let number = unsafe { libc::open(path.as_ptr(), flags) };
    if number < 0 {
        return Err(SysError::last("open", named()));
    }
    // SAFETY: numbers only. That it did not wait for a carrier is over.
    unsafe { libc::fcntl(number, libc::F_SETFL, libc::O_RDWR) };
    for stream in 0..3 {
        // SAFETY: dup2 takes numbers only; the streams belong to nobody as an
        // object, whoever uses them asks for them by number.
        if number != stream && unsafe { libc::dup2(number, stream) } < 0 {
            return Err(SysError::last("copy", named()));
        }
    }
    if number > 2 {
        // SAFETY: made above, and copied.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// Sets the name of the machine (sethostname(2)), up to 64 bytes.
///
/// # Errors
/// EINVAL when it is longer, EPERM.
pub fn set_host_name(name: &str) -> Result<()> {
    // SAFETY: pointer and length are those of the text.
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } == 0 {
        return Ok(());
    }
    Err(SysError::last("set", format!("the host name {name}")))
}

/// Brings the loopback interface up (netdevice(7)).
///
/// # Errors
/// ENODEV without one, EPERM, EAFNOSUPPORT in a kernel without networking.
pub fn bring_loopback_up() -> Result<()> {
    let failed = || SysError::last("bring up", "the interface lo");
    // SAFETY: no pointers.
    let number = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if number < 0 {
        return Err(failed());
    }
    // SAFETY: made above, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: both requests read and write the whole ifreq and no more; the
    // flags are the member that they use.
    let result = unsafe {
        let asked = libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request);
        if asked == 0 {
            request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
            libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
        } else {
            asked
        }
    };
    if result == 0 { Ok(()) } else { Err(failed()) }
}

/// From here on Ctrl-Alt-Del is a SIGINT for this process, the init, and does
/// not restart the machine by itself.
///
/// # Errors
/// EPERM; EINVAL in a PID namespace that is not the machine's.
pub fn take_restart_keys() -> Result<()> {
    // SAFETY: no pointers.
    if unsafe { libc::reboot(libc::RB_DISABLE_CAD) } == 0 {
        return Ok(());
    }
    Err(SysError::last("take", "Ctrl-Alt-Del"))
}

/// Sets the clock of the machine, in seconds since 1970.
///
/// # Errors
/// EPERM.
pub fn set_clock(seconds: u64) -> Result<()> {
    let tv_sec = libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
    let time = libc::timespec { tv_sec, tv_nsec: 0 };
    // SAFETY: the pointer is to a whole timespec.
    if unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) } == 0 {
        return Ok(());
    }
    Err(SysError::last("set", "the clock"))
}

/// Gives a variable of this process's own environment a value, unless it has
/// one. Only to be called while there is one thread.
pub fn set_missing_variable(name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        // SAFETY: by contract no other thread is there to read it.
        unsafe { std::env::set_var(name, value) };
    }
}

/// The mask of permissions that files of this process do not get.
pub fn set_umask(mask: u32) {
    // SAFETY: no pointers; it cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_of_the_kernels_is_a_mount_point_and_what_is_in_it_is_not() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(is_mount_point(Path::new("/")));
        assert!(!is_mount_point(Path::new("/proc/sys")));
        assert!(!is_mount_point(Path::new("/proc/version")), "no directory");
        assert!(!is_mount_point(Path::new("/no/such/directory")));
    }

    #[test]
    fn what_is_not_process_1_is_no_init() {
        assert!(!this_is_init_of_machine());
    }

    /// Seen from where nothing is mounted for it.
    #[test]
    fn the_unseen_proc_is_one() {
        let Some(proc) = unseen_proc() else {
            assert_ne!(process::effective_uid(), 0, "root may");
            return;
        };
        let version = format!("/proc/self/fd/{}/version", proc.as_raw_fd());
        assert!(fs::read_to_string(version).unwrap().starts_with("Linux"));
    }
}
