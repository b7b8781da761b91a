//! The monitor as the reaper sees it: a process to be there. One that died is
//! replaced at once; only monitors that die again and again without getting
//! anything done are slowed down, and nothing of that touches an entity
//! (details 14).

use crate::monitor;
use crate::shared::Shared;
use ham_snapshot::header::Field;
use ham_sys::process::{self, Forked};
use ham_sys::{allocation, clock};

/// Pauses before a new monitor, by how many in a row died at once without
/// getting anything done: the first two may have been killed by hand.
const PAUSES_NS: [u64; 4] = [0, 0, 100_000_000, 1_000_000_000];
const LONGEST_PAUSE_NS: u64 = 10_000_000_000;

/// A monitor that lived longer did not die of what it found at its start: to
/// restore the state takes milliseconds. Were it a loop all the same, ten
/// forks in a second harm nobody; and who kills monitors by hand or by a
/// script, to see what happens, sees each replaced at once.
const AT_ONCE_NS: u64 = 100_000_000;

/// When fork fails (EAGAIN, ENOMEM) it is tried again after this.
const FORK_AGAIN_NS: u64 = 100_000_000;

pub(super) struct MonitorRole {
    shared: &'static Shared,
    pid: i32,
    start_at: Option<u64>,
    started_at: u64,
    started_before: bool,
}

impl MonitorRole {
    pub(super) fn new(shared: &'static Shared) -> MonitorRole {
        MonitorRole { shared, pid: 0, start_at: None, started_at: 0, started_before: false }
    }

    pub(super) fn is(&self, pid: i32) -> bool {
        self.pid != 0 && self.pid == pid
    }

    pub(super) fn lives(&self) -> bool {
        self.pid != 0
    }

    pub(super) fn start_at(&self) -> Option<u64> {
        self.start_at
    }

    pub(super) fn wants_start(&self, now: u64) -> bool {
        self.start_at.is_some_and(|at| at <= now)
    }

    /// A shutdown was asked for: it does not wait for the end of a pause.
    pub(super) fn hurry(&mut self) {
        if let Some(at) = &mut self.start_at {
            *at = (*at).min(clock::monotonic());
        }
    }

    /// Forks a monitor. Forked and not executed: an upgrade may have replaced
    /// the file (details 16).
    pub(super) fn start(&mut self) {
        let state = &self.shared.state;
        self.start_at = None;
        state.set(Field::ProgressAtFork, state.get(Field::Progress));
        self.started_at = clock::monotonic();
        match process::fork() {
            Ok(Forked::Child) => {
                allocation::unseal();
                monitor::main(self.shared, self.started_before);
            }
            Ok(Forked::Parent(pid)) => {
                if self.started_before {
                    state.bump(Field::Takeovers);
                }
                self.started_before = true;
                self.pid = pid;
                state.set(Field::MonitorPid, u64::from(pid.unsigned_abs()));
            }
            Err(_) => self.start_at = Some(clock::monotonic().saturating_add(FORK_AGAIN_NS)),
        }
    }

    /// It is dead and reaped.
    pub(super) fn died(&mut self) {
        let state = &self.shared.state;
        let now = clock::monotonic();
        self.pid = 0;
        state.set(Field::MonitorPid, 0);
        state.set(Field::MonitorDied, now);
        // One that got something done, or lived for a while, is no part of a
        // loop, whatever ended it.
        let idle = state.get(Field::Progress) == state.get(Field::ProgressAtFork);
        let at_once = now.saturating_sub(self.started_at) < AT_ONCE_NS;
        let in_a_row =
            if idle && at_once { state.get(Field::CrashLoop).saturating_add(1) } else { 0 };
        state.set(Field::CrashLoop, in_a_row);
        let place = usize::try_from(in_a_row).unwrap_or(usize::MAX);
        let pause = PAUSES_NS.get(place).copied().unwrap_or(LONGEST_PAUSE_NS);
        self.start_at = Some(now.saturating_add(pause));
    }
}
