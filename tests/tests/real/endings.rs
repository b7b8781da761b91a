//! How actions end the manager: with an exit code, by another program in its
//! place, by reboot(2); always in good order, and whoever of it is killed on the
//! way.

use ham_tests::own_units::Units;
use ham_tests::programs::{Manager, PATIENCE, Scratch, ham};
use ham_tests::skip::skipped;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// One that ends when it may, so that the manager can be met on its way down.
pub(crate) fn slow(units: &Units) {
    let [asked, go, up] = ["asked", "go", "up"].map(|name| units.file(name));
    let script = format!(
        "trap 'echo > {asked}; until [ -e {go} ]; do sleep 0.05; done; exit 0' TERM; \
         echo > {up}; while :; do sleep 0.1; done"
    );
    units.write(
        "slow",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n\
             stop = {{ timeout = \"60s\" }}\n"
        ),
    );
}

/// One that dies when the slow one is up, and what is done then.
fn dies(units: &Units, action: &str) {
    let up = units.file("up");
    let script = format!("until [ -e {up} ]; do sleep 0.05; done; exit 3");
    units.write(
        "dies",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
             [[condition]]\non = \"death\"\n[[condition.actions]]\nname = \"end\"\n{action}\n"
        ),
    );
}

/// Up to its way down, where the monitor is killed, and to its end.
fn end_over_a_kill(units: &Units) -> (Manager, std::process::ExitStatus) {
    slow(units);
    let mut manager = Manager::start(&units.path(), &["-t", "none", "--stop-deadline", "60s"]);
    units.wait_for_text("asked", |text| !text.is_empty());
    manager.kill_monitor("KILL");
    fs::write(units.file("go"), "").expect("our file");
    let status = manager.wait_for_end();
    (manager, status)
}

#[test]
fn an_action_ends_the_manager_with_its_code() {
    let units = Units::new("exit-code");
    dies(&units, "shutdown = { exit-code = 7 }");
    let (manager, status) = end_over_a_kill(&units);
    assert_eq!(status.code(), Some(7), "{}", manager.log());
    assert!(manager.log().contains("slow: stopped: exit 0"), "{}", manager.log());
    // Why all is stopped must not have to be guessed.
    assert!(manager.log().contains("ham: shutting down by dies: death/end"), "{}", manager.log());
}

#[test]
fn a_program_takes_the_place_of_the_manager() {
    let units = Units::new("recovery");
    let [told, by] = ["told", "by"].map(|name| units.file(name));
    let script = format!(
        "echo $0 $1 $$ > {by}; grep ^Sig[BI] /proc/self/status > {told}; \
         ls -l /proc/self/fd >> {told}; ulimit -n >> {told}; echo done >> {told}; exit 5"
    );
    dies(
        &units,
        &format!("exec-recovery = [\"/bin/sh\", \"-c\", \"{script}\", \"me\", \"\\u00e4 b\"]"),
    );
    let (manager, status) = end_over_a_kill(&units);
    assert_eq!(status.code(), Some(5), "{}", manager.log());
    // In the same process, with its arguments as they stand in the unit.
    assert_eq!(units.text("by"), format!("me \u{e4} b {}\n", manager.pid()));
    let told = units.text("told");
    let fresh = |script: &str| {
        let output = Command::new("sh").args(["-c", script]).output().expect("a shell");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Blocked is nothing, and nothing is ignored but what a child of the test
    // ignores, too. (32 and 33 are the C library's own.)
    let mask = |text: &str, name: &str| {
        let word = text.lines().find_map(|line| line.strip_prefix(name)).expect("a mask").trim();
        u64::from_str_radix(word, 16).expect("hexadecimal") & 0x7fff_ffff
    };
    let ordinary = fresh("grep ^Sig[BI] /proc/self/status");
    assert_eq!(mask(&told, "SigBlk:"), 0, "{told}");
    assert_eq!(mask(&told, "SigIgn:") & !mask(&ordinary, "SigIgn:"), 0, "{told}");
    // Its three streams, and what `ls` reads.
    assert_eq!(told.matches(" -> ").count(), 4, "{told}");
    assert!(told.ends_with(&format!("{}done\n", fresh("ulimit -n"))), "{told}");
    assert!(!manager.runtime().join("control").exists(), "{}", manager.log());
}

#[test]
fn a_recovery_that_cannot_be_executed_is_told() {
    let units = Units::new("no-recovery");
    dies(&units, "exec-recovery = [\"/nonexistent/program\"]");
    fs::write(units.file("up"), "").expect("our file");
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    let status = manager.wait_for_end();
    let log = manager.log();
    assert_eq!(status.code(), Some(111), "{log}");
    let why = "ham: recovery failed: could not execute a command: No such file or directory";
    assert!(log.contains(why), "{log}");
}

#[test]
fn who_is_not_the_init_of_a_machine_does_not_reboot_it() {
    let units = Units::new("no-reboot");
    dies(&units, "reboot = {}\non-fail = [ { log = \"not here\" } ]");
    fs::write(units.file("up"), "").expect("our file");
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_log("the refusal", |log| {
        log.contains("dies: action death/end failed: ham is not the init of this machine")
            && log.contains("dies: not here")
    });
    assert!(manager.hamctl(&["status"]).status.success());
}

/// In a PID namespace of its own reboot(2) ends its init by HUP, for whoever
/// has made the namespace to see.
#[test]
fn as_the_init_of_a_container_it_asks_for_a_reboot() {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        skipped("reboot of a container", "no right to make a PID namespace");
        return;
    }
    for (allowed, signal) in [(true, Some(1)), (false, None)] {
        let units = Units::new("reboot");
        dies(&units, "reboot = {}\non-fail = [ { shutdown = { exit-code = 9 } } ]");
        fs::write(units.file("up"), "").expect("our file");
        let scratch = Scratch::new("reboot-manager");
        let mut command = unshare();
        let mut child = command
            .arg(ham())
            .arg("run")
            .args(["-t", "none", "--units"])
            .arg(units.path())
            .arg("--runtime-dir")
            .arg(scratch.path().join("run"))
            .env("HAM_REBOOT", if allowed { "1" } else { "0" })
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stderr(fs::File::create(units.file("log")).expect("a log file"))
            .spawn()
            .expect("unshare can be executed");
        let deadline = std::time::Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                break status;
            }
            if std::time::Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it does not end: {}", units.text("log"));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        let log = units.text("log");
        assert_eq!(status.signal(), signal, "{status}: {log}");
        assert_eq!(status.code(), signal.map_or(Some(9), |_| None), "{status}: {log}");
    }
}
