//! The descriptor table of this process: which numbers ham uses, what closes
//! at exec, and how many there may be.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{Errno, Result, SysError};

/// Moves a descriptor to the lowest free number from `lowest` up, and makes
/// it close-on-exec. The numbers below 64 belong to entities.
///
/// # Errors
/// EMFILE, or EINVAL when RLIMIT_NOFILE is not above `lowest`.
pub fn move_above(fd: OwnedFd, lowest: i32) -> Result<OwnedFd> {
    let number = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(lowest))
        .map_err(|errno| SysError::new("move", format!("descriptor {}", fd.as_raw_fd()), errno))?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A copy, close-on-exec, at the lowest free number from `lowest` up.
///
/// # Errors
/// EMFILE, or EINVAL when RLIMIT_NOFILE is not above `lowest`.
pub fn copy_above(fd: impl AsFd, lowest: i32) -> Result<OwnedFd> {
    let number = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(lowest))
        .map_err(|errno| SysError::new("copy", "a descriptor", errno))?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What tells an open file from others, as far as fstat(2) does: the same for
/// two descriptors of one file with the same flags. `None`: nothing does, since
/// all of its kind look alike (eventfd and kin), or what looks alike need not
/// be the same (devices).
pub fn fingerprint(fd: impl AsFd) -> Option<u64> {
    let status = nix::sys::stat::fstat(&fd).ok()?;
    let kind = status.st_mode & libc::S_IFMT;
    let flags = fcntl(fd.as_fd(), FcntlArg::F_GETFL).ok()?;
    if matches!(kind, 0 | libc::S_IFCHR | libc::S_IFBLK) {
        return None;
    }
    // FNV-1a, 64 bits, over the words: it stands in shared memory, so it must be
    // the same in every version.
    let words = [status.st_dev, status.st_ino, u64::from(kind), flags as u64];
    Some(
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }),
    )
}

/// A copy, close-on-exec, of a descriptor that whoever executed this program
/// has left open under that number.
///
/// # Errors
/// EBADF when there is none.
pub fn inherited(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: borrowed for this one call; a number that is not open is an
    // error of the kernel's, not a fault.
    let original = unsafe { BorrowedFd::borrow_raw(number) };
    let copy = fcntl(original, FcntlArg::F_DUPFD_CLOEXEC(3))
        .map_err(|errno| SysError::new("use", format!("descriptor {number}"), errno))?;
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Puts a descriptor at exactly this number, open over exec; what was open
/// there is closed.
///
/// # Errors
/// EBADF when RLIMIT_NOFILE is not above `number`.
pub fn place_at(fd: OwnedFd, number: RawFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() == number {
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty()))
            .map_err(|errno| SysError::new("keep", "a descriptor", errno))?;
        return Ok(fd);
    }
    // SAFETY: dup2 takes integers only. The caller means to replace what is
    // there, which no other owner of this process's may hold.
    if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
        return Err(SysError::last("place", "a descriptor"));
    }
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Puts a copy of a descriptor at exactly this number, open over exec; what
/// was open there is closed. Allocates nothing.
///
/// # Errors
/// EMFILE when RLIMIT_NOFILE is not above `number`.
pub fn copy_to(fd: impl AsFd, number: RawFd) -> Result<()> {
    // SAFETY: dup2 takes integers only. The caller means to replace what is
    // there, which no other owner of this process's may hold.
    if unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) } >= 0 {
        return Ok(());
    }
    let errno = match Errno::last() {
        // The original is open: it is the number that is beyond the limit.
        Errno::EBADF => Errno::EMFILE,
        other => other,
    };
    Err(SysError::new("copy", "a descriptor", errno))
}

