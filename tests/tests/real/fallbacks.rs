//! The same manager where less is allowed: on older kernels, without clone3, without
//! sharing of descriptor tables, with the capabilities of a container, without root.
//! It says how it gets by, and supervises all the same.

mod old_kernel;
mod refuse;
mod scenario;

use ham_tests::chaos::strike;
use ham_tests::container::CAPABILITIES;
use ham_tests::executables::copy_program;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use nix::libc::{EMFILE, ENOSYS, EPERM, SYS_clone3, SYS_pidfd_open};
use nix::sys::signal::Signal;
use refuse::{refusing, rule};
use scenario::{start_by, supervises, units};
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user and group that every Debian has for those who may do nothing.
const NOBODY: u32 = 65534;

fn with_variables(variables: &[&str], units: &Units) -> Manager {
    let mut command = Command::new(ham());
    command.envs(variables.iter().map(|name| (name, "1")));
    start_by(command, units)
}

#[test]
fn each_fallback_can_be_switched_on() {
    for (variables, spawn) in [
        (&["HAM_NO_CLONE3"][..], "clone"),
        (&["HAM_NO_CLONE_FILES"], "clone3"),
        (&["HAM_NO_CLONE3", "HAM_NO_CLONE_FILES", "HAM_NO_CGROUP"], "clone"),
        (&["HAM_NO_CGROUP"], "clone3"),
        (&["HAM_NO_CGROUP_KILL"], "clone3"),
    ] {
        let units = units("fallback");
        let mut manager = with_variables(variables, &units);
        supervises(&mut manager, &units, spawn);
        if variables.contains(&"HAM_NO_CGROUP") {
            assert!(manager.log().contains("no cgroup (switched off by HAM_NO_CGROUP)"));
        }
    }
}

/// A manager whose clone3 ends in that error.
fn without_clone3(units: &Units, error: i32, what: &str) -> Option<Manager> {
    Some(start_by(refusing(units, &[rule(SYS_clone3, error)], &ham(), what)?, units))
}

/// That there is no room for another descriptor says nothing about a process.
#[test]
fn a_main_process_that_cannot_be_watched_is_not_taken_for_ended() {
    let what = "a main process that ham has not made, without pidfd_open";
    let units = Units::new("unwatched");
    let child = units.file("child");
    // Its parent, which ham has made, lives on and takes note of its end.
    let script = format!(
        "sleep 1000 & echo $! > {child}; \
         {} notify \"$(printf \"MAINPID=%s\\nREADY=1\" $!)\"; wait; exec sleep 1000",
        env!("CARGO_BIN_EXE_ham-probe")
    );
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", '''{script}''']\nready = \"notify\"\n\
             notify-access = \"all\"\nrestart = \"no\"\n"
        ),
    );
    // Only of the reaper a descriptor can be had.
    let rules = [format!("{SYS_pidfd_open}:{EMFILE}:0:not:self")];
    let Some(command) = refusing(&units, &rules, &ham(), what) else { return };
    let mut manager = start_by(command, &units);
    manager.wait_for_log("what it cannot do", |log| log.contains("cannot be watched"));
    manager.wait_for_state("web", "running");
    let child: u32 = units.text("child").trim().parse().expect("a process id");
    assert_eq!(manager.pid_of("web"), child);
    assert!(strike(child, Signal::SIGKILL));
    manager.wait_for("web", |web| web["pid"] != child);
}

#[test]
fn a_filter_that_does_not_know_clone3_is_no_hindrance() {
    let units = units("enosys");
    let what = "a_filter_that_does_not_know_clone3_is_no_hindrance";
    let Some(mut manager) = without_clone3(&units, ENOSYS, what) else { return };
    supervises(&mut manager, &units, "clone");
    let log = manager.log();
    assert!(log.contains("ham: clone3 is refused here"), "{log}");
}

/// Whether threads can be made is up to the C library: glibc gives up since
/// 2.34, earlier ones and musl do not ask for clone3.
#[test]
fn a_filter_that_forbids_clone3_is_no_hindrance_or_named() {
    let units = units("eperm");
    let what = "a_filter_that_forbids_clone3_is_no_hindrance_or_named";
    let before = cgroups();
    let Some(mut manager) = without_clone3(&units, EPERM, what) else { return };
    manager.wait_for_log("its word", |log| {
        log.contains("ham: a filter refuses clone3 with EPERM") || log.contains("steady: started")
    });
    if manager.log().contains("steady: started") {
        supervises(&mut manager, &units, "clone");
    } else {
        // EX_UNAVAILABLE
        assert_eq!(manager.wait_for_end().code(), Some(69), "{}", manager.log());
        assert_eq!(manager.log().lines().count(), 1, "{}", manager.log());
    }
    // Those of managers that run beside this one go, too.
    let others: Vec<PathBuf> = cgroups().into_iter().filter(|dir| !before.contains(dir)).collect();
    wait_until("no cgroup is left", || others.iter().all(|dir| !dir.exists()));
}

