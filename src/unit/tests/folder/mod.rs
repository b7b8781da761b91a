//! A directory with units, and what is said about it. Text is compared with
//! `cases/files/NAME.out`, where `DIR` stands for the temporary directory;
//! `HAM_UNIT_BLESS=1` writes it.

use super::fake_users::FakeUsers;
use ham_unit::{Loaded, Settings, load_directories};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that is removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ham-unit-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        mode(&path, 0o755);
        Folder(path)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        mode(&path, 0o644);
        path
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir(&path).unwrap();
        mode(&path, 0o755);
        path
    }

    pub(crate) fn load(&self, settings: &Settings<'_>) -> Loaded {
        load_directories(std::slice::from_ref(&self.0), settings)
    }

    /// Compares what is said with the file of that name.
    pub(crate) fn compare(&self, name: &str, loaded: &Loaded) {
        let rendered: Vec<String> =
            loaded.diagnostics.iter().map(ham_unit::Diagnostic::render_plain).collect();
        self.same_text(name, &(rendered.join("\n\n") + "\n"));
    }

    /// Compares a text with the file of that name.
    pub(crate) fn same_text(&self, name: &str, text: &str) {
        let found = text.replace(&self.0.display().to_string(), "DIR");
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/files/{name}.out"));
        if std::env::var_os("HAM_UNIT_BLESS").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&file).unwrap_or_default(), "{name}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn own_uid() -> u32 {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

pub(crate) fn settings(strict_owner: bool) -> Settings<'static> {
    Settings { strict_owner, ..Settings::new(&FakeUsers, own_uid()) }
}

pub(crate) fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.entities.iter().map(|entity| entity.name.as_str()).collect()
}