/// The descriptor that whoever executed this program has left open under that
/// number: it is owned from here on.
///
/// # Errors
/// EBADF when there is none.
pub fn take(number: RawFd) -> Result<OwnedFd> {
    if !is_open(number) {
        return Err(SysError::new("use", "an inherited descriptor", Errno::EBADF));
    }
    // SAFETY: it is open, and by contract nothing of this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes a descriptor that came from somebody else by a child that shares
/// the table: close(2) may wait for ever on a hung file system (FUSE, NFS).
/// Gives the child, which is reaped as any other. The caller must be
/// single-threaded. Allocates nothing.
///
/// # Errors
/// EAGAIN, ENOMEM: it stays open.
pub fn close_by_child(fd: OwnedFd) -> Result<i32> {
    close_all_by_child(&[std::os::fd::IntoRawFd::into_raw_fd(fd)], libc::SIGCHLD)
}

/// The same for descriptors that this process got by fork and that nobody in it
/// owns. The child is one of the parent's, who reaps it. All of them must be
/// open: a number that is not may be somebody else's by the time it is closed.
///
/// # Errors
/// EAGAIN, ENOMEM: they stay open.
pub fn close_by_sibling(numbers: &[RawFd]) -> Result<()> {
    close_all_by_child(numbers, libc::CLONE_PARENT).map(|_| ())
}

fn close_all_by_child(numbers: &[RawFd], flags: i32) -> Result<i32> {
    let flags = (libc::CLONE_FILES | flags) as usize;
    // SAFETY: a fork, but for the shared table: the child has a copy of this
    // memory, and runs nothing but the system calls below.
    unsafe {
        match crate::raw::call(libc::SYS_clone, [flags, 0, 0, 0, 0]) {
            0 => {
                for number in numbers {
                    crate::raw::call(libc::SYS_close, [*number as usize, 0, 0, 0, 0]);
                }
                crate::raw::call(libc::SYS_exit_group, [0; 5]);
                Ok(0)
            }
            pid if pid > 0 => Ok(pid as i32),
            errno => Err(SysError::new("fork", "this process", Errno(-errno as i32))),
        }
    }
}

/// Marks all descriptors from `lowest` up close-on-exec, whoever opened them
/// (close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11; before that each one
/// that /proc/self/fd lists).
///
/// # Errors
/// ENOENT when neither way exists (no /proc).
pub fn close_on_exec_from(lowest: u32) -> Result<()> {
    // SAFETY: close_range takes integers only; with this flag it closes
    // nothing now.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            lowest,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if result == 0 {
        return Ok(());
    }
    for number in open_from(lowest)? {
        // SAFETY: the descriptor is only borrowed for this call; that of the
        // listing, closed already, gives EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
    Ok(())
}

/// Closes all descriptors from `lowest` up, whoever opened them: for the very
/// beginning of a program, when none is its own (close_range(2), Linux 5.9;
/// before that each one that /proc/self/fd lists).
///
/// # Errors
/// ENOENT when neither way exists (no /proc).
pub fn close_from(lowest: u32) -> Result<()> {
    // SAFETY: close_range takes integers only; by contract nobody in this
    // process owns any of them.
    if unsafe { libc::syscall(libc::SYS_close_range, lowest, u32::MAX, 0) } == 0 {
        return Ok(());
    }
    for number in open_from(lowest)? {
        // SAFETY: as above; that of the listing is closed already, and closing
        // it again is EBADF.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// The descriptors that are open from `lowest` up, and that of the listing
/// itself, which is closed again: for kernels without close_range(2).
fn open_from(lowest: u32) -> Result<Vec<RawFd>> {
    let listing = std::fs::read_dir("/proc/self/fd")
        .map_err(|error| SysError::new("list", "/proc/self/fd", error))?;
    let numbers = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|number: &RawFd| *number as u32 >= lowest).collect())
}

/// Closes the descriptors from `first` to `last`: copies that this process got
/// by fork and that nobody in it owns.
pub fn close_range(first: RawFd, last: RawFd) {
    let (from, to) = (first as libc::c_uint, last as libc::c_uint);
    // SAFETY: integers only; by contract nobody in this process owns any.
    if unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } != 0 {
        for number in first..=last {
            // SAFETY: as above; a number that is not open is an error.
            unsafe { libc::close(number) };
        }
    }
}

/// A descriptor of the program that this process runs, for [`crate::spawn::Exec::Fd`]:
/// valid even after an upgrade has replaced the file. Close-on-exec.
///
/// # Errors
/// ENOENT without /proc.
pub fn open_own_program() -> Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    open("/proc/self/exe", OFlag::O_PATH | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())
        .map_err(|errno| SysError::new("open", "/proc/self/exe", errno))
}

/// The NOFILE limits before [`raise_nofile`]: soft and hard, `u64::MAX` in
/// the first when it was never called (a soft limit cannot be that: the
/// kernel's fs.nr_open is far below).
static FIRST_SOFT: AtomicU64 = AtomicU64::new(u64::MAX);
static FIRST_HARD: AtomicU64 = AtomicU64::new(u64::MAX);

/// Raises the soft limit of open files to the hard one, for ham itself, and
/// returns it. Spawned programs get back the limit of before: many close
/// every number up to the limit, or use select(2).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn raise_nofile() -> Result<u64> {
    let failed = |errno| SysError::new("raise", "the limit of open files", errno);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
        FIRST_HARD.store(hard, Ordering::Relaxed);
        FIRST_SOFT.store(soft, Ordering::Relaxed);
    }
    Ok(hard)
}

/// The limits before [`raise_nofile`], for the image that is executed after
/// this one: see [`remember_nofile`].
pub fn first_nofile() -> (u64, u64) {
    (FIRST_SOFT.load(Ordering::Relaxed), FIRST_HARD.load(Ordering::Relaxed))
}

/// What [`first_nofile`] gave in the image before this one.
pub fn remember_nofile((soft, hard): (u64, u64)) {
    FIRST_HARD.store(hard, Ordering::Relaxed);
    FIRST_SOFT.store(soft, Ordering::Relaxed);
}

/// The NOFILE limits (soft, hard) that a spawned program gets, if they differ
/// from those of this process.
pub(crate) fn original_nofile() -> Option<(u64, u64)> {
    let soft = FIRST_SOFT.load(Ordering::Relaxed);
    (soft != u64::MAX).then(|| (soft, FIRST_HARD.load(Ordering::Relaxed)))
}

/// Whether a number is an open descriptor of this process.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointer, and a closed number gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 || Errno::last() != Errno::EBADF }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_fingerprint() {
        let open = || std::fs::File::open("/proc/self/exe").unwrap();
        let first = fingerprint(open());
        assert!(first.is_some());
        assert_eq!(first, fingerprint(open()));
        let (reading, writing) = std::io::pipe().unwrap();
        assert_eq!(fingerprint(&reading), fingerprint(copy_above(&reading, 64).unwrap()));
        assert_ne!(fingerprint(&reading), fingerprint(&writing));
        assert_ne!(fingerprint(&reading), fingerprint(std::io::pipe().unwrap().0));
        assert_eq!(fingerprint(std::fs::File::open("/dev/null").unwrap()), None);
        assert_eq!(fingerprint(crate::poller::EventFd::new().unwrap()), None);
    }

    #[test]
    fn a_descriptor_moves_up_and_closes_on_exec() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let moved = move_above(file.into(), 64).unwrap();
        assert!(moved.as_raw_fd() >= 64);
        let flags = fcntl(&moved, FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}
