//! Whose notifications count.

use super::bed::{PROBE, Teller, dropped};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

/// A child of the main process says that it is ready, and then that it was
/// heard; the main process lives on.
fn child_tells(units: &Units, more: &str) {
    let heard = units.file("heard");
    let text = format!(
        "[entity]\ncommand = [\"sh\", \"-c\", \"{PROBE} notify READY=1; echo > {heard}; exec sleep 1000\"]\n\
         ready = \"notify\"\n{more}\n"
    );
    units.write("web", &text);
}

#[test]
fn strangers_are_dropped_and_counted() {
    let units = Units::new("notify-stranger");
    let teller = Teller::write(&units, "web", "ready = \"notify\"");
    let manager = Manager::start(&units.path(), &["-v", "-v"]);
    manager.wait_for("web", |web| web["state"] == "starting" && web["pid"].is_u64());
    let socket = UnixDatagram::unbound().expect("a socket");
    let path = manager.runtime().join("notify");
    for _ in 0..3 {
        socket.send_to(b"READY=1\nSTATUS=a stranger", &path).expect("room");
    }
    wait_until("they were dropped", || dropped(&manager) == 3);
    let web = manager.entity("web");
    assert_eq!((&web["state"], &web["status_text"]), (&"starting".into(), &"".into()));
    // What is no text, and what is longer than anybody needs.
    teller.tell("READY=1\0x");
    teller.tell(&format!("STATUS={}", "x".repeat(17_000)));
    wait_until("these, too", || dropped(&manager) == 5);
    teller.tell(&format!("READY=1 \nSTATUS={}", "y".repeat(15_000)));
    manager.wait_for("web", |web| web["status_text"] == "y".repeat(230));
    assert_eq!(manager.entity("web")["state"], "starting");
    let mine = std::process::id();
    let line = format!("a notification of process {mine}, which is no entity's: dropped");
    assert_eq!(manager.log().matches(&line).count(), 1, "{}", manager.log());
}

#[test]
fn a_child_counts_only_where_all_may_tell() {
    let units = Units::new("notify-access");
    child_tells(&units, "");
    let manager = Manager::start(&units.path(), &[]);
    units.wait_for_text("heard", |text| !text.is_empty());
    assert_eq!(manager.entity("web")["state"], "starting");
    // Both of its datagrams: the other is the barrier.
    assert_eq!(dropped(&manager), 2);
    drop(manager);

    child_tells(&units, "notify-access = \"all\"");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    assert_eq!(dropped(&manager), 0);
}

#[test]
fn a_child_is_found_without_a_cgroup() {
    let units = Units::new("notify-session");
    child_tells(&units, "notify-access = \"all\"");
    let mut command = Command::new(ham());
    command.env("HAM_NO_CGROUP", "1");
    let manager = Manager::start_by(command, Scratch::new("manager"), &units.path(), &[]);
    manager.wait_for_state("web", "running");
    assert_eq!(manager.status()["ham"]["containment"], "session");
    assert_eq!(dropped(&manager), 0);
}

#[test]
fn commands_of_its_own_lists_may_tell_by_exec() {
    for (access, heard) in [("main", false), ("exec", true)] {
        let units = Units::new("notify-exec");
        let out = units.file("out");
        let text = format!(
            "[entity]\ncommand = \"sleep infinity\"\nnotify-access = \"{access}\"\n\
             reload = [ {{ execute = [\"sh\", \"-c\", \"(printenv NOTIFY_SOCKET || echo none) > {out}; \
             [ -z $NOTIFY_SOCKET ] || exec {PROBE} notify STATUS=reloaded\"] }} ]\n"
        );
        units.write("web", &text);
        let manager = Manager::start(&units.path(), &[]);
        manager.wait_for_state("web", "running");
        assert!(manager.hamctl(&["reload", "web"]).status.success(), "{}", manager.log());
        let told = units.wait_for_text("out", |text| text.ends_with('\n'));
        assert_eq!(told.trim() != "none", heard, "{told}");
        if heard {
            manager.wait_for("web", |web| web["status_text"] == "reloaded");
        }
        assert_eq!(dropped(&manager), 0);
    }
}

#[test]
fn the_socket_comes_back_when_its_file_has_gone() {
    let units = Units::new("notify-gone");
    let teller = Teller::write(&units, "web", "ready = \"notify\"");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for("web", |web| web["pid"].is_u64());
    let path = manager.runtime().join("notify");
    std::fs::remove_file(&path).expect("it is there");
    manager.replace_settled_monitor();
    wait_until("another socket", || path.exists());
    // What is connected to the one before is heard until its successor is
    // there; who comes now reaches that.
    let socket = UnixDatagram::unbound().expect("a socket");
    wait_until("it is heard", || {
        socket.send_to(b"READY=1", &path).is_ok() && dropped(&manager) > 0
    });
    drop(teller);
    manager.replace_settled_monitor();
    let before = dropped(&manager);
    socket.send_to(b"READY=1", &path).expect("room");
    wait_until("by the next one as well", || dropped(&manager) > before);
}
