//! A datagram socket whose messages are looked at before they are taken, with
//! the credentials of who has sent each (unix(7), SO_PASSCRED). Knows nothing of
//! what is said.
//!
//! To look, no descriptor is received: of those that come with a message only
//! that there are some is told. So nothing of a stranger ever gets into the
//! table of this process, and nothing of his is closed here.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};

use crate::socket::{Peer, bind_path};
use crate::{Errno, Result, SysError};

/// Descriptors that one message can carry (SCM_MAX_FD of the kernel).
pub const MOST_DESCRIPTORS: usize = 253;

/// Room for credentials, and for nothing after them.
const CREDENTIALS_ONLY: usize = space(size_of::<libc::ucred>());
/// Room for credentials and as many descriptors as there can be.
const WITH_DESCRIPTORS: usize = CREDENTIALS_ONLY + space(MOST_DESCRIPTORS * size_of::<RawFd>());

const fn space(bytes: usize) -> usize {
    // SAFETY: a computation on constants, without memory.
    unsafe { libc::CMSG_SPACE(bytes as u32) as usize }
}

/// Control messages, aligned as `cmsghdr` is.
#[repr(C, align(8))]
struct Control([u8; WITH_DESCRIPTORS]);

/// The socket.
#[derive(Debug)]
pub struct Datagrams(OwnedFd);

/// A message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its bytes; more than were room for, if it is longer.
    pub length: usize,
    /// Who has sent it; `None`: the kernel does not say.
    pub sender: Option<Peer>,
    /// Whether descriptors come with it.
    pub passes: bool,
}

impl Datagrams {
    /// Binds to `path`, which gets `mode`; what an earlier manager left there
    /// is replaced, as by [`crate::socket::Listener::bind`].
    ///
    /// # Errors
    /// As of that.
    pub fn bind(path: &Path, mode: u32) -> Result<Datagrams> {
        let fd = socket(
            AddressFamily::Unix,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )
        .map_err(|errno| SysError::new("create", "a socket", errno))?;
        // Before it has a name: a message from before would have no sender.
        setsockopt(&fd, sockopt::PassCred, &true)
            .map_err(|errno| SysError::new("ask for", "the credentials of senders", errno))?;
        bind_path(&fd, path, mode)?;
        Ok(Datagrams(fd))
    }

    /// One that is bound already.
    pub fn from_fd(fd: OwnedFd) -> Datagrams {
        Datagrams(fd)
    }

    /// Looks at the first message, which stays; its beginning goes to `buffer`.
    /// `None`: there is none.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn peek(&self, buffer: &mut [u8]) -> Result<Option<Waiting>> {
        let mut control = MaybeUninit::<Control>::zeroed();
        let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
        let Some(got) = self.receive(buffer, &mut control, CREDENTIALS_ONLY, flags)? else {
            return Ok(None);
        };
        // Nothing that was received here owns a descriptor.
        let (sender, _) = contents(&got.message);
        let passes = got.message.msg_flags & libc::MSG_CTRUNC != 0;
        Ok(Some(Waiting { length: got.length, sender, passes }))
    }

    /// Copies of the descriptors that come with the first message, which stays,
    /// close-on-exec; and whether these are all: fewer come when this process
    /// can have no more.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn peek_descriptors(&self) -> Result<(Vec<OwnedFd>, bool)> {
        self.descriptors(libc::MSG_PEEK)
    }

    /// Takes the first message, with the descriptors that come with it.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn take(&self) -> Result<Vec<OwnedFd>> {
        self.descriptors(0).map(|(descriptors, _)| descriptors)
    }

    /// Takes the first message; what comes with it is the kernel's to put away.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn discard(&self) -> Result<()> {
        let mut control = MaybeUninit::<Control>::zeroed();
        self.receive(&mut [], &mut control, 0, 0).map(|_| ())
    }

    fn descriptors(&self, flags: i32) -> Result<(Vec<OwnedFd>, bool)> {
        let mut control = MaybeUninit::<Control>::zeroed();
        let got = self.receive(&mut [], &mut control, WITH_DESCRIPTORS, flags)?;
        let Some(Received { message, .. }) = got else { return Ok((Vec::new(), true)) };
        // There is room for as many as can be: what is cut off was refused.
        let are_all = message.msg_flags & libc::MSG_CTRUNC == 0;
        Ok((contents(&message).1, are_all))
    }

    fn receive(
        &self,
        buffer: &mut [u8],
        control: &mut MaybeUninit<Control>,
        control_bytes: usize,
        flags: i32,
    ) -> Result<Option<Received>> {
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        loop {
            // SAFETY: all-zero is a valid msghdr.
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            // As wide as the C library has it.
            message.msg_controllen = control_bytes.min(size_of::<Control>()) as _;
            let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
            // SAFETY: everything that `message` points to lives over the call.
            let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, flags) };
            if let Ok(length) = usize::try_from(got) {
                return Ok(Some(Received { length, message }));
            }
            match Errno::last() {
                Errno::EINTR => (),
                Errno::EAGAIN => return Ok(None),
                errno => return Err(SysError::new("receive", "a datagram", errno)),
            }
        }
    }
}

struct Received {
    length: usize,
    /// Its pointers are good for as long as the buffers of the caller.
    message: libc::msghdr,
}

impl From<Datagrams> for OwnedFd {
    fn from(socket: Datagrams) -> OwnedFd {
        socket.0
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sender and descriptors of a message that has just been received.
fn contents(message: &libc::msghdr) -> (Option<Peer>, Vec<OwnedFd>) {
    let (mut sender, mut descriptors) = (None, Vec::new());
    // SAFETY: the kernel has written whole headers into the control buffer and
    // their length into `message`; the macros stay inside of it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: a header that the macros gave, and where its data begin.
        let (level, kind, length, data) = unsafe {
            let libc::cmsghdr { cmsg_level, cmsg_type, cmsg_len, .. } = *header;
            let length: usize = cmsg_len as _;
            (cmsg_level, cmsg_type, length, libc::CMSG_DATA(header))
        };
        // SAFETY: a computation without memory.
        let bytes = length.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        if level == libc::SOL_SOCKET && kind == libc::SCM_CREDENTIALS {
            if bytes >= size_of::<libc::ucred>() {
                // SAFETY: so many bytes stand there, and any are an ucred.
                let ucred = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                sender = Some(Peer { pid: ucred.pid, uid: ucred.uid, gid: ucred.gid });
            }
        } else if level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS {
            for place in 0..bytes / size_of::<RawFd>() {
                // SAFETY: so many numbers stand there; the kernel has just made
                // these descriptors, nobody else owns them.
                descriptors.push(unsafe {
                    let number = data.cast::<RawFd>().wrapping_add(place).read_unaligned();
                    OwnedFd::from_raw_fd(number)
                });
            }
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    (sender, descriptors)
}
