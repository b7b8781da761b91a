//! The processors that machines have: what ham is built for, and what boots it.

use super::packages::{Packages, output};
use ham_tests::skip::{program, skipped};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them, and what goes by it.
#[derive(Debug)]
pub(super) struct Architecture {
    /// As Rust calls it.
    pub(super) name: &'static str,
    /// As Debian does.
    pub(super) debian: &'static str,
    /// The emulator, and the machine that it is.
    pub(super) qemu: &'static str,
    pub(super) machine: &'static [&'static str],
    /// What its kernel is told: its serial line, and what it is not to try.
    pub(super) words: &'static str,
    /// What links programs for it elsewhere.
    linker: &'static str,
}

pub(super) const X86_64: Architecture = Architecture {
    name: "x86_64",
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    machine: &["-M", "pc"],
    // A kernel that gets no processor for a while takes its timer for broken.
    words: "console=ttyS0 no_timer_check",
    linker: "x86_64-linux-gnu-gcc",
};

pub(super) const AARCH64: Architecture = Architecture {
    name: "aarch64",
    debian: "arm64",
    qemu: "qemu-system-aarch64",
    // The processor of many boards, and none of the extensions that cost an
    // emulator more than anything else.
    machine: &["-M", "virt", "-cpu", "cortex-a72"],
    words: "console=ttyAMA0",
    linker: "aarch64-linux-gnu-gcc",
};

impl Architecture {
    /// What ham is built for.
    pub(super) fn target(&self) -> String {
        format!("{}-unknown-linux-gnu", self.name)
    }

    /// Whether it is this machine's.
    pub(super) fn is_own(&self) -> bool {
        self.name == std::env::consts::ARCH
    }

    /// What links static programs for it, where that is not what links for this
    /// machine. `None`, and said: it cannot be built for here.
    pub(super) fn linker(&self, what: &str) -> Option<Option<PathBuf>> {
        if self.is_own() {
            return Some(None);
        }
        let target = self.target();
        let asked = ["--print", "target-libdir", "--target", &target];
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let library = output(Command::new(rustc).args(asked));
        if !library.is_ok_and(|path| Path::new(path.trim()).exists()) {
            skipped(what, &format!("the target {target} is not installed"));
            return None;
        }
        let linker = program(self.linker, what)?;
        // One without a C library names the file as it was asked for.
        let library = output(Command::new(&linker).arg("-print-file-name=libc.a"));
        if !library.is_ok_and(|path| Path::new(path.trim()).is_absolute()) {
            skipped(what, &format!("{} has no C library to link", self.linker));
            return None;
        }
        Some(Some(linker))
    }

    /// A busybox for it that needs nothing beside it.
    pub(super) fn busybox(&self, own: &Path) -> Result<PathBuf, String> {
        if self.is_own() {
            return Ok(own.to_owned());
        }
        let unpacked = Packages::of(self.debian, None)?.unpack("busybox-static")?;
        let places = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
        let found = places.into_iter().find(|path| path.exists());
        found.ok_or_else(|| "busybox-static has no busybox".to_owned())
    }
}
