//! A kernel to try ham on: that which Debian makes for virtual machines.

use super::architecture::Architecture;
use super::packages::{Packages, only_one};
use ham_tests::skip::skipped;
use std::path::PathBuf;

/// One that is there, as files.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// What qemu boots.
    pub(super) image: PathBuf,
    /// Where its modules are, `kernel/drivers/…` below it.
    pub(super) modules: PathBuf,
}

/// Finds or fetches that of this machine's release of Debian, or of another; says
/// what was skipped when that cannot be done.
pub(super) fn kernel(
    architecture: &Architecture,
    release: Option<&str>,
    what: &str,
) -> Option<Kernel> {
    match find(architecture, release) {
        Ok(kernel) => Some(kernel),
        Err(why) => {
            skipped(what, &format!("no kernel to boot: {why}"));
            None
        }
    }
}

fn find(architecture: &Architecture, release: Option<&str>) -> Result<Kernel, String> {
    let packages = Packages::of(architecture.debian, release)?;
    // It depends on the newest of them.
    let newest = format!("linux-image-cloud-{}", architecture.debian);
    let unpacked = packages.unpack(&packages.needed_by(&newest, "linux-image-")?)?;
    let image = only_one(&unpacked.join("boot"), "vmlinuz-")?;
    let modules = only_one(&unpacked.join("lib/modules"), "")?;
    Ok(Kernel { image, modules })
}
