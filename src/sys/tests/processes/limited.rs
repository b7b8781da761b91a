//! Calls that may never come back, made by a child.

use crate::harness::Scenario;
use ham_sys::limited::{self, Outcome};
use ham_sys::{Errno, process, reap};
use std::time::{Duration, Instant};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "a_call_that_comes_back_tells_how", run: comes_back, inner: false },
    Scenario { name: "a_call_that_hangs_is_left_behind", run: hangs, inner: false },
];

const LONG: Duration = Duration::from_secs(60);

fn comes_back() {
    let outcome = |call: fn() -> Result<(), Errno>| limited::within(LONG, call).unwrap();
    assert_eq!(outcome(|| Ok(())), Outcome::Done);
    assert_eq!(outcome(|| Err(Errno::EBUSY)), Outcome::Failed(Errno::EBUSY));
    // It waits as long as it takes, and no longer.
    let slow = || {
        std::thread::sleep(Duration::from_millis(100));
        Err(Errno::ENOENT)
    };
    let begun = Instant::now();
    assert_eq!(outcome(slow), Outcome::Failed(Errno::ENOENT));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    // A fault of the child is no success.
    let dies = || {
        process::kill_child(process::pid());
        Ok(())
    };
    assert_eq!(outcome(dies), Outcome::Failed(Errno::EINTR));
    assert!(!reap::has_children(), "each was reaped");
}

fn hangs() {
    let short = Duration::from_millis(50);
    let hangs = || {
        std::thread::sleep(LONG);
        Ok(())
    };
    assert_eq!(limited::within(short, hangs).unwrap(), Outcome::Late);
    while reap::has_children() {
        if let Some(exit) = reap::peek_any() {
            reap::collect(exit.pid);
        }
    }
}
