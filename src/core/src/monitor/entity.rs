//! One entity: what it should be and what it is, as two enums whose variants
//! hold the data that is valid in them. What happens to it is in `start`,
//! `life` and `down`; its record in `record`.

use super::budget::Budget;
use crate::ids::{EntityId, SlotRef};
use crate::plan::MAX_ACTIONS;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Mono;

/// What an entity should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Desired {
    /// Its process should run.
    Running,
    /// It should have none.
    #[default]
    Stopped,
}

/// Why a process is started; a restart counts and fires `restart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It starts with the manager.
    Boot,
    /// A person or an action of another entity said so.
    Asked,
    /// Its restart action.
    Restart,
    /// Another entity: one that needs it starts, or one that it needs is back.
    Dependency,
}

/// A time that does not come: the end of an infinite `stop` timeout.
pub const NEVER: Mono = Mono(u64::MAX);

/// What comes when its last process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Rest,
    /// A start, not before that time.
    Start(Mono, Cause),
}

/// What an entity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Actual {
    /// No process of it exists.
    #[default]
    Down,
    /// A start is due at that time.
    Waiting(Mono, Cause),
    /// It is to start, when others are up, or down.
    Queued(Cause),
    /// It is to start, when a path exists.
    Gated(Cause),
    /// Its `pre-start` list is worked off.
    Preparing {
        /// When the start has taken too long.
        due: Option<Mono>,
        /// Why.
        cause: Cause,
    },
    /// A process is being made.
    Starting {
        /// Which.
        slot: SlotRef,
        /// When the start has taken too long.
        due: Option<Mono>,
        /// Why.
        cause: Cause,
    },
    /// Its process runs, and is not up yet; a one-shot never is before its end.
    Readying {
        /// Which.
        slot: SlotRef,
        /// Its id.
        pid: i32,
        /// Since when it runs.
        since: Mono,
        /// When the start has taken too long.
        due: Option<Mono>,
        /// Why.
        cause: Cause,
    },
    /// The process that was made has ended well, and which one it has left
    /// behind is being found out.
    Handover {
        /// Which.
        slot: SlotRef,
        /// Its id.
        pid: i32,
        /// When it is looked for again.
        due: Mono,
        /// When the start has taken too long.
        until: Option<Mono>,
        /// Why.
        cause: Cause,
    },
    /// The start took too long; it was asked to end, or is being killed.
    Aborting {
        /// The process.
        slot: SlotRef,
        /// When it is killed, for the first time or again; [`NEVER`] as for
        /// `Stopping`.
        due: Mono,
        /// Whether it has been killed already.
        killed: bool,
        /// Why it was started.
        cause: Cause,
    },
    /// Its process runs.
    Up {
        /// Which.
        slot: SlotRef,
        /// Its id.
        pid: i32,
        /// Since when.
        since: Mono,
    },
    /// It counts as up without a process: a target, or a one-shot that remains.
    Reached,
    /// It is to end, when those that were started after it have.
    Retiring {
        /// Its process; none, as for `Reached`.
        slot: Option<SlotRef>,
        /// Its id.
        pid: i32,
        /// Since when it runs.
        since: Mono,
        /// What comes after.
        next: Next,
    },
    /// It was asked to end and has not yet.
    Stopping {
        /// Its process.
        slot: SlotRef,
        /// Its id; 0 while it is still being made.
        pid: i32,
        /// When it is killed, [`NEVER`] if its time to end is infinite.
        due: Mono,
        /// Whether it has been killed already, and will be again.
        killed: bool,
        /// What comes after.
        next: Next,
    },
    /// Its process is gone, what that left behind is being ended.
    Clearing {
        /// The process that is gone.
        slot: SlotRef,
        /// What comes after.
        next: Next,
    },
    /// All of its processes are gone; its `post-stop` list is worked off, and
    /// directories that go with them are removed.
    Tidying {
        /// What comes after.
        next: Next,
    },
    /// Down, but not all that its process left behind could be ended. Its slot
    /// is kept, since nothing is ever started beside that: a start clears
    /// again first.
    Left {
        /// The process that is gone.
        slot: SlotRef,
    },
}

