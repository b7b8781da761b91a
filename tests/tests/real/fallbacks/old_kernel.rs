//! Kernels as old as Linux 5.10: what is newer is refused as that refuses it, one
//! thing at a time and all at once. What no filter can refuse, because it is a file
//! of the kernel's, is switched off by a variable of ham's own.

use super::refuse::{refusing, rule, rule_of};
use super::scenario::{start_by, supervises, tells_of_others, units, units_of_others};
use ham_tests::bare::Bare;
use ham_tests::chaos::{lives, strike};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{PATIENCE, Scratch, ham, hamctl, repository};
use nix::libc::{
    self, EINVAL, ENOPROTOOPT, ENOSYS, ENOTTY, EOPNOTSUPP, EPERM, SYS_close_range, SYS_execveat,
    SYS_fcntl, SYS_fsconfig, SYS_getsockopt, SYS_ioctl, SYS_madvise, SYS_memfd_create, SYS_mlock2,
    SYS_pidfd_open, SYS_pidfd_send_signal, SYS_prctl, SYS_setsockopt, SYS_statx,
};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Of the last system call that Linux 5.10 has, process_madvise(2); from 424 up the
/// numbers are the same on every architecture.
const LAST_OF_5_10: i64 = 440;

/// Something that may be missing, and has its own way around it.
struct Feature {
    /// As ham(8) has it in START.
    name: &'static str,
    rules: Vec<String>,
    /// What `status` says of how processes are made.
    spawn: &'static str,
    /// A line of the log, if it is said.
    said: Option<&'static str>,
}

/// What ham uses that is newer than its floor, or that filters refuse.
fn features() -> Vec<Feature> {
    let quiet = |name, rules| Feature { name, rules, spawn: "clone3", said: None };
    vec![
        Feature {
            spawn: "clone",
            said: Some("ham: clone3 is refused here"),
            ..quiet("clone3(2)", vec![rule(libc::SYS_clone3, ENOSYS)])
        },
        // CLOSE_RANGE_UNSHARE is 2, CLOSE_RANGE_CLOEXEC is 4.
        Feature {
            said: Some("ham: close_range cannot unshare here"),
            ..quiet("cannot unshare", vec![rule_of(SYS_close_range, EINVAL, 2, "any", 2)])
        },
        quiet("close_range(2) cannot mark", vec![rule_of(SYS_close_range, EINVAL, 2, "any", 4)]),
        Feature {
            said: Some("ham: close_range cannot unshare here"),
            ..quiet("close_range(2) is missing", vec![rule(SYS_close_range, ENOSYS)])
        },
        Feature {
            said: Some("under memory pressure the state may be paged out"),
            ..quiet("mlock2(2)", vec![rule(SYS_mlock2, EPERM)])
        },
        // MFD_NOEXEC_SEAL.
        quiet("MFD_NOEXEC_SEAL", vec![rule_of(SYS_memfd_create, EINVAL, 1, "any", 8)]),
        quiet("MADV_POPULATE_READ", vec![rule_of(SYS_madvise, EINVAL, 2, "is", 22)]),
        quiet("SO_PEERPIDFD", vec![rule_of(SYS_getsockopt, ENOPROTOOPT, 2, "is", 77)]),
        // Those of descriptors of processes are of the type 0xff.
        quiet("PIDFD_GET_INFO", vec![rule_of(SYS_ioctl, ENOTTY, 1, "0xff00/is", 0xff00)]),
        quiet("statx(2)", vec![rule(SYS_statx, ENOSYS)]),
        quiet("newer system call", vec![format!(">{LAST_OF_5_10}:{ENOSYS}")]),
    ]
}

/// Linux 5.10, by what a filter can see: also flags and requests that ham itself
/// does not use, but the C library and Rust's may.
fn linux_5_10() -> Vec<String> {
    vec![
        format!(">{LAST_OF_5_10}:{ENOSYS}"),
        rule_of(SYS_close_range, EINVAL, 2, "any", !2),
        // Close-on-exec, sealing, huge pages and their sizes (from bit 26 up).
        rule_of(SYS_memfd_create, EINVAL, 1, "any", !(7 | 0x3f << 26)),
        // MADV_PAGEOUT; those of tests of the kernel's own are above 99.
        rule_of(SYS_madvise, EINVAL, 2, "above", 21),
        // SO_DETACH_REUSEPORT_BPF.
        rule_of(SYS_getsockopt, ENOPROTOOPT, 2, "above", 68),
        rule_of(SYS_setsockopt, ENOPROTOOPT, 2, "above", 68),
        rule_of(SYS_ioctl, ENOTTY, 1, "0xff00/is", 0xff00),
        // PR_GET_IO_FLUSHER.
        rule_of(SYS_prctl, EINVAL, 0, "above", 58),
        // F_DUPFD_QUERY and F_CREATED_QUERY.
        rule_of(SYS_fcntl, EINVAL, 1, "is", 1027),
        rule_of(SYS_fcntl, EINVAL, 1, "is", 1028),
        // All but PIDFD_NONBLOCK, and any.
        rule_of(SYS_pidfd_open, EINVAL, 1, "any", !0x800),
        rule_of(SYS_pidfd_send_signal, EINVAL, 3, "any", !0),
        // AT_EXECVE_CHECK.
        rule_of(SYS_execveat, EINVAL, 4, "any", 0x10000),
        // FSCONFIG_CMD_RECONFIGURE.
        rule_of(SYS_fsconfig, EOPNOTSUPP, 1, "above", 7),
    ]
}

