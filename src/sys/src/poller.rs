//! What an event loop waits on: epoll, an eventfd to be woken by another
//! process, a timerfd for the next deadline. Owns the waiting; keeps no
//! handlers and no list of its own.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd as NixEventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

use crate::{Errno, Result, SysError};

/// Events taken by one epoll_wait(2). Level-triggered: what does not fit is
/// reported by the next call.
const BATCH: usize = 64;

/// What to be told of. Errors and hang-ups are always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// There is something to read, or the peer has closed.
    pub read: bool,
    /// There is room to write.
    pub write: bool,
    /// Exceptional state: a change of /proc/self/mountinfo or cgroup.events.
    pub priority: bool,
    /// Only when something new comes (EPOLLET), not for as long as it waits.
    pub edge: bool,
}

impl Interest {
    /// Reading only, by far the most common.
    pub const READ: Interest = Interest { read: true, write: false, priority: false, edge: false };
    /// Reading and writing.
    pub const BOTH: Interest = Interest { read: true, write: true, priority: false, edge: false };
    /// What comes in addition, for somebody who does not take it.
    pub const ARRIVALS: Interest =
        Interest { read: true, write: false, priority: false, edge: true };

    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.read);
        flags.set(EpollFlags::EPOLLOUT, self.write);
        flags.set(EpollFlags::EPOLLPRI, self.priority);
        flags.set(EpollFlags::EPOLLET, self.edge);
        flags
    }
}

/// A descriptor that has something to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The token it was added with.
    pub token: u64,
    /// EPOLLIN.
    pub readable: bool,
    /// EPOLLOUT.
    pub writable: bool,
    /// EPOLLHUP or EPOLLERR.
    pub hangup: bool,
    /// EPOLLPRI.
    pub priority: bool,
}

/// An epoll instance, level-triggered.
#[derive(Debug)]
pub struct Poller(Epoll);

impl Poller {
    /// A new, empty one; close-on-exec.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> Result<Poller> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map(Poller)
            .map_err(|errno| SysError::new("create", "a poller", errno))
    }

    /// Watches a descriptor. It must be removed before it is closed if a
    /// copy of it lives on elsewhere (epoll(7)).
    ///
    /// # Errors
    /// EEXIST when it is watched already; EPERM for one that cannot be
    /// polled, such as a regular file.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        let number = fd.as_fd().as_raw_fd();
        self.0
            .add(fd, EpollEvent::new(interest.flags(), token))
            .map_err(|errno| SysError::new("watch", format!("descriptor {number}"), errno))
    }

    /// Changes token and interest of a watched descriptor.
    ///
    /// # Errors
    /// ENOENT when it is not watched.
    pub fn change(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        let number = fd.as_fd().as_raw_fd();
        self.0
            .modify(fd, &mut EpollEvent::new(interest.flags(), token))
            .map_err(|errno| SysError::new("watch", format!("descriptor {number}"), errno))
    }

    /// Stops watching a descriptor.
    ///
    /// # Errors
    /// ENOENT when it is not watched.
    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        let number = fd.as_fd().as_raw_fd();
        self.0
            .delete(fd)
            .map_err(|errno| SysError::new("stop watching", format!("descriptor {number}"), errno))
    }

    /// Waits until something is ready, and writes it to `events`; returns how
    /// many. `None` waits for ever; a timeout is rounded up to milliseconds
    /// (use [`Timer`] for exact deadlines). An interruption by a signal is
    /// `Ok(0)`. Allocates nothing.
    ///
    /// # Errors
    /// EINVAL when `events` is empty.
    pub fn wait(&self, events: &mut [Ready], timeout: Option<Duration>) -> Result<usize> {
        let limit = match timeout {
            None => EpollTimeout::NONE,
            Some(duration) => {
                let milliseconds = duration.as_nanos().div_ceil(1_000_000);
                // About 24 days: the longest that epoll_wait(2) can express.
                EpollTimeout::try_from(milliseconds.min(i32::MAX as u128) as i32)
                    .unwrap_or(EpollTimeout::MAX)
            }
        };
        let mut buffer = [EpollEvent::empty(); BATCH];
        let room = events.len().min(BATCH);
        let Some(buffer) = buffer.get_mut(..room) else {
            return Err(SysError::new("wait for", "events", Errno::EINVAL));
        };
        let count = match self.0.wait(buffer, limit) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(errno) => return Err(SysError::new("wait for", "events", errno)),
        };
        for (ready, event) in events.iter_mut().zip(buffer.iter().take(count)) {
            let flags = event.events();
            *ready = Ready {
                token: event.data(),
                readable: flags.contains(EpollFlags::EPOLLIN),
                writable: flags.contains(EpollFlags::EPOLLOUT),
                hangup: flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR),
                priority: flags.contains(EpollFlags::EPOLLPRI),
            };
        }
        Ok(count)
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