/// Why an entity is as it is; the text is the daemon's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    /// Nobody has started it.
    #[default]
    NeverStarted,
    /// It was started with the manager.
    Boot,
    /// Somebody started it.
    AskedStart,
    /// Its restart action brought it back after this end.
    Restarted(Option<ExitStatus>),
    /// It ended so, unasked.
    Died(ExitStatus),
    /// It is a one-shot and ended well.
    Finished(ExitStatus),
    /// Somebody stopped it.
    AskedStop,
    /// The manager is going down.
    Shutdown,
    /// Its process could not be started: stage and errno.
    StartFailed(u64),
    /// An action of its `pre-start` list failed.
    PreStartFailed,
    /// Its start took too long.
    StartTimeout,
    /// Its restart limit is reached.
    Limit,
    /// This one, which it requires, is not up.
    Dependency(EntityId),
    /// This one, which it requires, has been down and is, or comes, back.
    CameBack(EntityId),
    /// This one needs it.
    Wanted(EntityId),
    /// This one, which it conflicts with, was started.
    Conflict(EntityId),
    /// Its record was lost in a takeover.
    RecordLost,
}

/// Bits for conditions and actions of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub(super) conditions: u64,
    pub(super) actions: [u64; MAX_ACTIONS / 64],
}

impl Marks {
    /// Whether a condition is marked.
    #[must_use]
    pub fn condition(&self, place: usize) -> bool {
        place < 64 && (self.conditions >> place) & 1 == 1
    }

    /// Whether an action is marked, by its bit in the entity's flat list.
    #[must_use]
    pub fn action(&self, bit: usize) -> bool {
        self.actions.get(bit / 64).is_some_and(|word| (word >> (bit % 64)) & 1 == 1)
    }

    pub(super) fn mark_condition(&mut self, place: usize) {
        if place < 64 {
            self.conditions |= 1 << place;
        }
    }

    pub(super) fn mark_action(&mut self, bit: usize) {
        if let Some(word) = self.actions.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }
}

/// When a start came to each of its stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimes {
    /// It was to start: from here on it waited for others.
    pub asked: Option<Mono>,
    /// All that it waited for was there: its lists and its process began.
    pub begun: Option<Mono>,
    /// It was up.
    pub up: Option<Mono>,
}

/// One entity's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// What it should be.
    pub desired: Desired,
    /// What it is.
    pub actual: Actual,
    /// Since when; `None`: for ever.
    pub since: Option<Mono>,
    /// Why.
    pub why: Why,
    /// Attempts to start.
    pub budget: Budget,
    /// Restarts by its restart action.
    pub restarts: u64,
    /// How its last process ended.
    pub last_exit: Option<ExitStatus>,
    /// Whether that was an abnormal death; an end that was asked for is none.
    pub abnormal: bool,
    /// Whether it was an end that the unit calls good.
    pub good: bool,
    /// Whether it is a one-shot that has ended well since it was last started,
    /// so that those which need it may go on.
    pub finished: bool,
    /// Whether its process is not the one that ham has made.
    pub adopted: bool,
    /// Whether it has said that it is ready before its start was seen.
    pub early: bool,
    /// Whether it was up, its process has ended, and another that it may have
    /// left in its place is looked for: in `Handover`.
    pub moving: bool,
    /// Whether it has said that it is about to end.
    pub ends: bool,
    /// The last signal that an action of ham has sent to its process: a death
    /// by it is abnormal, whatever the signal (design §6).
    pub told: Option<Signal>,
    /// Conditions and actions that are gone: not re-armed, or failed.
    pub removed: Marks,
    /// The stages of its last start.
    pub times: StartTimes,
    /// Since when it reads its configuration again, as it says.
    pub reloading: Option<Mono>,
    /// When the last such reading began that it has ended.
    pub reloaded: Option<Mono>,
    /// The state that its process has reported last; 0: none yet (QNX HAM does
    /// not interpret it).
    pub state: u32,
    /// So many of its processes the kernel has ended since its process was
    /// started, because memory was short.
    pub oom_kills: u16,
    /// Whether its process is one of them.
    pub oom_ended: bool,
}

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
            | Actual::Left { slot } => Some(slot),
        }
    }

    /// Its process, when that has been seen to run and is not known to have
    /// ended: whom a signal is for. The id is 0 when only the slot knows it.
    #[must_use]
    pub fn running(&self) -> Option<(SlotRef, i32)> {
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
            | Actual::Left { .. } => None,
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
            | Actual::Left { .. } => None,
        }
    }

    /// The slot of [`Entity::running`].
    #[must_use]
    pub fn running_slot(&self) -> Option<SlotRef> {
        self.running().map(|(slot, _)| slot)
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
            | Actual::Left { .. } => false,
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
            | Actual::Left { .. } => None,
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
            Actual::Aborting { due, .. } | Actual::Stopping { due, .. } => {
                Some(due).filter(|due| *due != NEVER)
            }
            Actual::Down
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Retiring { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. } => None,
        }
    }
}
