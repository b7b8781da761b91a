//! Short files whose path a user has named.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// The first `limit` bytes of a file. Does not wait for the other end of a
/// FIFO; a file system that hangs is waited for.
///
/// # Errors
/// As open(2) and read(2); of what is no regular file `InvalidInput`.
pub fn read_short(path: &str, limit: u64) -> io::Result<Vec<u8>> {
    read_short_status(path, limit).map(|(bytes, _)| bytes)
}

/// The same, with whose file it is and when it was written.
///
/// # Errors
/// As [`read_short`].
pub fn read_short_status(path: &str, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, status))
}

/// Writes a short text to the beginning of a file, which is made if it is not
/// there, and waits until the disk has it.
///
/// # Errors
/// As open(2), write(2) and fdatasync(2); of what is no regular file
/// `InvalidInput`.
pub fn write_through(path: &str, text: &[u8]) -> io::Result<()> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let mut options = File::options();
    options.write(true).create(true).truncate(false).custom_flags(flags).mode(0o600);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.write_all_at(text, 0)?;
    file.sync_data()
}
