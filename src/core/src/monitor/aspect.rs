//! What can be told of one entity from its state: which process it has, whether
//! it is up, when something is due.

use super::entity::{Actual, Entity, NEVER, Next};
use crate::ids::SlotRef;
use crate::time::Mono;

impl Entity {
    /// The slot that it owns: until nothing is left of its process, so that
    /// a successor knows what there is to clear.
    #[must_use]
    pub fn slot(&self) -> Option<SlotRef> {
        match self.actual {
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Reached
            | Actual::Tidying { .. } => None,
            Actual::Retiring { slot, .. } => slot,
            Actual::Starting { slot, .. }
            | Actual::Readying { slot, .. }
            | Actual::Handover { slot, .. }
            | Actual::Aborting { slot, .. }
            | Actual::Up { slot, .. }
            | Actual::Stopping { slot, .. }
            | Actual::Clearing { slot, .. }
            | Actual::Left { slot }
            | Actual::Joining { slot, .. } => Some(slot),
        }
    }

    /// Its process, when that has been seen to run and is not known to have
    /// ended: whom a signal is for. The id is 0 when only the slot knows it.
    #[must_use]
    pub fn running(&self) -> Option<(SlotRef, i32)> {
        self.process().filter(|_| !self.moving)
    }

    /// The same, also while another process takes its place.
    #[must_use]
    pub fn process(&self) -> Option<(SlotRef, i32)> {
        match self.actual {
            Actual::Up { slot, pid, .. } | Actual::Readying { slot, pid, .. } => Some((slot, pid)),
            Actual::Retiring { slot, pid, .. } => slot.map(|slot| (slot, pid)),
            Actual::Stopping { slot, pid, .. } => (pid != 0).then_some((slot, pid)),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Reached
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => None,
        }
    }

    /// Since when that process runs; `None`: nobody knows.
    #[must_use]
    pub fn runs_since(&self) -> Option<Mono> {
        match self.actual {
            Actual::Up { since, .. }
            | Actual::Readying { since, .. }
            | Actual::Retiring { slot: Some(_), since, .. } => Some(since),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Reached
            | Actual::Retiring { slot: None, .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => None,
        }
    }

    /// The slot of [`Entity::running`].
    #[must_use]
    pub fn running_slot(&self) -> Option<SlotRef> {
        self.running().map(|(slot, _)| slot)
    }

    /// Whether what has become of its start was seen, so far as there is one.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        !matches!(self.actual, Actual::Starting { .. } | Actual::Stopping { pid: 0, .. })
    }

    /// Another process takes the place of the one that runs. False when that
    /// is nothing new, or none runs.
    pub(super) fn change_pid(&mut self, to: i32) -> bool {
        if self.running().is_none_or(|(_, pid)| pid == to) {
            return false;
        }
        if let Actual::Up { pid, .. }
        | Actual::Readying { pid, .. }
        | Actual::Retiring { pid, .. }
        | Actual::Stopping { pid, .. } = &mut self.actual
        {
            *pid = to;
        }
        true
    }

    /// What it is doing may take until then, at least.
    pub(super) fn extend(&mut self, least: Mono) {
        if let Actual::Starting { due: Some(due), .. }
        | Actual::Readying { due: Some(due), .. }
        | Actual::Handover { until: Some(due), .. }
        | Actual::Stopping { due, killed: false, .. } = &mut self.actual
        {
            *due = (*due).max(least);
        }
    }

    /// Whether it has no process and none is planned.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.actual, Actual::Down | Actual::Left { .. })
    }

    /// Whether it counts as up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self.actual {
            Actual::Up { .. } | Actual::Reached => true,
            Actual::Down => self.finished,
            Actual::Handover { .. } => self.moving,
            Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Aborting { .. }
            | Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => false,
        }
    }

    /// What comes when its processes are gone; `None`: they are to stay, or
    /// there are none.
    #[must_use]
    pub fn next(&self) -> Option<Next> {
        match self.actual {
            Actual::Retiring { next, .. }
            | Actual::Stopping { next, .. }
            | Actual::Clearing { next, .. }
            | Actual::Tidying { next } => Some(next),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Left { .. }
            | Actual::Joining { .. } => None,
        }
    }

    /// Its deadline.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        match self.actual {
            Actual::Waiting(due, _) => Some(due),
            Actual::Preparing { due, .. }
            | Actual::Starting { due, .. }
            | Actual::Readying { due, .. } => due,
            Actual::Handover { due, until, .. } => {
                Some(until.map_or(due, |until| due.min(until))).filter(|due| *due != NEVER)
            }
            Actual::Stopping { due, .. } => {
                Some(self.look.map_or(due, |look| look.min(due))).filter(|due| *due != NEVER)
            }
            Actual::Aborting { due, .. } => Some(due).filter(|due| *due != NEVER),
            Actual::Down
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Retiring { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => None,
        }
    }
}
