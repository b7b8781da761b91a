//! What is done last on a machine: whoever is left is ended, and file systems go
//! in the reverse order of how they came.

use super::asks;
use ham_tests::machine::{End, Machine};
use ham_tests::own_units::Units;

#[test]
fn whoever_does_not_want_to_end_is_killed() {
    let units = Units::new("stragglers");
    // Its unit ends the main process alone, and what it has left behind is deaf
    // to TERM and in a session of its own.
    let [left, heard] = ["left", "heard"].map(|name| units.file(name));
    let deaf =
        format!("trap 'echo TERM > {heard}' TERM; echo > {left}; while :; do sleep 0.1; done");
    std::fs::write(units.file("deaf"), deaf).expect("our file");
    let script = format!("setsid sh {} & exec sleep infinity", units.file("deaf"));
    units.write(
        "leaves",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n\
             stop = {{ kill = \"none\" }}\n"
        ),
    );
    let Some(mut machine) = Machine::start("stragglers", &units, "", &[]) else { return };
    units.wait_for_text("left", |text| !text.is_empty());
    asks(&machine, &["detach", "leaves"]);
    asks(&machine, &["reboot"]);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
    // Asked first.
    assert_eq!(units.text("heard"), "TERM\n", "{}", machine.log());
}

#[test]
fn file_systems_go_in_reverse_order() {
    let units = Units::new("mounts");
    let [a, b, inner, space] =
        ["a", "b", "a/inner", "with a blank"].map(|name| units.file(&format!("mnt/{name}")));
    let mount = |at: &str| format!("mkdir -p '{at}' && mount -t tmpfs none '{at}' && ");
    let all = [&a, &b, &inner, &space].map(|at| mount(at)).concat();
    units.write("sleeper", ham_tests::own_units::SLEEPER);
    // Once more over another, and one that somebody keeps in use: this shell,
    // which becomes the init.
    let more = format!("{all} mount -t tmpfs none '{b}' && exec 7>'{space}/open' && ");
    let Some(mut machine) = Machine::start("mounts", &units, &more, &[]) else { return };
    machine.wait_for_log("a sleeper", |log| log.contains("sleeper: started"));
    asks(&machine, &["poweroff"]);
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    let log = machine.log();
    let places = |text: &str| -> Vec<usize> {
        log.match_indices(&format!("{text}\n")).map(|(at, _)| at).collect()
    };
    let gone = |path: &str| places(&format!("unmounted {path}"));
    assert_eq!(gone(&b).len(), 2, "one over the other: {log}");
    let (outer, inner) = (gone(&a), gone(&inner));
    assert!(outer.len() == 1 && inner.len() == 1 && inner[0] < outer[0], "{log}");
    // The latest before the first.
    assert!(gone(&b)[0] < inner[0], "{log}");
    let begun = places("ham: unmounting file systems");
    let ended = places("sleeper: stopped: signal TERM (pid ".trim_end());
    assert!(begun.len() == 1 && begun[0] < gone(&b)[0] && ended.is_empty(), "{log}");
    assert!(log.find("sleeper: stopped").is_some_and(|at| at < begun[0]), "{log}");
    // The system's own stay: the helper and its messages need them.
    for kept in ["/proc", "/run", "/dev"] {
        assert!(gone(kept).is_empty(), "{kept}: {log}");
    }
    assert_eq!(gone(&space).len(), 1, "ham keeps nothing open that is not its own: {log}");
}

#[test]
fn what_is_in_use_is_made_read_only_and_goes_out_of_sight() {
    let units = Units::new("busy");
    let (busy, below) = (units.file("busy"), units.file("busy/below"));
    units.write("sleeper", ham_tests::own_units::SLEEPER);
    // The state of the manager is in it, which ham has mapped to the end.
    let more = format!(
        "mkdir -p {busy} && mount -t tmpfs none {busy} && mkdir -p {below} && \
         mount -t tmpfs none {below} && cd {busy} && "
    );
    let Some(mut machine) = Machine::start("busy", &units, &more, &[]) else { return };
    machine.wait_for_log("a sleeper", |log| log.contains("sleeper: started"));
    asks(&machine, &["reboot"]);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
    let log = machine.log();
    assert!(log.contains(&format!("unmounted {below}\n")), "{log}");
    assert!(!log.contains(&format!("unmounted {busy}\n")), "{log}");
    assert!(log.contains(&format!("{busy} is in use: out of sight\n")), "{log}");
    // Nothing of it is open for writing.
    assert!(!log.contains(&format!("could not make {busy} read-only")), "{log}");
}

#[test]
fn by_hand_the_last_steps_take_nothing_away() {
    let output = ham_tests::bare::ham_output(&["last"]);
    let told = ham_tests::bare::told(&output);
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("`last` is for ham itself"), "{told}");
}

/// Each of them forks the next and ends, so that none is there for long.
#[test]
fn whoever_forks_faster_than_anybody_looks_ends_too() {
    let units = Units::new("chain");
    let (place, begun, chain) = (units.file("place"), units.file("begun"), units.file("chain"));
    let next = format!("trap '' TERM; cd {place}; echo > {begun}; setsid sh {chain} & exit 0");
    std::fs::write(&chain, next).expect("our file");
    let script = format!("sh {chain}; exec sleep infinity");
    units.write(
        "leaves",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n\
             stop = {{ kill = \"none\" }}\n"
        ),
    );
    let more = format!("mkdir {place} && mount -t tmpfs none {place} && ");
    let Some(mut machine) = Machine::start("chain", &units, &more, &[]) else { return };
    units.wait_for_text("begun", |text| !text.is_empty());
    asks(&machine, &["detach", "leaves"]);
    asks(&machine, &["reboot"]);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
    assert!(machine.log().contains(&format!("unmounted {place}\n")), "{}", machine.log());
}
