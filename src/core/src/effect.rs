//! Everything that the core can ask the daemon to do. An effect that takes
//! time names what it is for, and exactly one completion event comes back for
//! it; the core never waits. Effects run after the turn that made them is
//! committed, so a successor can ask for the same again: carrying one out
//! twice must do no harm, and each kind says why it does not.

use crate::directive::Verdict;
use crate::event::Wait;
pub use crate::fact::{Fact, Failed, Failure, Notice};
use crate::ids::{EntityId, RequestId, RunRef, SlotRef};
use crate::plan::{EntityPlan, Identity};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::{Mono, Span};
use crate::way::Last;
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
        /// `si_code`; only with `run`.
        code: i32,
        /// `si_value`; only with `run`.
        value: i32,
        /// The action that this is.
        run: Option<RunRef>,
    },
    /// Queue a signal to a process, unless that has ended; answered by
    /// `ActionDone`. After a takeover it may be sent twice, but to no other.
    SignalProcess {
        /// Its id.
        pid: i32,
        /// When it was started, as /proc tells it.
        start: u64,
        /// The signal.
        signal: Signal,
        /// `si_code`.
        code: i32,
        /// `si_value`.
        value: i32,
        /// The action that this is.
        run: RunRef,
    },
    /// Send a signal to every process of an entity.
    SignalAll {
        /// Its main process.
        slot: SlotRef,
        /// The entity.
        entity: EntityId,
        /// The signal.
        signal: Signal,
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
    /// Tell when a path exists, by `PathSeen`.
    Watch {
        /// Who waits.
        wait: Wait,
        /// The path.
        path: String,
        /// What is older than the process of this slot does not count.
        not_before: Option<SlotRef>,
    },
    /// Nobody waits for that path any more.
    Unwatch {
        /// Who waited.
        wait: Wait,
    },
    /// Read which process a forking daemon has left behind; answered by
    /// `MainFound` or `MainMissing`.
    FindMain {
        /// The process that has left it.
        slot: SlotRef,
        /// The entity.
        entity: EntityId,
        /// The file that says so.
        path: String,
    },
    /// From now on this is the process of a slot: the reaper records its end
    /// there. Should it have ended already, `Exited` comes, with its status or
    /// with `Unknown`. To ask twice does no harm.
    Adopt {
        /// The slot; the process that was made in it may have ended.
        slot: SlotRef,
        /// The entity.
        entity: EntityId,
        /// The process.
        pid: i32,
    },
    /// Let a slot that holds no process yet hold this one, which ham did not
    /// start; answered by `Spawned` once it was seen to be the one that started
    /// at that time, else by `SpawnFailed` or `Exited`. To ask twice does no
    /// harm.
    Attach {
        /// The slot.
        slot: SlotRef,
        /// The entity.
        entity: EntityId,
        /// The process.
        pid: i32,
        /// When it started, in clock ticks since boot.
        start: u64,
    },
    /// Let a slot hold nothing any more though its process goes on, whose end is
    /// nobody's business from then on. Answered by `Cleared`. To ask twice does
    /// no harm.
    Release {
        /// Which; a later generation in it is left alone.
        slot: SlotRef,
    },
    /// Read which process a file names; answered by `PidRead`.
    ReadPid {
        /// Whose it would be.
        entity: EntityId,
        /// The file.
        path: String,
    },
    /// Remove the directories that go with an entity's processes; answered by
    /// `Tidied`.
    Tidy {
        /// Whose.
        entity: EntityId,
        /// A start follows.
        restarts: bool,
    },
    /// Look once in every period whether heartbeats of an entity have come, and
    /// tell by `Beats`. Asked again it replaces what was asked before; what has
    /// come in the period that is not over still counts for it.
    WatchBeats {
        /// Whose.
        entity: EntityId,
        /// Its process; heartbeats of another do not count.
        slot: SlotRef,
        /// The length of a period.
        interval: Span,
        /// When the first period begins.
        from: Mono,
        /// Tell of every period; otherwise only of those without any.
        every: bool,
    },
    /// Its heartbeats are of no interest any more.
    UnwatchBeats {
        /// Whose.
        entity: EntityId,
    },
    /// Tell at once what the kernel ends of it because memory is short: it runs
    /// already, and somebody wants to know from here on. Of what is started later
    /// the daemon asks `Monitor::watches_memory`.
    WatchMemory {
        /// Whose; `None`: of all.
        entity: Option<EntityId>,
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
    /// Answer a request. A client whose answer was lost asks again, and gets
    /// the answer that its record holds.
    Reply {
        /// The request.
        id: RequestId,
        /// The entity.
        entity: EntityId,
        /// What became of it.
        answer: Reply,
    },
    /// Answer a directive; its client may ask again, as of a request.
    Verdict {
        /// The directive.
        id: RequestId,
        /// What has come of it.
        verdict: Verdict,
    },
    /// All is down: end what is left and end the manager.
    Finish {
        /// What comes after that.
        last: Last,
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
        /// Whether it is a part of the entity's own life, and so has its
        /// surroundings (directory, settings) too.
        own: bool,
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
    /// It is not started, since this one that it requires is not up.
    Dependency(EntityId),
    /// Nothing was done: these two conflict, and both would have to be up.
    Conflict(EntityId, EntityId),
    /// An action of its `pre-start` list failed.
    PreStartFailed,
    /// The unit has no `reload` list.
    NoReload,
    /// This action of its `reload` list failed; `None`: the list could not be
    /// worked off.
    ReloadFailed(Option<Failed>),
    /// Processes are left that could not be ended: how many.
    Left(u32),
    /// Ham does not start it: it is attached.
    NotStartable,
    /// The manager is shutting down.
    ShuttingDown,
    /// The client has used this serial number, or a later one, for another
    /// request; nothing was done.
    SerialUsed,
}
