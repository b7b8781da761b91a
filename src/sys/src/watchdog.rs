//! A hardware watchdog (Documentation/watchdog/watchdog-api.rst of Linux): a
//! device that starts the machine anew unless it is written to in time. Opening
//! it starts it; closing it stops it only after the letter V was written, and
//! not even then when it was made so (`nowayout`).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::{Errno, Result, SysError};

/// struct watchdog_info of linux/watchdog.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

/// Requests of linux/watchdog.h, as x86-64 and aarch64 encode them.
const GET_SUPPORT: u32 = 0x8028_5700;
const GET_BOOT_STATUS: u32 = 0x8004_5702;
const SET_TIMEOUT: u32 = 0xC004_5706;
const GET_TIMEOUT: u32 = 0x8004_5707;

const _: () = assert!(size_of::<Info>() == 40);

/// `WDIOF_CARDRESET`: the machine was last started by the watchdog.
const CARD_RESET: i32 = 0x20;
/// `WDIOF_MAGICCLOSE`.
const MAGIC_CLOSE: u32 = 0x100;

/// An open watchdog, which has begun to run.
#[derive(Debug)]
pub struct Watchdog {
    /// To be written to.
    pub device: OwnedFd,
    /// What its driver calls itself.
    pub identity: String,
    /// Whether a close without the letter V lets it run on.
    pub magic_close: bool,
    /// Whether it has started the machine this time.
    pub has_reset: bool,
}

/// Opens a watchdog, and so starts it. Waits as long as its driver does.
///
/// # Errors
/// ENOENT; EBUSY while another has it open; ENOTTY for what is no watchdog,
/// which is not even opened when it is no character device.
pub fn open(path: &Path) -> Result<Watchdog> {
    let what = || path.display().to_string();
    let failed = |error: std::io::Error| SysError::new("open", what(), error);
    if !std::fs::metadata(path).map_err(failed)?.file_type().is_char_device() {
        return Err(SysError::new("open", what(), Errno::ENOTTY));
    }
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().write(true).custom_flags(flags).open(path).map_err(failed)?;
    let mut info = Info::default();
    // SAFETY: the request fills a watchdog_info, which this is; a device that
    // takes the number for another request of its own writes the 40 bytes that
    // stand in that, if it keeps to the kernel's encoding.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GET_SUPPORT as _, &raw mut info) };
    if result < 0 {
        return Err(SysError::last("open", what()));
    }
    let identity = info.identity.split(|byte| *byte == 0).next().unwrap_or_default();
    let has_reset = number(&file, GET_BOOT_STATUS, 0).is_ok_and(|flags| flags & CARD_RESET != 0);
    Ok(Watchdog {
        identity: String::from_utf8_lossy(identity).trim().to_owned(),
        magic_close: info.options & MAGIC_CLOSE != 0,
        has_reset,
        device: file.into(),
    })
}

/// Sets after how many seconds without a feed it bites; gives those that it
/// takes. Not all can be set, and some round.
///
/// # Errors
/// EINVAL for more than the device has, EOPNOTSUPP when it has no choice.
pub fn set_timeout(device: impl AsFd, seconds: i32) -> Result<i32> {
    let failed = |errno| SysError::new("set", "the timeout of the watchdog", errno);
    number(device, SET_TIMEOUT, seconds).map_err(failed)
}

/// After how many seconds it bites.
///
/// # Errors
/// EOPNOTSUPP when its driver does not know.
pub fn timeout(device: impl AsFd) -> Result<i32> {
    let failed = |errno| SysError::new("get", "the timeout of the watchdog", errno);
    match number(device, GET_TIMEOUT, 0) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        Ok(_) => Err(failed(Errno::EOPNOTSUPP)),
        Err(errno) => Err(failed(errno)),
    }
}

fn number(device: impl AsFd, request: u32, value: i32) -> std::result::Result<i32, Errno> {
    let mut value = value;
    // SAFETY: each of the requests that this is called with reads or writes one
    // int, and it lives over the call.
    let result = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request as _, &raw mut value) };
    if result < 0 { Err(Errno::last()) } else { Ok(value) }
}

/// The time begins anew, and what was said by [`stop_at_close`] is taken back.
/// Allocates nothing: the reaper uses it.
///
/// # Errors
/// ENODEV when the device has gone; whatever its driver says.
pub fn feed(device: impl AsFd) -> std::result::Result<(), Errno> {
    put(device, b".")
}

/// When it is closed next, it stops. Allocates nothing.
///
/// # Errors
/// As [`feed`].
pub fn stop_at_close(device: impl AsFd) -> std::result::Result<(), Errno> {
    put(device, b"V")
}

fn put(device: impl AsFd, byte: &[u8; 1]) -> std::result::Result<(), Errno> {
    loop {
        // SAFETY: the byte lives over the call.
        let put = unsafe { libc::write(device.as_fd().as_raw_fd(), byte.as_ptr().cast(), 1) };
        if put == 1 {
            return Ok(());
        }
        match Errno::last() {
            Errno::EINTR if put < 0 => {}
            errno if put < 0 => return Err(errno),
            _ => return Err(Errno::EIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_watchdog_is_refused() {
        let errno = |path: &str| open(Path::new(path)).unwrap_err().errno;
        assert_eq!(errno("/dev/null"), Errno::ENOTTY);
        assert_eq!(errno("/nonexistent/watchdog"), Errno::ENOENT);
        // Not opened: a FIFO without a reader would be waited for.
        assert_eq!(errno(env!("CARGO_MANIFEST_DIR")), Errno::ENOTTY);
        let (_reader, writer) = crate::pipe::new().unwrap();
        assert_eq!(set_timeout(&writer, 5).unwrap_err().errno, Errno::ENOTTY);
        assert_eq!(timeout(&writer).unwrap_err().errno, Errno::ENOTTY);
    }

    #[test]
    fn each_feed_is_one_byte() {
        let (reader, writer) = crate::pipe::new().unwrap();
        feed(&writer).unwrap();
        stop_at_close(&writer).unwrap();
        let mut bytes = [0; 8];
        assert_eq!(crate::pipe::take(&reader, &mut bytes).unwrap(), Some(2));
        assert_eq!(&bytes[..2], b".V");
        drop(reader);
        assert_eq!(feed(&writer), Err(Errno::EPIPE));
    }
}
