//! Processes, one at a time: making a role process, naming it, what /proc
//! tells of another, and signalling one without ever hitting a stranger that
//! got its number. The making of entities is in `spawn`.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{Errno, Result, SysError};

/// What [`fork`] returns to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// In the new process.
    Child,
    /// In the old one: the pid of the new one.
    Parent(i32),
}

/// A copy of this process, child of this one, that ends with SIGCHLD (which
/// is what its own CLONE_PARENT children then inherit). The caller must be
/// single-threaded: only the calling thread exists in the child, and a lock
/// that another one held would stay held.
///
/// # Errors
/// EAGAIN at RLIMIT_NPROC or pids.max, ENOMEM.
pub fn fork() -> Result<Forked> {
    // SAFETY: by contract no other thread exists, so the child starts in a
    // consistent state and may run any code.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid)),
        _ => Err(SysError::last("fork", "this process")),
    }
}

/// Ends this process at once, without destructors or exit handlers, which
/// belong to the process that it was forked from.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit never returns and has no precondition.
    unsafe { libc::_exit(code) }
}

/// Replaces this process by the program behind a descriptor (execveat(2),
/// AT_EMPTY_PATH); what is close-on-exec closes. Returns only on failure.
pub fn execute_fd(program: BorrowedFd<'_>, argv: &[CString], envp: &[CString]) -> SysError {
    let argv = pointers(argv);
    let envp = pointers(envp);
    // SAFETY: both arrays end in a null pointer and, as the strings they point
    // to, live over the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    SysError::last("execute", "the program behind a descriptor")
}

/// The array that execve(2) wants: a pointer to each string, then null.
pub(crate) fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Names the calling thread as ps and /proc/PID/comm show it; the kernel
/// keeps 15 bytes.
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_name(name: &CStr) -> Result<()> {
    nix::sys::prctl::set_name(name)
        .map_err(|errno| SysError::new("set", "the name of this process", errno))
}

/// Makes this process the parent of orphans below it (Linux 3.4).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_child_subreaper() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| SysError::new("become", "a child subreaper", errno))
}

/// Leaves the session and process group of the terminal, so that Ctrl-C and
/// a hang-up do not reach this process.
///
/// # Errors
/// EPERM when this process leads a process group already.
pub fn new_session() -> Result<()> {
    nix::unistd::setsid()
        .map(|_| ())
        .map_err(|errno| SysError::new("start", "a new session", errno))
}

/// Whether this process dumps core and may be looked into by others of its
/// user (PR_SET_DUMPABLE).
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn set_dumpable(on: bool) -> Result<()> {
    nix::sys::prctl::set_dumpable(on)
        .map_err(|errno| SysError::new("set", "whether this process dumps core", errno))
}

/// This process.
pub fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Its parent; 0 when that is outside of the PID namespace.
pub fn parent_pid() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// The user whose rights this process has.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The group whose rights this process has.
pub fn effective_gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// PF_FORKNOEXEC of linux/sched.h: set by fork, cleared by exec.
const FORKED_NOT_EXECED: u64 = 0x40;

/// What is wanted of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) flags: u64,
    pub(crate) start_time: u64,
}

impl Stat {
    /// Reads it; `None` when there is no such process (any more).
    pub(crate) fn of(pid: i32) -> Option<Stat> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Stat> {
        // The name may hold spaces and parentheses: it ends at the last one.
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        // Field 3, the state, is the first after the name.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Stat {
            name,
            state: *field(3)?.as_bytes().first()?,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            flags: field(9)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
        })
    }

    /// Ended, only not reaped yet (or being so).
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// When a process started, in clock ticks since boot: with pid and boot id it
/// names a process for good. `None` when there is none.
pub fn start_time(pid: i32) -> Option<u64> {
    Some(Stat::of(pid)?.start_time)
}

/// Whether a process was forked or cloned and has not executed a program yet.
pub fn forked_not_execed(pid: i32) -> Option<bool> {
    Some(Stat::of(pid)?.flags & FORKED_NOT_EXECED != 0)
}

/// The kernel's name of a process (comm, at most 15 bytes).
pub fn name_of(pid: i32) -> Option<String> {
    Some(Stat::of(pid)?.name)
}

