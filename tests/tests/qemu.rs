//! ham as the first process of a real kernel, in an emulated machine: what no
//! namespace shows. What is tried stands in `tests/qemu`, one folder for each
//! machine, as units and scripts that say PASS or FAIL on the console.
//!
//! Ignored, because it fetches a kernel and builds ham once more; `.ci/run` calls
//! it, and docs/kernels.md tells what it has shown.
#![forbid(unsafe_code)]

mod qemu {
    mod architecture;
    mod archive;
    mod disk;
    mod guest;
    mod hopeless;
    mod kernel;
    mod machine;
    mod packages;
    mod survival;
    mod watchdog;

    use architecture::{Architecture, X86_64};
    use ham_tests::skip;
    use std::path::PathBuf;
    use std::sync::OnceLock;

    /// What a machine is made of.
    #[derive(Debug)]
    struct Parts {
        architecture: Architecture,
        kernel: kernel::Kernel,
        programs: guest::Programs,
    }

    impl Parts {
        /// Says what was skipped when one of them cannot be had. `release`: the
        /// kernel is that of another one of Debian.
        fn get(architecture: Architecture, release: Option<&str>, what: &str) -> Option<Parts> {
            skip::program(architecture.qemu, what)?;
            let kernel = kernel::kernel(&architecture, release, what)?;
            let programs = guest::programs(&architecture, what)?;
            Some(Parts { architecture, kernel, programs })
        }
    }

    /// Those of most machines.
    fn parts(what: &str) -> Option<&'static Parts> {
        static PARTS: OnceLock<Option<Parts>> = OnceLock::new();
        let parts = PARTS.get_or_init(|| Parts::get(X86_64, None, "tests in emulated machines"));
        if parts.is_none() {
            skip::skipped(what, "no machine can be emulated");
        }
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
