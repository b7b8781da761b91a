//! A machine: qemu without hardware support, which is everywhere, with one
//! processor, and what it writes to its serial line.

use super::{Parts, folder};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a machine may be on. It switches itself off within two minutes where
/// nobody else needs the processors; this is only reached when it never does.
const PATIENCE: Duration = Duration::from_secs(900);

/// What each kernel is told: to keep its routine to itself, and to restart after a
/// panic (which ends qemu).
const WORDS: &str = "quiet panic=-1";

/// What is in the machine, and what it does.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    /// What it is called: below `machines` of the folder for what is kept, its
    /// first file system and what it has written stay, until the next run.
    pub(super) name: &'a str,
    pub(super) parts: &'a Parts,
    /// Its first file system.
    pub(super) files: Vec<u8>,
    /// More words for the kernel.
    pub(super) words: &'a str,
    /// A file that is its disk, `/dev/nvme0n1`.
    pub(super) disk: Option<&'a Path>,
    /// Whether a restart is one; else it ends qemu as switching off does.
    pub(super) restarts: bool,
}

/// All that it has written, line by line.
#[derive(Debug)]
pub(super) struct Console(Vec<String>);

/// Ends with the test.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

impl Machine<'_> {
    /// Switches it on, and waits until it switches itself off.
    ///
    /// # Panics
    /// When qemu cannot be started or fails, or the machine stays on; shows
    /// what it has written.
    pub(super) fn run(self) -> Console {
        let place = folder().join("machines").join(self.name);
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).expect("a folder");
        let [files, serial, told] = ["files", "serial", "told"].map(|name| place.join(name));
        fs::write(&files, &self.files).expect("a file");
        let Parts { architecture, kernel, .. } = self.parts;
        let mut command = Command::new(architecture.qemu);
        command
            .args(architecture.machine)
            .args(["-accel", "tcg", "-m", "256", "-smp", "1"])
            .args(["-nodefaults", "-display", "none", "-rtc", "base=utc"])
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&files)
            .arg("-append")
            .arg(format!("{} {WORDS} {}", architecture.words, self.words));
        if let Some(disk) = self.disk {
            // The kernel of cloud machines has no module for this one.
            command
                .arg("-drive")
                .arg(format!("file={},format=raw,if=none,id=disk", disk.display()))
                .args(["-device", "nvme,drive=disk,serial=ham"]);
        }
        if !self.restarts {
            command.arg("-no-reboot");
        }
        let out = File::create(&told).expect("a file");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn();
        let mut running = Running(child.expect("qemu can be executed"));
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = running.0.try_wait().expect("it is our child") {
                break Some(status);
            }
            if Instant::now() >= deadline {
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        drop(running);
        let written = fs::read(&serial).unwrap_or_default();
        let console = Console::from_bytes(&written);
        let told = fs::read_to_string(&told).unwrap_or_default();
        let Some(status) = status else {
            panic!("the machine stays on. Its console:\n{}", console.text());
        };
        assert!(status.success(), "qemu: {status}: {told}. The console:\n{}", console.text());
        console
    }
}

impl Console {
    fn from_bytes(bytes: &[u8]) -> Console {
        let text = String::from_utf8_lossy(bytes);
        Console(text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
    }

    fn text(&self) -> String {
        self.0.join("\n")
    }

    /// Whether a line is this.
    pub(super) fn has(&self, line: &str) -> bool {
        self.0.iter().any(|one| one == line)
    }

    /// Demands that the guest has said `PASS NAME` of each of these, in this
    /// order, `FAIL` of none, and no more than that; and that the kernel has said,
    /// each time it was at its end, that this is why.
    ///
    /// # Panics
    /// When that is not so; shows everything.
    pub(super) fn demand(&self, passed: &[&str], ended: &[&str]) {
        let said = |word: &str| -> Vec<&str> {
            let word = format!("{word} ");
            self.0.iter().filter_map(|line| line.strip_prefix(&word)).collect()
        };
        let failed = said("FAIL");
        assert!(failed.is_empty(), "the guest says {failed:?}:\n{}", self.text());
        assert_eq!(said("PASS"), passed, "the console:\n{}", self.text());
        let ends = self.0.iter().filter_map(|line| line.split_once("reboot: "));
        let ends: Vec<&str> = ends.map(|(_, how)| how).collect();
        assert_eq!(ends, ended, "the console:\n{}", self.text());
        assert!(!self.text().contains("Kernel panic"), "a panic:\n{}", self.text());
    }
}
