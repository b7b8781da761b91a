//! A machine for one test: namespaces of its own and a root that is made in
//! memory, with BusyBox, ham, a console and a line that the test has the other
//! ends of. Nothing of it is left when its process 1 has ended.

use ham_tests::bare::hamctl_on;
use ham_tests::processes;
use ham_tests::programs::{PATIENCE, Scratch, ham};
use ham_tests::skip;
use nix::pty::openpty;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Makes the root around itself, and becomes the init in it. Arguments: where the
/// root is to be, the files that are put into it, BusyBox, ham, console, line,
/// then those of ham. A `prepare` among the files is run when all is there.
const SETUP: &str = r#"
set -e
root=$1 files=$2 busybox=$3 ham=$4 console=$5 line=$6
shift 6
mount -t tmpfs -o mode=755 none "$root"
cd "$root"
mkdir -p proc sys dev run etc/ham tmp bin sbin opt var/lib usr/lib lib
for libraries in lib lib64 usr/lib usr/lib64; do
    if [ -d "/$libraries" ]; then
        mkdir -p "$libraries"
        mount --rbind "/$libraries" "$libraries"
    fi
done
cp "$busybox" bin/busybox
for applet in sh cat echo env mount sleep stty touch true uname; do
    ln -s busybox "bin/$applet"
done
cp -r "$files/." .
mount -t tmpfs -o mode=755 none dev
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
touch dev/console dev/line opt/ham dev/was-here
mount --bind "$console" dev/console
mount --bind "$line" dev/line
mount --bind "$ham" opt/ham
if [ -e prepare ]; then
    . ./prepare
fi
if [ "$closed" = yes ]; then
    exec env -i HAM_NO_CGROUP=1 "$busybox" chroot . /opt/ham "$@" <&- >&- 2>&-
fi
exec env -i HAM_NO_CGROUP=1 "$busybox" chroot . /opt/ham "$@"
"#;

/// One end of a terminal, with all that was ever written to the other.
pub(crate) struct Terminal {
    name: PathBuf,
    writer: File,
    text: Arc<Mutex<Vec<u8>>>,
    /// So that the other end is never closed by all, which would be an error.
    _other: OwnedFd,
}

