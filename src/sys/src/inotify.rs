//! Directories that are watched for what happens in them (inotify(7)). Keeps no
//! names: who watches knows what each number is.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::{Result, SysError};

/// A directory that is watched. A number is not given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch(WatchDescriptor);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made or moved there.
    Came,
    /// It was written to.
    Written,
    /// Somebody who could write to it, and perhaps has, has closed it.
    Closed,
    /// Its status changed.
    Changed,
    /// It was removed or moved away.
    Went,
    /// The watched directory itself was removed, moved or unmounted, or is not
    /// watched any more.
    Ended,
}

/// Something that has happened in a watched directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which directory.
    pub watch: Watch,
    /// What in it; `None`: the directory itself.
    pub name: Option<OsString>,
    /// What has happened to that.
    pub what: Happened,
}

/// What was read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// As they happened.
    pub all: Vec<Change>,
    /// The kernel could not keep all that happened.
    pub missed: bool,
}

/// Directories that are watched together. Threads may share it: one that hangs
/// in [`Directories::watch`] holds up none of the others.
#[derive(Debug)]
pub struct Directories(Inotify);

impl Directories {
    /// None as yet; close-on-exec.
    ///
    /// # Errors
    /// EMFILE beyond the limit of open files or of `max_user_instances`.
    pub fn new() -> Result<Directories> {
        Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map(Directories)
            .map_err(|errno| SysError::new("create", "an inotify instance", errno))
    }

    /// An instance that another process has made, and reads: who shares it may
    /// add directories.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Directories {
        // SAFETY: the descriptor is owned here and nowhere else.
        Directories(unsafe { Inotify::from_raw_fd(fd.into_raw_fd()) })
    }

    /// Watches a directory. One that is watched already, by whatever name, keeps
    /// its number. Waits for as long as the file system of the path does, which
    /// may be for ever: the path is looked up before anything of this instance
    /// is locked (Linux 5.10, fs/notify/inotify/inotify_user.c).
    ///
    /// # Errors
    /// ENOENT, ENOTDIR; EACCES when it cannot be read; ENOSPC beyond the limit
    /// of `max_user_watches`.
    pub fn watch(&self, directory: &Path) -> Result<Watch> {
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let failed = |errno| SysError::new("watch", directory.display().to_string(), errno);
        self.0.add_watch(directory, what).map(Watch).map_err(failed)
    }

    /// Watches for a directory to be moved elsewhere, and for nothing in it;
    /// beside what it is watched for already. Waits as [`Directories::watch`]
    /// does.
    ///
    /// # Errors
    /// As for [`Directories::watch`].
    pub fn watch_place(&self, directory: &Path) -> Result<Watch> {
        // nix has no name for it.
        let beside = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
        let what = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR | beside;
        let failed = |errno| SysError::new("watch", directory.display().to_string(), errno);
        self.0.add_watch(directory, what).map(Watch).map_err(failed)
    }

    /// Ends a watch. One that has ended by itself is none.
    pub fn unwatch(&self, watch: Watch) {
        let _ = self.0.rm_watch(watch.0);
    }

    /// What has happened since it was read the last time; does not wait. There
    /// may be more when this is not empty.
    ///
    /// # Errors
    /// None that a descriptor of this kind gives.
    pub fn read(&self) -> Result<Changes> {
        match self.0.read_events() {
            Ok(events) => {
                let missed =
                    events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
                Ok(Changes { all: events.into_iter().filter_map(change).collect(), missed })
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(Changes::default()),
            Err(errno) => Err(SysError::new("read", "changes of directories", errno)),
        }
    }
}

