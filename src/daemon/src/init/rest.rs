//! Whoever is left when the command has ended. The end of an init is KILL to
//! all of them: so they are asked first, and waited for.

use super::report::{Counts, Report};
use ham_core::time::Span;
use ham_sys::process::PidFd;
use ham_sys::reap::{self, Exit, Taken};
use ham_sys::signal_queue::{Queue, Whom, send};
use ham_sys::signals::{SIGCONT, SIGINT, SIGKILL, SIGTERM};
use ham_sys::{clock, process};
use std::time::Duration;

/// How long somebody may take to die of KILL: who hangs in the kernel does not,
/// and is not waited for.
const KILL_WAIT_NS: u64 = 1_000_000_000;

/// TERM to all, KILL to those that are there after `wait`, or when another TERM
/// or INT comes. With no time at all they are left to themselves.
pub(super) fn end(
    wait: Span,
    report: &Report,
    queue: &Queue,
    command: Option<i32>,
    counts: &mut Counts,
) {
    if wait == Span(0) || !to_all(SIGTERM, report) {
        return;
    }
    // Who is stopped gets the other one only when it goes on.
    to_all(SIGCONT, report);
    let mut rest = Rest { queue, command, counts, killing: false };
    let until = if wait == Span::INFINITE { None } else { Some(after(wait.0)) };
    if rest.over_until(until) {
        return;
    }
    report.info("others are there still, and are killed");
    rest.killing = true;
    let until = after(KILL_WAIT_NS);
    loop {
        to_all(SIGKILL, report);
        // Who was below somebody that has died is met again.
        let soon = after(KILL_WAIT_NS / 20).min(until);
        if rest.over_until(Some(soon)) {
            return;
        }
        if clock::monotonic() >= until {
            report.warn("some do not die, and are left to themselves");
            return;
        }
    }
}

fn after(nanoseconds: u64) -> u64 {
    clock::monotonic().saturating_add(nanoseconds)
}

/// False when nobody knows who they are.
fn to_all(signal: i32, report: &Report) -> bool {
    if process::pid() == 1 {
        let _ = send(Whom::Everybody, signal);
        return true;
    }
    let Some(all) = process::descendants() else {
        report.warn("no /proc of this namespace: who is left is not known, and left alone");
        return false;
    };
    let own = process::pid();
    for pid in &all {
        let Ok(process) = PidFd::open(*pid) else {
            // It has ended; or a filter allows none of these, and only who is a
            // child is certain.
            if reap::is_child(*pid) {
                let _ = send(Whom::Process(*pid), signal);
            }
            continue;
        };
        // It may have ended meanwhile, and its number be somebody else's: that
        // one is no child of any of them.
        let parent = process::parent_of(*pid);
        if parent.is_some_and(|parent| parent == own || all.contains(&parent)) {
            let _ = process.send(signal);
        }
    }
    true
}

struct Rest<'a> {
    queue: &'a Queue,
    command: Option<i32>,
    counts: &'a mut Counts,
    killing: bool,
}

impl Rest<'_> {
    /// Reaps until nobody is left: true; or until that time.
    fn over_until(&mut self, until: Option<u64>) -> bool {
        loop {
            if self.reap() {
                return true;
            }
            let now = clock::monotonic();
            if until.is_some_and(|until| until <= now) {
                return false;
            }
            let left = until.map(|until| Duration::from_nanos(until.saturating_sub(now)));
            let received = self.queue.take(left).map(|received| received.signal);
            if !self.killing && matches!(received, Some(SIGTERM | SIGINT)) {
                return false;
            }
        }
    }

    fn reap(&mut self) -> bool {
        loop {
            match reap::take_any() {
                Taken::Exit(exit) if Some(exit.pid) == self.command => {}
                Taken::Exit(exit) => {
                    self.counts.orphans = self.counts.orphans.saturating_add(1);
                    let killed = exit.code == Exit::KILLED && exit.status == SIGKILL;
                    if self.killing && killed {
                        self.counts.killed = self.counts.killed.saturating_add(1);
                    }
                }
                Taken::Nothing => return false,
                Taken::NoChild => return true,
            }
        }
    }
}
