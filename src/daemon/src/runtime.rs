//! Directories: where units come from, where the control socket and the state
//! live, and that the latter is ours alone.

use crate::exit;
use crate::trouble::Trouble;
use ham_sys::datagrams::Datagrams;
use ham_sys::socket::Listener;
use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A path that stays true when the working directory changes.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The runtime directory when the command line names none.
pub(crate) fn default_directory(of_user: bool) -> Result<PathBuf, String> {
    if let Some(directory) = variable("HAM_RUNTIME_DIR") {
        return absolute(&directory);
    }
    if !of_user {
        return Ok(PathBuf::from("/run/ham"));
    }
    if let Some(directory) = variable("XDG_RUNTIME_DIR") {
        return Ok(directory.join("ham"));
    }
    // Without XDG_RUNTIME_DIR: a directory of one's own under the temporary
    // folder (details 40); `prepare` checks whose it is.
    Ok(env::temp_dir().join(format!("ham-{}", ham_sys::process::effective_uid())))
}

/// Makes the runtime directory and opens it. It must be ours, no link, and
/// writable by nobody else: the state in it is trusted.
pub(crate) fn prepare(path: &Path) -> Result<fs::File, Trouble> {
    let uid = ham_sys::process::effective_uid();
    // Others may look at the control socket of the system's manager; a
    // user's is their own.
    let mode = if uid == 0 { 0o755 } else { 0o700 };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| Trouble::file("create", parent, &error))?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Trouble::file("create", path, &error)),
    }
    let metadata =
        fs::symlink_metadata(path).map_err(|error| Trouble::file("look at", path, &error))?;
    let refuse = |why: &str| {
        Err(Trouble::new(exit::PERMISSION, format!("could not use {}: {why}", path.display())))
    };
    if !metadata.is_dir() {
        return refuse("it is no directory (a link is not followed)");
    }
    if metadata.uid() != uid {
        return refuse(&format!("it belongs to user {}, not to {uid}", metadata.uid()));
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return refuse("others may write to it");
    }
    fs::File::open(path).map_err(|error| Trouble::file("open", path, &error))
}

/// The name of the control socket.
pub(crate) const CONTROL: &str = "control";

/// Listens on the control socket.
pub(crate) fn bind_control(runtime: &Path) -> ham_sys::Result<Listener> {
    // As root, others may look; who may change things is decided by who asks.
    let mode = if ham_sys::process::effective_uid() == 0 { 0o666 } else { 0o600 };
    Listener::bind(&runtime.join(CONTROL), mode)
}

/// The name of the notify socket.
pub(crate) const NOTIFY: &str = "notify";

/// Makes the notify socket.
pub(crate) fn bind_notify(runtime: &Path) -> ham_sys::Result<Datagrams> {
    // Programs run as anybody; who may tell what is decided by who they are.
    Datagrams::bind(&runtime.join(NOTIFY), 0o666)
}

/// Whether there is a socket of this name.
pub(crate) fn has_socket(runtime: &Path, name: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let found = fs::symlink_metadata(runtime.join(name));
    found.is_ok_and(|found| found.file_type().is_socket())
}

/// A short name for a runtime directory, the same every time: two managers
/// of one user must not share a cgroup.
pub(crate) fn label(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    if path == Path::new("/run/ham") {
        return "system".to_owned();
    }
    // FNV-1a, 64 bits: a fixed function, where the standard library's hasher
    // may change with its version.
    let hash = path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
