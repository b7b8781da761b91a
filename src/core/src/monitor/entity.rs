//! One entity: what it should be and what it is, as two enums whose variants
//! hold the data that is valid in them. What can be told of it is in `aspect`,
//! what happens to it in `start`,
//! `life` and `down`; its record in `record`.

use super::budget::Budget;
use super::marks::Marks;
use crate::ids::{EntityId, SlotRef};
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
    /// None: a file is to name its process.
    PidFile,
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
    /// A process that ham did not start is being taken for its own.
    Joining {
        /// Its slot, from here on.
        slot: SlotRef,
        /// The process.
        pid: i32,
        /// When that started, in clock ticks since boot: its number can be
        /// another's by the time that it is looked at.
        start: u64,
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
    /// A process that ham did not start was attached to it.
    Attached,
    /// It was let go of.
    Detached,
    /// Its unit has changed.
    Changed,
    /// No unit has it any more.
    Gone,
}

/// When a start came to each of its stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimes {
    /// It was to start: from here on it waited for others.
    pub asked: Option<Mono>,
    /// The others were there, and it waited for the path of `start-when`;
    /// `None`: it has none, or waits for others again.
    pub gated: Option<Mono>,
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
    /// Whether nothing of it is: its process was attached.
    pub attached: bool,
    /// In `Clearing`, whether the process in its slot goes on, and only the slot
    /// is given back.
    pub letting: bool,
    /// Whether it has begun to be what the plan has for its next start.
    pub renewed: bool,
    /// Whether it has said that it is ready before its start was seen.
    pub early: bool,
    /// Whether its process has ended, and another that it may have left in its
    /// place is looked for: in `Handover` one that was up, and one that is to
    /// end in `Retiring` and `Stopping`.
    pub moving: bool,
    /// In `Stopping`, when that is so, and no such process was found yet: when
    /// it is looked for again, and for whether anything is left; [`NEVER`]
    /// until that is answered, `None` before the first answer.
    pub look: Option<Mono>,
    /// The id that its last process had; 0: it had none since it was last to
    /// start, or has not ended.
    pub last_pid: i32,
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
    /// The main process that it has named before its start was seen; 0: none.
    pub named: i32,
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
    /// Another process is now its: nothing of what the last one has said or was
    /// told counts for it.
    pub(super) fn begin_life(&mut self) {
        self.told = None;
        self.early = false;
        self.moving = false;
        self.ends = false;
        self.reloading = None;
        self.reloaded = None;
        self.state = 0;
        self.named = 0;
        (self.oom_kills, self.oom_ended) = (0, false);
    }
}
