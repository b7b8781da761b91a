//! ham as the first process of a real kernel, in an emulated machine: what no
//! namespace shows. What is tried stands in `tests/qemu`, one folder for each
//! machine, as units and scripts that say PASS or FAIL on the console.
//!
//! Ignored, because it fetches a kernel and builds ham once more; `.ci/run` calls
//! it, and docs/kernels.md tells what it has shown.
#![forbid(unsafe_code)]

mod qemu {
    mod archive;
    mod disk;
    mod guest;
    mod hopeless;
    mod kernel;
    mod machine;
    mod survival;
    mod watchdog;

    use ham_tests::skip;
    use std::path::PathBuf;
    use std::sync::OnceLock;

    /// What every machine is made of.
    #[derive(Debug)]
    struct Parts {
        kernel: kernel::Kernel,
        programs: guest::Programs,
    }

    /// Gets them, once; says what was skipped when one of them cannot be had.
    fn parts(what: &str) -> Option<&'static Parts> {
        static PARTS: OnceLock<Option<Parts>> = OnceLock::new();
        if std::env::consts::ARCH != "x86_64" {
            skip::skipped(what, "only programs for x86-64 are built and booted");
            return None;
        }
        skip::program(machine::QEMU, what)?;
        let parts = PARTS.get_or_init(|| {
            let kernel = kernel::kernel("tests in emulated machines")?;
            let programs = guest::programs("tests in emulated machines")?;
            Some(Parts { kernel, programs })
        });
        parts.as_ref()
    }

    /// What is kept from one run to the next: kernels, builds.
    fn folder() -> PathBuf {
        // target/PROFILE/deps/TEST
        let test = std::env::current_exe().expect("a test knows where it stands");
        let target = test.ancestors().nth(3).expect("a test stands in target/PROFILE/deps");
        target.join("qemu")
    }
}
