//! What the model of the slot protocol is made of: shared memory, committed
//! records, the private memory of monitor and reaper, and the truth about the
//! processes, which only the properties may read. Nothing here acts.

/// Most entities and slots that any configuration uses; arrays of this size
/// keep a state flat, and a flat state is cheap to copy and to hash.
pub(crate) const MOST_ENTITIES: usize = 2;
/// See [`MOST_ENTITIES`].
pub(crate) const MOST_SLOTS: usize = 3;
/// Two spawner threads, as in the real monitor: one may still hold the end of
/// an old start (M4, M5) while the other begins the next.
pub(crate) const SPAWNERS: usize = 2;
/// No process: what a slot's pid word holds before the clone and after the clear.
pub(crate) const NO_PID: u8 = 0;
/// No status recorded yet. True statuses begin at 1.
pub(crate) const NO_STATUS: u8 = 0;

/// How the protocol is carried out: as it is meant, or with one mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The protocol of ham.
    Correct,
    /// No intent; the monitor stores pid and RUNNING after the clone.
    RecordAfterClone,
    /// Intent first, but the monitor stores the pid after the clone returned.
    PidAfterClone,
    /// Intent first, but the child stores its own pid as its first act.
    ChildStoresPid,
    /// Generation and state in two words, stored one after the other.
    TwoWords,
    /// The reaper reaps first and records the status afterwards.
    ReapBeforeRecord,
    /// F1 does not look at P, and R5 is a plain store.
    BlindFree,
    /// The successor acts while a clone of the old monitor may still complete.
    EarlySuccessor,
    /// The successor does not read W a second time after it read P = 0.
    NoSecondLook,
    /// The second read of W compares the state, but not the generation.
    SecondLookAtState,
    /// M4 is a plain store in place of a compare-exchange.
    PlainRunning,
    /// The reaper stores EXITED before the status (R2 before R1).
    WordBeforeStatus,
    /// A slot is chosen by its words alone, without the owner records.
    ChosenByWordAlone,
    /// A re-executed reaper that meets a recorded zombie again reaps it
    /// without a second notice.
    SilentSecondMeeting,
    /// A re-executed reaper does not look for pids that were reaped but not
    /// yet cleared.
    NoTidying,
    /// The reaper clears P before it reaps (R5 before R4).
    ClearBeforeReap,
}

/// The state half of W.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Word {
    Free,
    Intent,
    Running,
    Exited,
}

/// One slot of the shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    /// W: generation and state are one atomic word (but see [`Variant::TwoWords`]).
    pub(crate) generation: u8,
    pub(crate) word: Word,
    /// P: written by the kernel, cleared by the reaper.
    pub(crate) pid: u8,
    /// S: the status, valid once W is EXITED.
    pub(crate) status: u8,
}

/// How far a start got, as the monitor last committed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Starting,
    Up,
}

/// O: the committed record of which slot and generation an entity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) slot: u8,
    pub(crate) generation: u8,
    pub(crate) phase: Phase,
}

/// One committed line of history: this incarnation ended with this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) entity: u8,
    pub(crate) slot: u8,
    pub(crate) generation: u8,
    pub(crate) status: u8,
}

/// The next step of one start or one takeover decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// T1, takeover: read W.
    ReadWord,
    /// T2, takeover: W was INTENT, read P.
    ReadPid,
    /// T3, takeover: P was 0, read W again.
    ReadWordAgain,
    /// M1: P = 0, S = 0.
    ClearSlot,
    /// Only with [`Variant::TwoWords`]: the generation, ahead of the state.
    WriteGeneration,
    /// M2: W = (g, INTENT).
    WriteIntent,
    /// M3: clone; the kernel attaches the child and writes P.
    Clone,
    /// Only where the monitor stores the pid itself: P = what clone returned.
    StorePid(u8),
    /// M4: compare-exchange W from (g, INTENT) to (g, RUNNING).
    SetRunning,
    /// M5: commit O's phase Up.
    CommitUp,
    /// Clone returned an error: commit that nothing runs and a start is due.
    CommitFailure,
    /// Takeover found words that no rule covers: refuse, start nothing.
    Refused,
}

/// A start or takeover decision in the private memory of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Job {
    pub(crate) entity: u8,
    pub(crate) slot: u8,
    pub(crate) generation: u8,
    pub(crate) step: Step,
}

/// The monitor's event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventLoop {
    /// Waits for the reaper's notice or for something due.
    Waiting,
    /// Looks at the slots of this entity and of those after it.
    Looking(u8),
}

