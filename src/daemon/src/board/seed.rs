//! What one boot leaves to the next of its randomness. It is mixed in, and not
//! counted as any: nobody knows who else has the file, or whether this machine
//! is a copy of another that has the same.

use super::STATE;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Of the kernel's pool (random(4)).
const BYTES: usize = 512;
const POOL: &str = "/dev/urandom";
const NAME: &str = "random-seed";

/// Gives the kernel what was left.
pub(super) fn sow() -> Option<String> {
    let sown = sow_from(&Path::new(STATE).join(NAME), Path::new(POOL));
    sown.err().map(|error| format!("the random seed of before was not used: {error}"))
}

/// One that is not there is none.
fn sow_from(path: &Path, pool: &Path) -> io::Result<()> {
    let mut seed = [0u8; BYTES];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut length = 0;
    while let Some(rest) = seed.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => length += count,
        }
    }
    let mut pool = File::options().write(true).open(pool)?;
    pool.write_all(seed.get(..length).unwrap_or_default())
}

/// Leaves a seed to the next boot. Waits for the disk, as `keep_clock` does.
///
/// # Errors
/// Why it could not be written; the one of before is there then.
pub(crate) fn keep_seed() -> io::Result<()> {
    fs::create_dir_all(STATE)?;
    keep_in(&Path::new(STATE).join(NAME), Path::new(POOL))
}

fn keep_in(path: &Path, pool: &Path) -> io::Result<()> {
    let mut seed = [0u8; BYTES];
    File::open(pool)?.read_exact(&mut seed)?;
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&seed)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_left_is_used_and_never_the_same() {
        let place = std::env::temp_dir().join(format!("ham-seed-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let [path, pool] = ["random-seed", "pool"].map(|name| place.join(name));
        fs::write(&pool, "").unwrap();
        sow_from(&path, &pool).unwrap();
        assert_eq!(fs::read(&pool).unwrap(), b"", "there was none");
        keep_in(&path, Path::new(POOL)).unwrap();
        let first = fs::read(&path).unwrap();
        assert_eq!(first.len(), BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        sow_from(&path, &pool).unwrap();
        assert_eq!(fs::read(&pool).unwrap(), first);
        keep_in(&path, Path::new(POOL)).unwrap();
        assert_ne!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
        fs::remove_dir_all(&place).unwrap();
    }
}
