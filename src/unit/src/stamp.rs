//! Files as they look from outside: whether one has changed is seen without
//! reading it.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The kernel stamps files with the time of its last tick, 100 a second or more:
/// a file that was changed within one may be changed again and look the same.
const TICK: Duration = Duration::from_millis(20);

/// What is another whenever a file is: its inode, size and mode, and the times of
/// the last write and of the last change, which nobody can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp([u64; 7]);

impl Stamp {
    /// That of a file which looks like this.
    #[must_use]
    pub fn of(is: &Metadata) -> Stamp {
        let times = [is.mtime(), is.mtime_nsec(), is.ctime(), is.ctime_nsec()];
        let [written, written_ns, changed, changed_ns] = times.map(i64::cast_unsigned);
        let mode = u64::from(is.mode());
        Stamp([is.ino(), is.size(), mode, written, written_ns, changed, changed_ns])
    }
}

/// Whether another write could still leave the same stamp; also of a file whose
/// time is yet to come.
#[must_use]
pub fn is_just_written(is: &Metadata) -> bool {
    let changed = Duration::new(is.ctime().unsigned_abs(), 0)
        .saturating_add(Duration::from_nanos(is.ctime_nsec().unsigned_abs()));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now <= changed.saturating_add(TICK)
}
