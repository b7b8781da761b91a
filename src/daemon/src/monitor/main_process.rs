//! The process that a forking daemon has left behind: which one it is says a
//! file, and that is believed only of a process that is the entity's (details
//! 20).

use super::holder::{Held, Holder};
use ham_sys::files::read_short;
use std::time::UNIX_EPOCH;

/// A process id and a line end, with room for blanks.
const FILE_LIMIT: u64 = 64;

/// The process that the file names; `None`: it names none, or not yet, or not
/// one of this entity, which runs as user `uid`. Blocks: for a spawner thread.
pub(super) fn find(path: &str, held: &Held, uid: u32, holder: &Holder) -> Option<i32> {
    let bytes = read_short(path, FILE_LIMIT).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let pid = text.split_ascii_whitespace().next()?.parse().ok()?;
    if holder.holds(held, pid) {
        return Some(pid);
    }
    let written = std::fs::metadata(path).and_then(|status| status.modified()).ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let written = u64::try_from(written).unwrap_or(u64::MAX);
    holder.may_be_left_by(held, pid, uid, written).then_some(pid)
}
