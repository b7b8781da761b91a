//! Pipes whose content can be looked at before it is taken, and moved from one
//! to another without a copy (pipe(7), tee(2), splice(2)). Each of these calls
//! does all or nothing of what it reports, also when the process is killed:
//! what lies in a pipe is not lost as long as anybody holds its reading end.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno as Code;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, open, splice, tee};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::{Errno, Result, SysError};

/// A new pipe: its end to read from, which does not block, and the one to write
/// to, which does. Close-on-exec.
///
/// # Errors
/// EMFILE, ENFILE.
pub fn new() -> Result<(OwnedFd, OwnedFd)> {
    let failed = |errno| SysError::new("create", "a pipe", errno);
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    // The ends are two open files: the writer, whoever gets it, blocks.
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
    Ok((reader, writer))
}

/// Another end to write to, which blocks, of the pipe that this reads from
/// (proc(5), /proc/PID/fd: a pipe can be opened there). Close-on-exec.
///
/// # Errors
/// EMFILE, ENFILE; ENOENT without /proc; EACCES when another user has made it.
pub fn writer_of(reader: impl AsFd) -> Result<OwnedFd> {
    let failed = |errno| SysError::new("open", "a pipe to write to it", errno);
    let path = format!("/proc/self/fd/{}", reader.as_fd().as_raw_fd());
    // There is a reader, so this would not wait in any case.
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let writer = open(path.as_str(), flags, Mode::empty()).map_err(failed)?;
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).map_err(failed)?;
    Ok(writer)
}

/// How many bytes a pipe can hold (F_GETPIPE_SZ).
///
/// # Errors
/// EBADF when it is none.
pub fn size(pipe: impl AsFd) -> Result<usize> {
    let bytes = fcntl(pipe, FcntlArg::F_GETPIPE_SZ);
    bytes
        .map(|bytes| usize::try_from(bytes).unwrap_or(0))
        .map_err(|errno| SysError::new("ask for", "the size of a pipe", errno))
}

/// Makes an empty pipe hold so many bytes, rounded up to a power of two pages.
///
/// # Errors
/// EPERM beyond the limits of pipe(7) for who is not privileged.
pub fn resize(pipe: impl AsFd, bytes: usize) -> Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    fcntl(pipe, FcntlArg::F_SETPIPE_SZ(bytes))
        .map(|_| ())
        .map_err(|errno| SysError::new("change", "the size of a pipe", errno))
}

/// How many bytes lie in a pipe (FIONREAD).
///
/// # Errors
/// EBADF, ENOTTY when it is none.
pub fn waiting(pipe: impl AsFd) -> Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD stores one int there.
    let done =
        unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) } == 0;
    if done {
        return Ok(usize::try_from(count).unwrap_or(0));
    }
    Err(SysError::last("look into", "a pipe"))
}

/// Whether a pipe has room for a page, or who reads it has gone.
pub fn has_room(pipe: impl AsFd) -> bool {
    let mut watched = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
    loop {
        match poll(&mut watched, PollTimeout::ZERO) {
            Ok(count) => return count > 0,
            Err(Code::EINTR) => (),
            Err(_) => return false,
        }
    }
}

/// Shows another pipe what lies in this one, which keeps it: how many bytes.
/// `None`: there is nothing, or no room. 0: nothing, and nobody writes any more.
///
/// # Errors
/// EINVAL when one is no pipe, or both are the same.
pub fn show(from: impl AsFd, to: impl AsFd, most: usize) -> Result<Option<usize>> {
    loop {
        match tee(from.as_fd(), to.as_fd(), most, SpliceFFlags::SPLICE_F_NONBLOCK) {
            Ok(count) => return Ok(Some(count)),
            Err(Code::EINTR) => (),
            Err(Code::EAGAIN) => return Ok(None),
            Err(errno) => return Err(SysError::new("look into", "a pipe", errno)),
        }
    }
}

/// Moves at most so many bytes from a pipe to another file, which may be
/// waited for; how many. `None`: it was empty.
///
/// # Errors
/// EPIPE when nobody reads there any more; EINVAL when nothing can be moved
/// there (a file that is open for appending, some devices); what writing gives.
pub fn carry(from: impl AsFd, to: impl AsFd, most: usize) -> Result<Option<usize>> {
    loop {
        match splice(from.as_fd(), None, to.as_fd(), None, most, SpliceFFlags::empty()) {
            Ok(count) => return Ok(Some(count)),
            Err(Code::EINTR) => (),
            Err(Code::EAGAIN) => return Ok(None),
            Err(errno) => return Err(SysError::new("write to", "the output", errno)),
        }
    }
}

