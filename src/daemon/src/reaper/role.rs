//! The monitor as the reaper sees it: a process to be there. One that died is
//! replaced at once; only monitors that die again and again without getting
//! anything done are slowed down, and nothing of that touches an entity
//! (details 14).

use crate::monitor;
use crate::shared::Shared;
use ham_snapshot::header::Field;
use ham_sys::process::{self, Forked};
use ham_sys::{allocation, clock};

/// Pauses before a new monitor, by how many died in a row without committing
/// a turn.
const PAUSES_NS: [u64; 4] = [0, 100_000_000, 1_000_000_000, 10_000_000_000];

/// When fork fails (EAGAIN, ENOMEM) it is tried again after this.
const FORK_AGAIN_NS: u64 = 100_000_000;

pub(super) struct MonitorRole {
    shared: &'static Shared,
    pid: i32,
    start_at: Option<u64>,
    started_before: bool,
}

impl MonitorRole {
    pub(super) fn new(shared: &'static Shared) -> MonitorRole {
        MonitorRole { shared, pid: 0, start_at: None, started_before: false }
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

    /// Forks a monitor. Forked and not executed: an upgrade may have replaced
    /// the file (details 16).
    pub(super) fn start(&mut self) {
        let state = &self.shared.state;
        self.start_at = None;
        state.set(Field::TurnAtFork, state.get(Field::CommittedTurn));
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
        let idle = state.get(Field::CommittedTurn) == state.get(Field::TurnAtFork);
        let in_a_row = if idle { state.get(Field::CrashLoop).saturating_add(1) } else { 0 };
        state.set(Field::CrashLoop, in_a_row);
        let place = usize::try_from(in_a_row).unwrap_or(usize::MAX);
        // The first monitor that dies idle is replaced at once, too: it may
        // have been killed before anything happened.
        let pause = PAUSES_NS.get(place.saturating_sub(1)).copied().unwrap_or(10_000_000_000);
        self.start_at = Some(now.saturating_add(pause));
    }
}