/// A program as it is on that kernel.
fn on_linux_5_10(units: &Units, program: &Path, what: &str) -> Option<Command> {
    let mut command = refusing(units, &linux_5_10(), program, what)?;
    command.env("HAM_NO_CGROUP_KILL", "1");
    Some(command)
}

#[test]
fn whatever_is_missing_has_its_way_around() {
    std::thread::scope(|scope| {
        for feature in features() {
            scope.spawn(move || {
                let what = format!("without {}", feature.name);
                let units = units("missing");
                units_of_others(&units);
                let Some(command) = refusing(&units, &feature.rules, &ham(), &what) else { return };
                let mut manager = start_by(command, &units);
                tells_of_others(&mut manager, &units);
                supervises(&mut manager, &units, feature.spawn);
                let log = manager.log();
                if let Some(line) = feature.said {
                    assert!(log.contains(line), "{what}: {log}");
                }
            });
        }
    });
}

#[test]
fn linux_5_10_is_new_enough() {
    let units = units("floor");
    units_of_others(&units);
    let Some(command) = on_linux_5_10(&units, &ham(), "linux_5_10_is_new_enough") else { return };
    let mut manager = start_by(command, &units);
    tells_of_others(&mut manager, &units);
    let before = manager.pid_of("steady");
    let mut ctl = on_linux_5_10(&units, &hamctl(), "hamctl").expect("as before");
    let output =
        ctl.arg("--runtime-dir").arg(manager.runtime()).args(["restart", "steady"]).output();
    assert!(output.expect("it can be executed").status.success(), "{}", manager.log());
    assert_ne!(manager.pid_of("steady"), before);
    supervises(&mut manager, &units, "clone3");
}

/// A process that this test has caused and no ham ends: it goes with the test.
struct Left(u32);

impl Drop for Left {
    fn drop(&mut self) {
        strike(self.0, Signal::SIGKILL);
    }
}

/// All three of ham's processes end, and another is started: it knows what runs,
/// and starts none of it a second time.
#[test]
fn linux_5_10_tells_the_next_manager_what_runs() {
    let what = "linux_5_10_tells_the_next_manager_what_runs";
    let units = Units::new("next");
    let script = format!("echo $$ >>{}; exec sleep 600", units.file("starts"));
    units.write("steady", &format!("[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"));
    // So that the state outlives the manager.
    let Some(scratch) = Scratch::in_memory("manager") else { return };
    let runtime = scratch.path().join("run");
    if on_linux_5_10(&units, &ham(), what).is_none() {
        return;
    }
    let command = || {
        let mut command = on_linux_5_10(&units, &ham(), what).expect("as before");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let start = || Bare::start(command(), &units.path(), &runtime, &[]);
    let starts = || units.text("starts").lines().count();

    let mut first = start();
    let pid = units.wait_for_text("starts", |text| text.ends_with('\n'));
    let pid: u32 = pid.trim().parse().expect("a process id");
    let left = Left(pid);
    first.signal(Signal::SIGKILL);
    assert!(first.ended_within(PATIENCE).is_some());

    let mut errors = String::new();
    // While one of the other processes of the first is there it is occupied.
    wait_until("it knows what runs", || {
        let mut next = command();
        let next = next.args(["run", "--units"]).arg(units.path()).arg("--runtime-dir");
        let next = next.arg(&runtime).output().expect("it can be executed");
        errors = String::from_utf8_lossy(&next.stderr).into_owned();
        assert_eq!(next.status.code(), Some(75), "{errors}");
        !errors.contains("another ham")
    });
    assert!(errors.contains(&format!("steady ({pid})")), "{errors}");
    assert!(lives(pid) && starts() == 1);

    drop(left);
    wait_until("its end", || !lives(pid));
    let _last = start();
    wait_until("a start", || starts() == 2);
}

#[test]
fn linux_5_10_has_what_init_needs() {
    let what = "linux_5_10_has_what_init_needs";
    let units = Units::new("init");
    let Some(mut command) = on_linux_5_10(&units, &ham(), what) else { return };
    // An orphan, which init reaps and waits for.
    let script = "(sleep 0.1; echo late) & echo early; exit 5";
    let output = command.args(["init", "-s", "--", "sh", "-c", script]).stdin(Stdio::null());
    let output = output.output().expect("it can be executed");
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("early\n"));
}

#[test]
fn the_page_names_all_that_may_be_missing() {
    let page = fs::read_to_string(repository().join("man/ham.8")).expect("the page");
    let start = page.split("\n.SH ").find(|section| section.starts_with("START\n"));
    let start = start.expect("the section").replace("\\-", "-");
    // Lines of text end where they are full.
    let start = start.replace('\n', " ");
    for feature in features() {
        assert!(start.contains(feature.name), "{} is not in START", feature.name);
    }
}
