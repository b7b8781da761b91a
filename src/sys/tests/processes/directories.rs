//! Directories of entities: made with owner and mode, removed whole, and
//! nothing outside of them is ever touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ham_sys::directory::{make, remove};
use ham_sys::{Errno, clock, process};

use crate::harness::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "directories_are_made_and_corrected", run: made, inner: false },
    Scenario { name: "directories_belong_to_their_user", run: owned, inner: false },
    Scenario { name: "directories_are_not_made_through_links", run: no_links, inner: false },
    Scenario { name: "directories_are_removed_whole", run: removed, inner: false },
    Scenario { name: "directories_of_any_depth_are_removed", run: deep, inner: false },
    Scenario { name: "directories_that_are_mounts_are_left", run: mounts, inner: false },
    Scenario { name: "directories_that_fill_up_have_a_deadline", run: in_time, inner: false },
];

fn own() -> (u32, u32) {
    (process::effective_uid(), process::effective_gid())
}

fn made_in(base: &Path, name: &str, mode: u32) -> ham_sys::Result<()> {
    make(base, Path::new(name), mode, own())
}

fn remove_in(base: &Path, name: &str) -> ham_sys::Result<()> {
    remove(base, Path::new(name), clock::monotonic() + PATIENCE.as_nanos() as u64)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn made() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let dir = TempDir::new();
    let base = dir.path();
    made_in(base, "a/b/c", 0o2770).unwrap();
    let modes = ["a", "a/b", "a/b/c"].map(|name| mode(&base.join(name)));
    assert_eq!(modes, [0o755, 0o755, 0o2770]);
    // Again: what is in it stays, its mode is put right, its parents' are not
    // ours to change.
    fs::write(base.join("a/b/c/file"), "text").unwrap();
    fs::set_permissions(base.join("a/b"), fs::Permissions::from_mode(0o700)).unwrap();
    made_in(base, "a/b/c", 0o750).unwrap();
    let modes = ["a", "a/b", "a/b/c"].map(|name| mode(&base.join(name)));
    assert_eq!(modes, [0o755, 0o700, 0o750]);
    assert_eq!(fs::read_to_string(base.join("a/b/c/file")).unwrap(), "text");
    for name in ["", "/etc", "../a", "a/../../x", "."] {
        assert_eq!(made_in(base, name, 0o755).unwrap_err().errno, Errno::EINVAL, "{name:?}");
        assert_eq!(remove_in(base, name).unwrap_err().errno, Errno::EINVAL, "{name:?}");
    }
    let missing = made_in(&base.join("nowhere"), "a", 0o755).unwrap_err();
    assert_eq!(missing.errno, Errno::ENOENT);
    assert_eq!(
        missing.to_string(),
        format!("could not make {}/nowhere/a: {}", base.display(), Errno::ENOENT)
    );
}

fn owned() {
    if process::effective_uid() != 0 {
        skip("root is needed to give directories away");
    }
    let dir = TempDir::new();
    let owner = |name: &str| {
        let found = fs::symlink_metadata(dir.file(name)).unwrap();
        (found.uid(), found.gid())
    };
    for (uid, gid) in [(1234, 2345), (3456, 4567)] {
        make(dir.path(), Path::new("a/b"), 0o4755, (uid, gid)).unwrap();
        assert_eq!((owner("a"), owner("a/b")), ((0, 0), (uid, gid)));
        // Which a change of owner takes away from files only, but who knows.
        assert_eq!(mode(&dir.file("a/b")), 0o4755);
    }
}