/// Trees of managers in the cgroup of this process.
fn cgroups() -> Vec<PathBuf> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (mounts, own) = (read("/proc/self/mountinfo"), read("/proc/self/cgroup"));
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let mount = mount.and_then(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let entries = mount.zip(own).and_then(|(mount, own)| fs::read_dir(mount.join(own)).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_tree = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ham-"))
    };
    paths.filter(is_tree).collect()
}

/// A command that gives up rights and then executes what follows.
fn setpriv(what: &str, options: &[&str]) -> Option<Command> {
    if !skip::is_root(what) {
        return None;
    }
    let program = skip::program("setpriv", what)?;
    let mut command = Command::new(program);
    command.args(options);
    let trial = Command::new(command.get_program()).args(options).arg("/bin/true").output();
    let trial = trial.expect("it can be executed");
    if !trial.status.success() {
        let errors = String::from_utf8_lossy(&trial.stderr);
        skip::skipped(what, &format!("setpriv is refused: {errors}"));
        return None;
    }
    Some(command)
}

#[test]
fn a_containers_capabilities_suffice() {
    let set = CAPABILITIES.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
    let options = ["--inh-caps", &set, "--bounding-set", &set];
    let Some(mut command) = setpriv("a_containers_capabilities_suffice", &options) else { return };
    command.arg(ham());
    let units = units("container");
    let file = units.file("status");
    units.write(
        "other-user",
        &format!(
            "[entity]\ncommand = \"cat /proc/self/status\"\nuser = \"nobody\"\nrestart = \"no\"\n\
             stdout = {{ file = \"{file}\" }}\n"
        ),
    );
    let mut manager = start_by(command, &units);
    let text = units.wait_for_text("status", |text| text.contains("Seccomp:"));
    assert!(text.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n")), "{text}");
    assert!(text.contains("CapEff:\t0000000000000000\n"), "{text}");
    let own = fs::read_to_string(format!("/proc/{}/status", manager.pid())).expect("it runs");
    // cap_sys_admin is number 21.
    let effective = own.lines().find_map(|line| line.strip_prefix("CapEff:\t")).expect("a line");
    let effective = u64::from_str_radix(effective, 16).expect("a mask");
    assert_eq!((effective.count_ones(), effective >> 21 & 1), (14, 0));
    supervises(&mut manager, &units, "clone3");
}

/// A copy of ham that anybody may execute, wherever the tree stands.
fn public_copy(folder: &Path) -> PathBuf {
    let copy = folder.join("ham");
    copy_program(ham(), &copy);
    copy
}

#[test]
fn a_manager_without_rights_does_what_its_user_may() {
    let what = "a_manager_without_rights_does_what_its_user_may";
    let options = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let Some(mut command) = setpriv(what, &options) else { return };
    let units = units("unprivileged");
    units.write(
        "presumes",
        "[entity]\ncommand = \"sleep 600\"\nuser = \"root\"\nrestart = \"no\"\n",
    );
    units.write("own", "[entity]\ncommand = \"sleep 600\"\nuser = \"nobody\"\nrestart = \"no\"\n");
    let scratch = Scratch::new("manager");
    for folder in [scratch.path(), units.folder()] {
        chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    command.arg(public_copy(units.folder()));
    let options = ["-t", "none"];
    let mut manager = Manager::start_by(command, scratch, &units.path(), &options);
    manager.wait_for_state("own", "running");
    manager.wait_for_log("what is not allowed", |log| {
        log.contains("presumes: could not start: could not set the ")
            && log.contains("Operation not permitted (EPERM)")
    });
    // Where it was started, as nobody's own manager should.
    let place = fs::read_link(format!("/proc/{}/cwd", manager.pid_of("own"))).expect("root may");
    assert_eq!(place, std::env::current_dir().expect("the test stands somewhere"));
    assert_eq!(manager.status()["ham"]["containment"], "session");
    assert!(manager.log().contains("ham: no cgroup ("), "{}", manager.log());
    supervises(&mut manager, &units, "clone3");
}
