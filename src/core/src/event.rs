//! Everything that can happen, as the daemon tells it to the core. Each event
//! names its object by index and generation, so one that comes late, or twice
//! because a monitor was replaced in between, is recognised and dropped.

use crate::directive::Directive;
use crate::ids::{EntityId, RequestId, RunRef, SlotRef};
use crate::notify::Told;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::{Mono, Span};
use crate::way::Way;
use std::collections::BTreeSet;

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The plan is in force and the manager begins: what starts by itself
    /// starts. Ignored after the first time, also by a successor.
    Boot,
    /// Nothing but the passing of time.
    Tick,
    /// The process of a slot has executed its program.
    Spawned {
        /// Which process.
        slot: SlotRef,
        /// Its process id.
        pid: i32,
    },
    /// The process of a slot could not be made or did not get to its program.
    SpawnFailed {
        /// Which process.
        slot: SlotRef,
        /// Stage and errno in one word, as the slot holds it.
        error: u64,
    },
    /// The process of a slot has ended and the reaper has recorded it.
    Exited {
        /// Which process.
        slot: SlotRef,
        /// Its process id while it lived.
        pid: i32,
        /// How it ended.
        status: ExitStatus,
        /// When the reaper saw it.
        at: Mono,
    },
    /// Nothing is left of the processes that a slot's process started.
    Cleared {
        /// Whose.
        slot: SlotRef,
        /// Processes that could not be ended.
        left: u32,
    },
    /// The reaper has let go of a slot; it may be used again.
    SlotFreed {
        /// Which slot, with the generation that has ended.
        slot: SlotRef,
    },
    /// An effect that carried this run has been carried out.
    ActionDone {
        /// Which action.
        run: RunRef,
        /// Whether it went well.
        ok: bool,
    },
    /// A path that is watched is there.
    PathSeen {
        /// Who waits for it.
        wait: Wait,
        /// False: it cannot be watched.
        ok: bool,
    },
    /// The process of a slot has written a line end to its descriptor.
    Ready {
        /// Which process.
        slot: SlotRef,
    },
    /// A process of an entity says something by sd_notify(3), and may.
    Told {
        /// The process of the entity, whichever of its processes has sent it.
        slot: SlotRef,
        /// What. Its `main` is a process of the entity, or it is not there.
        told: Box<Told>,
    },
    /// The file of a forking daemon names this process, which is one of the
    /// entity's.
    MainFound {
        /// The process that has left it behind.
        slot: SlotRef,
        /// Its id.
        pid: i32,
    },
    /// The file does not, yet.
    MainMissing {
        /// The process that should have left one behind.
        slot: SlotRef,
        /// Whether any process of the entity is left at all.
        left: bool,
    },
    /// What the file names that should name the process of an entity.
    PidRead {
        /// Which entity.
        entity: EntityId,
        /// The process, which lives and is nobody's, and when it started, in
        /// clock ticks since boot; `None`: there is none, yet.
        process: Option<(i32, u64)>,
    },
    /// A period of a heartbeat that is watched is over. One that is looked at
    /// late stands for all that have passed since (details 28).
    Beats {
        /// Whose.
        entity: EntityId,
        /// Its process.
        slot: SlotRef,
        /// Heartbeats that came in it.
        count: u32,
    },
    /// Nothing is left in the file system that had to go with its processes.
    Tidied {
        /// Of which entity.
        entity: EntityId,
    },
    /// Somebody asks for something: all of one call, so that it is taken as a
    /// whole or not at all.
    Request {
        /// To be named in the answers, of which there is one for each entity.
        id: RequestId,
        /// Which entities, each once.
        entities: Vec<EntityId>,
        /// What.
        ask: Ask,
        /// Whether the answer waits for the outcome.
        wait: bool,
        /// Who, so that a repeat has no second effect; `None`: it is not
        /// repeated.
        from: Option<Caller>,
    },
    /// Somebody says something of an entity, or asks for something beside.
    Directive {
        /// To be named in the verdict.
        id: RequestId,
        /// What.
        directive: Directive,
        /// Who, so that a repeat has no second effect; `None`: it is not
        /// repeated.
        from: Option<Caller>,
    },
    /// After a takeover: watch the heartbeats of these again (`Resume::beats`,
    /// all at once or by and by).
    WatchAgain {
        /// Whose.
        entities: Vec<EntityId>,
    },
    /// The kernel has ended processes because memory was short.
    OomKilled {
        /// The process of the entity, which with all that it has started is
        /// counted.
        slot: SlotRef,
        /// How many so far.
        kills: u64,
        /// Its process is one of them; its end is told next.
        ended: bool,
    },
    /// Somebody has received pulses, all up to a number.
    Received {
        /// From which channel.
        channel: String,
        /// The number.
        upto: u64,
    },
    /// From these channels of pulses somebody receives, and from no other.
    /// Needed by nothing but channels that could give their place back.
    Receivers {
        /// Their names.
        channels: BTreeSet<String>,
    },
    /// The manager is to end.
    Shutdown {
        /// What comes then. Of the machine's end only an exit is left where the
        /// manager may not end it.
        way: Way,
        /// How long the entities have; a second, shorter one hurries.
        within: Span,
        /// How many signals have asked for it so far; 0: a client does. A
        /// successor counts on from what was committed.
        signals: u64,
    },
}

/// Who waits for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// A `waitfor`.
    Run(RunRef),
    /// An entity, to be started.
    Start(EntityId),
    /// The start of a process, to be up.
    Ready(SlotRef),
}

/// A client that repeats its requests, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user that it runs as, as the kernel says. What another user calls a
    /// client by the same number is another client.
    pub uid: u32,
    /// Whether that is root, or the manager's own user. What is kept of them
    /// makes way for no other's.
    pub own: bool,
    /// The client, as it names itself.
    pub client: u64,
    /// Its request; a later one has a higher number.
    pub serial: u64,
}

/// What a person can ask of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It should run.
    Start,
    /// It should not.
    Stop,
    /// It should run anew.
    Restart,
    /// It should read its configuration again.
    Reload,
    /// Its main process should get this signal.
    Kill(Signal),
}