/// The reaper's next step, with what it remembers; lost when it re-executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reaper {
    /// Just re-executed: for this slot, if EXITED with a pid, ask the kernel
    /// (`waitid(P_PID, WNOHANG|WNOWAIT)`) whether that pid is a zombie.
    TidyAsk(u8),
    /// The kernel said zombie: is it this slot's, or does a later user of the
    /// same number stand in another slot?
    TidyCompare(u8),
    /// Waits for a zombie.
    Waiting,
    /// Only with [`Variant::ReapBeforeRecord`]: reaped, now looks for the slot.
    FindSlot { pid: u8, status: u8 },
    /// R1: S = status.
    RecordStatus { pid: u8, status: u8, slot: u8, generation: u8 },
    /// R2: W = (g, EXITED).
    WriteExited { pid: u8, status: u8, slot: u8, generation: u8 },
    /// R3: ring the monitor's eventfd.
    Notify { pid: u8, slot: u8 },
    /// R4: the kernel forgets the zombie; its number is free.
    Reap { pid: u8, slot: u8 },
    /// R5: compare-exchange P from pid to 0.
    ClearPid { pid: u8, slot: u8 },
    /// A zombie of no slot is in the exit ring already: reap it.
    ReapOrphan { pid: u8 },
}

impl Reaper {
    /// The pid that this step remembers.
    pub(crate) fn pid(self) -> Option<u8> {
        match self {
            Self::TidyAsk(_) | Self::TidyCompare(_) | Self::Waiting => None,
            Self::FindSlot { pid, .. }
            | Self::RecordStatus { pid, .. }
            | Self::WriteExited { pid, .. }
            | Self::Notify { pid, .. }
            | Self::Reap { pid, .. }
            | Self::ClearPid { pid, .. }
            | Self::ReapOrphan { pid } => Some(pid),
        }
    }
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    /// Only with [`Variant::ChildStoresPid`]: alive, its first act still to come.
    Newborn,
    Alive,
    Zombie,
    Reaped,
}

/// The truth about one process that was created for an entity. Its true exit
/// status is its place in [`State::processes`] plus one, so no two agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) entity: u8,
    pub(crate) slot: u8,
    pub(crate) generation: u8,
    pub(crate) pid: u8,
    pub(crate) life: Life,
}

impl Process {
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.life, Life::Newborn | Life::Alive)
    }
}

/// Everything: one node of the explored graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    // Shared memory: outlives monitor and reaper.
    pub(crate) slots: [Slot; MOST_SLOTS],
    /// The eventfd between reaper and monitor, inherited by each successor.
    pub(crate) bell: bool,
    // Committed records: each change of them is one step.
    pub(crate) owners: [Option<Owner>; MOST_ENTITIES],
    /// Starts that the restart budget of each entity still allows.
    pub(crate) starts_left: [u8; MOST_ENTITIES],
    /// Sorted: the order in which two entities' exits were recorded is no
    /// part of any property.
    pub(crate) history: Vec<Record>,
    // Private memory of the monitor: lost when it is killed.
    pub(crate) event_loop: EventLoop,
    /// Sorted; at most [`SPAWNERS`].
    pub(crate) jobs: Vec<Job>,
    // Private memory of the reaper.
    pub(crate) reaper: Reaper,
    /// Exits that the reaper put into the ring because no slot had their pid.
    pub(crate) ring: u8,
    // The kernel and the truth.
    pub(crate) processes: Vec<Process>,
    /// Only with [`Variant::EarlySuccessor`]: clones of monitors thought dead.
    pub(crate) late_clones: Vec<Job>,
    // What may still go wrong.
    pub(crate) kills_left: u8,
    pub(crate) reexecs_left: u8,
    pub(crate) clone_failures_left: u8,
}

impl State {
    pub(crate) fn slot(&self, slot: u8) -> Slot {
        self.slots[usize::from(slot)]
    }

    pub(crate) fn slot_mut(&mut self, slot: u8) -> &mut Slot {
        &mut self.slots[usize::from(slot)]
    }

    pub(crate) fn owner(&self, entity: u8) -> Option<Owner> {
        self.owners[usize::from(entity)]
    }

    pub(crate) fn is_owned(&self, slot: u8) -> bool {
        self.owners.iter().flatten().any(|owner| owner.slot == slot)
    }

    /// The zombie with this pid, if the kernel has one, as its true status.
    pub(crate) fn zombie_status(&self, pid: u8) -> Option<u8> {
        (1..)
            .zip(&self.processes)
            .find(|(_, process)| process.pid == pid && process.life == Life::Zombie)
            .map(|(status, _)| status)
    }

    /// Whether the kernel may give this number to a new process.
    pub(crate) fn is_pid_unused(&self, pid: u8) -> bool {
        self.processes.iter().all(|process| process.pid != pid || process.life == Life::Reaped)
    }

    /// Whether a number still stands in shared or private memory.
    pub(crate) fn remembers_pid(&self, pid: u8) -> bool {
        self.slots.iter().any(|slot| slot.pid == pid)
            || self.reaper.pid() == Some(pid)
            || self.jobs.iter().any(|job| job.step == Step::StorePid(pid))
    }

    /// The kernel takes the zombie away; from here on its pid may come again,
    /// and that this process had it is no longer told apart.
    pub(crate) fn reap(&mut self, pid: u8) {
        for process in &mut self.processes {
            if process.pid == pid && process.life == Life::Zombie {
                process.life = Life::Reaped;
                process.pid = NO_PID;
            }
        }
    }

    pub(crate) fn add_job(&mut self, job: Job) {
        self.jobs.push(job);
        self.jobs.sort_unstable();
    }

    pub(crate) fn remove_job(&mut self, job: Job) {
        self.jobs.retain(|other| *other != job);
    }
}
