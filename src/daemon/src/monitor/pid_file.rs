//! Which process a file names that ham has not started. The file is as good as
//! a request to attach it, so it counts only where its owner could make that
//! one (details 20, 29).

use super::main_process::{FILE_LIMIT, named, written_at};
use ham_sys::files::read_short_status;
use ham_sys::{clock, process};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

/// File systems take their time from a clock that is behind by up to a tick.
const COARSE_NS: u64 = 20_000_000;

/// The process and when it started; the error says why there is none. Blocks:
/// for a spawner thread.
pub(super) fn find(path: &str) -> Result<(i32, u64), String> {
    let (bytes, status) =
        read_short_status(path, FILE_LIMIT).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no pid-file {path}"),
            ErrorKind::InvalidInput => format!("pid-file {path} is no regular file"),
            _ => format!("could not read pid-file {path}: {error}"),
        })?;
    let pid = named(&bytes).filter(|pid| *pid > 1);
    let pid = pid.ok_or_else(|| format!("pid-file {path} holds no process id"))?;
    let nobody = || format!("pid-file {path} names process {pid}, and there is none");
    if !process::lives(pid, 0) {
        return Err(nobody());
    }
    let start = process::start_time(pid).ok_or_else(nobody)?;
    let written = written_at(&status);
    if clock::realtime_of_ticks(start) > written.saturating_add(COARSE_NS) {
        return Err(format!("pid-file {path} is older than process {pid}, which it names"));
    }
    let (owner, own) = (status.uid(), process::effective_uid());
    if status.mode() & 0o002 != 0 {
        return Err(format!("pid-file {path} may be written by anybody: chmod o-w it"));
    }
    let its = process::uid_of(pid).ok_or_else(nobody)?;
    if ![0, own, its].contains(&owner) {
        return Err(format!(
            "pid-file {path} is of user {owner}, who has no say over process {pid} of user {its}"
        ));
    }
    if own != 0 && its != own {
        return Err(format!("pid-file {path} names process {pid} of another user, {its}"));
    }
    Ok((pid, start))
}

#[cfg(test)]
mod tests {
    use super::find;
    use ham_sys::process;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_counts_when_it_names_a_process_that_was_there_before_it() {
        let folder = std::env::temp_dir().join(format!("ham-pid-file-{}", process::pid()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pid");
        let name = path.display().to_string();
        assert!(find(&name).unwrap_err().contains("there is no pid-file"));
        let own = process::pid();
        fs::write(&path, format!("{own}\n")).unwrap();
        assert_eq!(find(&name), Ok((own, process::start_time(own).unwrap())));
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert!(find(&name).unwrap_err().contains("is older than process"));
        fs::write(&path, format!("{own}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
        assert!(find(&name).unwrap_err().contains("by anybody"));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        for (text, expected) in
            [("", "holds no"), ("1\n", "holds no"), ("5000000", "there is none")]
        {
            fs::write(&path, text).unwrap();
            assert!(find(&name).unwrap_err().contains(expected), "{text}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
