//! Whether a path stands on a mount that nobody here can write to, whatever its
//! modes say: volumes of container managers have mode 0777 and are mounted
//! read-only.

use std::path::{Path, PathBuf};

/// Whether it does, as far as can be told.
pub(crate) fn is_read_only(path: &Path) -> bool {
    let Ok(path) = std::fs::canonicalize(path) else { return false };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    is_read_only_in(&mounts, &path)
}

/// proc(5): the fifth field is where it is mounted, the sixth how. Of two at one
/// place the later one is seen.
fn is_read_only_in(mounts: &str, path: &Path) -> bool {
    let mut best: Option<(usize, bool)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else { continue };
        let point = PathBuf::from(unescaped(point));
        if !path.starts_with(&point) {
            continue;
        }
        let depth = point.components().count();
        if best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, options.split(',').any(|option| option == "ro")));
        }
    }
    best.is_some_and(|(_, read_only)| read_only)
}

/// Blanks, tabs, line ends and backslashes stand there as octal numbers.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_that_is_seen_counts() {
        let mounts = "\
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 21 8:1 /x /etc/ham ro,relatime - ext4 /dev/sda1 rw
31 30 0:40 / /etc/ham/new\\040er rw - tmpfs tmpfs rw
32 21 0:41 / /opt rw - tmpfs tmpfs rw
33 32 0:42 / /opt ro - tmpfs tmpfs rw
";
        for (path, read_only) in [
            ("/etc/ham/a.toml", true),
            ("/etc/ham", true),
            ("/etc/hamster", false),
            ("/etc/ham/new er/a.toml", false),
            ("/opt/a", true),
            ("/", false),
        ] {
            assert_eq!(is_read_only_in(mounts, Path::new(path)), read_only, "{path}");
        }
        assert!(!is_read_only_in("", Path::new("/etc")));
    }
}
