//! Short files whose path a user has named.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

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