/// A counter that wakes a poller, in this process or in one that inherited it.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new one at zero; non-blocking, close-on-exec.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> Result<EventFd> {
        NixEventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map(|fd| EventFd(fd.into()))
            .map_err(|errno| SysError::new("create", "an event counter", errno))
    }

    /// One that was made before this program was executed.
    pub fn from_fd(fd: OwnedFd) -> EventFd {
        EventFd(fd)
    }

    /// Adds one. A full counter (2^64-2) stays readable, which is all that is
    /// wanted, so there is nothing to report. Allocates nothing.
    pub fn post(&self) {
        let one = 1u64.to_ne_bytes();
        while nix::unistd::write(&self.0, &one) == Err(nix::errno::Errno::EINTR) {}
    }

    /// Takes what was added since the last time; 0 when nothing was.
    /// Allocates nothing.
    pub fn drain(&self) -> u64 {
        drain(&self.0)
    }
}

impl From<EventFd> for OwnedFd {
    fn from(counter: EventFd) -> OwnedFd {
        counter.0
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A deadline on CLOCK_MONOTONIC that wakes a poller.
#[derive(Debug)]
pub struct Timer(TimerFd);

impl Timer {
    /// A new one, not armed; non-blocking, close-on-exec.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> Result<Timer> {
        TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)
            .map(Timer)
            .map_err(|errno| SysError::new("create", "a timer", errno))
    }

    /// One that was made before this program was executed.
    pub fn from_fd(fd: OwnedFd) -> Timer {
        // SAFETY: nothing is assumed of what the descriptor is: on another
        // kind than a timer the calls fail with EINVAL.
        Timer(unsafe { TimerFd::from_owned_fd(fd) })
    }