/// A process that cannot be mistaken for a later one of the same number
/// (pidfd_open(2), Linux 5.3). Close-on-exec.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Of a process that exists; afterwards the caller checks that it is the
    /// one it means (slot word or start time), for the number may have been
    /// given to another one before this call.
    ///
    /// # Errors
    /// ESRCH when there is no such process; EMFILE.
    pub fn open(pid: i32) -> Result<PidFd> {
        // SAFETY: pidfd_open takes integers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(SysError::last("open", format!("process {pid}")));
        }
        // SAFETY: the kernel just made this descriptor, nobody else owns it.
        Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Takes over a descriptor that was inherited.
    pub fn from_fd(fd: OwnedFd) -> PidFd {
        PidFd(fd)
    }

    /// Sends a signal as kill(2) does. Signal 0 only asks whether it could.
    ///
    /// # Errors
    /// ESRCH when it was reaped, EPERM, EINVAL for no signal.
    pub fn send(&self, signal: i32) -> Result<()> {
        self.send_raw(signal, std::ptr::null())
    }

    /// Sends a signal with a value, as sigqueue(3) does with `code` SI_QUEUE
    /// (-1). Another negative code is delivered as it is, except SI_TKILL
    /// (-6), which like all codes from 0 up the kernel reserves for itself.
    ///
    /// # Errors
    /// As [`PidFd::send`]; EPERM for a reserved code; EAGAIN when the
    /// receiver's user has too many signals queued (RLIMIT_SIGPENDING).
    pub fn queue(&self, signal: i32, code: i32, value: i32) -> Result<()> {
        let mut info = Siginfo {
            signal,
            error: 0,
            code,
            gap: 0,
            pid: pid(),
            // SAFETY: getuid has no precondition.
            uid: unsafe { libc::getuid() },
            value,
            rest: [0; 25],
        };
        self.send_raw(signal, (&raw mut info).cast())
    }

    fn send_raw(&self, signal: i32, info: *const libc::siginfo_t) -> Result<()> {
        // SAFETY: `info` is null or points to a whole siginfo that lives over
        // the call and that the kernel only reads.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, info, 0)
        };
        if result != 0 {
            return Err(SysError::last("send", format!("signal {signal}")));
        }
        Ok(())
    }

    /// Whether all threads of it have ended (it may still be a zombie).
    pub fn has_exited(&self) -> bool {
        let mut watched = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut watched, PollTimeout::ZERO) {
                Ok(count) => return count > 0,
                Err(nix::errno::Errno::EINTR) => (),
                Err(_) => return false,
            }
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// siginfo_t of a queued signal on 64-bit Linux: 128 bytes in all.
#[repr(C, align(8))]
struct Siginfo {
    signal: i32,
    error: i32,
    code: i32,
    gap: i32,
    pid: i32,
    uid: u32,
    value: i32,
    rest: [i32; 25],
}

const _: () = assert!(size_of::<Siginfo>() == size_of::<libc::siginfo_t>());

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
    let listing = std::fs::read_dir("/proc/self/fd")
        .map_err(|error| SysError::new("list", "/proc/self/fd", error))?;
    for entry in listing.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        if let Some(number) = number.filter(|number| *number as u32 >= lowest) {
            // SAFETY: the descriptor is only borrowed for this call; one that
            // is closed meanwhile (that of the listing) gives EBADF.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

/// A descriptor of the program that this process runs, for [`execute_fd`]:
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

/// The soft limit of open files before [`raise_nofile`], if that changed it:
/// to be handed over an exec of ham itself, see [`remember_nofile`].
pub fn nofile_before() -> Option<u64> {
    original_nofile().map(|(soft, _)| soft)
}

/// Tells a newly executed image of ham what [`nofile_before`] said in the one
/// before it, whose raised limit it has inherited.
///
/// # Errors
/// None are known; the kernel's answer is passed on.
pub fn remember_nofile(soft: u64) -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|errno| SysError::new("read", "the limit of open files", errno))?;
    FIRST_HARD.store(hard, Ordering::Relaxed);
    FIRST_SOFT.store(soft.min(hard), Ordering::Relaxed);
    Ok(())
}

/// The NOFILE limits (soft, hard) that a spawned program gets, if they differ
/// from those of this process.
pub(crate) fn original_nofile() -> Option<(u64, u64)> {
    let soft = FIRST_SOFT.load(Ordering::Relaxed);
    (soft != u64::MAX).then(|| (soft, FIRST_HARD.load(Ordering::Relaxed)))
}

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    nix::unistd::isatty(fd).unwrap_or(false)
}

/// Whether a number is an open descriptor of this process.
pub(crate) fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no pointer, and a closed number gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 || Errno::last() != Errno::EBADF }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = b"42 (a) b (c) S 7 8 9 0 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 8675309 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a) b (c");
        assert_eq!((stat.state, stat.parent, stat.group, stat.session), (b'S', 7, 8, 9));
        assert_eq!(stat.start_time, 8_675_309);
        assert_ne!(stat.flags & FORKED_NOT_EXECED, 0);
        assert_eq!(Stat::parse(b"42 (a S 1"), None);
        assert_eq!(Stat::parse(b"42 (a) S 1 2"), None);
    }

    #[test]
    fn this_process_has_a_name_and_a_start_time() {
        assert!(start_time(pid()).unwrap() > 0);
        assert_eq!(forked_not_execed(pid()), Some(false));
        assert!(name_of(pid()).is_some());
        // Above the largest pid_max (2^22), so no process has this number.
        assert_eq!(start_time(5_000_000), None);
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
