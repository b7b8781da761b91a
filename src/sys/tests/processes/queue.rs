//! Signals taken from the queue, and children that are reaped one by one.

use ham_sys::process::{self, Forked};
use ham_sys::reap::{self, Exit, Taken};
use ham_sys::signal_queue::{Queue, Whom, send, send_value};
use ham_sys::signals::{SIGCHLD, SIGCONT, SIGHUP, SIGTERM};
use std::time::Duration;

use crate::harness::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "the_lowest_signal_is_taken_first", run: lowest_first, inner: false },
    Scenario { name: "a_child_has_the_mask_of_before", run: mask_of_before, inner: false },
    Scenario { name: "a_stop_is_no_end", run: stop_is_no_end, inner: false },
];

const STOP: i32 = 19;
/// SIGRTMIN, which is queued as often as it is sent.
const QUEUED: i32 = 34;

fn take(queue: &Queue) -> Option<i32> {
    queue.take(Some(Duration::ZERO)).map(|received| received.signal)
}

fn lowest_first() {
    let queue = Queue::new().unwrap();
    assert_eq!(take(&queue), None);
    for signal in [SIGTERM, SIGHUP, SIGTERM] {
        queue.put(signal);
    }
    for value in [7, -7] {
        send_value(process::pid(), QUEUED, value).unwrap();
    }
    assert_eq!([take(&queue), take(&queue)], [Some(SIGHUP), Some(SIGTERM)]);
    for value in [7, -7] {
        let received = queue.take(Some(Duration::ZERO)).unwrap();
        assert_eq!((received.signal, received.value), (QUEUED, value));
        assert_eq!(received.pid, process::pid());
    }
    assert_eq!(take(&queue), None);
    // Not everybody, nor whoever has these numbers.
    for whom in [Whom::Process(-1), Whom::Process(0), Whom::Group(1), Whom::Group(0)] {
        assert!(send(whom, 0).is_err(), "{whom:?}");
    }
    assert!(process::pid() == 1 || send(Whom::Everybody, 0).is_err());
}

/// Waits for the next state of a child.
fn wait_for_child(queue: &Queue) {
    wait_for("a child", || (take(queue) == Some(SIGCHLD)).then_some(()));
}

fn mask_of_before() {
    let queue = Queue::new().unwrap();
    let Forked::Parent(pid) = process::fork().unwrap() else {
        // Waits in the queue, and acts when that is left.
        queue.put(SIGTERM);
        let left = queue.leave_to_program();
        process::exit_now(if left.is_ok() { 3 } else { 4 });
    };
    wait_for_child(&queue);
    assert_eq!(reap::take_any(), Taken::Exit(Exit { pid, code: Exit::KILLED, status: SIGTERM }));
    assert_eq!(reap::take_any(), Taken::NoChild);
}

fn stop_is_no_end() {
    let queue = Queue::new().unwrap();
    let Forked::Parent(pid) = process::fork().unwrap() else {
        queue.put(STOP);
        process::exit_now(3);
    };
    wait_for_child(&queue);
    assert_eq!(reap::take_any(), Taken::Nothing);
    assert_eq!([reap::take_stop(pid), reap::take_stop(pid)], [Some(STOP), None]);
    send(Whom::Process(pid), SIGCONT).unwrap();
    let exit = wait_for("the end", || match reap::take_any() {
        Taken::Exit(exit) => Some(exit),
        Taken::Nothing | Taken::NoChild => None,
    });
    assert_eq!(exit, Exit { pid, code: Exit::EXITED, status: 3 });
    assert_eq!(reap::take_stop(pid), None);
}
