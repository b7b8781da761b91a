//! Reads one file, once it is sure that nobody else may have written it. The
//! checks are made on the open file, so that it cannot be exchanged between.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::load::Settings;
use crate::mounts;
use std::fs::{Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The largest unit file: far more than any, and little enough that a
/// directory full of mistakes does not exhaust the memory of the loader.
const MAX_BYTES: u64 = 1 << 20;
/// `O_NONBLOCK` of Linux on x86-64 and aarch64: a FIFO must not be waited for.
const O_NONBLOCK: i32 = 0o4000;
/// `S_ISVTX` of <sys/stat.h>.
const STICKY: u32 = 0o1000;

/// Why others may change a file or directory; `None` when they may not.
fn unsafe_permissions(path: &Path, metadata: &Metadata, settings: &Settings<'_>) -> Option<String> {
    let owner = metadata.uid();
    let mode = metadata.mode() & 0o7777;
    if owner != 0 && owner != settings.euid {
        return Some(format!("it belongs to user {owner}, neither root nor the manager's"));
    }
    let group = settings.strict_owner && mode & 0o020 != 0;
    let others = mode & 0o002 != 0;
    let who = match (group, others) {
        (_, true) => "everybody",
        (true, false) => "its group",
        (false, false) => return None,
    };
    if mounts::is_read_only(path) {
        return None;
    }
    Some(format!("{who} may write it (mode {mode:04o})"))
}

fn problem(code: &'static str, path: &Path, message: String, help: Option<String>) -> Diagnostic {
    let file = path.display().to_string();
    let mut diagnostic = Diagnostic::of_file(Severity::Error, code, &file, message);
    diagnostic.help = help;
    diagnostic
}

/// The error about permissions of a file or directory.
pub(crate) fn unsafe_problem(path: &Path, why: &str, settings: &Settings<'_>) -> Diagnostic {
    let bits = if settings.strict_owner { "go-w" } else { "o-w" };
    let path_shown = path.display();
    let help = if why.starts_with("it belongs") {
        format!("chown it, for example: chown root {path_shown}")
    } else if why.starts_with("the link belongs") {
        format!("make the link anew, or: chown -h root {path_shown}")
    } else if why.starts_with("it leads into") {
        "who may write there may exchange the file; link to one that stands safely".to_owned()
    } else {
        format!("chmod {bits} {path_shown}")
    };
    problem(codes::UNSAFE_PERMISSIONS, path, format!("could not trust it: {why}"), Some(help))
}

/// Why others may change where a link leads, or exchange the file that it leads
/// to. What stands in a search directory itself is judged with that.
fn unsafe_link(path: &Path, settings: &Settings<'_>) -> Option<String> {
    let link = std::fs::symlink_metadata(path).ok().filter(Metadata::is_symlink)?;
    let owner = link.uid();
    if owner != 0 && owner != settings.euid {
        return Some(format!("the link belongs to user {owner}, neither root nor the manager's"));
    }
    let target = std::fs::canonicalize(path).ok()?;
    let folder = target.parent()?;
    let metadata = std::fs::metadata(folder).ok()?;
    // In a sticky directory only the owner of a file can exchange it, and that
    // is looked at.
    if metadata.mode() & STICKY != 0 && metadata.uid() == 0 {
        return None;
    }
    let why = unsafe_permissions(folder, &metadata, settings)?;
    Some(format!("it leads into {}: {why}", folder.display()))
}

/// Why others may change what stands in a directory; of a link both ends count.
pub(crate) fn unsafe_directory(
    path: &Path,
    metadata: &Metadata,
    settings: &Settings<'_>,
) -> Option<String> {
    unsafe_permissions(path, metadata, settings).or_else(|| unsafe_link(path, settings))
}

/// Whether a path is a link that leads to `/dev/null`.
pub(crate) fn is_masked(path: &Path) -> bool {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    is_link && std::fs::canonicalize(path).is_ok_and(|target| target == Path::new("/dev/null"))
}

/// The text of a unit file.
pub(crate) fn read(path: &Path, settings: &Settings<'_>) -> Result<String, Box<Diagnostic>> {
    let text = read_any(path, settings)?;
    if is_empty(&text) {
        let help = "a unit has at least [entity] with a `command`; to switch one off, \
                    link it to /dev/null";
        let message = "the file is empty".to_owned();
        return Err(Box::new(problem(codes::EMPTY, path, message, Some(help.to_owned()))));
    }
    Ok(text)
}

/// Whether a text says nothing.
pub(crate) fn is_empty(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// The text of a file that may be empty: a drop-in, an instance.
pub(crate) fn read_any(path: &Path, settings: &Settings<'_>) -> Result<String, Box<Diagnostic>> {
    let unreadable = |cause: String, help: Option<String>| {
        Box::new(problem(codes::UNREADABLE, path, format!("could not read it: {cause}"), help))
    };
    let opened = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let file = opened.map_err(|error| {
        let link = std::fs::read_link(path).ok().filter(|_| error.kind() == ErrorKind::NotFound);
        match link {
            Some(target) => {
                unreadable(format!("the link leads to nothing: {}", target.display()), None)
            }
            None => unreadable(error.to_string(), None),
        }
    })?;
    let metadata = file.metadata().map_err(|error| unreadable(error.to_string(), None))?;
    if !metadata.is_file() {
        return Err(unreadable("it is no regular file".to_owned(), None));
    }
    let why = unsafe_permissions(path, &metadata, settings).or_else(|| unsafe_link(path, settings));
    if let Some(why) = why {
        return Err(Box::new(unsafe_problem(path, &why, settings)));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string(), None))?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = "could not read it: it is larger than 1 MiB".to_owned();
        return Err(Box::new(problem(codes::TOO_LARGE, path, message, None)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        let message =
            format!("could not read it: line {line} is not UTF-8 (byte {at} of the file)");
        Box::new(problem(codes::NOT_UTF8, path, message, None))
    })
}
