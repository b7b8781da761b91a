//! The inits that are compared, how each is called, and what all points need:
//! a run to the end, a run that is looked at, a namespace.

use ham_tests::own_units::wait_until;
use ham_tests::programs::{PATIENCE, Scratch, ham};
use ham_tests::{processes, skip};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ham,
    HamAsTini,
    Tini,
    DumbInit,
    Catatonit,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::Ham, Kind::HamAsTini, Kind::Tini, Kind::DumbInit, Kind::Catatonit];

impl Kind {
    /// The head of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ham => "ham init",
            Kind::HamAsTini => "ham as tini",
            Kind::Tini => "tini",
            Kind::DumbInit => "dumb-init",
            Kind::Catatonit => "catatonit",
        }
    }
}

/// One of them.
pub(crate) struct Init {
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    /// Holds the link by which ham is called tini.
    _scratch: Option<Scratch>,
}

impl Init {
    /// If it is installed.
    pub(crate) fn find(kind: Kind) -> Option<Init> {
        let named = |name| skip::program(name, "beside ham init");
        let (program, scratch) = match kind {
            Kind::Ham => (ham(), None),
            Kind::HamAsTini => {
                let scratch = Scratch::new("init");
                let link = scratch.path().join("tini");
                std::os::unix::fs::symlink(ham(), &link).expect("a link");
                (link, Some(scratch))
            }
            Kind::Tini => (named("tini")?, None),
            Kind::DumbInit => (named("dumb-init")?, None),
            Kind::Catatonit => (named("catatonit")?, None),
        };
        Some(Init { kind, program, _scratch: scratch })
    }

    pub(crate) fn ham() -> Init {
        Init::find(Kind::Ham).expect("ham is built")
    }

    /// Its words before those of the command.
    pub(crate) fn words(&self, options: &[&str]) -> Vec<String> {
        let mut words = vec![self.program.to_str().expect("a plain path").to_owned()];
        if self.kind == Kind::Ham {
            words.push("init".to_owned());
        }
        words.extend(options.iter().map(|word| (*word).to_owned()));
        words.push("--".to_owned());
        words
    }

    /// It with a command.
    pub(crate) fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let words = self.words(options);
        quiet(words.iter().map(String::as_str).chain(command.iter().copied()))
    }

    /// As the init of a PID namespace. `None`, and said so: there are none.
    pub(crate) fn as_pid_1(&self, options: &[&str], command: &[&str]) -> Option<Command> {
        let before = namespace(&[])?;
        let words = self.words(options);
        let all = before.iter().map(String::as_str).chain(words.iter().map(String::as_str));
        Some(quiet(all.chain(command.iter().copied())))
    }

    /// In a shell that becomes it: `before` can say something about `$$`.
    pub(crate) fn after(&self, before: &str, options: &[&str], command: &[&str]) -> Command {
        let line = format!("{before}; exec \"$@\"");
        let words = self.words(options);
        let words = words.iter().map(String::as_str).chain(command.iter().copied());
        quiet(["sh", "-c", &line, "sh"].into_iter().chain(words))
    }
}

/// A command whose streams are nobody's.
fn quiet<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().expect("a program"));
    for name in ["TINI_SUBREAPER", "TINI_VERBOSITY", "TINI_KILL_PROCESS_GROUP"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What leads into a PID namespace of one's own, as root or with a user
/// namespace.
pub(crate) fn namespace(more: &[&str]) -> Option<Vec<String>> {
    let what = "ham init as PID 1";
    let unshare = skip::program("unshare", what)?;
    let mut words = vec![unshare.to_str()?.to_owned()];
    let base = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    words.extend(base.iter().chain(more).map(|word| (*word).to_owned()));
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    if !is_root && !more.contains(&"--user") {
        words.extend(["--user", "--map-root-user"].map(str::to_owned));
    }
    let probe = Command::new(&words[0]).args(&words[1..]).arg("true").output().ok()?;
    if !probe.status.success() {
        skip::skipped(what, String::from_utf8_lossy(&probe.stderr).trim());
        return None;
    }
    Some(words)
}

/// Runs a command to its end, with all that it writes.
pub(crate) fn to_the_end(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Killed(child.expect("it can be executed"));
    let deadline = Instant::now() + PATIENCE;
    while child.0.try_wait().expect("our child").is_none() {
        assert!(Instant::now() < deadline, "never ends: {command:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = child.0.wait().expect("our child");
    let read = |stream: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe");
        bytes
    };
    let stdout = read(child.0.stdout.as_mut().expect("piped"));
    let stderr = read(child.0.stderr.as_mut().expect("piped"));
    Output { status, stdout, stderr }
}

/// The exit code of that, as a word of the table.
pub(crate) fn code(command: &mut Command) -> String {
    to_the_end(command).status.code().map_or("killed".to_owned(), |code| code.to_string())
}

/// What it has written.
pub(crate) fn text(command: &mut Command) -> String {
    String::from_utf8_lossy(&to_the_end(command).stdout).trim().to_owned()
}

/// A child that does not stay when a test fails.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An init that runs, and what its command writes.
pub(crate) struct Running {
    pub(crate) child: Killed,
    out: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let child = command.stdout(Stdio::piped()).spawn().expect("it can be executed");
        let mut child = Killed(child);
        let out = BufReader::new(child.0.stdout.take().expect("piped"));
        Running { child, out }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// The next line; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a pipe");
        line.trim_end().to_owned()
    }

    pub(crate) fn send(&self, signal: &str) {
        processes::send(signal, self.pid());
    }

    /// Its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of an init", || {
            status = self.child.0.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("waited for").code()
    }
}

/// A value of /proc/PID/status.
pub(crate) fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| *name == key).map_or_else(String::new, |(_, value)| value.trim().into())
}

/// Waits until a process has done what there is to do: it is stopped or a
/// zombie, or sleeps with no signal that waits for it, each time of many that it
/// is looked at. Gives its state.
pub(crate) fn settled(pid: u32) -> char {
    let (mut times, mut state) = (0, ' ');
    wait_until("a process at rest", || {
        let now = status(pid, "State").chars().next().unwrap_or('Z');
        let none = |key| status(pid, key).chars().all(|digit| digit == '0');
        let rests = match now {
            'S' => none("SigPnd") && none("ShdPnd"),
            other => matches!(other, 'T' | 'Z'),
        };
        times = if rests && now == state { times + 1 } else { 0 };
        state = now;
        times >= 8
    });
    state
}

/// The program that tells what it gets.
pub(crate) fn probe() -> &'static str {
    env!("CARGO_BIN_EXE_ham-probe")
}

/// The children of an init that live.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    processes::children(pid)
}

/// The link of a process in /proc.
pub(crate) fn link(pid: u32, name: impl AsRef<OsStr>) -> Option<PathBuf> {
    fs::read_link(PathBuf::from(format!("/proc/{pid}")).join(name.as_ref())).ok()
}