impl AsFd for Directories {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn change(event: InotifyEvent) -> Option<Change> {
    use AddWatchFlags as Flags;
    let has = |flags: Flags| event.mask.intersects(flags);
    let ended = Flags::IN_DELETE_SELF | Flags::IN_MOVE_SELF | Flags::IN_UNMOUNT | Flags::IN_IGNORED;
    let what = if has(ended) {
        Happened::Ended
    } else if has(Flags::IN_CREATE | Flags::IN_MOVED_TO) {
        Happened::Came
    } else if has(Flags::IN_CLOSE_WRITE) {
        Happened::Closed
    } else if has(Flags::IN_MODIFY) {
        Happened::Written
    } else if has(Flags::IN_ATTRIB) {
        Happened::Changed
    } else if has(Flags::IN_DELETE | Flags::IN_MOVED_FROM) {
        Happened::Went
    } else {
        return None;
    };
    Some(Change { watch: Watch(event.wd), name: event.name, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;
    use std::fs;

    /// All that has happened, told once and in order.
    fn read(directories: &Directories) -> Vec<(Option<String>, Happened)> {
        let changes = directories.read().unwrap();
        assert!(!changes.missed);
        let name = |name: OsString| name.to_string_lossy().into_owned();
        changes.all.into_iter().map(|change| (change.name.map(name), change.what)).collect()
    }

    #[test]
    fn what_happens_in_a_directory_is_told() {
        let folder = std::env::temp_dir().join(format!("ham-inotify-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let directories = Directories::new().unwrap();
        let watch = directories.watch(&folder).unwrap();
        // The same directory by another name.
        assert_eq!(directories.watch(&folder.join(".")).unwrap(), watch);
        assert_eq!(directories.watch(&folder.join("none")).unwrap_err().errno, Errno::ENOENT);
        assert_eq!(read(&directories), []);

        fs::create_dir(folder.join("one")).unwrap();
        fs::rename(folder.join("one"), folder.join("other")).unwrap();
        fs::remove_dir(folder.join("other")).unwrap();
        let [one, other] = ["one", "other"].map(|name| Some(name.to_owned()));
        let expected = [
            (one.clone(), Happened::Came),
            (one, Happened::Went),
            (other.clone(), Happened::Came),
            (other, Happened::Went),
        ];
        assert_eq!(read(&directories), expected);
        // To look changes nothing, or looks would lead to looks.
        let _ = fs::read_dir(&folder).unwrap().count();
        assert_eq!(read(&directories), []);
        // That it is watched for more does not take away from that.
        assert_eq!(directories.watch_place(&folder).unwrap(), watch);
        fs::create_dir(folder.join("one")).unwrap();
        assert_eq!(read(&directories), [(Some("one".into()), Happened::Came)]);
        fs::remove_dir_all(&folder).unwrap();
        // A child that another test makes may have it open for a moment yet.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !read(&directories).contains(&(None, Happened::Ended)) {
            assert!(std::time::Instant::now() < deadline, "its end is not told");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Who writes in steps is at work until it has closed the file.
    #[test]
    fn writing_and_the_end_of_it_are_told_apart() {
        use std::io::Write;
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("ham-written-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let directories = Directories::new().unwrap();
        directories.watch(&folder).unwrap();
        let name = Some("file".to_owned());
        let mut file = fs::File::create(folder.join("file")).unwrap();
        assert_eq!(read(&directories), [(name.clone(), Happened::Came)]);
        for _ in 0..2 {
            file.write_all(b"x").unwrap();
            assert_eq!(read(&directories), [(name.clone(), Happened::Written)]);
        }
        drop(file);
        assert_eq!(read(&directories), [(name.clone(), Happened::Closed)]);
        fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&directories), [(name, Happened::Changed)]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_directory_that_moves_is_told_and_nothing_that_happens_in_it() {
        let folder = std::env::temp_dir().join(format!("ham-moved-{}", std::process::id()));
        fs::create_dir_all(folder.join("a")).unwrap();
        let directories = Directories::new().unwrap();
        directories.watch_place(&folder.join("a")).unwrap();
        fs::write(folder.join("a/file"), "x").unwrap();
        assert_eq!(read(&directories), []);
        fs::rename(folder.join("a"), folder.join("b")).unwrap();
        assert_eq!(read(&directories), [(None, Happened::Ended)]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