fn no_links() {
    let dir = TempDir::new();
    let base = dir.file("base");
    fs::create_dir(&base).unwrap();
    let outside = dir.file("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o711)).unwrap();
    symlink(&outside, base.join("link")).unwrap();
    fs::write(base.join("file"), "").unwrap();
    for name in ["link", "link/inner", "file", "file/inner"] {
        assert_eq!(made_in(&base, name, 0o755).unwrap_err().errno, Errno::ENOTDIR, "{name}");
    }
    assert_eq!(mode(&outside), 0o711);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // The base itself may be reached through one.
    symlink(&base, dir.file("to-base")).unwrap();
    made_in(&dir.file("to-base"), "a", 0o700).unwrap();
    assert_eq!(mode(&base.join("a")), 0o700);
}

fn removed() {
    let dir = TempDir::new();
    let base = dir.path();
    fs::create_dir(dir.file("outside")).unwrap();
    fs::write(dir.file("outside/file"), "").unwrap();
    made_in(base, "a/b", 0o755).unwrap();
    for name in ["a/b/x/y/z", "a/b/x/w", "a/b/.ham-removed-0", "a/b/.ham-removed-1/q"] {
        fs::create_dir_all(dir.file(name)).unwrap();
    }
    for name in ["a/b/file", "a/b/x/file", "a/b/x/y/z/.hidden", "a/b/.ham-removed-2"] {
        fs::write(dir.file(name), "text").unwrap();
    }
    symlink(dir.file("outside"), dir.file("a/b/link")).unwrap();
    symlink(dir.file("outside"), dir.file("a/b/x/y/link")).unwrap();
    remove_in(base, "a/b").unwrap();
    assert!(dir.file("a").exists() && !dir.file("a/b").exists());
    assert!(dir.file("outside/file").exists());
    // Again, and below what is not there.
    remove_in(base, "a/b").unwrap();
    remove_in(base, "a/b/c/d").unwrap();
    // A link that somebody has put there goes, what it points to does not.
    symlink(dir.file("outside"), dir.file("a/b")).unwrap();
    remove_in(base, "a/b").unwrap();
    assert!(fs::symlink_metadata(dir.file("a/b")).is_err());
    assert!(dir.file("outside/file").exists());
    // No way leads through one.
    symlink(dir.file("outside"), dir.file("a/b")).unwrap();
    assert_eq!(remove_in(base, "a/b/file").unwrap_err().errno, Errno::ENOTDIR);
    assert!(dir.file("outside/file").exists());
}

/// Deeper than there are descriptors, and than a stack would bear.
fn deep() {
    use nix::sys::resource::{Resource, setrlimit};
    let dir = TempDir::new();
    let start = dir.file("start");
    fs::create_dir(&start).unwrap();
    let back = std::env::current_dir().unwrap();
    std::env::set_current_dir(&start).unwrap();
    for _ in 0..3000 {
        fs::create_dir("d").unwrap();
        fs::write("f", "").unwrap();
        std::env::set_current_dir("d").unwrap();
    }
    std::env::set_current_dir(back).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 20, 20).unwrap();
    remove_in(dir.path(), "start").unwrap();
    assert!(!start.exists());
}

fn mounts() {
    // SAFETY: integers only; this process has no other thread.
    let alone = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
    if !alone {
        skip("a mount namespace is needed");
    }
    let mount = |from: &Path, to: &Path, flags| {
        let [from, to] = [from, to].map(c_path);
        // SAFETY: two C strings, and no data.
        unsafe {
            libc::mount(from.as_ptr(), to.as_ptr(), std::ptr::null(), flags, std::ptr::null())
        }
    };
    let root = Path::new("/");
    if mount(root, root, libc::MS_REC | libc::MS_PRIVATE) != 0 {
        skip("mounts cannot be made private here");
    }
    let dir = TempDir::new();
    let outside = dir.file("outside");
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::write(outside.join("inner/file"), "").unwrap();
    for name in ["a", "a/b", "a/b/c"] {
        let place = dir.file(name);
        fs::create_dir_all(&place).unwrap();
        // Of the same file system, so that only the mount tells.
        assert_eq!(mount(&outside, &place, libc::MS_BIND), 0);
        assert_eq!(remove_in(dir.path(), "a").unwrap_err().errno, Errno::EBUSY, "{name}");
        assert!(outside.join("inner/file").exists());
        let path = c_path(&place);
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::umount2(path.as_ptr(), 0) }, 0);
    }
    remove_in(dir.path(), "a").unwrap();
    assert!(!dir.file("a").exists());
}

fn in_time() {
    let dir = TempDir::new();
    fs::create_dir_all(dir.file("a/b")).unwrap();
    let error = remove(dir.path(), Path::new("a"), 0).unwrap_err();
    assert_eq!(error.errno, Errno(libc::ETIMEDOUT));
    remove_in(dir.path(), "a").unwrap();
}
