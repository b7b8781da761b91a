//! What the directories look like from outside, in a number: as long as it is
//! the same nothing need be read. And the watches that tell when to look.

use super::decide::Files;
use ham_sys::inotify::Directories;
use ham_unit::{Stamp, is_just_written};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Who writes a file is not done before this time has passed since.
const FRESH: Duration = Duration::from_millis(500);
/// Where names of users and groups come from, as far as that is files.
pub(super) const USERS: [&str; 2] = ["/etc/passwd", "/etc/group"];
/// Links that lead to links.
const MOST_LINKS: usize = 16;
/// A directory that comes and goes while it is looked at is looked at so often:
/// each time that it came before it was watched.
const MOST_LOOKS: u32 = 8;
/// Directories inside a search directory that matter: links that say what
/// starts, and drop-ins.
const ENABLED: &str = "enabled";
const DROP_IN: &str = ".toml.d";

/// What a look at the directories has found.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    hasher: DefaultHasher,
    /// Whether everything that was found is watched.
    watched: BTreeSet<PathBuf>,
    /// Directories on the way there.
    places: BTreeSet<PathBuf>,
    names: BTreeSet<String>,
    /// Something was written just now: what is written next may leave the same
    /// trace.
    unsure: bool,
}

impl Traces {
    /// Looks through the search directories. What is to be watched is, before
    /// it is looked at, so that no change falls between.
    pub(crate) fn look(directories: &[PathBuf], watches: Option<&Directories>) -> Traces {
        let mut traces = Traces::default();
        for directory in directories {
            traces.directory(directory, watches, true);
        }
        // What names of users stand for.
        for path in USERS {
            traces.file(Path::new(path));
        }
        traces
    }

    /// The number.
    pub(crate) fn number(&self) -> u64 {
        let mut hasher = self.hasher.clone();
        if self.unsure {
            SystemTime::now().hash(&mut hasher);
        }
        // 0 stands for none.
        hasher.finish().max(1)
    }

    /// Names whose coming and going matters, beside those of units.
    pub(crate) fn names(self) -> Vec<String> {
        self.names.into_iter().collect()
    }

    fn directory(&mut self, path: &Path, watches: Option<&Directories>, is_search: bool) {
        path.hash(&mut self.hasher);
        self.links(path, watches);
        let mut entries = None;
        for _ in 0..MOST_LOOKS {
            let watched = self.watch(path, watches);
            entries = std::fs::read_dir(path).ok();
            let settled = match entries {
                Some(_) => watched,
                None => self.is_awaited(path, watches),
            };
            if settled {
                break;
            }
        }
        self.access(path);
        let Some(entries) = entries else { return 0u8.hash(&mut self.hasher) };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            let Some(name) = file.file_name().map(|name| name.to_string_lossy()) else { continue };
            if name.starts_with('.') || name.starts_with('#') {
                continue;
            }
            let inner = is_search && (name.ends_with(DROP_IN) || name == ENABLED);
            if name.ends_with(".toml") || name == "ham.conf" {
                if self.file(&file) {
                    self.links(&file, watches);
                }
            } else if inner {
                self.directory(&file, watches, false);
            }
        }
    }

    /// Who owns a directory and may write there says whether it is trusted.
    fn access(&mut self, directory: &Path) {
        let is = std::fs::metadata(directory).ok();
        is.map(|is| (is.mode(), is.uid())).hash(&mut self.hasher);
    }

    /// Whoever makes a directory makes an entry in one that is there: that is
    /// watched. False when something on the way has come meanwhile.
    fn is_awaited(&mut self, path: &Path, watches: Option<&Directories>) -> bool {
        let mut missing = path;
        while let (Some(parent), Some(name)) = (missing.parent(), missing.file_name()) {
            self.names.insert(name.to_string_lossy().into_owned());
            if self.watch(parent, watches) {
                return !missing.exists();
            }
            missing = parent;
        }
        true
    }

    /// Whether it is a link.
    fn file(&mut self, path: &Path) -> bool {
        path.hash(&mut self.hasher);
        let own = std::fs::symlink_metadata(path).ok();
        let is_link = own.as_ref().is_some_and(Metadata::is_symlink);
        self.unsure |= own.as_ref().is_some_and(is_just_written);
        own.map(|is| Stamp::of(&is)).hash(&mut self.hasher);
        if is_link {
            let to = std::fs::metadata(path).ok();
            self.unsure |= to.as_ref().is_some_and(is_just_written);
            to.map(|is| Stamp::of(&is)).hash(&mut self.hasher);
        }
        is_link
    }

    fn watch(&mut self, directory: &Path, watches: Option<&Directories>) -> bool {
        let Some(watches) = watches else { return directory.is_dir() };
        if !self.watched.contains(directory) {
            if watches.watch(directory).is_err() {
                return false;
            }
            self.watched.insert(directory.to_owned());
        }
        true
    }

    /// A directory on the way may be moved, and another put in its place.
    fn place(&mut self, directory: &Path, watches: Option<&Directories>) {
        if let Some(watches) = watches
            && self.places.insert(directory.to_owned())
        {
            // One that may be looked through, but not read, cannot be watched.
            let _ = watches.watch_place(directory);
        }
    }

    /// A path may lead over links: each of them can be exchanged.
    fn links(&mut self, path: &Path, watches: Option<&Directories>) {
        let mut open = vec![path.to_owned()];
        let mut seen = 0;
        while let Some(path) = open.pop() {
            let mut at = PathBuf::new();
            let mut parts = path.components();
            while let Some(part) = parts.next() {
                let Component::Normal(name) = part else {
                    at.push(part);
                    continue;
                };
                let Ok(to) = std::fs::read_link(at.join(name)) else {
                    at.push(name);
                    // The last is watched, if it is a directory that matters.
                    if parts.as_path() != Path::new("") {
                        self.place(&at, watches);
                    }
                    continue;
                };
                self.names.insert(name.to_string_lossy().into_owned());
                self.watch(&at, watches);
                let owner = std::fs::symlink_metadata(at.join(name)).map(|is| is.uid());
                (&to, owner.ok()).hash(&mut self.hasher);
                seen += 1;
                if seen <= MOST_LINKS {
                    open.push(at.join(to).join(parts.as_path()));
                }
                at.clear();
                break;
            }
            // Where it leads to in the end.
            if seen > 0
                && let (Some(parent), Some(name)) = (at.parent(), at.file_name())
            {
                self.names.insert(name.to_string_lossy().into_owned());
                self.watch(parent, watches);
                self.access(parent);
            }
        }
    }
}

