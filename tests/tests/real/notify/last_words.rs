//! What a process has said counts, though it had ended when it was heard.

use super::bed::{PROBE, dropped};
use ham_tests::chaos::strike;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

fn manager(units: &Units, cgroup: bool) -> Manager {
    let mut command = Command::new(ham());
    if !cgroup {
        command.env("HAM_NO_CGROUP", "1");
    }
    Manager::start_by(command, Scratch::new("manager"), &units.path(), &[])
}

fn fifo(units: &Units) -> String {
    let fifo = units.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    fifo
}

/// It says its last and ends, and is reaped, while the monitor stands still.
/// Then that one goes on, or with `takeover` the next.
fn end_unheard(manager: &Manager, units: &Units, takeover: bool) {
    let pid = manager.pid_of("web");
    let monitor = manager.monitor().expect("a monitor");
    assert!(strike(monitor, Signal::SIGSTOP));
    drop(File::options().write(true).open(units.file("fifo")).expect("its FIFO"));
    let place = format!("/proc/{pid}");
    wait_until("it was reaped", || !Path::new(&place).exists());
    assert!(strike(monitor, if takeover { Signal::SIGKILL } else { Signal::SIGCONT }));
}

#[test]
fn the_last_words_of_a_main_process_are_heard() {
    for (cgroup, takeover) in [(true, false), (true, true), (false, false), (false, true)] {
        let units = Units::new("last-words");
        let fifo = fifo(&units);
        let text = format!(
            "[entity]\ncommand = [\"{PROBE}\", \"last\", \"{fifo}\", \"STATUS=no disk\\nERRNO=28\"]\n\
             notify-access = \"main\"\nrestart = \"no\"\n"
        );
        units.write("web", &text);
        let manager = manager(&units, cgroup);
        manager.wait_for_state("web", "running");
        end_unheard(&manager, &units, takeover);
        let web = manager.wait_for_state("web", "failed");
        let what = format!("cgroup {cgroup}, takeover {takeover}");
        assert_eq!((&web["status_text"], &web["errno"]), (&"no disk".into(), &28.into()), "{what}");
        assert_eq!(dropped(&manager), 0, "{what}");
    }
}

#[test]
fn what_a_main_process_hands_over_last_is_given_to_the_next() {
    for takeover in [false, true] {
        let units = Units::new("last-descriptor");
        let fifo = fifo(&units);
        fs::write(units.file("kept"), "kept").expect("a file");
        let script = format!(
            "[ -n \"$LISTEN_FDS\" ] || exec {PROBE} last {fifo} FDSTORE=1 {kept}; \
             cat <&3 > {given}; exec sleep 1000",
            kept = units.file("kept"),
            given = units.file("given"),
        );
        let text = format!(
            "[entity]\ncommand = ['sh', '-c', '''{script}''']\nrestart = \"always\"\nfd-store = 1\n"
        );
        units.write("web", &text);
        let manager = manager(&units, true);
        manager.wait_for_state("web", "running");
        end_unheard(&manager, &units, takeover);
        manager.wait_for("web", |web| web["state"] == "running" && web["restarts"] == 1);
        units.wait_for_text("given", |text| text == "kept");
        assert_eq!(dropped(&manager), 0);
    }
}

#[test]
fn what_is_handed_over_last_is_not_kept_for_one_that_stays_down() {
    let units = Units::new("last-over");
    let fifo = fifo(&units);
    let script = format!("exec {PROBE} last {fifo} FDSTORE=1 {}", units.file("own"));
    nix::unistd::mkfifo(units.file("own").as_str(), Mode::S_IRWXU).expect("a FIFO");
    let text = format!(
        "[entity]\ncommand = ['sh', '-c', '''{script}''']\nrestart = \"no\"\nfd-store = 1\n"
    );
    units.write("web", &text);
    let manager = manager(&units, true);
    manager.wait_for_state("web", "running");
    let mut end = None;
    let pid = manager.pid_of("web");
    let monitor = manager.monitor().expect("a monitor");
    assert!(strike(monitor, Signal::SIGSTOP));
    drop(File::options().write(true).open(&fifo).expect("its FIFO"));
    wait_until("it has opened what it hands over", || {
        end = File::options().write(true).open(units.file("own")).ok();
        end.is_some()
    });
    wait_until("it was reaped", || !Path::new(&format!("/proc/{pid}")).exists());
    assert!(strike(monitor, Signal::SIGCONT));
    manager.wait_for_state("web", "failed");
    assert_eq!(dropped(&manager), 0);
    let mut end = end.expect("its end");
    // Nobody has the other end any more.
    wait_until("it is closed", || std::io::Write::write(&mut end, b"x").is_err());
}
