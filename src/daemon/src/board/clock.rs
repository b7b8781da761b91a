//! A clock that cannot be right: machines without a battery begin in 1970. It is
//! set to the latest time that is known to have been, so that what is written
//! does not lie before what was written, and certificates are valid. Never back.

use super::STATE;
use ham_sys::{clock, machine};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const NANOSECONDS: u64 = 1_000_000_000;

fn stamp() -> PathBuf {
    Path::new(STATE).join("clock")
}

/// Sets it forward where that is needed; gives what is to be said of it.
pub(super) fn set_forward() -> Option<String> {
    // This program was built and installed, the root was made, and a manager was
    // here before.
    let known = [PathBuf::from("/proc/self/exe"), PathBuf::from("/"), stamp()];
    let (when, what) = latest(&known)?;
    let is = clock::realtime() / NANOSECONDS;
    if is >= when {
        return None;
    }
    Some(match machine::set_clock(when) {
        Ok(()) => format!(
            "the clock stood {} seconds before the time of {}, and is set to that",
            when - is,
            what.display()
        ),
        Err(error) => error.to_string(),
    })
}

/// The latest time at which one of these was written, in seconds since 1970.
fn latest(paths: &[PathBuf]) -> Option<(u64, &Path)> {
    let written = |path: &PathBuf| {
        let when = fs::metadata(path).ok()?.modified().ok()?;
        when.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    paths.iter().filter_map(|path| Some((written(path)?, path.as_path()))).max()
}

/// Notes that it is now, for the next boot. Waits for the disk: at the start, and
/// at an end in good order when nobody is left to wait.
///
/// # Errors
/// Why that cannot be noted; a root that is mounted for reading only is one.
pub(crate) fn keep_clock() -> std::io::Result<()> {
    fs::create_dir_all(STATE)?;
    touch(&stamp())
}

fn touch(path: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    let now = Duration::from_nanos(clock::realtime());
    file.set_modified(SystemTime::UNIX_EPOCH + now)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_what_is_there_counts_and_a_stamp_says_now() {
        let place = std::env::temp_dir().join(format!("ham-clock-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let [old, new, none] = ["old", "new", "none"].map(|name| place.join(name));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (path, seconds) in [(&old, 1_000), (&new, 2_000)] {
            File::create(path).unwrap().set_modified(at(seconds)).unwrap();
        }
        let all = [old.clone(), new.clone(), none];
        assert_eq!(latest(&all), Some((2_000, new.as_path())));
        let before = clock::realtime() / NANOSECONDS;
        touch(&old).unwrap();
        let (when, path) = latest(&all).unwrap();
        assert!(path == old && when >= before, "{when}");
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(latest(&all), None);
    }
}
