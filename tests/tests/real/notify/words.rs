//! What the words of a datagram lead to, and that none is lost.

use super::bed::{PROBE, Teller, dropped};
use ham_tests::chaos::strike;
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::Manager;
use ham_tests::skip;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs::File;

const NOTIFY: &str = "ready = \"notify\"";

#[test]
fn who_says_so_is_ready() {
    let units = Units::new("notify-ready");
    let teller = Teller::write(&units, "web", NOTIFY);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    teller.tell("STATUS=reading tables");
    let web = manager.wait_for("web", |web| web["status_text"] == "reading tables");
    assert_eq!(web["state"], "starting");
    teller.tell("READY=1");
    manager.wait_for_state("web", "running");
    teller.tell("ERRNO=2");
    manager.wait_for("web", |web| web["errno"] == 2);
    assert_eq!(dropped(&manager), 0);
}

#[test]
fn a_datagram_that_was_sent_while_there_was_no_monitor_is_heard() {
    let units = Units::new("notify-queued");
    let teller = Teller::write(&units, "web", NOTIFY);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    let pid = manager.pid_of("web");
    let monitor = manager.monitor().expect("a monitor");
    assert!(strike(monitor, Signal::SIGSTOP));
    teller.tell("READY=1");
    teller.tell("STATUS=from before");
    assert!(strike(monitor, Signal::SIGKILL));
    manager.next_monitor(monitor);
    manager.wait_for("web", |web| web["state"] == "running" && web["status_text"] == "from before");
    assert_eq!(manager.pid_of("web"), pid);
    // And once it was heard, another takeover changes nothing.
    manager.replace_settled_monitor();
    manager.wait_for("web", |web| web["state"] == "running" && web["status_text"] == "from before");
}

#[test]
fn the_main_process_is_who_the_main_process_names() {
    let units = Units::new("notify-main");
    // A child that lives on, and a process that is another entity's.
    units.write("other", SLEEPER);
    let script = format!(
        "sleep 1000 & echo $! > {}; exec {PROBE} tell {}",
        units.file("child"),
        units.file("web.fifo")
    );
    let teller = Teller::write(&units, "web", NOTIFY);
    let log = units.file("web.out");
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
             stdout = {{ file = \"{log}\" }}\n{NOTIFY}\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("other", "running");
    manager.wait_for("web", |web| web["pid"].is_u64());
    let first = manager.pid_of("web");
    for wrong in [manager.pid_of("other"), manager.pid(), manager.monitor().unwrap_or(1), 1] {
        teller.tell(&format!("MAINPID={wrong}"));
    }
    teller.tell("READY=1");
    manager.wait_for_state("web", "running");
    assert_eq!(manager.pid_of("web"), first);
    let child: u32 = units.text("child").trim().parse().expect("a process id");
    teller.tell(&format!("MAINPID={child}"));
    manager.wait_for("web", |web| web["pid"] == child);
}

/// Heard before the monitor knows that its program was executed: it is held in
/// between, with what the program says in its socket.
#[test]
fn what_is_said_before_the_start_was_seen_counts() {
    let units = Units::new("notify-early");
    let teller = Teller::write(&units, "web", NOTIFY);
    let (input, log) = (units.file("input"), units.file("web.out"));
    nix::unistd::mkfifo(input.as_str(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    let script = format!(
        "sleep 1000 & echo $! > {}; exec {PROBE} tell {}",
        units.file("child"),
        units.file("web.fifo")
    );
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nstdin = {{ file = \"{input}\" }}\n\
             stdout = {{ file = \"{log}\" }}\n{NOTIFY}\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "starting");
    let first = manager.catch_child("ham-spawn");
    let monitor = manager.next_monitor(0);
    assert!(strike(monitor, Signal::SIGSTOP));
    let _writer = File::options().write(true).open(input).expect("the child reads");
    wait_until("its child", || units.text("child").ends_with('\n'));
    let child: u32 = units.text("child").trim().parse().expect("a process id");
    for line in [&format!("MAINPID={child}"), "STATUS=early", "READY=1"] {
        teller.tell(line);
    }
    assert!(strike(monitor, Signal::SIGCONT));
    manager.wait_for("web", |web| web["state"] == "running" && web["pid"] == child);
    manager.wait_for("web", |web| web["status_text"] == "early");
    assert_eq!(manager.next_monitor(0), monitor);
    assert!(manager.log().contains(&format!("web: started, pid {first}\n")), "{}", manager.log());
}

#[test]
fn systemd_notify_is_understood() {
    let what = "systemd-notify as a sender";
    let Some(program) = skip::program("systemd-notify", what) else { return };
    let units = Units::new("notify-systemd");
    let (go, done) = (units.file("go"), units.file("done"));
    // It waits until it was heard (BARRIER=1), and says that it did.
    let script = format!(
        "while [ ! -e {go} ]; do sleep 0.02; done; \
         {program} --ready --status='up and running' && echo heard > {done}; \
         sleep 1000 & {program} --pid=$! && echo $! >> {done}; wait",
        program = program.display()
    );
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{NOTIFY}\nnotify-access = \"all\"\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    std::fs::write(&go, "").expect("a file");
    manager.wait_for("web", |web| web["status_text"] == "up and running");
    manager.wait_for_state("web", "running");
    let text = units.wait_for_text("done", |text| text.lines().count() == 2);
    let (heard, pid) = text.trim().split_once('\n').expect("two lines");
    assert_eq!(heard, "heard");
    let pid: u32 = pid.parse().expect("a process id");
    manager.wait_for("web", |web| web["pid"] == pid);
    assert_eq!(dropped(&manager), 0);
}

#[test]
fn a_flood_starves_nobody() {
    let units = Units::new("notify-flood");
    let teller = Teller::write(&units, "web", NOTIFY);
    units.write(
        "flood",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"while :; do {PROBE} notify STATUS=x; done\"]\n\
             {NOTIFY}\nnotify-access = \"all\"\n"
        ),
    );
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("flood", |flood| flood["status_text"] == "x");
    manager.wait_for("web", |web| web["pid"].is_u64());
    teller.tell("READY=1");
    manager.wait_for_state("web", "running");
    wait_until("an answer", || manager.hamctl(&["stop", "flood"]).status.success());
}
