//! Everything that the core can ask the daemon to do. An effect that takes
//! time names what it is for, and exactly one completion event comes back for
//! it; the core never waits. Effects run after the turn that made them is
//! committed, so a successor can ask for the same again: carrying one out
//! twice must do no harm, and each kind says why it does not.

use crate::ids::{EntityId, RequestId, RunRef, SlotRef};
use crate::plan::{EntityPlan, Identity};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Span;
use std::sync::Arc;

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the process of a slot; answered by `Spawned` or `SpawnFailed`.
    /// A slot's generation is made at most once: its word says whether it was.
    Spawn(Box<Spawn>),
    /// Send a signal to the process of a slot. Where `run` is given it is
    /// queued and answered by `ActionDone`. Never reaches a later generation.
    Signal {
        /// The process.
        slot: SlotRef,
        /// The signal.
        signal: Signal,
        /// `si_value`; only with `run`.
        value: i32,
        /// The action that this is.
        run: Option<RunRef>,
    },
    /// End, by SIGKILL, every process that the process of a slot has left
    /// behind, itself included; answered by `Cleared`. Ending nothing is fine.
    Clear {
        /// Whose.
        slot: SlotRef,
        /// The entity that they belong to.
        entity: EntityId,
        /// Whether it is the entity's own process or a command's.
        command: bool,
    },
    /// Give a slot back once the reaper has let go of it; answered by
    /// `SlotFreed`.
    Free {
        /// Which slot; a later generation in it is left alone.
        slot: SlotRef,
    },
    /// Tell when a path exists, by `ActionDone`.
    Watch {
        /// The action that waits.
        run: RunRef,
        /// The path.
        path: String,
    },
    /// Nobody waits for that path any more.
    Unwatch {
        /// The action that waited.
        run: RunRef,
    },
    /// Write a line for a `log` action; answered by `ActionDone`.
    Log {
        /// The action.
        run: RunRef,
        /// Whose condition it is.
        entity: EntityId,
        /// The line.
        text: String,
    },
    /// Something worth telling: it goes to the history and to the log.
    Notice(Notice),
    /// Answer a request. A client whose answer was lost asks again.
    Reply {
        /// The request.
        id: RequestId,
        /// The entity.
        entity: EntityId,
        /// What became of it.
        answer: Reply,
    },
    /// All is down: end what is left and end the manager.
    Finish {
        /// Exit code.
        code: u8,
    },
}

/// A process to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spawn {
    /// Its slot and generation.
    pub slot: SlotRef,
    /// The entity that it is, or whose condition runs it.
    pub entity: EntityId,
    /// The entity's definition.
    pub plan: Arc<EntityPlan>,
    /// What kind of process.
    pub what: Process,
}

/// What a process is to ham.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// The entity itself.
    Main,
    /// The command of an action.
    Command {
        /// Program and arguments, placeholders filled in.
        argv: Vec<String>,
        /// Whom it runs as; `None`: as the manager.
        identity: Option<Identity>,
        /// `HAM_…` variables about the occurrence.
        variables: Vec<(String, String)>,
    },
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was so already.
    Already,
    /// Done (or, without waiting, begun).
    Done,
    /// The entity has no process.
    NotRunning,
    /// The process could not be started; stage and errno as in the slot.
    StartFailed(u64),
    /// It ended before it was up; how.
    Ended(ExitStatus),
    /// Somebody asked for something else meanwhile.
    Overruled,
    /// Processes are left that could not be ended: how many.
    Left(u32),
    /// The manager is shutting down.
    ShuttingDown,
}

/// A fact for history and log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whom it is about.
    pub entity: EntityId,
    /// What.
    pub fact: Fact,
}

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A process runs.
    Started {
        /// Its id.
        pid: i32,
        /// Whether a restart action brought it.
        again: bool,
    },
    /// A process could not be started: stage and errno.
    StartFailed {
        /// Stage and errno.
        error: u64,
    },
    /// A start took longer than `start-timeout`.
    StartTimeout,
    /// A process ended without having been asked to.
    Died {
        /// Its id.
        pid: i32,
        /// How.
        status: ExitStatus,
    },
    /// A process ended as somebody had asked.
    Stopped {
        /// Its id.
        pid: i32,
        /// How.
        status: ExitStatus,
    },
    /// The next attempt to start comes later.
    Backoff {
        /// In this time.
        delay: Span,
        /// Which attempt since the last reset, from 1.
        attempt: u32,
    },
    /// The restart limit is reached; the restart action has given up.
    LimitReached,
    /// It is asked to end.
    Stopping {
        /// With this signal.
        signal: Signal,
    },
    /// It did not end in time and is killed.
    Killing,
    /// Processes of it are left that could not be ended.
    Leftovers {
        /// How many.
        count: u32,
    },
    /// An action failed.
    ActionFailed {
        /// Place of the condition.
        condition: u16,
        /// Place of the action in it.
        action: u16,
        /// Place in the on-fail list, from 1; 0: the action itself.
        on_fail: u16,
        /// Why.
        why: Failure,
    },
    /// An action list ended early: what it waited for, a restart or (when the
    /// manager goes down) anything, is not wanted any more.
    ListCancelled,
    /// Its record could not be read after a takeover; what could be learnt
    /// from its slot was kept.
    RecordLost,
    /// No action list could be begun: too many are in progress.
    ListRefused,
    /// A condition has fired: its list begins, or stands in the queue of its
    /// class.
    Fired {
        /// Place of the condition.
        condition: u16,
    },
    /// An action has ended well.
    ActionDone {
        /// Place of the condition.
        condition: u16,
        /// Place of the action in it.
        action: u16,
        /// Place in the on-fail list, from 1; 0: the action itself.
        on_fail: u16,
    },
}

/// Why an action failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command could not be started: stage and errno.
    Spawn(u64),
    /// The command ended otherwise than with exit code 0.
    Exit(ExitStatus),
    /// It took too long.
    Timeout,
    /// Whom it was for does not run.
    NoProcess,
    /// Whom it was for does not exist.
    NoEntity,
    /// The restart limit is reached.
    Limit,
    /// No slot, or too many of its commands run.
    Full,
    /// The daemon could not do it (signal refused, path not watchable).
    Refused,
}
