//! What the loader leaves behind for the next one, in a file of the runtime
//! directory: which files the plan was made from, so that only what has changed
//! is read. It counts as long as that plan is the one in force, and nothing has
//! changed that units depend on beside their files. Whoever loses it reads all.

use super::Request;
use super::traces::USERS;
use ham_core::plan::PlanMark;
use ham_unit::{Memory, Stamp, is_just_written};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Behind the name while it is written.
pub(crate) const UNFINISHED: &str = "new";

#[derive(Serialize, Deserialize)]
struct Notes<M> {
    /// Of all that units depend on beside their files.
    key: u64,
    plan: PlanMark,
    units: M,
}

/// The file.
#[derive(Debug)]
pub(super) struct Notebook {
    path: PathBuf,
    key: u64,
}

impl Notebook {
    /// `None` while users or groups are being changed.
    pub(super) fn new(path: &Path, request: &Request) -> Option<Notebook> {
        let mut hasher = DefaultHasher::new();
        // Another program may read the same text otherwise.
        for file in [Path::new("/proc/self/exe"), Path::new(USERS[0]), Path::new(USERS[1])] {
            let is = std::fs::metadata(file).ok();
            if is.as_ref().is_some_and(is_just_written) {
                return None;
            }
            is.map(|is| Stamp::of(&is)).hash(&mut hasher);
        }
        request.words().hash(&mut hasher);
        Some(Notebook { path: path.to_owned(), key: hasher.finish() })
    }

    /// What was noted about this plan; nothing, if that is of no use any more.
    pub(super) fn read(&self, plan: PlanMark) -> Memory {
        let read = || -> Option<Notes<Memory>> {
            let file = File::open(&self.path).ok()?;
            serde_json::from_reader(BufReader::new(file)).ok()
        };
        let notes = read().filter(|notes| notes.key == self.key && notes.plan == plan);
        notes.map(|notes| notes.units).unwrap_or_default()
    }

    /// Notes what was found, for whoever loads when that plan is in force. What
    /// cannot be written is read again.
    pub(super) fn write(&self, plan: PlanMark, units: &Memory) {
        let unfinished = self.path.with_extension(UNFINISHED);
        let write = || -> std::io::Result<()> {
            let mut options = File::options();
            let _ = std::fs::remove_file(&unfinished);
            let file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
            serde_json::to_writer(BufWriter::new(file), &Notes { key: self.key, plan, units })?;
            std::fs::rename(&unfinished, &self.path)
        };
        if write().is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::emergency::Emergency;
    use ham_core::ids::EntityId;
    use ham_core::plan::{EntityPlan, encode};
    use ham_unit::{Settings, SystemUsers, load_directories};

    fn mark(id: u32) -> PlanMark {
        let entity = EntityPlan::new(EntityId(id), "a", vec!["/bin/a".to_owned()]);
        PlanMark::of(&encode(&[entity]).unwrap()).unwrap()
    }

    #[test]
    fn notes_are_of_one_plan_and_of_no_use_when_damaged() {
        let folder = std::env::temp_dir().join(format!("ham-notes-{}", std::process::id()));
        let units = folder.join("units");
        std::fs::create_dir_all(&units).unwrap();
        std::fs::write(units.join("a.toml"), "[entity]\ncommand = \"/bin/true\"\n").unwrap();
        // Until the file is older than a tick of the kernel it is not noted.
        let users = SystemUsers::new();
        let none = Memory::default();
        let mut settings = Settings::new(&users, ham_sys::process::effective_uid());
        settings.memory = Some(&none);
        settings.look_at_commands = false;
        std::fs::write(
            units.join("a.toml"),
            "[entity]\ncommand = \"/bin/true\"\nrestart = \"no\"\n",
        )
        .unwrap();
        let mut found = Memory::default();
        while found.is_empty() {
            found = load_directories(std::slice::from_ref(&units), &settings).memory;
        }
        let request = |system| Request {
            directories: vec![units.clone()],
            system,
            emergency: Emergency::Never,
        };
        let path = folder.join("load.notes");
        let notebook = Notebook::new(&path, &request(false)).unwrap();
        assert!(notebook.read(mark(1)).is_empty());
        notebook.write(mark(1), &found);
        assert_eq!(notebook.read(mark(1)).len(), 1);
        assert!(notebook.read(mark(2)).is_empty());
        assert!(Notebook::new(&path, &request(true)).unwrap().read(mark(1)).is_empty());
        std::fs::write(&path, "{\"key\":").unwrap();
        assert!(notebook.read(mark(1)).is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
