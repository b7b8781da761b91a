//! The process that keeps the death of a monitor or guardian short: each has
//! one of its own, which has nothing open and ends with it, whatever ends that.

use ham_tests::chaos::{children, lives, strike};
use ham_tests::own_units::{SLEEPER, Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use std::fs;

fn heir_of(pid: u32) -> Option<u32> {
    let heirs = children(pid).into_iter().filter(|child| child.name == "ham-heir");
    heirs.map(|child| child.pid).next()
}

#[test]
fn an_heir_ends_with_its_process() {
    let units = Units::new("heirs");
    units.write("one", SLEEPER);
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("one", "running");
    let entity = manager.pid_of("one");
    for role in ["ham-monitor", "ham-guardian"] {
        let pid = manager.catch_child(role);
        let mut heir = 0;
        wait_until("an heir", || {
            heir = heir_of(pid).unwrap_or(0);
            heir != 0
        });
        let open = fs::read_dir(format!("/proc/{heir}/fd")).map(Iterator::count);
        assert_eq!(open.ok(), Some(0), "it holds what its process has closed");
        assert!(strike(pid, Signal::SIGKILL));
        wait_until("the end of the heir", || !lives(heir));
    }
    assert_eq!(manager.pid_of("one"), entity);
}
