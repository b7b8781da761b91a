//! A machine with a disk, which starts anew and is switched off, with processes
//! that hold files open on it: what is left on the disk is looked at from
//! outside: `tests/qemu/disk`.

use super::machine::Machine;
use super::{guest, parts};
use ham_tests::programs::Scratch;
use ham_tests::skip;
use std::fs::File;
use std::path::Path;
use std::process::Command;

const BYTES: u64 = 32 << 20;

#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn a_disk_is_clean_after_a_restart_and_at_the_end() {
    let what = "a_disk_is_clean_after_a_restart_and_at_the_end";
    let Some(parts) = parts(what) else { return };
    let programs = ["mke2fs", "dumpe2fs", "e2fsck"].map(|name| skip::program(name, what));
    let [Some(make), Some(tell), Some(check)] = programs else { return };
    let scratch = Scratch::new("disk");
    let disk = scratch.path().join("disk");
    File::create(&disk).and_then(|file| file.set_len(BYTES)).expect("a file");
    told(&make, &["-q", "-t", "ext4"], &disk);
    let machine = Machine {
        name: "disk",
        parts,
        files: guest::files(parts, "disk", &[]),
        words: "rdinit=/sbin/init",
        disk: Some(&disk),
        restarts: true,
    };
    let console = machine.run();
    console.demand(
        &[
            "disk: something is written",
            "disk: it was clean when the machine started anew",
            "disk: what wrote had ended before",
        ],
        &["Restarting system", "Power down"],
    );
    let head = told(&tell, &["-h"], &disk);
    let state = head.lines().find_map(|line| line.strip_prefix("Filesystem state:"));
    assert_eq!(state.map(str::trim), Some("clean"), "{head}");
    assert!(!head.contains("needs_recovery"), "its journal was not written back: {head}");
    // Reads only; fails when anything is to be mended.
    told(&check, &["-f", "-n"], &disk);
}

/// What a program says of the disk.
fn told(program: &Path, words: &[&str], disk: &Path) -> String {
    let output = Command::new(program).args(words).arg(disk).output().expect("it is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", program.display());
    text
}
