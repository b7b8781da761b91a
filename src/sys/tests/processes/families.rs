//! Ending the processes of an entity without a cgroup, and never one of
//! another entity.

use std::sync::atomic::Ordering;

use ham_sys::clock;
use ham_sys::containment::{
    Cleared, SessionTarget, session_clear, session_looks_empty, stragglers,
};
use ham_sys::process::{self, PidFd};
use ham_sys::reap;
use ham_sys::spawn::{Abilities, Method};

use crate::acts;
use crate::harness::*;
use crate::spawning::spawn_once;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "session_clear_ends_a_whole_family", run: clears_family, inner: false },
    Scenario { name: "session_clear_ends_a_bomb", run: clears_bomb, inner: false },
    Scenario { name: "session_clear_spares_a_reused_number", run: reused_number, inner: false },
    Scenario { name: "session_clear_finds_the_unmarked", run: unmarked, inner: false },
    Scenario { name: "stragglers_are_listed", run: lists_stragglers, inner: false },
];

const WAY: Abilities = Abilities { method: Method::Clone3, own_fd_table: true, into_cgroup: false };

fn deadline() -> u64 {
    clock::monotonic() + PATIENCE.as_nanos() as u64
}

fn marked(mut program: ham_sys::spawn::Program, mark: &str) -> i32 {
    program.envp.push(c_text(&format!("HAM_INVOCATION={mark}")));
    spawn_once(WAY, &program).unwrap()
}

/// Clears as the monitor would: from a process that is not the reaper, while
/// the reaper reaps.
fn clear(leader: i32, mark: &str) {
    let reaper = process::pid();
    let token = format!("HAM_INVOCATION={mark}");
    let monitor = start_monitor(|| {
        let target = SessionTarget { reaper, leader, heir: 0, token: token.as_bytes() };
        assert_eq!(session_clear(&target, deadline()), Cleared::Empty);
    });
    let status = wait_for("the clearing", || {
        loop {
            let exit = reap::peek_any()?;
            reap::collect(exit.pid);
            if exit.pid == monitor {
                return Some(exit.status);
            }
        }
    });
    assert_eq!(status, 0);
    while let Some(exit) = reap::peek_any() {
        reap::collect(exit.pid);
    }
}

fn clears_family() {
    let temp = TempDir::new();
    let counter = acts::counter(temp.path());
    let act_of = || act(&["family", temp.path().to_str().unwrap()]);
    let innocent = marked(act_of(), "other");
    wait_for("the other family", || (counter.load(Ordering::SeqCst) == 5).then_some(()));
    let leader = marked(act_of(), "mine");
    wait_for("the family", || (counter.load(Ordering::SeqCst) == 10).then_some(()));
    assert!(!session_looks_empty(leader));
    // Its first process alone gone: the others are still found.
    PidFd::open(leader).unwrap().send(libc::SIGKILL).unwrap();
    wait_exit(leader);
    clear(leader, "mine");
    assert!(session_looks_empty(leader));
    assert_eq!(stragglers(process::pid(), &[]).len(), 5);
    assert!(!session_looks_empty(innocent));
    clear(innocent, "other");
    assert!(!reap::has_children());
}

fn clears_bomb() {
    let temp = TempDir::new();
    let counter = acts::counter(temp.path());
    let leader = marked(act(&["bomb", temp.path().to_str().unwrap()]), "bomb");
    wait_for("some of the bomb", || (counter.load(Ordering::SeqCst) >= 20).then_some(()));
    clear(leader, "bomb");
    assert_eq!(stragglers(process::pid(), &[]), []);
    assert!(!reap::has_children());
}

/// The number of an entity that is gone was given to another: as far as the
/// clearing can see, its target is the wrong one.
fn reused_number() {
    let other = marked(program(&["/bin/sleep", "100"]), "other");
    clear(other, "gone");
    assert_eq!(reap::peek(other), None);
    assert!(process::start_time(other).is_some());
    end(other);
}

/// Children that cleared their environment are found by session and descent;
/// so are those that an entity, a manager itself, has marked as its own.
fn unmarked() {
    let text = "env -i sleep 100 & HAM_INVOCATION=inner sleep 100 & wait";
    let leader = marked(script(text), "mine");
    wait_for("both", || (stragglers(process::pid(), &[]).len() == 3).then_some(()));
    let sleeping = || {
        let all = stragglers(process::pid(), &[leader]);
        all.iter().all(|pid| process::name_of(*pid).as_deref() == Some("sleep")).then_some(())
    };
    wait_for("both to sleep", sleeping);
    clear(leader, "mine");
    assert!(!reap::has_children());
}

fn lists_stragglers() {
    let temp = TempDir::new();
    let counter = acts::counter(temp.path());
    let leader = marked(act(&["family", temp.path().to_str().unwrap()]), "mine");
    wait_for("the family", || (counter.load(Ordering::SeqCst) == 5).then_some(()));
    let all = stragglers(process::pid(), &[]);
    assert_eq!(all.len(), 5);
    assert!(all.contains(&leader) && !all.contains(&process::pid()));
    assert_eq!(stragglers(process::pid(), &all[..4]), all[4..]);
    // Only below: this process is no descendant of its child.
    assert!(!stragglers(leader, &[]).contains(&process::pid()));
    for pid in all {
        PidFd::open(pid).unwrap().send(libc::SIGKILL).unwrap();
    }
    wait_for("all reaped", || {
        while let Some(exit) = reap::peek_any() {
            reap::collect(exit.pid);
        }
        (!reap::has_children()).then_some(())
    });
}
