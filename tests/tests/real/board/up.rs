//! What is there when a machine is up.

use super::machine::Plan;
use ham_tests::own_units::SLEEPER;
use std::fs;

/// Tells what an entity sees.
const TELLS: &str = r#"
[entity]
command = ["/bin/sh", "-c", "uname -n >/tmp/name; umask >/tmp/mask; env >/tmp/env; echo done >/tmp/done"]
type = "oneshot"
remain = true
"#;

#[test]
fn a_machine_has_what_its_kernel_has_and_keeps_what_was_there() {
    let what = "a_machine_has_what_its_kernel_has_and_keeps_what_was_there";
    let plan = Plan::new("up");
    plan.unit("sleeper", SLEEPER);
    plan.unit("tells", TELLS);
    plan.file("etc/hostname", "# this one\nboard-7\n");
    plan.file("var/lib/ham/random-seed", "of before");
    let Some(board) = plan.start(what, &["nonsense", "root=/dev/sda1", "--version"]) else {
        return;
    };
    board.wait_for_state("sleeper", "running");
    board.wait_until("a word", |board| board.text("tmp/done") == "done\n");
    let mounts = board.mounts();
    for (kind, path) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("tmpfs", "/run"),
        ("cgroup2", "/sys/fs/cgroup"),
    ] {
        let found = mounts.iter().filter(|mount| mount.1 == path).collect::<Vec<_>>();
        assert!(matches!(found.as_slice(), [one] if one.0 == kind), "{path}: {found:?}");
    }
    // What was mounted stays as it is, and is not mounted over.
    assert_eq!(mounts.iter().filter(|mount| mount.1 == "/dev").count(), 1);
    assert!(board.path("dev/was-here").exists());
    assert_eq!(fs::read_link(board.path("dev/fd")).ok(), Some("/proc/self/fd".into()));

    assert_eq!(board.text("tmp/name"), "board-7\n");
    assert_eq!(board.text("tmp/mask"), "0022\n");
    let env = board.text("tmp/env");
    assert!(env.contains("PATH=/usr/local/sbin:"), "{env}");
    assert!(!env.contains("TERM=") && !env.contains("HAM_NO_CGROUP"), "of ham alone: {env}");
    let flags = board.text("sys/class/net/lo/flags");
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
    assert_eq!(flags & 1, 1, "the interface lo is not up");

    assert_eq!(fs::metadata(board.path("var/lib/ham/random-seed")).unwrap().len(), 512);
    assert!(board.path("var/lib/ham/clock").exists());
    let log = board.log();
    for word in ["unexpected argument `nonsense`", "unexpected argument `root=/dev/sda1`"] {
        assert!(log.contains(&format!("ham: warning: {word}")), "{log}");
    }
    assert!(log.contains("is not for the init of a machine"), "{log}");
}

#[test]
fn a_machine_of_a_user_gets_up_with_what_it_may_have() {
    let what = "a_machine_of_a_user_gets_up_with_what_it_may_have";
    let mut plan = Plan::new("user");
    plan.of_user = true;
    plan.unit("sleeper", SLEEPER);
    // By an initramfs, say.
    plan.file("prepare", "mount -t tmpfs -o mode=755 none run; echo kept >run/kept\n");
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("sleeper", "running");
    assert_eq!(board.text("run/kept"), "kept\n");
    assert_eq!(board.mounts().iter().filter(|mount| mount.1 == "/run").count(), 1);
}

#[test]
fn an_init_without_streams_has_the_console() {
    let what = "an_init_without_streams_has_the_console";
    let mut plan = Plan::new("console");
    plan.silent = true;
    plan.unit(
        "says",
        "[entity]\ncommand = [\"/bin/echo\", \"from-an-entity\"]\ntype = \"oneshot\"\n",
    );
    let Some(board) = plan.start(what, &["nonsense"]) else { return };
    board.console.wait_for("from-an-entity", 1);
    board.console.wait_for("unexpected argument `nonsense`", 1);
    board.console.wait_for("ham: version ", 1);
}

#[test]
fn an_init_without_streams_and_without_any_device_gets_up() {
    let what = "an_init_without_streams_and_without_any_device_gets_up";
    let mut plan = Plan::new("closed");
    plan.closed = true;
    plan.unit("sleeper", SLEEPER);
    plan.file("prepare", "for node in dev/*; do umount \"$node\" || true; rm -f \"$node\"; done\n");
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("sleeper", "running");
    assert!(!board.path("dev/console").exists(), "it is not this machine's to be had");
    for stream in 0..3 {
        let to = fs::read_link(format!("/proc/{}/fd/{stream}", board.init));
        assert!(to.as_ref().is_ok_and(|to| to.ends_with("dev/null")), "{stream}: {to:?}");
    }
}

#[test]
fn who_shuts_a_machine_down_switches_it_off() {
    let what = "who_shuts_a_machine_down_switches_it_off";
    let plan = Plan::new("off");
    plan.unit("sleeper", SLEEPER);
    let Some(mut board) = plan.start(what, &[]) else { return };
    board.wait_for_state("sleeper", "running");
    let _ = board.hamctl(&["shutdown"]);
    // reboot(2) in a PID namespace: INT for a power-off. unshare(1) passes that on
    // as a signal or as a code, by its version.
    let status = board.wait_for_end();
    use std::os::unix::process::ExitStatusExt;
    assert!(status.signal() == Some(2) || status.code() == Some(130), "{status:?}");
}

/// Else a machine that crashes would begin with the same seed once more.
#[test]
fn seed_and_clock_are_kept_as_soon_as_there_is_a_place_for_them() {
    let what = "seed_and_clock_are_kept_as_soon_as_there_is_a_place_for_them";
    let plan = Plan::new("keep");
    plan.file("prepare", "mount -t tmpfs -o ro none var/lib\n");
    plan.unit("sleeper", SLEEPER);
    plan.unit(
        "seed",
        "[entity]\ncommand = [\"/bin/sh\", \"-c\", \"/opt/ham keep; echo $? >/tmp/before; \
         mount -o remount,rw /var/lib && /opt/ham keep; echo $? >/tmp/after\"]\n\
         type = \"oneshot\"\nremain = true\nstart = \"manual\"\n",
    );
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("sleeper", "running");
    let seed = board.path("var/lib/ham/random-seed");
    assert!(!seed.exists());
    assert!(board.hamctl(&["start", "seed"]).status.success(), "{}", board.log());
    board.wait_until("a word", |board| !board.text("tmp/after").is_empty());
    assert_eq!((board.text("tmp/before"), board.text("tmp/after")), ("1\n".into(), "0\n".into()));
    assert_eq!(fs::metadata(seed).expect("it was kept").len(), 512);
    assert!(board.path("var/lib/ham/clock").exists());
}
