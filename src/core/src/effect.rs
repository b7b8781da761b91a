//! Everything that the core can ask the daemon to do. An effect that takes
//! time names what it is for, and exactly one completion event comes back for
//! it; the core never waits. Effects run after the turn that made them is
//! committed, so a successor can ask for the same again: carrying one out
//! twice must do no harm, and each kind says why it does not.

use crate::directive::Verdict;
use crate::event::Wait;
use crate::ids::{EntityId, RequestId, RunRef, SlotRef};
use crate::plan::{Ending, EntityPlan, Identity};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::{Mono, Span};
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
        ending: Ending,
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
    /// It is up.
    Ready,
    /// A one-shot has ended well.
    Finished {
        /// Its process id.
        pid: i32,
        /// How it ended.
        status: ExitStatus,
    },
    /// One that it requires is not up.
    Dependency {
        /// Which.
        on: EntityId,
        /// It is stopped for that; else it is not started.
        stops: bool,
    },
    /// It is stopped, since this one that it conflicts with starts.
    Conflict {
        /// Which.
        with: EntityId,
    },
    /// This is its main process from now on.
    MainProcess {
        /// Its id.
        pid: i32,
    },
    /// It says that it reads its configuration again.
    Reloading,
    /// It says that it has done so.
    Reloaded,
    /// It says that it is about to end.
    EndsItself,
    /// Its restart action leaves it down after such an end.
    NotRestarted {
        /// How it ended.
        status: ExitStatus,
    },
    /// An action of its `pre-start` list failed.
    PreStartFailed,
    /// It has reported a state.
    State {
        /// The one before.
        from: u32,
        /// The one that it is in.
        to: u32,
    },
    /// Somebody has published an event of it.
    Raised {
        /// Its type.
        kind: u32,
        /// Its class.
        class: u32,
        /// Its severity.
        severity: u32,
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
    /// Its heartbeat has stayed away too often.
    HeartbeatMissed {
        /// So often in a row.
        missed: u32,
        /// As often as `high` says, or it has said so itself; else `low`.
        high: bool,
    },
    /// Its heartbeat is healthy again.
    HeartbeatHealthy,
    /// More heartbeats have come than should.
    HeartbeatTooMany {
        /// So many in the time of `max`, or in a part of it.
        count: u32,
    },
    /// What happens to an item counts again.
    Armed {
        /// Place of the condition; `None`: the entity itself.
        condition: Option<u16>,
        /// Place of the action in it; `None`: the condition itself.
        action: Option<u16>,
    },
    /// What happens to an item does not count.
    Disarmed {
        /// Place of the condition; `None`: the entity itself.
        condition: Option<u16>,
        /// Place of the action in it; `None`: the condition itself.
        action: Option<u16>,
    },
    /// What was changed of it at run time could not be read after a takeover;
    /// it goes on as its unit says.
    OverlayLost,
    /// It was made at run time.
    Made,
    /// It was made at run time and is no more.
    Removed,
    /// A process that ham did not start is its process from now on.
    Attached {
        /// Its id.
        pid: i32,
    },
    /// One that was to be had ended before.
    NotAttached {
        /// Its id.
        pid: i32,
    },
    /// It was let go of: its process goes on by itself.
    Detached {
        /// Its id.
        pid: i32,
    },
    /// Memory was short, and the kernel has ended processes of it.
    OomKilled {
        /// How many since its process was started.
        kills: u32,
    },
    /// A pulse of it waits in its channel.
    PulseSent {
        /// Where it stands (`Monitor::channel_at`).
        place: u32,
        /// Its number in its channel.
        serial: u64,
    },
}

/// An action that failed, and with it the list that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its place in the list.
    pub action: u16,
    /// Why.
    pub why: Failure,
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
    /// One that the entity requires is not up.
    Dependency,
    /// Two that would have to be up with it conflict.
    Conflict,
    /// The manager is not the init of a machine, which alone can start it anew.
    NoInit,
    /// The command that is to take the place of the manager is too long.
    TooLong,
    /// As many pulses as there may be wait in its channel, or over all.
    ChannelFull,
}
