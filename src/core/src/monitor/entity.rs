//! One entity: what it should be and what it is, as two enums whose variants
//! hold the data that is valid in them, and its record. What happens to it is
//! in `life`.

use super::budget::Budget;
use crate::ids::SlotRef;
use crate::memory::{Head, Record};
use crate::plan::MAX_ACTIONS;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};

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
    /// A process is being made.
    Starting {
        /// Which.
        slot: SlotRef,
        /// When that has taken too long.
        due: Option<Mono>,
        /// Why.
        cause: Cause,
    },
    /// The start took too long and is being killed.
    Aborting {
        /// The process.
        slot: SlotRef,
        /// When it is killed again.
        due: Mono,
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
    /// Somebody stopped it.
    AskedStop,
    /// The manager is going down.
    Shutdown,
    /// Its process could not be started: stage and errno.
    StartFailed(u64),
    /// Its start took too long.
    StartTimeout,
    /// Its restart limit is reached.
    Limit,
    /// Its record was lost in a takeover.
    RecordLost,
}

/// Bits for conditions and actions of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    conditions: u64,
    actions: [u64; MAX_ACTIONS / 64],
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
    /// The last signal that an action of ham has sent to its process: a death
    /// by it is abnormal, whatever the signal (design §6).
    pub told: Option<Signal>,
    /// Conditions and actions that are gone: not re-armed, or failed.
    pub removed: Marks,
}

impl Entity {
    /// The slot that it owns: until nothing is left of its process, so that
    /// a successor knows what there is to clear.
    #[must_use]
    pub fn slot(&self) -> Option<SlotRef> {
        match self.actual {
            Actual::Down | Actual::Waiting(..) => None,
            Actual::Starting { slot, .. }
            | Actual::Aborting { slot, .. }
            | Actual::Up { slot, .. }
            | Actual::Stopping { slot, .. }
            | Actual::Clearing { slot, .. }
            | Actual::Left { slot } => Some(slot),
        }
    }

    /// The slot of its process, when that has been seen to run and is not known
    /// to have ended: whom a signal is for.
    #[must_use]
    pub fn running_slot(&self) -> Option<SlotRef> {
        match self.actual {
            Actual::Up { slot, .. } => Some(slot),
            Actual::Stopping { slot, pid, .. } => (pid != 0).then_some(slot),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Clearing { .. }
            | Actual::Left { .. } => None,
        }
    }

    /// Whether it has no process and none is planned.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.actual, Actual::Down | Actual::Left { .. })
    }

    /// Its deadline.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        match self.actual {
            Actual::Waiting(due, _) => Some(due),
            Actual::Starting { due, .. } => due,
            Actual::Aborting { due, .. } | Actual::Stopping { due, .. } => {
                Some(due).filter(|due| *due != NEVER)
            }
            Actual::Down | Actual::Up { .. } | Actual::Clearing { .. } | Actual::Left { .. } => {
                None
            }
        }
    }

    pub(super) fn record(&self) -> Record {
        let open = match self.actual {
            Actual::Down | Actual::Waiting(..) | Actual::Up { .. } | Actual::Left { .. } => false,
            Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. } => true,
        };
        let head = Head { due: self.due(), slot: self.slot(), open, active: !self.is_down() };
        Record { head, words: self.encode() }
    }

    fn encode(&self) -> Words {
        let mut words = Writer::new();
        words.put(match self.desired {
            Desired::Stopped => 0,
            Desired::Running => 1,
        });
        encode_actual(&self.actual, &mut words);
        words.put(self.since.map_or(0, |since| since.0));
        encode_why(self.why, &mut words);
        words
            .put(u64::from(self.budget.attempts))
            .put(u64::from(self.budget.in_window))
            .put(self.budget.window.0)
            .put(self.restarts)
            .put(self.last_exit.map_or(0, ExitStatus::to_word))
            .put(self.told.map_or(0, |signal| u64::from(signal.0)))
            .put(self.removed.conditions);
        for word in self.removed.actions {
            words.put(word);
        }
        words.put(u64::from(self.abnormal));
        words.finish()
    }

    pub(super) fn decode(words: &Words) -> Result<Entity, Odd> {
        let mut from = Reader::new(words);
        let desired = if from.get_bool()? { Desired::Running } else { Desired::Stopped };
        let actual = decode_actual(&mut from)?;
        let since = from.get_due()?;
        let why = decode_why(&mut from)?;
        let budget = Budget {
            attempts: from.get_u32()?,
            in_window: from.get_u32()?,
            window: Mono(from.get()?),
        };
        let restarts = from.get()?;
        let last_exit = from.get_status()?;
        let told = Some(from.get_u8()?).filter(|number| *number != 0).map(Signal);
        let mut removed = Marks { conditions: from.get()?, ..Marks::default() };
        for word in &mut removed.actions {
            *word = from.get()?;
        }
        let abnormal = from.get_bool()?;
        from.finish()?;
        let entity = Entity {
            desired,
            actual,
            since,
            why,
            budget,
            restarts,
            last_exit,
            abnormal,
            told,
            removed,
        };
        // A word that says nothing in this state is as odd as one out of range.
        if entity.encode() == *words { Ok(entity) } else { Err(Odd) }
    }
}

