//! What becomes of processes that ham has let go of, by real ones: they outlive
//! the manager, but not an init; and who attaches when one has just ended.

use ham_tests::bare::told;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{children, lives, send};
use ham_tests::programs::{Manager, Scratch, ham, hamctl};
use ham_tests::skip;
use ham_tests::strangers::Stranger;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Without a cgroup where `way` says so.
fn start(units: &Units, way: &str) -> Manager {
    let mut command = Command::new(ham());
    if way == "session" {
        command.env("HAM_NO_CGROUP", "1");
    }
    Manager::start_by(command, Scratch::new("detached"), &units.path(), &["-t", "none"])
}

fn good(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}. The log:\n{}", told(&output), manager.log());
}

/// Killed at the end, whoever has it.
struct Left(Vec<u32>);

impl Drop for Left {
    fn drop(&mut self) {
        for pid in self.0.iter().filter(|pid| lives(**pid)) {
            send("KILL", *pid);
        }
    }
}

fn number(units: &Units, file: &str) -> u32 {
    let text = units.wait_for_text(file, |text| text.ends_with('\n'));
    text.trim().parse().expect("a process id")
}

/// One with a child, and with one in a session of its own whose parent has
/// ended; nothing of it writes anything.
fn daemon(units: &Units, name: &str) {
    let file = |what: &str| units.file(&format!("{name}.{what}"));
    let (own, child, far) = (file("own"), file("child"), file("far"));
    let inner = file("inner.sh");
    fs::write(&inner, format!("echo $$ > {far}\nexec sleep 600\n")).expect("a script");
    let script =
        format!("(setsid sh {inner} &)\nsleep 600 &\necho $! > {child}\necho $$ > {own}\nwait\n");
    fs::write(file("sh"), script).expect("a script");
    units.write(name, &format!("[entity]\ncommand = \"sh {}\"\n", file("sh")));
}

fn outlives(way: &str) {
    let units = Units::new(&format!("outlives-{way}"));
    for name in ["kept", "ended"] {
        daemon(&units, name);
    }
    let mut manager = start(&units, way);
    let pids =
        |name: &str| ["own", "child", "far"].map(|what| number(&units, &format!("{name}.{what}")));
    let (kept, ended) = (pids("kept"), pids("ended"));
    let _left = Left(kept.iter().chain(&ended).copied().collect());
    good(&manager, &["detach", "kept"]);
    // Whoever is the monitor at the end knows of it.
    manager.kill_monitor("KILL");
    good(&manager, &["start", "kept"]);
    let second = manager.pid_of("kept");
    assert_ne!(second, kept[0]);
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    for pid in kept {
        assert!(lives(pid), "{pid} of {kept:?}. The log:\n{}", manager.log());
    }
    for pid in ended {
        assert!(!lives(pid), "{pid} of {ended:?}. The log:\n{}", manager.log());
    }
    assert!(!lives(second), "{second} beside {kept:?}");
}

#[test]
fn a_detached_process_outlives_the_manager_in_session() {
    outlives("session");
}

#[test]
fn a_detached_process_outlives_the_manager_by_cgroup() {
    outlives("cgroup");
}

/// The cgroup of a process below the place where cgroup2 is mounted.
fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from(line.split(' ').nth(4)?).join(path))
}

#[test]
fn a_detached_process_is_in_no_cgroup_of_an_entity() {
    let what = "a_detached_process_is_in_no_cgroup_of_an_entity";
    let units = Units::new("moved");
    daemon(&units, "kept");
    let mut manager = start(&units, "cgroup");
    manager.wait_for_state("kept", "running");
    if manager.status()["ham"]["containment"] != "cgroup" {
        skip::skipped(what, "no cgroup to be had");
        return;
    }
    let kept = ["own", "child", "far"].map(|what| number(&units, &format!("kept.{what}")));
    let _left = Left(kept.to_vec());
    let cgroup = cgroup_of(kept[0]).expect("it is in one");
    assert!(cgroup.display().to_string().contains("/units/kept/"), "{}", cgroup.display());
    good(&manager, &["detach", "kept"]);
    // The slot and what held it are free as soon as that is answered.
    wait_until("its cgroup goes", || !cgroup.exists());
    for pid in kept {
        assert_eq!(cgroup_of(pid), cgroup_of(manager.pid()), "{pid}");
    }
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0));
    // Nor is it in the way of the next manager.
    let tree = cgroup.ancestors().nth(3).expect("ham-LABEL/units/NAME/GENERATION");
    assert!(!tree.exists(), "{}", tree.display());
    assert!(kept.iter().all(|pid| lives(*pid)));
}

#[test]
fn with_an_init_a_detached_process_is_asked_to_end() {
    let what = "with_an_init_a_detached_process_is_asked_to_end";
    if !skip::is_root(what) {
        return;
    }
    let Some(unshare) = skip::program("unshare", what) else { return };
    let base = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    let probe = Command::new(&unshare).args(base).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skip::skipped(what, "no right to make a PID namespace");
        return;
    }
    let units = Units::new("init");
    let (ready, asked) = (units.file("ready"), units.file("asked"));
    let script = format!(
        "trap 'echo asked >> {asked}; exit' TERM; echo ready > {ready}; while :; do sleep 0.1; done"
    );
    units.write("kept", &format!("[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"));
    let mut command = Command::new(unshare);
    command.args(base).arg(ham());
    let mut manager =
        Manager::start_by(command, Scratch::new("init"), &units.path(), &["-t", "none"]);
    units.wait_for_text("ready", |text| text == "ready\n");
    good(&manager, &["detach", "kept"]);
    send("TERM", *children(manager.pid()).first().expect("an init"));
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    assert_eq!(fs::read_to_string(&asked).unwrap_or_default(), "asked\n", "{}", manager.log());
}

/// Whoever has waited for a guarded command guards the next one at once, and is
/// faster than ham.
#[test]
fn a_guard_right_behind_another_waits_for_its_end_to_be_told() {
    let units = Units::new("behind");
    units.write("job", "[entity]\n");
    let manager = start(&units, "session");
    manager.wait_for_state("job", "placeholder");
    for name in ["job", "made"] {
        let guard = |words: &[&str]| {
            let mut command = Command::new(hamctl());
            command.arg("--runtime-dir").arg(manager.runtime()).args(["guard", name, "--"]);
            command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        };
        for _ in 0..5 {
            let mut first = Stranger::of(&mut guard(&["sleep", "600"]));
            wait_until("it is guarded", || {
                let status = manager.status();
                let entities = status["entities"].as_array().expect("a list");
                entities.iter().any(|one| one["name"] == name && one["pid"] == first.pid())
            });
            // Both wait for the monitor when it goes on: an end and a request.
            let monitor = manager.monitor().expect("a monitor");
            send("STOP", monitor);
            first.end();
            let next = guard(&["sh", "-c", "exit 4"]).spawn().expect("hamctl can be executed");
            wait_until("it has asked", || waits(next.id()));
            send("CONT", monitor);
            let output = next.wait_with_output().expect("our child");
            assert_eq!(output.status.code(), Some(4), "{}: {}", told(&output), manager.log());
        }
    }
}

/// Whether a process sleeps in the kernel: here for an answer.
fn waits(pid: u32) -> bool {
    let place = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(") S ") && (place.contains("unix") || place.contains("poll") || place == "0")
}
