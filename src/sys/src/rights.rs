//! Descriptors that travel over a packet socket (SCM_RIGHTS, unix(7)), one
//! with a packet. Allocates nothing: the reaper uses it.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Errno, Result, SysError};

/// Room for the control message of one descriptor, aligned as `cmsghdr` is.
#[repr(C, align(8))]
struct Control([u8; 64]);

const ONE: u32 = size_of::<RawFd>() as u32;

// SAFETY: a computation on constants, without memory.
const _: () = assert!(unsafe { libc::CMSG_SPACE(ONE) } as usize <= size_of::<Control>());

/// Sends one packet, and with it a copy of a descriptor. False when there is
/// no room now.
///
/// # Errors
/// EPIPE when the other end is closed; ETOOMANYREFS when too many descriptors
/// are on their way.
pub fn send_with(socket: impl AsFd, packet: &[u8], passed: Option<BorrowedFd<'_>>) -> Result<bool> {
    let mut part =
        libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
    let mut control = Control([0; 64]);
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(fd) = passed {
        message.msg_control = (&raw mut control).cast();
        // SAFETY: a computation without memory.
        // As wide as the C library has it, here and below.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(ONE) } as _;
        // SAFETY: the control buffer is large enough for one descriptor (the
        // assertion above), so its first header and data lie inside.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(ONE) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        }
    }
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    loop {
        // SAFETY: everything that `message` points to lives over the call.
        let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) };
        if sent >= 0 {
            return Ok(true);
        }
        match Errno::last() {
            Errno::EINTR => (),
            Errno::EAGAIN | Errno(libc::ENOBUFS) => return Ok(false),
            errno => return Err(SysError::new("send", "a packet", errno)),
        }
    }
}

/// Receives one packet and the descriptor that came with it, close-on-exec;
/// more than one are closed. `None`: nothing there now. `Some((0, None))`: the
/// other end is closed.
///
/// # Errors
/// EMSGSIZE when the packet was larger than `buffer`: it is lost.
pub fn receive_with(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> Result<Option<(usize, Option<OwnedFd>)>> {
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let length = loop {
        // SAFETY: everything that `message` points to lives over the call.
        let got = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
        if let Ok(length) = usize::try_from(got) {
            break length;
        }
        match Errno::last() {
            Errno::EINTR => (),
            Errno::EAGAIN => return Ok(None),
            Errno(libc::ECONNRESET) => return Ok(Some((0, None))),
            errno => return Err(SysError::new("receive", "a packet", errno)),
        }
    };
    let passed = descriptors(&message);
    if message.msg_flags & libc::MSG_TRUNC != 0 {
        return Err(SysError::new("receive", "a packet", Errno(libc::EMSGSIZE)));
    }
    Ok(Some((length, passed)))
}

/// The first descriptor of a message; the others are closed.
fn descriptors(message: &libc::msghdr) -> Option<OwnedFd> {
    let mut first = None;
    // SAFETY: the kernel has written whole headers into the control buffer and
    // their length into `message`; the macros stay inside of it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: a header that the macros gave.
        let (level, kind, length) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS {
            // SAFETY: a computation without memory.
            let empty = unsafe { libc::CMSG_LEN(0) } as usize;
            let length: usize = length as _;
            let count = length.saturating_sub(empty) / size_of::<RawFd>();
            for place in 0..count {
                // SAFETY: `count` numbers stand behind the header; the kernel
                // has just made these descriptors, nobody else owns them.
                let fd = unsafe {
                    let data = libc::CMSG_DATA(header).cast::<RawFd>();
                    OwnedFd::from_raw_fd(data.wrapping_add(place).read_unaligned())
                };
                if first.is_none() {
                    first = Some(fd);
                }
            }
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    first
}
