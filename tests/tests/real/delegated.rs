//! A cgroup that ham has to itself, as systemd gives one by `Delegate=yes`: ham goes
//! into a leaf of it, so that controllers can be enabled for entities, and is there
//! whoever dies. Who else is in a cgroup is left alone, and so is what was not
//! delegated.

use ham_tests::bare::told;
use ham_tests::chaos::{cgroup_of, children, directories, lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use ham_tests::strangers::Stranger;
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A cgroup of the test's, below its own.
struct Given(PathBuf);

impl Given {
    /// Says what was skipped where there can be none. `kind`: the end of its name.
    fn new(kind: &str, what: &str) -> Option<Given> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let Some(own) = cgroup_of(std::process::id()) else {
            skip::skipped(what, "no cgroup2 is mounted");
            return None;
        };
        let dir = own.join(format!("ham-test-{}-{number}{kind}", std::process::id()));
        if let Err(error) = fs::create_dir(&dir) {
            skip::skipped(what, &format!("no cgroup can be made in {}: {error}", own.display()));
            return None;
        }
        let given = Given(dir);
        // Somebody must be able to go there.
        let mut trial = Stranger::of(&mut given.within(Path::new("true")));
        let entered = trial.child.wait().is_ok_and(|status| status.success());
        if !entered {
            skip::skipped(what, "no process can be moved into a cgroup");
        }
        entered.then_some(given)
    }

    /// A command that goes there and becomes this program.
    fn within(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        let script = "echo 0 >\"$0/cgroup.procs\" || exit 9; exec \"$@\"";
        command.args(["-c", script]).arg(&self.0).arg(program);
        command
    }

    fn start(&self, units: &Units) -> Manager {
        let scratch = Scratch::new("manager");
        Manager::start_by(self.within(&ham()), scratch, &units.path(), &["-t", "none"])
    }

    fn leaf(&self) -> PathBuf {
        self.0.join("ham.supervisor")
    }

    fn members(&self, below: &str) -> Vec<u32> {
        let text = fs::read_to_string(self.0.join(below).join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// Removes a cgroup with all below it, as far as nobody lives there.
fn remove(dir: &Path) -> std::io::Result<()> {
    for name in directories(dir) {
        // What is below tells.
        let _ = remove(&dir.join(name));
    }
    fs::remove_dir(dir)
}

impl Drop for Given {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..250 {
            if remove(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Those of ham and nobody else are in the leaf, and nobody is above it.
fn is_in_its_leaf(given: &Given, manager: &Manager) {
    let entities = ["one", "two"].map(|name| manager.pid_of(name));
    let roles = ["ham-monitor", "ham-guardian"];
    wait_until("both are there", || roles.iter().all(|name| manager.child(name).is_some()));
    assert_eq!(given.members(""), [0u32; 0]);
    let leaf = given.leaf();
    for pid in roles.iter().filter_map(|name| manager.child(name)).chain([manager.pid()]) {
        assert_eq!(cgroup_of(pid), Some(leaf.clone()));
    }
    for pid in entities {
        let cgroup = cgroup_of(pid).expect("it runs");
        let place = cgroup.strip_prefix(&given.0).expect("below that of the manager");
        let tree = place.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(tree.starts_with("ham-"), "{}", place.display());
    }
}

fn sleepers(what: &str) -> Units {
    let units = Units::new(what);
    for name in ["one", "two"] {
        units.write(name, SLEEPER);
    }
    units
}

fn good(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}. {}", told(&output), manager.log());
}

#[test]
fn ham_is_in_a_leaf_whoever_dies_and_leaves_it_at_the_end() {
    let what = "ham_is_in_a_leaf_whoever_dies_and_leaves_it_at_the_end";
    let Some(given) = Given::new("", what) else { return };
    let units = sleepers("leaf");
    // Twice: what it leaves can be used again.
    for _ in 0..2 {
        let mut manager = given.start(&units);
        manager.wait_for_state("one", "running");
        manager.wait_for_state("two", "running");
        is_in_its_leaf(&given, &manager);
        assert!(!manager.log().contains("stays in its cgroup"), "{}", manager.log());
        let pids = ["one", "two"].map(|name| manager.pid_of(name));
        manager.kill_monitor("KILL");
        manager.wait_for("one", |_| true);
        is_in_its_leaf(&given, &manager);
        // The reaper begins again, in place.
        manager.signal("SEGV");
        wait_until("its fault", || manager.status()["ham"]["failures"]["reaper"] == 1);
        manager.replace_settled_monitor();
        is_in_its_leaf(&given, &manager);
        assert_eq!(["one", "two"].map(|name| manager.pid_of(name)), pids);
        assert_eq!(manager.status()["ham"]["containment"], "cgroup");
        good(&manager, &["restart", "one"]);
        is_in_its_leaf(&given, &manager);
        manager.signal("TERM");
        assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
        assert_eq!(directories(&given.0), [""; 0]);
        let passed = fs::read_to_string(given.0.join("cgroup.subtree_control"));
        assert_eq!(passed.expect("a file").trim(), "");
    }
}

#[test]
fn a_soft_reboot_goes_back_into_the_leaf() {
    let what = "a_soft_reboot_goes_back_into_the_leaf";
    let Some(given) = Given::new("", what) else { return };
    let units = sleepers("soft");
    let mut manager = given.start(&units);
    manager.wait_for_state("one", "running");
    let pid = manager.pid_of("one");
    good(&manager, &["soft-reboot"]);
    let again = |log: &str| log.matches("one: started, pid").count() == 2;
    manager.wait_for_log("it begins again", again);
    manager.wait_for("one", |one| one["state"] == "running" && one["pid"] != pid);
    manager.wait_for_state("two", "running");
    is_in_its_leaf(&given, &manager);
    assert!(!manager.log().contains("stays in its cgroup"), "{}", manager.log());
}

#[test]
fn memory_is_counted_below_a_cgroup_that_is_delegated() {
    let what = "memory_is_counted_below_a_cgroup_that_is_delegated";
    let Some(given) = Given::new("", what) else { return };
    let controllers = fs::read_to_string(given.0.join("cgroup.controllers")).unwrap_or_default();
    if !controllers.split_ascii_whitespace().any(|name| name == "memory") {
        skip::skipped(what, "no memory controller in the unified hierarchy");
        return;
    }
    let units = Units::new("counted");
    let probe = env!("CARGO_BIN_EXE_ham-probe");
    let go = units.file("go");
    let script = format!("until [ -e {go} ]; do sleep 0.05; done; {probe} take 64; exec sleep 600");
    units.write(
        "greedy",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n[[condition]]\n\
             on = \"oom-kill\"\nactions = [ {{ log = \"short of memory\" }} ]\n"
        ),
    );
    let mut manager = given.start(&units);
    manager.wait_for_state("greedy", "running");
    let cgroup = cgroup_of(manager.pid_of("greedy")).expect("it runs");
    // Enough for a shell.
    fs::write(cgroup.join("memory.max"), "16777216").expect("memory is counted");
    let _ = fs::write(cgroup.join("memory.swap.max"), "0");
    fs::write(&go, "").expect("our file");
    manager.wait_for_log("the condition", |log| log.contains("greedy: short of memory"));
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    let passed = fs::read_to_string(given.0.join("cgroup.subtree_control"));
    assert_eq!(passed.expect("a file").trim(), "");
    assert!(!given.leaf().exists());
}

#[test]
fn a_condition_on_memory_that_cannot_fire_is_told_of_once() {
    let units = sleepers("uncounted");
    let condition = "[[condition]]\non = \"oom-kill\"\nactions = [ { log = \"short\" } ]\n";
    for name in ["three", "four"] {
        units.write(name, &format!("{SLEEPER}{condition}"));
    }
    let mut command = Command::new(ham());
    command.env("HAM_NO_CGROUP", "1");
    let options = ["-t", "none"];
    let mut manager = Manager::start_by(command, Scratch::new("manager"), &units.path(), &options);
    for name in ["three", "four"] {
        manager.wait_for_state(name, "running");
    }
    manager.kill_monitor("KILL");
    good(&manager, &["restart", "three"]);
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    let log = manager.log();
    assert_eq!(log.matches("no oom-kill condition fires").count(), 1, "{log}");
}

#[test]
fn what_is_detached_hinders_no_controller() {
    let what = "what_is_detached_hinders_no_controller";
    let Some(given) = Given::new("", what) else { return };
    let units = sleepers("detached");
    let mut manager = given.start(&units);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    let pid = manager.pid_of("one");
    good(&manager, &["detach", "one"]);
    wait_until("it is with ham", || cgroup_of(pid) == Some(given.leaf()));
    assert_eq!(given.members(""), [0u32; 0]);
    // At the end it is where ham was started, as before.
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    assert!(lives(pid));
    assert_eq!(cgroup_of(pid), Some(given.0.clone()));
    assert!(strike(pid, Signal::SIGKILL));
}

#[test]
fn the_leaf_of_one_that_was_killed_is_taken() {
    let what = "the_leaf_of_one_that_was_killed_is_taken";
    let Some(given) = Given::new("", what) else { return };
    let units = sleepers("killed");
    let mut manager = given.start(&units);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    let all: Vec<u32> = children(manager.pid()).iter().map(|child| child.pid).collect();
    let entities = ["one", "two"].map(|name| manager.pid_of(name));
    manager.signal("KILL");
    manager.wait_for_end();
    for pid in entities {
        assert!(strike(pid, Signal::SIGKILL));
    }
    wait_until("all have ended", || !all.iter().any(|pid| lives(*pid)));
    assert!(given.leaf().exists());
    let next = given.start(&units);
    next.wait_for_state("one", "running");
    next.wait_for_state("two", "running");
    is_in_its_leaf(&given, &next);
}

#[test]
fn the_background_is_in_a_leaf_too() {
    let what = "the_background_is_in_a_leaf_too";
    let Some(given) = Given::new("", what) else { return };
    let units = sleepers("background");
    let scratch = Scratch::new("background");
    let runtime = scratch.path().join("run");
    let mut command = given.within(&ham());
    command.args(["run", "--background", "--units"]).arg(units.path());
    let log = fs::File::create(units.file("log")).expect("a log");
    let status = command.arg("--runtime-dir").arg(&runtime).stderr(log).status();
    assert!(status.expect("it can be executed").success(), "{}", units.text("log"));
    assert_eq!(given.members(""), [0u32; 0]);
    assert_eq!(given.members("ham.supervisor").len(), 3, "{}", units.text("log"));
    let output = ham_tests::bare::hamctl_on(&runtime, &["shutdown"]);
    assert!(output.status.success(), "{}", told(&output));
    wait_until("its end", || !given.leaf().exists());
}

/// It stays where it is and says so, once; its entities have cgroups all the same.
fn stays(given: &Given, units: &Units, why: &str) {
    let mut manager = given.start(units);
    manager.wait_for_state("one", "running");
    assert_eq!(cgroup_of(manager.pid()), Some(given.0.clone()));
    assert!(!given.leaf().exists());
    assert_eq!(manager.status()["ham"]["containment"], "cgroup");
    manager.kill_monitor("KILL");
    manager.wait_for("one", |_| true);
    let log = manager.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("stays in its cgroup")).collect();
    assert!(said.len() == 1 && said[0].contains(why), "{log}");
    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
}

#[test]
fn others_are_left_where_they_are() {
    let what = "others_are_left_where_they_are";
    let Some(given) = Given::new("", what) else { return };
    let mut command = given.within(Path::new("sleep"));
    let other = Stranger::of(command.arg("600"));
    wait_until("it is there", || given.members("") == [other.pid()]);
    let units = sleepers("others");
    let name = || fs::read_to_string(format!("/proc/{}/comm", other.pid())).unwrap_or_default();
    wait_until("its name", || name() == "sleep\n");
    stays(&given, &units, &format!("other processes are in it (sleep ({}))", other.pid()));
    assert_eq!(cgroup_of(other.pid()), Some(given.0.clone()));
}

#[test]
fn what_systemd_has_not_delegated_is_left_to_it() {
    let what = "what_systemd_has_not_delegated_is_left_to_it";
    let Some(given) = Given::new(".service", what) else { return };
    let units = sleepers("kept");
    stays(&given, &units, "systemd has not delegated it (Delegate=yes)");
    // As systemd marks those that it has.
    let Some(python) = skip::program("python3", what) else { return };
    let script = "import os, sys; os.setxattr(sys.argv[1], 'user.delegate', b'1')";
    let marked = Command::new(python).args(["-c", script]).arg(&given.0).output();
    let marked = marked.expect("it can be executed");
    if !marked.status.success() {
        skip::skipped(what, &format!("no attribute can be set: {}", told(&marked)));
        return;
    }
    let manager = given.start(&units);
    manager.wait_for_state("one", "running");
    manager.wait_for_state("two", "running");
    is_in_its_leaf(&given, &manager);
}
