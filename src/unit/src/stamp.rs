//! Files as they look from outside: whether one has changed is seen without
//! reading it.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The kernel stamps files with the time of its last tick, 100 a second or more:
/// a file that was changed within one may be changed again and look the same.
const TICK: Duration = Duration::from_millis(20);
/// Some file systems keep whole seconds only (jffs2; ext4 with inodes of 128
/// bytes), or every other one (vfat).
const COARSE: Duration = Duration::from_secs(2);

/// What is another whenever a file is: its file system, inode, size and mode, and
/// the times of the last write and of the last change, which nobody can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp([u64; 8]);

impl Stamp {
    /// That of a file which looks like this.
    #[must_use]
    pub fn of(is: &Metadata) -> Stamp {
        let times = [is.mtime(), is.mtime_nsec(), is.ctime(), is.ctime_nsec()];
        let [written, written_ns, changed, changed_ns] = times.map(i64::cast_unsigned);
        let mode = u64::from(is.mode());
        Stamp([is.dev(), is.ino(), is.size(), mode, written, written_ns, changed, changed_ns])
    }
}

/// Whether another write could still leave the same stamp; also of a file whose
/// time is yet to come.
#[must_use]
pub fn is_just_written(is: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    is_just(is.ctime().unsigned_abs(), is.ctime_nsec().unsigned_abs(), now)
}

/// Whether something that has happened then may look the same as what happens now.
fn is_just(seconds: u64, nanoseconds: u64, now: Duration) -> bool {
    let tick = if nanoseconds == 0 { COARSE } else { TICK };
    let then = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds));
    now <= then.saturating_add(tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_whole_seconds_is_waited_for_longer() {
        let now = Duration::from_millis(10_500);
        assert!(is_just(10, 490_000_000, now) && !is_just(10, 470_000_000, now));
        // What is written now gets the time of what was written half a second ago.
        assert!(is_just(10, 0, now) && is_just(9, 0, now) && !is_just(8, 0, now));
        assert!(is_just(11, 1, now));
    }
}