    /// Arms it for an instant of [`crate::clock::monotonic`] (one in the past
    /// fires at once), or disarms it.
    ///
    /// # Errors
    /// None are known; the kernel's answer is passed on.
    pub fn set(&self, absolute_ns: Option<u64>) -> Result<()> {
        let result = match absolute_ns {
            None => self.0.unset(),
            Some(instant) => {
                // An all-zero time disarms, so the earliest instant is 1 ns.
                // Beyond 292 years the type ends.
                let nanoseconds = instant.clamp(1, i64::MAX as u64);
                let time = TimeSpec::from(Duration::from_nanos(nanoseconds));
                self.0.set(Expiration::OneShot(time), TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            }
        };
        result.map_err(|errno| SysError::new("set", "a timer", errno))
    }

    /// Takes the expiry, so that the timer is no longer readable.
    pub fn drain(&self) {
        drain(&self.0);
    }
}

impl From<Timer> for OwnedFd {
    fn from(timer: Timer) -> OwnedFd {
        timer.0.into()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether there is something to read now, or the other end has gone.
pub(crate) fn is_readable(fd: impl AsFd) -> bool {
    is_readable_within(fd, Duration::ZERO)
}

/// The same, waited for. A signal begins the wait anew.
pub(crate) fn is_readable_within(fd: impl AsFd, patience: Duration) -> bool {
    let mut watched = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut watched, timeout) {
            Ok(count) => return count > 0,
            Err(nix::errno::Errno::EINTR) => (),
            Err(_) => return false,
        }
    }
}

/// Writes to a descriptor that others may have open, too, and whose other end
/// may not be read: if there is no room within `patience` nothing is written.
/// At most PIPE_BUF bytes are, since a pipe that has room has room for those
/// (pipe(7)); making the descriptor non-blocking would make it so for all.
/// False when not everything was written.
pub fn write_within(fd: impl AsFd, bytes: &[u8], patience: Duration) -> bool {
    let mut watched = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    if !matches!(poll(&mut watched, timeout), Ok(1)) {
        return false;
    }
    let some = bytes.get(..libc::PIPE_BUF).unwrap_or(bytes);
    let written = match write_now(fd.as_fd(), some) {
        Ok(count) => Some(count),
        // Somebody else has filled the pipe since it had room. What is no pipe
        // (or one before Linux 6.4) always has it: that is written as usual.
        Err(Errno(libc::EAGAIN)) if poll(&mut watched, PollTimeout::ZERO) != Ok(1) => None,
        Err(Errno(libc::EPIPE)) => None,
        Err(_) => nix::unistd::write(fd.as_fd(), some).ok(),
    };
    written == Some(bytes.len())
}

/// Writes what can be written without a wait, however the descriptor was opened
/// (RWF_NOWAIT of pwritev2(2)).
fn write_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> std::result::Result<usize, Errno> {
    let part = libc::iovec { iov_base: bytes.as_ptr() as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: one part, of which the kernel only reads; -1 is the place where the
    // next write goes anyway.
    let count = unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    usize::try_from(count).map_err(|_| Errno::last())
}

/// eventfd and timerfd are read alike: eight bytes, or EAGAIN.
fn drain(fd: impl AsFd) -> u64 {
    let mut count = [0u8; 8];
    loop {
        match nix::unistd::read(fd.as_fd(), &mut count) {
            Ok(8) => return u64::from_ne_bytes(count),
            Err(nix::errno::Errno::EINTR) => (),
            _ => return 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write, pipe};

    #[test]
    fn a_full_or_broken_pipe_is_not_waited_for() {
        let (mut reader, mut writer) = pipe().unwrap();
        let now = Duration::ZERO;
        assert!(write_within(&writer, b"first", now));
        let mut text = [0u8; 5];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"first");
        // Its whole capacity, 16 pages (pipe(7)).
        writer.write_all(&[b'x'; 64 * 1024]).unwrap();
        assert!(!write_within(&writer, b"second", now));
        reader.read_exact(&mut [0u8; 64 * 1024]).unwrap();
        assert!(!write_within(&writer, &[b'y'; libc::PIPE_BUF + 1], now), "not all of it");
        drop(reader);
        assert!(!write_within(&writer, b"third", now));
    }

    /// As one is that had room when it was looked at.
    #[test]
    fn a_pipe_that_was_filled_meanwhile_is_not_waited_for() {
        let (_reader, mut writer) = pipe().unwrap();
        writer.write_all(&[b'x'; 64 * 1024]).unwrap();
        let error = write_now(writer.as_fd(), b"more").unwrap_err();
        if error == Errno(libc::EOPNOTSUPP) {
            eprintln!("SKIPPED: a full pipe that had room: pipes know no RWF_NOWAIT before 6.4");
        } else {
            assert_eq!(error, Errno(libc::EAGAIN));
        }
    }

    #[test]
    fn a_file_and_a_terminal_are_written_to() {
        let mut file = tempfile();
        assert!(write_within(&file, b"first", Duration::ZERO));
        assert!(write_within(&file, b"second", Duration::ZERO));
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "firstsecond");
        let pty = nix::pty::openpty(None, None).unwrap();
        assert!(write_within(&pty.slave, b"word", Duration::ZERO));
        let mut text = [0u8; 4];
        std::fs::File::from(pty.master).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"word");
    }

    /// A file without a name.
    fn tempfile() -> std::fs::File {
        let path = std::env::temp_dir().join(format!("ham-poller-{}", std::process::id()));
        let mut options = std::fs::File::options();
        let file = options.create(true).truncate(true).read(true).write(true).open(&path);
        std::fs::remove_file(path).unwrap();
        file.unwrap()
    }
}
