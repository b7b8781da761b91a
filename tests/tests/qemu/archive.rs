//! The first file system of a machine: an archive that the kernel unpacks into
//! memory (initramfs), in cpio's format `newc`, as
//! Documentation/driver-api/early-userspace/buffer-format.rst of Linux has it.
//! Everything in it belongs to root.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// One that is being written.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// A directory; those above it come with it. `path` has no `/` before it.
    pub(super) fn directory(&mut self, path: &str) {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.directory(above);
        }
        if !path.is_empty() && self.directories.insert(path.to_owned()) {
            self.entry(path, DIRECTORY | 0o755, &[]);
        }
    }

    /// A file with these bytes, which root alone may write.
    pub(super) fn file(&mut self, path: &str, executable: bool, bytes: &[u8]) {
        self.parents(path);
        self.entry(path, FILE | if executable { 0o755 } else { 0o644 }, bytes);
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entry(path, LINK | 0o777, target.as_bytes());
    }

    /// A file of the machine that tests run on, with its mode.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(super) fn copy(&mut self, path: &str, from: &Path) {
        let bytes = fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let mode = fs::metadata(from).expect("it was read").permissions().mode();
        self.file(path, mode & 0o100 != 0, &bytes);
    }

    /// All that is in a folder, below `path`.
    ///
    /// # Panics
    /// When something in it cannot be read.
    pub(super) fn copy_all(&mut self, path: &str, from: &Path) {
        let entries =
            fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if entry.path().is_dir() {
                self.directory(&path);
                self.copy_all(&path, &entry.path());
            } else {
                self.copy(&path, &entry.path());
            }
        }
    }

    /// The bytes of it, with the mark of its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.directory(above);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.entries += 1;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("less than 4 GiB");
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // Inode, mode, uid, gid, links, time, length, two devices of two
        // numbers each, length of the name with its NUL, no checksum.
        let name = length(path.as_bytes()) + 1;
        let numbers = [self.entries, mode, 0, 0, links, 0, length(bytes), 0, 0, 0, 0, name, 0];
        self.bytes.extend(b"070701");
        for number in numbers {
            self.bytes.extend(format!("{number:08x}").bytes());
        }
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(bytes);
        self.pad();
    }

    /// Names with their heads, and contents, end where a word of four ends.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Against a reader that is not ours.
#[test]
fn cpio_reads_what_is_written() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let Some(cpio) = ham_tests::skip::program("cpio", "cpio_reads_what_is_written") else {
        return;
    };
    let mut archive = Archive::default();
    archive.file("etc/ham/one.toml", false, b"12345");
    archive.file("etc/ham/none", true, b"");
    archive.link("bin/sh", "busybox");
    let mut reader = Command::new(cpio)
        .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cpio can be executed");
    let mut input = reader.stdin.take().expect("a pipe");
    input.write_all(&archive.finish()).expect("it reads all");
    drop(input);
    let output = reader.wait_with_output().expect("its end");
    assert!(output.status.success());
    let listed = String::from_utf8_lossy(&output.stdout);
    let found: Vec<(&str, &str)> = listed
        .lines()
        .map(|line| {
            let mode = line.split_whitespace().next().unwrap_or_default();
            // The date is three words; what follows may be a link.
            let mut at = line.match_indices(' ').map(|(at, _)| at).rev();
            let skip = if line.contains(" -> ") { 2 } else { 0 };
            let start = at.nth(skip).map_or(0, |at| at + 1);
            (mode, &line[start..])
        })
        .collect();
    assert_eq!(
        found,
        [
            ("drwxr-xr-x", "etc"),
            ("drwxr-xr-x", "etc/ham"),
            ("-rw-r--r--", "etc/ham/one.toml"),
            ("-rwxr-xr-x", "etc/ham/none"),
            ("drwxr-xr-x", "bin"),
            ("lrwxrwxrwx", "bin/sh -> busybox"),
        ]
    );
}