/// The files as they are.
#[derive(Debug)]
pub(crate) struct RealFiles;

impl Files for RealFiles {
    fn trace(&self, path: &Path) -> u64 {
        let mut hasher = DefaultHasher::new();
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        for file in &files {
            (file, std::fs::read(file).ok()).hash(&mut hasher);
        }
        std::fs::read(path).ok().hash(&mut hasher);
        hasher.finish()
    }

    fn is_fresh(&self, path: &Path) -> bool {
        let Ok(is) = std::fs::metadata(path) else { return false };
        let files = || std::fs::read_dir(path).into_iter().flatten().flatten();
        if is.is_dir() && files().any(|file| std::fs::metadata(file.path()).is_ok_and(is_fresh)) {
            return true;
        }
        is_fresh(is)
    }
}

/// Of a directory: whether names in it have come or gone.
fn is_fresh(is: Metadata) -> bool {
    // The time of change, too: a file that was copied with its times, or
    // moved there, is as new.
    let changed = u64::try_from(is.ctime()).ok().map(Duration::from_secs);
    let nanoseconds = u32::try_from(is.ctime_nsec()).unwrap_or(0);
    let changed = changed
        .and_then(|seconds| seconds.checked_add(Duration::new(0, nanoseconds)))
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let now = SystemTime::now();
    // A clock that was set back makes nothing fresh for ever.
    let is_new = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age < FRESH);
    [is.modified().ok(), changed].into_iter().flatten().any(is_new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tests::Scratch;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// The number, once nothing is just written.
    fn number(directory: &Path) -> u64 {
        let look = || Traces::look(&[directory.to_owned()], None);
        loop {
            let traces = look();
            if !traces.unsure {
                return traces.number();
            }
            std::thread::yield_now();
        }
    }

    /// What was wrong with one would be called wrong for ever.
    #[test]
    fn who_may_write_a_directory_leaves_a_trace() {
        let scratch = Scratch::new("access");
        let units = scratch.path().join("units");
        let elsewhere = scratch.path().join("elsewhere");
        for folder in ["units", "units/a.toml.d", "units/enabled", "elsewhere", "real"] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        fs::write(elsewhere.join("b"), "").unwrap();
        symlink(elsewhere.join("b"), units.join("b.toml")).unwrap();
        symlink("../real", units.join("c.toml.d")).unwrap();
        for folder in ["", "a.toml.d", "enabled", "../elsewhere", "../real"] {
            let folder = units.join(folder);
            let mode = |mode| fs::set_permissions(&folder, PermissionsExt::from_mode(mode));
            mode(0o755).unwrap();
            let before = number(&units);
            mode(0o757).unwrap();
            assert_ne!(number(&units), before, "{}", folder.display());
            mode(0o755).unwrap();
            assert_eq!(number(&units), before, "{}", folder.display());
        }
    }
}
