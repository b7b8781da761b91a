//! What a ham that was killed has left behind: nothing of it is started a
//! second time, and nothing is overlooked.

use ham_snapshot::header::Field;
use ham_snapshot::layout::WORD;
use ham_tests::bare::{Bare, ham_output, hamctl_on, told};
use ham_tests::chaos::{children, lives, strike};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{PATIENCE, Scratch, ham};
use ham_tests::skip::skipped;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `EX_TEMPFAIL` of sysexits.h: ham(8), EXIT STATUS.
const OCCUPIED: i32 = 75;

fn start(units: &Units, runtime: &Path) -> Bare {
    let mut command = Command::new(ham());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Bare::start(command, &units.path(), runtime, &[])
}

/// Another ham on that runtime directory, which is expected to refuse.
fn another(units: &Units, runtime: &Path) -> Output {
    let [units, runtime] =
        [&units.path(), runtime].map(|path| path.to_str().expect("a plain name").to_owned());
    ham_output(&["run", "--units", &units, "--runtime-dir", &runtime])
}

/// Ends the reaper as nobody should; the others follow by themselves.
fn kill_reaper(mut ham: Bare) {
    let monitor = children(ham.pid()).into_iter().find(|child| child.name == "ham-monitor");
    let monitor = monitor.expect("there is one").pid;
    ham.signal(Signal::SIGKILL);
    assert!(ham.ended_within(PATIENCE).is_some());
    wait_until("the end of the monitor", || !lives(monitor));
}

fn end(pid: u32) {
    strike(pid, Signal::SIGKILL);
    wait_until("its end", || !lives(pid));
}

/// A process that this test has caused and no ham ends: it goes with the test.
struct Left(u32);

impl Drop for Left {
    fn drop(&mut self) {
        strike(self.0, Signal::SIGKILL);
    }
}

fn pid_in(units: &Units, name: &str) -> u32 {
    let text = units.wait_for_text(name, |text| text.ends_with('\n'));
    text.trim().parse().expect("a process id")
}

#[test]
fn a_state_that_cannot_be_read_is_not_overwritten() {
    let what = "a_state_that_cannot_be_read_is_not_overwritten";
    let Some(scratch) = Scratch::in_memory("unreadable") else { return };
    let runtime = scratch.path().join("run");
    let units = Units::new(what);
    let trace = units.file("starts");
    let script = format!("echo $$ >> {trace}; exec sleep infinity");
    units.write("a", &format!("[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"));
    let starts = || units.text("starts").lines().count();

    let ham = start(&units, &runtime);
    let pid = pid_in(&units, "starts");
    let _left = Left(pid);
    kill_reaper(ham);
    end(pid);

    let path = runtime.join("state");
    let state = File::options().read(true).write(true).open(&path).expect("the state");
    let length = state.metadata().expect("a file").len();
    let put = |word: usize, value: u64| {
        state.write_all_at(&value.to_le_bytes(), (word * WORD) as u64).expect("a write");
    };
    let get = |word: usize| {
        let mut bytes = [0; WORD];
        state.read_exact_at(&mut bytes, (word * WORD) as u64).expect("a read");
        u64::from_le_bytes(bytes)
    };
    let refused = |how: &str, expected: &str| {
        let output = another(&units, &runtime);
        assert_eq!(output.status.code(), Some(OCCUPIED), "{how}: {}", told(&output));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let path = path.to_str().expect("a plain name");
        for words in [expected, path, "none is started a second time"] {
            assert!(errors.contains(words), "{how}: no `{words}` in: {errors}");
        }
        assert_eq!(errors.lines().count(), 1, "{how}: {errors}");
        assert_eq!(starts(), 1, "{how}: it was started");
    };
    // By their places (schema/state.md): what begins the state, its version.
    let (magic, version) = (get(0), get(1));
    put(1, version + 1);
    refused("another version", &format!("layout {}", version + 1));
    put(1, version);
    put(0, 0);
    refused("damaged", "this is no state of ham");
    put(0, magic);
    state.set_len(1024 * 1024).expect("it can be cut");
    refused("cut short", "cut short");

    state.set_len(length).expect("it can grow");
    put(1, version + 1);
    put(Field::BootIdLow as usize, !get(Field::BootIdLow as usize));
    // Of another boot: nothing of that lives.
    let ham = start(&units, &runtime);
    wait_until("a start", || starts() == 2);
    let last = units.text("starts").lines().last().and_then(|pid| pid.parse().ok());
    let last = Left(last.expect("a process id"));
    kill_reaper(ham);
    end(last.0);

    let state = File::options().write(true).open(&path).expect("the state");
    state.write_all_at(&(version + 1).to_le_bytes(), WORD as u64).expect("a write");
    let output = another(&units, &runtime);
    assert_eq!(output.status.code(), Some(OCCUPIED), "{}", told(&output));
    assert_eq!(starts(), 2);
    // As the message says.
    fs::remove_file(&path).expect("a file");
    let _ham = start(&units, &runtime);
    wait_until("a start", || starts() == 3);
}

#[test]
fn what_an_earlier_ham_left_in_its_cgroup_is_not_started_beside() {
    let what = "what_an_earlier_ham_left_in_its_cgroup_is_not_started_beside";
    let scratch = Scratch::new("left");
    let runtime = scratch.path().join("run");
    let units = Units::new(what);
    let [left, own] = ["left", "own"].map(|name| units.file(name));
    // In a session of its own, and known to no slot.
    let script = format!("setsid sleep 600 & echo $! > {left}; echo $$ > {own}; exec sleep 600");
    units.write("a", &format!("[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"));

    let ham = start(&units, &runtime);
    let (own, left) = (pid_in(&units, "own"), pid_in(&units, "left"));
    let _both = [Left(own), Left(left)];
    let output = hamctl_on(&runtime, &["--json", "status"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if status["ham"]["containment"] != "cgroup" {
        skipped(what, "no cgroup here");
        return;
    }
    wait_until("its program", || {
        fs::read_to_string(format!("/proc/{left}/comm")).is_ok_and(|name| name == "sleep\n")
    });
    kill_reaper(ham);
    end(own);
    fs::remove_file(units.file("own")).expect("a file");

    for _ in 0..2 {
        let output = another(&units, &runtime);
        assert_eq!(output.status.code(), Some(OCCUPIED), "{}", told(&output));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(&format!("sleep ({left})")), "{errors}");
        assert!(lives(left));
        assert_eq!(units.text("own"), "", "it was started");
    }
    end(left);
    let _ham = start(&units, &runtime);
    assert_ne!(pid_in(&units, "own"), own);
}
