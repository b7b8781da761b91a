//! What is in a machine: ham and hamctl in static builds, busybox, and the files
//! of a scenario from `tests/qemu`.

use super::architecture::Architecture;
use super::archive::Archive;
use super::kernel::Kernel;
use super::{Parts, folder};
use ham_tests::programs::repository;
use ham_tests::skip;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a folder with static programs for this machine's processor, which are
/// not built then.
const READY: &str = "HAM_QEMU_PROGRAMS";

/// Programs of ham that need nothing beside them.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    ham: PathBuf,
    hamctl: PathBuf,
    busybox: PathBuf,
    /// The names by which busybox is called.
    applets: Vec<String>,
}

impl Programs {
    /// Where ham and hamctl are.
    pub(super) fn folder(&self) -> &Path {
        self.ham.parent().expect("it was built somewhere")
    }
}

/// Builds ham; says what was skipped where that cannot be, or there is no busybox.
///
/// # Panics
/// When it cannot be built, but should.
pub(super) fn programs(architecture: &Architecture, what: &str) -> Option<Programs> {
    let own = skip::program("busybox", what)?;
    let listed = Command::new(&own).arg("--list").output().expect("busybox can be executed");
    let listed = String::from_utf8_lossy(&listed.stdout);
    let applets = listed.lines().filter(|name| *name != "busybox").map(str::to_owned).collect();
    let busybox = architecture.busybox(&own);
    let busybox = busybox.map_err(|why| skip::skipped(what, &format!("no busybox: {why}"))).ok()?;
    let built = match std::env::var_os(READY).filter(|_| architecture.is_own()) {
        // Relative to where cargo was called, as `target` mostly is.
        Some(folder) => repository().join(folder),
        None => build(architecture, architecture.linker(what)?),
    };
    Some(Programs { ham: built.join("ham"), hamctl: built.join("hamctl"), busybox, applets })
}

/// Builds them without optimisation, in a minute, and small enough for a first file
/// system. Elsewhere than other builds, which use other flags.
fn build(architecture: &Architecture, linker: Option<PathBuf>) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = folder().join("build");
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .args(["build", "--quiet", "-p", "ham", "-p", "hamctl", "--target", &architecture.target()])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols");
    if let Some(linker) = linker {
        let target = architecture.target().replace('-', "_").to_uppercase();
        command.env(format!("CARGO_TARGET_{target}_LINKER"), linker);
    }
    let output = command.output().expect("cargo is there, it has built this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "could not build static programs:\n{errors}");
    target.join(architecture.target()).join("debug")
}

/// The first file system of a scenario, which is a folder below `tests/qemu`:
/// what is in there stands in the root of the machine, over what is in `base`.
/// `modules`: of the kernel, by their path without its extension; they are in
/// /lib/modules.
pub(super) fn files(parts: &Parts, scenario: &str, modules: &[&str]) -> Vec<u8> {
    let mut archive = Archive::default();
    let Programs { ham, hamctl, busybox, applets } = &parts.programs;
    for directory in ["dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/lib"] {
        archive.directory(directory);
    }
    archive.copy("sbin/ham", ham);
    // What a kernel executes when nobody tells it otherwise.
    archive.link("sbin/init", "ham");
    archive.copy("bin/hamctl", hamctl);
    archive.copy("bin/busybox", busybox);
    for applet in applets {
        archive.link(&format!("bin/{applet}"), "busybox");
    }
    for path in modules {
        let name = Path::new(path).file_name().expect("a path of a module").to_string_lossy();
        archive.copy(&format!("lib/modules/{name}.ko"), &module(&parts.kernel, path));
    }
    let scenarios = repository().join("tests/qemu");
    for folder in ["base", scenario] {
        archive.copy_all("", &scenarios.join(folder));
    }
    archive.finish()
}

fn module(kernel: &Kernel, path: &str) -> PathBuf {
    kernel.modules.join(format!("kernel/{path}.ko"))
}
