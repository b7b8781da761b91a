//! Unix sockets: the control listener with the credentials of its peers, and
//! packet pairs between ham's own processes. Everything is non-blocking and
//! close-on-exec, and no write raises SIGPIPE. Knows nothing of what is said.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, getsockopt,
    listen, recv, send, socket, socketpair, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

use crate::poller::is_readable;
use crate::process::PidFd;
use crate::{Errno, Result, SysError};

/// A listening stream socket.
#[derive(Debug)]
pub struct Listener(UnixListener);

/// Who is at the other end, as the kernel knows it since connect(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process; 0 when it is outside of this PID namespace.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl Listener {
    /// Listens at `path`, which gets `mode`. A socket that an earlier manager
    /// left there is replaced; anything else there is not touched. The caller
    /// holds the lock of the directory ([`crate::lock`]), so nobody else does
    /// the same.
    ///
    /// # Errors
    /// ENAMETOOLONG beyond the 107 bytes that unix(7) allows; EEXIST when
    /// something other than a socket is at `path`.
    pub fn bind(path: &Path, mode: u32) -> Result<Listener> {
        let fd = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )
        .map_err(|errno| SysError::new("create", "a socket", errno))?;
        bind_path(&fd, path, mode)?;
        // The kernel lowers it to net.core.somaxconn.
        let backlog = Backlog::new(128).unwrap_or(Backlog::MAXCONN);
        listen(&fd, backlog).map_err(|errno| SysError::new("listen at", shown(path), errno))?;
        Ok(Listener(fd.into()))
    }

    /// One that listens already.
    pub fn from_fd(fd: OwnedFd) -> Listener {
        Listener(fd.into())
    }

    /// Whether a connection waits to be taken.
    pub fn has_waiting(&self) -> bool {
        is_readable(&self.0)
    }

    /// The next connection, non-blocking; `None` when nobody waits.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM: the connection then waits on.
    pub fn accept(&self) -> Result<Option<UnixStream>> {
        loop {
            match self.0.accept() {
                Ok((stream, _)) => {
                    stream
                        .set_nonblocking(true)
                        .map_err(|error| SysError::new("accept", "a connection", error))?;
                    return Ok(Some(stream));
                }
                Err(error) => match Errno::from(error) {
                    Errno::EAGAIN => return Ok(None),
                    // It gave up before we came: look for the next.
                    Errno::EINTR | Errno(libc::ECONNABORTED) => (),
                    errno => return Err(SysError::new("accept", "a connection", errno)),
                },
            }
        }
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> OwnedFd {
        listener.0.into()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives a new socket its place in the file system, with the right mode from
/// the first moment on.
pub(crate) fn bind_path(fd: &OwnedFd, path: &Path, mode: u32) -> Result<()> {
    let address = UnixAddr::new(path).map_err(|errno| match errno {
        NixErrno::ENAMETOOLONG => {
            SysError::new("bind a socket to (at most 107 bytes are possible)", shown(path), errno)
        }
        _ => SysError::new("bind a socket to", shown(path), errno),
    })?;
    match std::fs::symlink_metadata(path) {
        Ok(status) if status.file_type().is_socket() => std::fs::remove_file(path)
            .map_err(|error| SysError::new("remove the old socket", shown(path), error))?,
        // bind answers EADDRINUSE, which would read as "another manager".
        Ok(_) => return Err(SysError::new("replace", shown(path), Errno::EEXIST)),
        Err(_) => (),
    }
    // The file is made with the mode of the socket, less the umask; so it is
    // never wider than wanted, and made as wide afterwards.
    fchmod(fd, Mode::from_bits_truncate(mode))
        .and_then(|()| bind(fd.as_raw_fd(), &address))
        .map_err(|errno| SysError::new("bind a socket to", shown(path), errno))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| SysError::new("set the mode of", shown(path), error))
}

/// The credentials of the process that connected (SO_PEERCRED).
///
/// # Errors
/// ENOTCONN and kin.
pub fn peer(stream: impl AsFd) -> Result<Peer> {
    getsockopt(&stream, sockopt::PeerCredentials)
        .map(|found| Peer { pid: found.pid(), uid: found.uid(), gid: found.gid() })
        .map_err(|errno| SysError::new("ask for", "the credentials of a peer", errno))
}

/// The supplementary groups of the process that connected (SO_PEERGROUPS,
/// Linux 4.13).
///
/// # Errors
/// ENOTCONN and kin.
pub fn peer_groups(stream: impl AsFd) -> Result<Vec<u32>> {
    // The most that a process can have (NGROUPS_MAX of linux/limits.h) would
    // be 256 kB; first what is common, then as many as the kernel says.
    let mut groups = vec![0u32; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(groups.len().saturating_mul(4)).unwrap_or(0);
        let fd = stream.as_fd().as_raw_fd();
        // SAFETY: the kernel writes at most `bytes` bytes to where `groups` has
        // as many, and how many it wrote, or would have, to `bytes`.
        let answer = unsafe {
            let to = groups.as_mut_ptr().cast();
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERGROUPS, to, &raw mut bytes)
        };
        let count = usize::try_from(bytes).unwrap_or(0) / 4;
        if answer == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let errno = Errno::last();
        if errno.0 != libc::ERANGE || count <= groups.len() {
            return Err(SysError::new("ask for", "the groups of a peer", errno));
        }
        groups.resize(count, 0);
    }
}

/// The process that connected, as a descriptor that no later process of its
/// number can have (SO_PEERPIDFD, Linux 6.5); `None`: the kernel is older, or
/// the process has gone.
pub fn peer_process(stream: impl AsFd) -> Option<PidFd> {
    peer_descriptor(&stream).ok()
}

