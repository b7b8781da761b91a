//! Whether the monitor takes what the reaper has for it. The reaper hands over
//! exits, so it looks whether they are taken (details 15): not when nothing is
//! handed over, so an idle manager is not woken by this.

use crate::shared::{LAST_CHANCE_NS, PATIENCE_NS, Shared};
use ham_snapshot::header::Field;
use ham_sys::process;

/// How long the guardian has to replace a monitor that is past its deadline; it
/// needs one second, unless it hangs, too.
const GUARDIAN_NS: u64 = 3_000_000_000;

pub(super) struct HangWatch {
    shared: &'static Shared,
    look: Option<Look>,
    /// When to look whether the guardian did, and the pulse of before.
    deadline: Option<(u64, u64)>,
}

#[derive(Clone, Copy)]
struct Look {
    at: u64,
    /// Exits and shutdown requests that have to be taken by then, or at least
    /// the pulse must have moved.
    exits: u64,
    shutdowns: u64,
    /// And what the hardware watchdog asks must be answered.
    ping: u64,
    pulse: u64,
    last: bool,
}

impl HangWatch {
    pub(super) fn new(shared: &'static Shared) -> HangWatch {
        HangWatch { shared, look: None, deadline: None }
    }

    pub(super) fn due(&self) -> Option<u64> {
        let look = self.look.map(|look| look.at);
        [look, self.deadline.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// Something was handed over.
    pub(super) fn handed_over(&mut self, now: u64) {
        if self.look.is_none() && self.shared.hang_check {
            self.look = Some(self.begin(now));
        }
    }

    /// There is another monitor: what lies there is its own to take.
    pub(super) fn begin_anew(&mut self, now: u64) {
        if self.look.is_some() {
            self.look = Some(self.begin(now));
        }
    }

    /// What the monitor was asked at `since`, when its pulse was this, it has not
    /// answered.
    pub(super) fn unanswered(&mut self, now: u64, since: u64, pulse: u64) {
        if self.look.is_none() && self.shared.hang_check {
            let at = since.saturating_add(PATIENCE_NS).max(now);
            self.look = Some(Look { at, pulse, ..self.begin(now) });
        }
    }

    fn begin(&self, now: u64) -> Look {
        let state = &self.shared.state;
        Look {
            at: now.saturating_add(PATIENCE_NS),
            exits: state.get(Field::ExitQueueTail),
            shutdowns: state.get(Field::ShutdownRequests),
            ping: state.get(Field::WatchdogPing),
            pulse: state.get(Field::Pulse),
            last: false,
        }
    }

    /// A deadline of the monitor is over for long.
    pub(super) fn deadline_over(&mut self, now: u64) {
        let pulse = self.shared.state.get(Field::Pulse);
        self.deadline = Some((now.saturating_add(GUARDIAN_NS), pulse));
    }

    fn look_at_deadline(&mut self, now: u64, monitor: i32) {
        let Some((_, pulse)) = self.deadline.filter(|(at, _)| *at <= now) else { return };
        self.deadline = None;
        let state = &self.shared.state;
        let due = state.get(Field::MonitorDue);
        if due != 0 && due < now && state.get(Field::Pulse) == pulse {
            state.bump(Field::HangKills);
            process::kill_child(monitor);
        }
    }

    /// `monitor`: its pid, 0 when there is none.
    pub(super) fn look(&mut self, now: u64, monitor: i32) {
        self.look_at_deadline(now, monitor);
        let Some(look) = self.look.filter(|look| look.at <= now) else { return };
        let state = &self.shared.state;
        let taken = state.get(Field::ExitsTaken) >= look.exits
            && state.get(Field::ShutdownsTaken) >= look.shutdowns
            && state.get(Field::WatchdogPong) >= look.ping;
        self.look = None;
        if taken && state.get(Field::ExitsTaken) == state.get(Field::ExitQueueTail) {
            return;
        }
        if taken || monitor == 0 || state.get(Field::Pulse) != look.pulse {
            self.look = Some(self.begin(now));
        } else if look.last {
            state.bump(Field::HangKills);
            process::kill_child(monitor);
            self.look = Some(self.begin(now));
        } else {
            let at = now.saturating_add(LAST_CHANCE_NS);
            self.look = Some(Look { at, last: true, ..look });
        }
    }
}
