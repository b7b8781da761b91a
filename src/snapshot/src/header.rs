//! The first page: who is who, which turn counts, and the few words by which
//! the processes tell each other things. Each word has one writer.

use crate::State;
use std::sync::atomic::Ordering;

pub(crate) const MAGIC: usize = 0;
pub(crate) const VERSION: usize = 1;
pub(crate) const TOTAL: usize = 2;

/// Words of the header that are plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Field {
    /// Boot id, first half: a state of another boot is not adopted.
    BootIdLow = 3,
    /// Boot id, second half.
    BootIdHigh = 4,
    /// Drawn when the state was made; part of every invocation id.
    Instance = 5,
    /// Process id of the reaper.
    ReaperPid = 6,
    /// Start time of the reaper (field 22 of /proc/PID/stat).
    ReaperStart = 7,
    /// Process id of the monitor, or of who is about to be it; 0: none at the
    /// moment. Written by the reaper.
    MonitorPid = 8,
    /// Monitors that have taken over from a dead one. Written by those.
    Takeovers = 9,
    /// When the manager was started, CLOCK_MONOTONIC.
    StartedMono = 10,
    /// When the manager was started, nanoseconds since the epoch.
    StartedReal = 11,
    /// Entries that the reaper has put into the queue of exits.
    ExitQueueTail = 12,
    /// One more than the highest slot used.
    SlotsUsed = 13,
    /// One more than the highest entity record used.
    EntitiesUsed = 14,
    /// One more than the highest run record used.
    RunsUsed = 15,
    /// Exits that the reaper has put into the ring of orphans.
    OrphanTail = 16,
    /// Next number in the history.
    HistoryNext = 17,
    /// Up to where the history has been written to the log.
    HistoryLogged = 18,
    /// Shutdown requests by signal. Written by the reaper.
    ShutdownRequests = 19,
    /// Apply requests by signal. Written by the reaper.
    ApplyRequests = 20,
    /// Heap allocations of the reaper after its start; 0 or a mistake.
    ReaperAllocations = 21,
    /// The manager is done: 256 + exit code + what else there is to do << 16
    /// (`ending`). Written by the monitor.
    Done = 22,
    /// Events that monitors have got done, when the last one became it.
    ProgressAtStart = 23,
    /// Monitors in a row that died at once and got nothing done.
    CrashLoop = 24,
    /// When the last monitor died, CLOCK_MONOTONIC.
    MonitorDied = 25,
    /// Nanoseconds from when the last successor learnt of that until it had
    /// restored the state.
    TakeoverTook = 26,
    /// Generation of the accepted plan << 1 | the half it is in; 0: none.
    Plan = 27,
    /// Events that were committed. Written by the monitor.
    Progress = 28,
    /// How processes are made, found by the first monitor; 0: not yet.
    Abilities = 29,
    /// How much the log tells, 0 to 9. From the options, then by whoever sets
    /// it; a successor goes on with it. Written by the monitor.
    Verbosity = 30,
    /// Process id of the guardian, which waits for the end of the monitor; 0:
    /// none at the moment. Written by the reaper.
    GuardianPid = 31,
    /// Process id of who acts as the monitor. Written by itself when it begins.
    ActingPid = 32,
    /// Monitors that have died. Written by the reaper.
    MonitorDeaths = 33,
    /// Guardians that have died while they waited. Written by the reaper.
    GuardianDeaths = 34,
    /// Monitors and guardians that were ended because they hung.
    HangKills = 35,
    /// Monitors in a row that gave up over a mistake of their own. Written by
    /// the reaper.
    Faults = 36,
    /// When the process of `MonitorPid` became that, CLOCK_MONOTONIC. Written
    /// by the reaper.
    MonitorSince = 37,
    /// Up to where the monitor has taken the queue of exits.
    ExitsTaken = 38,
    /// Up to where it has taken the shutdown requests by signal.
    ShutdownsTaken = 39,
    /// Rounds of the monitor's loop: stands still when it waits, or hangs.
    Pulse = 40,
    /// How often the reaper has executed itself again after a fault.
    ReaperFaults = 41,
    /// When the last of these was, CLOCK_MONOTONIC.
    ReaperFault1 = 42,
    /// The one before.
    ReaperFault2 = 43,
    /// The one before that.
    ReaperFault3 = 44,
    /// 1: the reaper only reaps, since the state or itself is broken.
    ReaperGaveUp = 45,
    /// The limit of open files that ham was started with, soft; all ones: it
    /// was not changed.
    FirstSoftLimit = 46,
    /// The same, hard.
    FirstHardLimit = 47,
    /// Process id << 1 | which of the two channels is its own, of the monitor.
    /// Written by the reaper.
    MonitorChannel = 48,
    /// One more than the highest command record used.
    CommandsUsed = 49,
    /// The next deadline of the monitor, CLOCK_MONOTONIC; 0: none.
    MonitorDue = 50,
    /// One more than the highest place in the table of kept descriptors that is
    /// in use. Written by the reaper.
    KeptUsed = 51,
    /// Datagrams that were dropped, since whoever has sent them has no right
    /// to tell of any entity. Written by the monitor.
    NotificationsDropped = 52,
    /// Datagrams with descriptors that were taken from the notify socket, or
    /// are just being taken. Written by the monitor.
    HandoversTaken = 53,
    /// As `Plan`: of a plan that takes its place with a turn.
    PlanStaged = 54,
    /// One more than the highest record used of what entities say of
    /// themselves.
    SaidUsed = 55,
    /// One more than the highest record used of heartbeats.
    BeatsUsed = 56,
    /// One more than the highest record used of changes at run time.
    OverlaysUsed = 57,
    /// One more than the highest record used of parts of their texts.
    ChunksUsed = 58,
    /// One more than the highest record used of pulses.
    PulsesUsed = 59,
    /// The turn with which `PlanStaged` is in force; 0: none is staged.
    PlanTurn = 60,
    /// How many of the last places for entities were used, counted from the
    /// end: by those that no unit has.
    MadeUsed = 61,
    /// Up to when periods of heartbeats were looked at, CLOCK_MONOTONIC; 0: never.
    /// Written by the monitor.
    BeatsLooked = 62,
    /// Up to where apply requests were worked off. Written by the monitor.
    AppliesTaken = 63,
    /// The turn that counts. Stored last in a commit (details 1).
    CommittedTurn = 64,
    /// How many signals have asked for a shutdown (32 bits), and of the last
    /// eight what each wants, four bits each, the last one lowest (`requests`).
    /// Written by the reaper.
    ShutdownWays = 70,
    /// Until when the last steps of a machine may take, CLOCK_MONOTONIC; 0: they
    /// have not begun. Written by the monitor.
    LastUntil = 71,
    /// After how many nanoseconds without a feed the hardware watchdog that the
    /// reaper keeps starts the machine anew; 0: none is to be fed. Written by
    /// the monitor.
    WatchdogTimeout = 80,
    /// What the reaper has asked for as often as it has fed it.
    WatchdogPing = 81,
    /// The last of these that a monitor has answered in its loop.
    WatchdogPong = 82,
    /// Whether the file system is asked, too (`watchdog::Check`). Written by the
    /// monitor.
    WatchdogCheck = 83,
    /// The last of `WatchdogPing` that a file system has answered. Written by
    /// the monitor.
    WatchdogChecked = 84,
    /// When it was last fed, CLOCK_MONOTONIC; 0: never. Written by the reaper.
    WatchdogFed = 85,
    /// When all was last well, CLOCK_MONOTONIC; 0: never. Written by the reaper.
    WatchdogWell = 86,
    /// Whether it is fed, or why not (`watchdog::Standing`). Written by the
    /// reaper.
    WatchdogStanding = 87,
    /// The error number of the last feed; 0: it went well. Written by the
    /// reaper.
    WatchdogErrno = 88,
}

impl State {
    /// Reads a word of the header.
    #[must_use]
    pub fn get(&self, field: Field) -> u64 {
        self.load(field as usize)
    }

    /// Writes a word of the header.
    pub fn set(&self, field: Field, value: u64) {
        self.store(field as usize, value);
    }

    /// Counts a word of the header up and gives what it was.
    pub fn bump(&self, field: Field) -> u64 {
        self.word(field as usize).fetch_add(1, Ordering::AcqRel)
    }

    /// Raises a word of the header to at least this.
    pub fn raise(&self, field: Field, value: u64) {
        self.word(field as usize).fetch_max(value, Ordering::AcqRel);
    }
}
