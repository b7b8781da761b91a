//! An entity as a record, and back. What cannot be a state is refused.

use super::budget::Budget;
use super::entity::{Actual, Cause, Desired, Entity, Next, StartTimes, Why};
use super::marks::Marks;
use crate::ids::{EntityId, MAX_ENTITIES, SlotRef};
use crate::memory::{Head, Record};
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};

/// The yes-or-no words of an entity, as bits of one.
const FINISHED: u64 = 1;
const GOOD: u64 = 2;
const ADOPTED: u64 = 4;
const ENDS: u64 = 8;
const ABNORMAL: u64 = 16;
const OOM_ENDED: u64 = 1 << 20;
/// In the word of the restarts, above as many as there ever are.
const OOM_KILLS_AT: u32 = 48;
const EARLY: u64 = 32;
const MOVING: u64 = 64;
const ATTACHED: u64 = 1 << 16;
const LETTING: u64 = 1 << 17;
const RENEWED: u64 = 1 << 21;
/// In the same word, above them: the state that it has reported.
const STATE_AT: u32 = 32;

impl Entity {
    pub(super) fn record(&self) -> Record {
        let open = match self.actual {
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Reached
            | Actual::Left { .. } => false,
            // Whose end the kernel may tell to somebody else is looked after.
            Actual::Up { .. } | Actual::Retiring { .. } => self.adopted,
            Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Joining { .. } => true,
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
        words.put_due(self.since);
        encode_why(self.why, &mut words);
        words
            .put(u64::from(self.budget.attempts))
            .put(u64::from(self.budget.in_window))
            .put(self.budget.window.0)
            .put(self.restarts | (u64::from(self.oom_kills) << OOM_KILLS_AT))
            .put(self.last_exit.map_or(0, ExitStatus::to_word))
            .put(
                self.told.map_or(0, |signal| u64::from(signal.0))
                    | (u64::try_from(self.last_pid).unwrap_or(0) << 8),
            )
            .put(self.removed.conditions);
        for word in self.removed.actions {
            words.put(word);
        }
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        words.put(
            flag(self.finished, FINISHED)
                | flag(self.good, GOOD)
                | flag(self.adopted, ADOPTED)
                | flag(self.ends, ENDS)
                | flag(self.abnormal, ABNORMAL)
                | flag(self.early, EARLY)
                | flag(self.moving, MOVING)
                | flag(self.attached, ATTACHED)
                | flag(self.letting, LETTING)
                | flag(self.renewed, RENEWED)
                | flag(self.oom_ended, OOM_ENDED)
                | (u64::from(self.state) << STATE_AT),
        );
        for time in [self.times.asked, self.times.begun, self.times.up] {
            words.put_due(time);
        }
        words.put_due(self.reloading).put_due(self.reloaded);
        words.put_due(self.look).put_due(self.times.gated);
        words.put(u64::try_from(self.named).unwrap_or(0));
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
        let oom_kills = u16::try_from(restarts >> OOM_KILLS_AT).map_err(|_| Odd)?;
        let restarts = restarts & !(u64::MAX << OOM_KILLS_AT);
        let last_exit = from.get_status()?;
        let word = from.get()?;
        let told = u8::try_from(word & 0xff).map_err(|_| Odd)?;
        let told = Some(told).filter(|number| *number != 0).map(Signal);
        let last_pid = i32::try_from(word >> 8).map_err(|_| Odd)?;
        let mut removed = Marks { conditions: from.get()?, ..Marks::default() };
        for word in &mut removed.actions {
            *word = from.get()?;
        }
        let flags = from.get()?;
        let has = |bit: u64| flags & bit != 0;
        let (asked, begun, up) = (from.get_due()?, from.get_due()?, from.get_due()?);
        let mut entity = Entity {
            desired,
            actual,
            since,
            why,
            budget,
            restarts,
            last_exit,
            abnormal: has(ABNORMAL),
            good: has(GOOD),
            finished: has(FINISHED),
            adopted: has(ADOPTED),
            early: has(EARLY),
            moving: has(MOVING),
            attached: has(ATTACHED),
            ends: has(ENDS),
            told,
            removed,
            times: StartTimes { asked, gated: None, begun, up },
            reloading: from.get_due()?,
            reloaded: from.get_due()?,
            look: from.get_due()?,
            last_pid,
            named: 0,
            state: u32::try_from(flags >> STATE_AT).map_err(|_| Odd)?,
            letting: has(LETTING),
            renewed: has(RENEWED),
            oom_kills,
            oom_ended: has(OOM_ENDED),
        };
        entity.times.gated = from.get_due()?;
        entity.named = from.get_pid()?;
        from.finish()?;
        // A word that says nothing in this state is as odd as one out of range.
        if entity.encode() == *words { Ok(entity) } else { Err(Odd) }
    }
}

/// Always eight words: tag, slot, pid, due, since (or whether it has been
/// killed, or until when, or when its process started), next, its time, its cause.
fn encode_actual(actual: &Actual, words: &mut Writer) {
    let none = (0, 0, 0);
    let why = |cause: Cause| (0, 0, cause_word(cause));
    let (tag, slot, pid, due, since, next) = match *actual {
        Actual::Down => (0, None, 0, None, 0, none),
        Actual::Waiting(due, cause) => (1, None, 0, Some(due), 0, why(cause)),
        Actual::Starting { slot, due, cause } => (2, Some(slot), 0, due, 0, why(cause)),
        Actual::Aborting { slot, due, killed, cause } => {
            (3, Some(slot), 0, Some(due), u64::from(killed), why(cause))
        }
        Actual::Up { slot, pid, since } => (4, Some(slot), pid, None, since.0, none),
        Actual::Stopping { slot, pid, due, killed, next } => {
            (5, Some(slot), pid, Some(due), u64::from(killed), next_words(next))
        }
        Actual::Clearing { slot, next } => (6, Some(slot), 0, None, 0, next_words(next)),
        Actual::Left { slot } => (7, Some(slot), 0, None, 0, none),
        Actual::Queued(cause) => (8, None, 0, None, 0, why(cause)),
        Actual::Gated(cause) => (9, None, 0, None, 0, why(cause)),
        Actual::Preparing { due, cause } => (10, None, 0, due, 0, why(cause)),
        Actual::Readying { slot, pid, since, due, cause } => {
            (11, Some(slot), pid, due, since.0, why(cause))
        }
        Actual::Handover { slot, pid, due, until, cause } => {
            (12, Some(slot), pid, Some(due), until.map_or(0, |until| until.0.max(1)), why(cause))
        }
        Actual::Retiring { slot, pid, since, next } => {
            (13, slot, pid, None, since.0, next_words(next))
        }
        Actual::Tidying { next } => (14, None, 0, None, 0, next_words(next)),
        Actual::Reached => (15, None, 0, None, 0, none),
        Actual::Joining { slot, pid, start } => (24, Some(slot), pid, None, start, none),
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
    let own = || slot.ok_or(Odd);
    Ok(match tag {
        0 => Actual::Down,
        1 => Actual::Waiting(due.ok_or(Odd)?, cause(next.2)?),
        2 => Actual::Starting { slot: own()?, due, cause: cause(next.2)? },
        3 => Actual::Aborting {
            slot: own()?,
            due: due.ok_or(Odd)?,
            killed: since.0 == 1,
            cause: cause(next.2)?,
        },
        4 => Actual::Up { slot: own()?, pid, since },
        5 => Actual::Stopping {
            slot: own()?,
            pid,
            due: due.ok_or(Odd)?,
            killed: since.0 == 1,
            next: next_from(next)?,
        },
        6 => Actual::Clearing { slot: own()?, next: next_from(next)? },
        7 => Actual::Left { slot: own()? },
        8 => Actual::Queued(cause(next.2)?),
        9 => Actual::Gated(cause(next.2)?),
        10 => Actual::Preparing { due, cause: cause(next.2)? },
        11 => Actual::Readying { slot: own()?, pid, since, due, cause: cause(next.2)? },
        12 => Actual::Handover {
            slot: own()?,
            pid,
            due: due.ok_or(Odd)?,
            until: Some(since).filter(|until| until.0 != 0),
            cause: cause(next.2)?,
        },
        13 => Actual::Retiring { slot, pid, since, next: next_from(next)? },
        14 => Actual::Tidying { next: next_from(next)? },
        15 => Actual::Reached,
        24 => Actual::Joining { slot: own()?, pid, start: since.0 },
        _ => return Err(Odd),
    })
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
        Cause::Dependency => 4,
        Cause::PidFile => 5,
    }
}

fn cause(word: u8) -> Result<Cause, Odd> {
    match word {
        1 => Ok(Cause::Boot),
        2 => Ok(Cause::Asked),
        3 => Ok(Cause::Restart),
        4 => Ok(Cause::Dependency),
        5 => Ok(Cause::PidFile),
        _ => Err(Odd),
    }
}

fn encode_why(why: Why, words: &mut Writer) {
    let of = |id: EntityId| u64::from(id.0);
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
        Why::Finished(status) => (11, status.to_word()),
        Why::PreStartFailed => (12, 0),
        Why::Dependency(id) => (13, of(id)),
        Why::CameBack(id) => (14, of(id)),
        Why::Wanted(id) => (15, of(id)),
        Why::Conflict(id) => (16, of(id)),
        Why::Attached => (20, 0),
        Why::Detached => (21, 0),
        Why::Changed => (22, 0),
        Why::Gone => (23, 0),
    };
    words.put(tag).put(detail);
}

