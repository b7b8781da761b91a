//! What is worth telling: facts for the history and the log, and why actions
//! fail. They are effects (`effect`), and the only ones that nobody carries out.

use crate::ids::EntityId;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Span;

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
    /// Some of what was changed of it at run time means nothing any more, since
    /// its unit has changed.
    OverlayCut,
    /// It was made at run time.
    Made,
    /// It was made at run time and is no more.
    Removed,
    /// No unit has it any more.
    Leaves,
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
    /// There were as many channels as there may be: one that nobody had used for
    /// long has made way for one into which it sends.
    ChannelReused {
        /// Where the other one stood (`Monitor::channel_gone`).
        place: u32,
    },
    /// The manager ends, since it has ended.
    EndsManager {
        /// The exit code of the manager.
        code: u8,
        /// Whether its end alone is that of the manager; else all others have
        /// ended, too.
        main: bool,
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