impl Terminal {
    fn new() -> Terminal {
        let pair = openpty(None, None).expect("a terminal");
        let name = fs::read_link(format!("/proc/self/fd/{}", pair.slave.as_raw_fd()));
        let writer = File::from(pair.master);
        let mut reader = writer.try_clone().expect("a second descriptor");
        let text = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&text);
        // It ends when the test does.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut all = read.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { name: name.expect("its name"), writer, text, _other: pair.slave }
    }

    /// The number of its device, as /proc has it.
    pub(crate) fn number(&self) -> String {
        fs::metadata(&self.name).expect("its device").rdev().to_string()
    }

    pub(crate) fn text(&self) -> String {
        let all = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Waits until it has shown that so many times.
    pub(crate) fn wait_for(&self, what: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.text().matches(what).count() < times {
            assert!(Instant::now() < deadline, "never {times} times: {what}\n{}", self.text());
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn type_in(&self, keys: &str) {
        (&self.writer).write_all(keys.as_bytes()).expect("somebody has the other end");
    }

    /// Cuts off what a shell has in the foreground, by the key for that; it hangs
    /// here where that does not work.
    pub(crate) fn cut_off(&self) {
        self.ask("echo $((6*7))-runs; sleep 1000", "42-runs");
        // Again and again: a shell that is just about to make it may miss one.
        self.ask("\u{3}echo $((6*7))-after", "42-after");
    }

    /// Types a line for a shell, which may not read yet, until it has answered.
    /// What is typed is shown, too, so the answer must be another text.
    pub(crate) fn ask(&self, line: &str, answer: &str) {
        let before = self.text().matches(answer).count();
        let deadline = Instant::now() + PATIENCE;
        let mut typed = Instant::now();
        self.type_in(&format!("{line}\n"));
        while self.text().matches(answer).count() <= before {
            assert!(Instant::now() < deadline, "no {answer} after {line}:\n{}", self.text());
            if typed.elapsed() > Duration::from_secs(2) {
                typed = Instant::now();
                self.type_in(&format!("{line}\n"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What is to be in it, before it is switched on.
pub(crate) struct Plan {
    scratch: Scratch,
    /// Without the rights of root outside, as one that a user makes.
    pub(crate) of_user: bool,
    /// Its three streams lead nowhere, as those of an init without a console.
    pub(crate) silent: bool,
    /// They are closed, and not only opened by somebody.
    pub(crate) closed: bool,
}

impl Plan {
    pub(crate) fn new(what: &str) -> Plan {
        let scratch = Scratch::new(what);
        for folder in ["root", "files/etc/ham", "files/run"] {
            fs::create_dir_all(scratch.path().join(folder)).expect("a folder");
        }
        Plan { scratch, of_user: false, silent: false, closed: false }
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.scratch.path().join("files").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(path, text).expect("a file");
    }

    pub(crate) fn unit(&self, name: &str, text: &str) {
        self.file(&format!("etc/ham/{name}.toml"), text);
    }

    /// Switches it on; `None`: that cannot be done here, which was said.
    pub(crate) fn start(self, what: &str, words: &[&str]) -> Option<Board> {
        let [unshare, busybox] = ["unshare", "busybox"].map(|name| skip::program(name, what));
        let (unshare, busybox) = (unshare?, busybox?);
        let mut namespaces = vec!["--mount", "--pid", "--fork", "--uts", "--net", "--ipc"];
        if self.of_user {
            namespaces.extend(["--user", "--map-root-user"]);
        } else if !skip::is_root(what) {
            return None;
        }
        let trial = Command::new(&unshare).args(&namespaces).arg("true").output();
        let trial = trial.expect("unshare can be executed");
        if !trial.status.success() {
            let why = String::from_utf8_lossy(&trial.stderr).into_owned();
            skip::skipped(what, &format!("no such namespaces here: {why}"));
            return None;
        }
        let (console, line) = (Terminal::new(), Terminal::new());
        let place = |name: &str| self.scratch.path().join(name);
        let log = File::create(place("log")).expect("a log file");
        let mut command = Command::new(&unshare);
        command.args(&namespaces).args(["--", "sh", "-c", SETUP, "sh"]);
        command.args([place("root"), place("files"), busybox, ham()]);
        command.args([&console.name, &line.name]).arg("--board").args(words);
        command.env("closed", if self.closed { "yes" } else { "no" }).stdin(Stdio::null());
        if self.silent {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        } else {
            command.stdout(log.try_clone().expect("a second descriptor")).stderr(log);
        }
        let child = command.spawn().expect("unshare can be executed");
        let mut board = Board { child, init: 0, console, line, scratch: self.scratch };
        let deadline = Instant::now() + PATIENCE;
        // The only child of unshare, when that has become ham.
        while board.init == 0 {
            let ended = board.child.try_wait().expect("our child");
            assert!(ended.is_none(), "it did not get up: {ended:?}\n{}", board.log());
            assert!(Instant::now() < deadline, "it does not get up\n{}", board.log());
            let is_ham = |pid: &u32| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim() == "ham"
            };
            board.init =
                processes::children(board.child.id()).into_iter().find(is_ham).unwrap_or(0);
            std::thread::sleep(PAUSE);
        }
        Some(board)
    }
}

/// A machine that runs.
pub(crate) struct Board {
    child: Child,
    /// Its process 1, as the test sees it.
    pub(crate) init: u32,
    pub(crate) console: Terminal,
    pub(crate) line: Terminal,
    scratch: Scratch,
}

impl Board {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    /// A path in it, as the test sees that.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.init.to_string()).join("root").join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("a file of the machine");
    }

    pub(crate) fn hamctl(&self, words: &[&str]) -> Output {
        hamctl_on(&self.path("run/ham"), words)
    }

    /// An entity, as `hamctl status` has it; null: there is none.
    pub(crate) fn entity(&self, name: &str) -> Value {
        let output = self.hamctl(&["--json", "status"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let entities = status["entities"].as_array().cloned().unwrap_or_default();
        entities.into_iter().find(|entity| entity["name"] == name).unwrap_or_default()
    }

    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&Board) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            let status = self.hamctl(&["status"]);
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            assert!(
                Instant::now() < deadline,
                "never: {what}\n{status}\nLog:\n{}\nConsole:\n{}",
                self.log(),
                self.console.text()
            );
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        self.wait_until(&format!("{name} {state}"), |board| board.entity(name)["state"] == state);
    }

    /// What is mounted in it: file system type and path.
    pub(crate) fn mounts(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(format!("/proc/{}/mountinfo", self.init));
        let text = text.unwrap_or_default();
        let mount = |line: &str| {
            let (front, back) = line.split_once(" - ")?;
            let path = front.split(' ').nth(4)?;
            Some((back.split(' ').next()?.to_owned(), path.to_owned()))
        };
        text.lines().filter_map(mount).collect()
    }

    pub(crate) fn lives(&self) -> bool {
        processes::lives(self.init)
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // With its init all of a PID namespace ends.
            if self.init != 0 {
                processes::send("KILL", self.init);
            } else {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}
