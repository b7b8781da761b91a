//! A pseudoterminal with a program behind it that leads its session, and the
//! person in front of it: types, and reads what is shown. Knows nothing of the
//! program.

use crate::own_units::wait_until;
use crate::skip;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The key that interrupts.
pub const CTRL_C: &str = "\u{3}";
/// The key that stops.
pub const CTRL_Z: &str = "\u{1a}";

/// A terminal in use.
#[derive(Debug)]
pub struct Terminal {
    front: Option<File>,
    shown: Arc<Mutex<String>>,
    /// The reader is to let go of it.
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    child: Child,
}

impl Terminal {
    /// Runs a program with these arguments as the leader of a session on a
    /// terminal of its own. `None`, and said so: setsid(1) is not installed.
    ///
    /// # Panics
    /// When there are no terminals, or it cannot be executed.
    #[must_use]
    pub fn start(words: &[&str], what: &str) -> Option<Terminal> {
        let setsid = skip::program("setsid", what)?;
        // Nobody but this test has the front, or it would not go when it is
        // closed here.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let front = posix_openpt(flags).expect("a pseudoterminal");
        grantpt(&front).and_then(|()| unlockpt(&front)).expect("it is new");
        let path = ptsname_r(&front).expect("it has a name");
        let front = File::from(front.as_fd().try_clone_to_owned().expect("a second descriptor"));
        let behind = || {
            let mut options = File::options();
            let options = options.read(true).write(true).custom_flags(flags.bits());
            options.open(&path).expect("the other side")
        };
        let child = Command::new(setsid)
            .arg("--ctty")
            .args(words)
            .env("PS1", "")
            .env("ENV", "")
            .env_remove("PROMPT_COMMAND")
            .stdin(behind())
            .stdout(behind())
            .stderr(behind())
            .spawn()
            .expect("setsid can be executed");
        let shown = Arc::new(Mutex::new(String::new()));
        let (reading, texts) = (front.try_clone().expect("one more"), Arc::clone(&shown));
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let reader = std::thread::spawn(move || read_all(reading, &texts, &ends));
        let reader = Some(reader);
        Some(Terminal { front: Some(front), shown, over, reader, child })
    }

    /// Who leads the session.
    #[must_use]
    pub fn leader(&self) -> u32 {
        self.child.id()
    }

    /// All that was shown, with what was typed among it.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn shown(&self) -> String {
        self.shown.lock().expect("no panic").clone()
    }

    /// Types this.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn keys(&mut self, text: &str) {
        let front = self.front.as_mut().expect("nobody has closed it");
        front.write_all(text.as_bytes()).expect("there is somebody behind it");
    }

    /// Waits until this is shown.
    ///
    /// # Panics
    /// When it never is; with all that was.
    pub fn wait_for(&self, text: &str) {
        let deadline = std::time::Instant::now() + crate::programs::PATIENCE;
        while !self.shown().contains(text) {
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "never shown: {text}. Shown was:\n{}", self.shown());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Changes its size, of which those in the foreground are told.
    ///
    /// # Panics
    /// When stty(1) cannot.
    pub fn resize(&self, rows: u32) {
        let front = self.front.as_ref().expect("nobody has closed it");
        let status = Command::new("stty")
            .args(["rows", &rows.to_string()])
            .stdin(front.try_clone().expect("one more"))
            .status()
            .expect("stty is there");
        assert!(status.success());
    }

    /// Goes away, as a connection that breaks.
    ///
    /// # Panics
    /// When the reader has panicked.
    pub fn hang_up(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.front = None;
        // It has a copy.
        self.reader.take().map(JoinHandle::join).transpose().expect("the reader");
    }

    /// Waits for the end of the leader.
    ///
    /// # Panics
    /// When it never ends.
    pub fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the program on the terminal", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("waited for")
    }
}

fn read_all(mut front: File, shown: &Mutex<String>, over: &AtomicBool) {
    let mut bytes = [0u8; 4096];
    while !over.load(Ordering::Relaxed) {
        let mut watched = [PollFd::new(front.as_fd(), PollFlags::POLLIN)];
        if poll(&mut watched, PollTimeout::from(20u8)) == Ok(0) {
            continue;
        }
        // The end is EIO, when nobody has the other side open any more.
        let Ok(count @ 1..) = front.read(&mut bytes) else { return };
        let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
        shown.lock().expect("no panic").push_str(&text);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its jobs are hung up by the kernel.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.over.store(true, Ordering::Relaxed);
    }
}