fn decode_why(from: &mut Reader<'_>) -> Result<Why, Odd> {
    let tag = from.get_u8()?;
    let detail = from.get()?;
    let status = ExitStatus::from_word(detail);
    let other = || {
        let id = u32::try_from(detail).ok().filter(|id| *id < MAX_ENTITIES);
        id.map(EntityId).ok_or(Odd)
    };
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
        11 => Why::Finished(status.ok_or(Odd)?),
        12 => Why::PreStartFailed,
        13 => Why::Dependency(other()?),
        14 => Why::CameBack(other()?),
        15 => Why::Wanted(other()?),
        16 => Why::Conflict(other()?),
        20 => Why::Attached,
        21 => Why::Detached,
        22 => Why::Changed,
        23 => Why::Gone,
        _ => return Err(Odd),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_record() {
        let slot = SlotRef { index: 9, generation: 3 };
        let (pid, since, cause) = (77, Mono(4), Cause::Dependency);
        let next = Next::Start(Mono(9), Cause::Asked);
        for actual in [
            Actual::Down,
            Actual::Waiting(Mono(5), cause),
            Actual::Queued(cause),
            Actual::Gated(cause),
            Actual::Preparing { due: None, cause },
            Actual::Starting { slot, due: Some(Mono(8)), cause },
            Actual::Readying { slot, pid, since, due: Some(Mono(8)), cause },
            Actual::Handover { slot, pid, due: Mono(8), until: Some(Mono(9)), cause },
            Actual::Aborting { slot, due: Mono(5), killed: true, cause },
            Actual::Up { slot, pid, since },
            Actual::Reached,
            Actual::Retiring { slot: None, pid: 0, since, next },
            Actual::Retiring { slot: Some(slot), pid, since, next: Next::Rest },
            Actual::Stopping { slot, pid, due: Mono(5), killed: true, next },
            Actual::Clearing { slot, next },
            Actual::Tidying { next },
            Actual::Left { slot },
            Actual::Joining { slot, pid, start: 99 },
        ] {
            let times = StartTimes {
                asked: Some(Mono(1)),
                gated: Some(Mono(3)),
                begun: Some(Mono(2)),
                up: None,
            };
            let (why, look, last_pid) =
                (Why::Dependency(EntityId(7)), Some(super::super::NEVER), i32::MAX);
            let told = Some(Signal(64));
            let (finished, named) = (true, 78);
            let entity = Entity {
                actual,
                why,
                times,
                finished,
                look,
                last_pid,
                told,
                named,
                attached: true,
                letting: true,
                ..Entity::default()
            };
            let record = entity.record();
            assert_eq!(Entity::decode(&record.words), Ok(entity));
            assert_eq!(record.head.slot, entity.slot());
        }
    }

    #[test]
    fn a_record_with_one_odd_word_is_refused() {
        let mut entity = Entity { desired: Desired::Running, ..Entity::default() };
        let slot = SlotRef { index: 9, generation: 3 };
        let next = Next::Start(Mono(9), Cause::Asked);
        entity.actual = Actual::Stopping { slot, pid: 77, due: Mono(5), killed: false, next };
        let record = entity.record();
        assert_eq!(Entity::decode(&record.words), Ok(entity));
        for (place, wrong) in [(0, 2), (1, 99), (2, 1 << 20), (3, 1 << 40), (8, 9), (31, 1 << 40)] {
            let mut words = record.words;
            words[place] = wrong;
            assert_eq!(Entity::decode(&words), Err(Odd), "word {place}");
        }
    }
}