/// Takes what lies in a pipe: how many bytes. `None`: nothing. 0: nothing, and
/// nobody writes any more.
///
/// # Errors
/// EBADF and kin.
pub fn take(pipe: impl AsFd, buffer: &mut [u8]) -> Result<Option<usize>> {
    loop {
        match nix::unistd::read(pipe.as_fd(), buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(Code::EINTR) => (),
            Err(Code::EAGAIN) => return Ok(None),
            Err(errno) => return Err(SysError::new("read", "a pipe", errno)),
        }
    }
}

/// Writes to a file or pipe, which may be waited for: how many bytes it took.
///
/// # Errors
/// EPIPE when nobody reads there any more; ENOSPC, EIO and kin.
pub fn put(to: impl AsFd, bytes: &[u8]) -> Result<usize> {
    loop {
        match nix::unistd::write(to.as_fd(), bytes) {
            Ok(count) => return Ok(count),
            Err(Code::EINTR) => (),
            // Somebody else has made it so: for everybody who shares it.
            Err(Code::EAGAIN) => wait_for_room(to.as_fd()),
            Err(errno) => return Err(SysError::new("write to", "the output", errno)),
        }
    }
}

/// Waits until a descriptor that somebody has made non-blocking has room.
pub fn wait_for_room(to: impl AsFd) {
    let mut watched = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
    while poll(&mut watched, PollTimeout::NONE) == Err(Code::EINTR) {}
}

/// Whether an error says that nothing can be moved to a file by [`carry`], only
/// written.
pub fn is_not_for_moving(error: &SysError) -> bool {
    error.errno == Errno(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_stays_and_what_is_carried_moves() {
        let [(a, to_a), (b, to_b), (c, to_c)] = [(); 3].map(|()| new().unwrap());
        assert_eq!(show(&a, &to_b, 100).unwrap(), None);
        assert_eq!(put(&to_a, b"one two").unwrap(), 7);
        assert_eq!(show(&a, &to_b, 100).unwrap(), Some(7));
        assert_eq!((waiting(&a).unwrap(), waiting(&b).unwrap()), (7, 7));
        assert_eq!(carry(&a, &to_c, 4).unwrap(), Some(4));
        let mut buffer = [0; 16];
        assert_eq!(take(&a, &mut buffer).unwrap(), Some(3));
        assert_eq!(&buffer[..3], b"two");
        assert_eq!(take(&c, &mut buffer).unwrap(), Some(4));
        drop(to_a);
        assert_eq!(take(&a, &mut buffer).unwrap(), Some(0));
        assert_eq!(show(&a, &to_c, 100).unwrap(), Some(0));
    }

    #[test]
    fn a_full_pipe_has_no_room() {
        let (reader, writer) = new().unwrap();
        let page = vec![0; 4096];
        let _ = resize(&writer, 4096);
        let size = size(&reader).unwrap();
        assert!(has_room(&writer));
        for _ in 0..size / page.len() {
            put(&writer, &page).unwrap();
        }
        assert!(!has_room(&writer));
        drop(reader);
        assert_eq!(put(&writer, b"x").unwrap_err().errno, Errno::EPIPE);
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_gets_another_writer() {
        let (reader, writer) = new().unwrap();
        put(&writer, b"one ").unwrap();
        drop(writer);
        let another = writer_of(&reader).unwrap();
        let flags = fcntl(&another, FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & OFlag::O_NONBLOCK.bits(), 0);
        put(&another, b"two").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(take(&reader, &mut buffer).unwrap(), Some(7));
        assert_eq!(take(&reader, &mut buffer).unwrap(), None);
        drop(another);
        assert_eq!(take(&reader, &mut buffer).unwrap(), Some(0));
    }

    #[test]
    fn a_file_that_is_appended_to_is_written() {
        let (reader, writer) = new().unwrap();
        put(&writer, b"x").unwrap();
        let path = std::env::temp_dir().join(format!("ham-pipe-{}", std::process::id()));
        let file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = carry(&reader, &file, 1).unwrap_err();
        assert!(is_not_for_moving(&error), "{error}");
        assert_eq!(waiting(&reader).unwrap(), 1);
    }
}