/// Always eight words: tag, slot, pid, due, since (or whether it has been
/// killed), next, its time, its cause.
fn encode_actual(actual: &Actual, words: &mut Writer) {
    let none = (0, 0, 0);
    let (tag, slot, pid, due, since, next) = match *actual {
        Actual::Down => (0, None, 0, None, 0, none),
        Actual::Waiting(due, cause) => (1, None, 0, Some(due), 0, (0, 0, cause_word(cause))),
        Actual::Starting { slot, due, cause } => {
            (2, Some(slot), 0, due, 0, (0, 0, cause_word(cause)))
        }
        Actual::Aborting { slot, due, cause } => {
            (3, Some(slot), 0, Some(due), 0, (0, 0, cause_word(cause)))
        }
        Actual::Up { slot, pid, since } => (4, Some(slot), pid, None, since.0, none),
        Actual::Stopping { slot, pid, due, killed, next } => {
            (5, Some(slot), pid, Some(due), u64::from(killed), next_words(next))
        }
        Actual::Clearing { slot, next } => (6, Some(slot), 0, None, 0, next_words(next)),
        Actual::Left { slot } => (7, Some(slot), 0, None, 0, none),
    };
    words.put(tag).put(slot.map_or(0, SlotRef::to_word)).put(u64::try_from(pid).unwrap_or(0));
    words.put_due(due).put(since).put(next.0).put(next.1).put(next.2);
}

fn decode_actual(from: &mut Reader<'_>) -> Result<Actual, Odd> {
    let tag = from.get_u8()?;
    let slot = from.get_slot()?;
    let pid = from.get_pid()?;
    let due = from.get_due()?;
    let since = Mono(from.get()?);
    let next = (from.get_u8()?, Mono(from.get()?), from.get_u8()?);
    match tag {
        0 => Ok(Actual::Down),
        1 => Ok(Actual::Waiting(due.ok_or(Odd)?, cause(next.2)?)),
        2 => Ok(Actual::Starting { slot: slot.ok_or(Odd)?, due, cause: cause(next.2)? }),
        3 => Ok(Actual::Aborting {
            slot: slot.ok_or(Odd)?,
            due: due.ok_or(Odd)?,
            cause: cause(next.2)?,
        }),
        4 => Ok(Actual::Up { slot: slot.ok_or(Odd)?, pid, since }),
        5 => Ok(Actual::Stopping {
            slot: slot.ok_or(Odd)?,
            pid,
            due: due.ok_or(Odd)?,
            killed: since.0 == 1,
            next: next_from(next)?,
        }),
        6 => Ok(Actual::Clearing { slot: slot.ok_or(Odd)?, next: next_from(next)? }),
        7 => Ok(Actual::Left { slot: slot.ok_or(Odd)? }),
        _ => Err(Odd),
    }
}

fn next_words(next: Next) -> (u64, u64, u64) {
    match next {
        Next::Rest => (0, 0, 0),
        Next::Start(at, cause) => (1, at.0, cause_word(cause)),
    }
}

fn next_from((tag, at, word): (u8, Mono, u8)) -> Result<Next, Odd> {
    match tag {
        0 => Ok(Next::Rest),
        1 => Ok(Next::Start(at, cause(word)?)),
        _ => Err(Odd),
    }
}

fn cause_word(cause: Cause) -> u64 {
    match cause {
        Cause::Boot => 1,
        Cause::Asked => 2,
        Cause::Restart => 3,
    }
}

fn cause(word: u8) -> Result<Cause, Odd> {
    match word {
        1 => Ok(Cause::Boot),
        2 => Ok(Cause::Asked),
        3 => Ok(Cause::Restart),
        _ => Err(Odd),
    }
}

fn encode_why(why: Why, words: &mut Writer) {
    let (tag, detail) = match why {
        Why::NeverStarted => (0, 0),
        Why::Boot => (1, 0),
        Why::AskedStart => (2, 0),
        Why::Restarted(status) => (3, status.map_or(0, ExitStatus::to_word)),
        Why::Died(status) => (4, status.to_word()),
        Why::AskedStop => (5, 0),
        Why::Shutdown => (6, 0),
        Why::StartFailed(error) => (7, error),
        Why::StartTimeout => (8, 0),
        Why::Limit => (9, 0),
        Why::RecordLost => (10, 0),
    };
    words.put(tag).put(detail);
}

fn decode_why(from: &mut Reader<'_>) -> Result<Why, Odd> {
    let tag = from.get_u8()?;
    let detail = from.get()?;
    let status = ExitStatus::from_word(detail);
    Ok(match tag {
        0 => Why::NeverStarted,
        1 => Why::Boot,
        2 => Why::AskedStart,
        3 => Why::Restarted(status),
        4 => Why::Died(status.ok_or(Odd)?),
        5 => Why::AskedStop,
        6 => Why::Shutdown,
        7 => Why::StartFailed(detail),
        8 => Why::StartTimeout,
        9 => Why::Limit,
        10 => Why::RecordLost,
        _ => return Err(Odd),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_one_odd_word_is_refused() {
        let mut entity = Entity { desired: Desired::Running, ..Entity::default() };
        let slot = SlotRef { index: 9, generation: 3 };
        entity.actual = Actual::Stopping {
            slot,
            pid: 77,
            due: Mono(5),
            killed: false,
            next: Next::Start(Mono(9), Cause::Asked),
        };
        let record = entity.record();
        assert_eq!(Entity::decode(&record.words), Ok(entity));
        assert_eq!(record.head.slot, Some(slot));
        for (place, wrong) in [(0, 2), (1, 7), (2, 1 << 20), (3, 1 << 40), (8, 9), (31, 1)] {
            let mut words = record.words;
            words[place] = wrong;
            assert_eq!(Entity::decode(&words), Err(Odd), "word {place}");
        }
    }
}
