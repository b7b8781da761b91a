//! A kernel to try ham on: that which Debian makes for virtual machines,
//! fetched as a package and unpacked, never installed.

use super::folder;
use ham_tests::skip::skipped;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A package that depends on the newest of them.
const NEWEST: &str = "linux-image-cloud-amd64";

/// One that is there, as files.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// What qemu boots.
    pub(super) image: PathBuf,
    /// Where its modules are, `kernel/drivers/…` below it.
    pub(super) modules: PathBuf,
}

/// Finds or fetches it; says what was skipped when that cannot be done.
pub(super) fn kernel(what: &str) -> Option<Kernel> {
    match find() {
        Ok(kernel) => Some(kernel),
        Err(why) => {
            skipped(what, &format!("no kernel to boot: {why}"));
            None
        }
    }
}

fn find() -> Result<Kernel, String> {
    let place = folder().join("kernels");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let package = newest()?;
    let unpacked = place.join(&package);
    if !unpacked.exists() {
        fetch(&package, &place, &unpacked)?;
    }
    let image = only_one(&unpacked.join("boot"), "vmlinuz-")?;
    let modules = only_one(&unpacked.join("lib/modules"), "")?;
    Ok(Kernel { image, modules })
}

/// The name of the package, which has the version in it.
fn newest() -> Result<String, String> {
    let told = output(Command::new("apt-cache").args(["depends", NEWEST]))?;
    let named = told.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let named = named.filter(|name| name.starts_with("linux-image-"));
    named.map(str::to_owned).ok_or_else(|| format!("apt-cache knows no {NEWEST}"))
}

/// Unpacks it beside its place and then moves it there, so that what is there
/// is whole.
fn fetch(package: &str, place: &Path, unpacked: &Path) -> Result<(), String> {
    let scratch = place.join(format!("new-{}", std::process::id()));
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let fetched = output(
        Command::new("apt-get").current_dir(&scratch).args(["download", "--quiet", package]),
    )
    .and_then(|_| only_one(&scratch, package))
    .and_then(|file| {
        let tree = scratch.join("tree");
        output(Command::new("dpkg").arg("-x").args([&file, &tree]))?;
        fs::rename(&tree, unpacked).map_err(|error| format!("{}: {error}", tree.display()))
    });
    let _ = fs::remove_dir_all(&scratch);
    fetched
}

/// The entry of a folder that begins so.
fn only_one(folder: &Path, prefix: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.path());
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    names.find(begins).ok_or_else(|| format!("nothing in {} is {prefix}…", folder.display()))
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} ended with {}: {}", output.status, errors.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
