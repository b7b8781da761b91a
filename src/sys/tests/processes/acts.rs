//! What this binary does when a scenario spawns it as an entity: families of
//! processes that try to get away. All are bounded, and all end by themselves
//! after a while if nobody ends them.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ham_sys::process::{self, Forked};
use ham_sys::shm::Map;

/// Long enough for any scenario, short enough not to be a nuisance.
const LIFE: Duration = Duration::from_secs(120);

/// The most processes that the bomb ever makes.
pub(crate) const BOMB: u64 = 300;

/// Runs the act named first, with the rest as its arguments.
pub(crate) fn run(arguments: &[String]) -> ! {
    match arguments[0].as_str() {
        "family" => family(Path::new(&arguments[1])),
        crate::faults::ACT => crate::faults::act(&arguments[1], arguments[2].parse().unwrap()),
        "bomb" => bomb(Path::new(&arguments[1])),
        other => panic!("no act {other}"),
    }
    std::thread::sleep(LIFE);
    process::exit_now(0)
}

/// The counter that a scenario and its entity share.
pub(crate) fn counter(dir: &Path) -> &'static AtomicU64 {
    let dir = std::fs::File::open(dir).unwrap();
    let name = CString::new("counter").unwrap();
    &Map::file(dir.as_fd(), &name, 8, true).unwrap().0.words()[0]
}

/// Five processes: this one, a child, one in a session of its own, and a
/// daemon made by forking twice, whose parents are gone, with a child.
fn family(dir: &Path) {
    let counter = counter(dir);
    let child = |then: &dyn Fn()| {
        if process::fork().unwrap() == Forked::Child {
            then();
            counter.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(LIFE);
            process::exit_now(0)
        }
    };
    child(&|| ());
    child(&|| process::new_session().unwrap());
    if process::fork().unwrap() == Forked::Child {
        process::new_session().unwrap();
        child(&|| child(&|| ()));
        process::exit_now(0)
    }
    counter.fetch_add(1, Ordering::SeqCst);
}

/// Every process forks as fast as it can, in sessions of their own, until
/// BOMB processes were made.
fn bomb(dir: &Path) {
    let counter = counter(dir);
    while counter.fetch_add(1, Ordering::SeqCst) < BOMB {
        if process::fork().unwrap() == Forked::Child && process::new_session().is_err() {
            process::exit_now(1)
        }
    }
}