/// Whether the process that connected was reaped, so that its number may be
/// another's by now. A kernel before Linux 6.5 cannot say, and is taken to say
/// no; whatever else keeps it from an answer counts as yes, since somebody is
/// about to be trusted for that number.
pub fn peer_has_gone(stream: impl AsFd) -> bool {
    match peer_descriptor(&stream) {
        // Of a zombie, whose number nobody else can have, there is one to signal.
        Ok(process) => process.send(0).is_err_and(|error| error.errno == Errno::ESRCH),
        Err(errno) => errno.0 != libc::ENOPROTOOPT,
    }
}

fn peer_descriptor(stream: &impl AsFd) -> std::result::Result<PidFd, Errno> {
    let mut fd: libc::c_int = -1;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    let number = stream.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes to `fd`, which is as long.
    let result = unsafe {
        libc::getsockopt(
            number,
            libc::SOL_SOCKET,
            PEER_PIDFD,
            (&raw mut fd).cast(),
            &raw mut length,
        )
    };
    if result != 0 || fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel just made this descriptor, nobody else owns it.
    Ok(PidFd::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// SO_PEERPIDFD of asm-generic/socket.h, the same on x86-64 and aarch64.
const PEER_PIDFD: libc::c_int = 77;

/// Connects to a stream socket and says something on it; it is blocking then,
/// for a program that knows nothing of it, and close-on-exec. Nothing is read
/// from it. Waits for at most `patience`, for each of the two.
///
/// # Errors
/// ENOENT, ECONNREFUSED: nobody listens there; EAGAIN: whoever does takes no
/// connection in time.
pub fn connect_and_say(path: &Path, first: &[u8], patience: Duration) -> Result<OwnedFd> {
    let failed = |error: std::io::Error| SysError::new("connect to", shown(path), error);
    let address =
        UnixAddr::new(path).map_err(|errno| SysError::new("connect to", shown(path), errno))?;
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| SysError::new("create", "a socket", errno))?;
    let mut stream = UnixStream::from(fd);
    // unix(7): a full queue of the listener is waited for as a full buffer is.
    stream.set_write_timeout(Some(patience)).map_err(failed)?;
    connect(stream.as_raw_fd(), &address)
        .map_err(|errno| SysError::new("connect to", shown(path), errno))?;
    stream.write_all(first).map_err(failed)?;
    stream.set_write_timeout(None).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Read).map_err(failed)?;
    Ok(stream.into())
}

/// Two connected sockets that keep the boundaries of packets and their order,
/// and tell when the other end is closed.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM.
pub fn seqpacket_pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    )
    .map_err(|errno| SysError::new("create", "a pair of sockets", errno))
}

/// Two connected stream sockets.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
        .map_err(|errno| SysError::new("create", "a pair of sockets", errno))
}

/// What a stream socket has received so far, which stays there: as much as fits
/// into `buffer`. `None`: nothing yet. `Some(0)`: the other end was closed and
/// all was taken.
///
/// # Errors
/// ENOTSOCK and kin.
pub fn peek_stream(fd: impl AsFd, buffer: &mut [u8]) -> Result<Option<usize>> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
    loop {
        match recv(fd.as_fd().as_raw_fd(), buffer, flags) {
            Ok(length) => return Ok(Some(length)),
            Err(NixErrno::EINTR) => (),
            Err(NixErrno::EAGAIN) => return Ok(None),
            Err(NixErrno::ECONNRESET) => return Ok(Some(0)),
            Err(errno) => return Err(SysError::new("look into", "a stream", errno)),
        }
    }
}

/// Takes so many bytes out of a stream socket, which are there.
///
/// # Errors
/// ENOTSOCK and kin.
pub fn take_stream(fd: impl AsFd, length: usize) -> Result<()> {
    let mut buffer = vec![0; length];
    recv(fd.as_fd().as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)
        .map(|_| ())
        .map_err(|errno| SysError::new("read", "a stream", errno))
}

/// Sends one packet, whole. False when there is no room now.
///
/// # Errors
/// EPIPE when the other end is closed; EMSGSIZE for a packet beyond the
/// socket's buffer.
pub fn send_packet(fd: impl AsFd, packet: &[u8]) -> Result<bool> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match send(fd.as_fd().as_raw_fd(), packet, flags) {
            Ok(_) => return Ok(true),
            Err(NixErrno::EINTR) => (),
            Err(NixErrno::EAGAIN | NixErrno::ENOBUFS) => return Ok(false),
            Err(errno) => return Err(SysError::new("send", "a packet", errno)),
        }
    }
}

/// Receives one packet; its length. `None` when there is none now, `Some(0)`
/// when the other end is closed.
///
/// # Errors
/// EMSGSIZE when the packet was larger than `buffer`: its rest is lost.
pub fn receive_packet(fd: impl AsFd, buffer: &mut [u8]) -> Result<Option<usize>> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    loop {
        match recv(fd.as_fd().as_raw_fd(), buffer, flags) {
            // With MSG_TRUNC the true length is returned.
            Ok(length) if length > buffer.len() => {
                return Err(SysError::new("receive", "a packet", Errno(libc::EMSGSIZE)));
            }
            Ok(length) => return Ok(Some(length)),
            Err(NixErrno::EINTR) => (),
            Err(NixErrno::EAGAIN) => return Ok(None),
            Err(NixErrno::ECONNRESET) => return Ok(Some(0)),
            Err(errno) => return Err(SysError::new("receive", "a packet", errno)),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
