//! Action lists in progress: a *run* is all conditions of one class that one
//! occurrence has fired on one entity, worked off in order. It has a record,
//! since a successor must go on exactly where the monitor was. How runs move is
//! in `lists`.

use super::failed;
use super::marks::Marks;
use crate::effect::Failed;
use crate::ids::{EntityId, RunRef, SlotRef};
use crate::memory::{Head, Record};
use crate::plan::{Class, ConditionKind, ConditionPlan, Only};
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};

/// Which kinds of condition an occurrence fires: a death can be abnormal, and
/// a failure, at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Just these.
    #[must_use]
    pub fn of(kinds: &[ConditionKind]) -> Kinds {
        Kinds(kinds.iter().fold(0, |mask, kind| mask | bit(*kind)))
    }

    /// Whether a condition of that kind is fired; `any` is by everything.
    #[must_use]
    pub fn fires(self, kind: ConditionKind) -> bool {
        kind == ConditionKind::Any || self.0 & bit(kind) != 0
    }
}

fn bit(kind: ConditionKind) -> u32 {
    match kind {
        ConditionKind::Death => 1,
        ConditionKind::AbnormalDeath => 1 << 1,
        ConditionKind::Failure => 1 << 2,
        ConditionKind::Stopped => 1 << 3,
        ConditionKind::Restart => 1 << 4,
        ConditionKind::StartFailed => 1 << 5,
        ConditionKind::RestartLimit => 1 << 6,
        ConditionKind::Any => 1 << 7,
        ConditionKind::Ready => 1 << 8,
        ConditionKind::Finished => 1 << 9,
        ConditionKind::Attach => 1 << 10,
        ConditionKind::Detach => 1 << 11,
        ConditionKind::HeartbeatMissedLow => 1 << 12,
        ConditionKind::HeartbeatMissedHigh => 1 << 13,
        ConditionKind::HeartbeatHealthy => 1 << 14,
        ConditionKind::HeartbeatTooMany => 1 << 15,
        ConditionKind::State => 1 << 16,
        ConditionKind::Raise => 1 << 17,
        ConditionKind::OomKill => 1 << 18,
    }
}

const ALL_KINDS: u32 = 0x7_ffff;

/// Something that happened to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// To whom.
    pub about: EntityId,
    /// What.
    pub kinds: Kinds,
    /// More of it, where there is more to say.
    pub detail: Detail,
    /// To which process; `None`: to none.
    pub slot: Option<SlotRef>,
    /// Its id; 0: there is none.
    pub pid: i32,
    /// How it ended, if it did.
    pub status: Option<ExitStatus>,
}

/// What more there is to say of an occurrence than its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// A transition from one state to another.
    State {
        /// The one before.
        from: u32,
        /// The one after.
        to: u32,
    },
    /// An event with these numbers.
    Raise {
        /// Its type.
        kind: u32,
        /// Its class.
        class: u32,
        /// Its severity.
        severity: u32,
    },
    /// A heartbeat, or the want of one.
    Heartbeat {
        /// How many were missed in a row.
        missed: u32,
    },
    /// Nothing has happened: one action is done as soon as it was added.
    Now,
}

impl Occurrence {
    /// Whether it fires a condition of the unit of `owner`, which is one of
    /// global conditions or not.
    #[must_use]
    pub fn fires(&self, condition: &ConditionPlan, owner: EntityId, global: bool) -> bool {
        let concerns = match condition.of {
            Some(of) => of == self.about,
            None => global || owner == self.about,
        };
        concerns && self.kinds.fires(condition.on) && self.is_among(&condition.only)
    }

    fn is_among(&self, only: &Only) -> bool {
        match (only, self.detail) {
            (Only::All, _) => true,
            (Only::State { from, to }, Detail::State { from: was, to: is }) => {
                from.holds(was) && to.holds(is)
            }
            (
                Only::Raise { kind, class, severity },
                Detail::Raise { kind: k, class: c, severity: s },
            ) => {
                let among = |asked: &Option<u32>, is| asked.is_none_or(|asked| asked == is);
                among(kind, k) && among(class, c) && among(severity, s)
            }
            (Only::State { .. } | Only::Raise { .. }, _) => false,
        }
    }
}

/// What the current action of a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: the next action is to begin.
    Ready,
    /// The daemon, for the line of a `log`.
    Log,
    /// The daemon, for a signal to this process: a repeat after a takeover
    /// must not hit its successor.
    Signal(SlotRef),
    /// The path of a `waitfor`, or its time.
    Path,
    /// Mere time.
    Pause,
    /// The entity's next process.
    Restart,
    /// Its command: to be made, and when it waits for the end, to end.
    Command(SlotRef),
    /// The entity, to be up, or to have read its configuration again.
    Up,
    /// The daemon, for a signal to a process that is named by its id.
    SignalProcess,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose conditions.
    pub entity: EntityId,
    /// Which use of its place in the run table.
    pub serial: u32,
    /// Which queue.
    pub class: Class,
    /// What fired it.
    pub occurrence: Occurrence,
    /// Place of the current condition, or of a list of the entity's own life.
    pub condition: u16,
    /// Place of the current action in it.
    pub action: u16,
    /// 0: the action itself; else the place in its on-fail list, from 1.
    pub on_fail: u16,
    /// What it waits for.
    pub phase: Phase,
    /// Counted up at every action that begins.
    pub step: u32,
    /// When the current action has taken too long (or, for a pause, is over).
    pub due: Option<Mono>,
    /// Whether what is not re-armed goes when this run ends: it has brought
    /// the entity back, and the rest of its list still counts.
    pub prune: bool,
    /// When it began.
    pub began: Mono,
    /// The action that has failed, when that ends the list or may; of the
    /// entity's own lists.
    pub failed: Option<Failed>,
    /// Where its actions were moved about meanwhile: those that it has behind it,
    /// since their places do not tell any more. None, as a rule.
    pub passed: Marks,
}

impl Run {
    /// Names the current action of the run that stands at `index`.
    #[must_use]
    pub fn reference(&self, index: u32) -> RunRef {
        RunRef { index, serial: self.serial, step: self.step }
    }

    /// Whether this run works off that condition, which stands at `place` of
    /// its unit.
    #[must_use]
    pub fn takes(&self, place: usize, condition: &ConditionPlan, global: bool) -> bool {
        let here = place == usize::from(self.condition);
        if self.is_single() {
            return here;
        }
        // Its class may have changed since it began here.
        let alone = self.class == Class::Independent;
        let begun = alone || self.action > 0 || self.on_fail > 0;
        let mine = if here && begun { true } else { !alone && condition.class == self.class };
        mine && self.occurrence.fires(condition, self.entity, global)
    }

    /// Whether it is one action, and no more.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.occurrence.detail == Detail::Now
    }

    pub(super) fn record(&self) -> Record {
        // The slot of a command is owned by the command's record.
        let head = Head { due: self.due, slot: None, open: true, active: true };
        Record { head, words: self.encode() }
    }

    fn encode(&self) -> Words {
        let (phase, slot) = match self.phase {
            Phase::Ready => (0, None),
            Phase::Log => (1, None),
            Phase::Path => (2, None),
            Phase::Pause => (3, None),
            Phase::Restart => (4, None),
            Phase::Command(slot) => (5, Some(slot)),
            Phase::Signal(slot) => (6, Some(slot)),
            Phase::Up => (7, None),
            Phase::SignalProcess => (16, None),
        };
        let class = match self.class {
            Class::InOrder => 0,
            Class::NoWait => 1,
            Class::Independent => 2,
        };
        let mut words = Writer::new();
        words
            .put(u64::from(self.entity.0))
            .put(u64::from(self.serial))
            .put(class)
            .put(u64::from(self.occurrence.kinds.0))
            .put(self.occurrence.slot.map_or(0, SlotRef::to_word))
            .put(u64::try_from(self.occurrence.pid).unwrap_or(0))
            .put(self.occurrence.status.map_or(0, ExitStatus::to_word))
            .put(u64::from(self.condition))
            .put(u64::from(self.action))
            .put(u64::from(self.on_fail))
            .put(phase)
            .put(slot.map_or(0, SlotRef::to_word))
            .put(u64::from(self.step))
            .put_due(self.due)
            .put(u64::from(self.prune))
            .put(self.began.0)
            .put(failed::word(self.failed))
            .put(u64::from(self.occurrence.about.0));
        let (tag, a, b, c) = match self.occurrence.detail {
            Detail::None => (0, 0, 0, 0),
            Detail::State { from, to } => (1, from, to, 0),
            Detail::Raise { kind, class, severity } => (2, kind, class, severity),
            Detail::Heartbeat { missed } => (3, missed, 0, 0),
            Detail::Now => (9, 0, 0, 0),
        };
        words.put(tag).put(u64::from(a)).put(u64::from(b)).put(u64::from(c));
        for word in self.passed.actions {
            words.put(word);
        }
        words.finish()
    }

    pub(super) fn decode(words: &Words) -> Result<Run, Odd> {
        let mut from = Reader::new(words);
        let entity = EntityId(from.get_u32()?);
        let serial = from.get_u32()?;
        let class = match from.get()? {
            0 => Class::InOrder,
            1 => Class::NoWait,
            2 => Class::Independent,
            _ => return Err(Odd),
        };
        let kinds = from.get_u32()?;
        if kinds & !ALL_KINDS != 0 || entity.0 >= crate::ids::MAX_ENTITIES {
            return Err(Odd);
        }
        let mut occurrence = Occurrence {
            about: entity,
            kinds: Kinds(kinds),
            detail: Detail::None,
            slot: from.get_slot()?,
            pid: from.get_pid()?,
            status: from.get_status()?,
        };
        let (condition, action, on_fail) = (from.get_u16()?, from.get_u16()?, from.get_u16()?);
        let tag = from.get()?;
        let slot = from.get_slot()?;
        let phase = match (tag, slot) {
            (0, None) => Phase::Ready,
            (1, None) => Phase::Log,
            (2, None) => Phase::Path,
            (3, None) => Phase::Pause,
            (4, None) => Phase::Restart,
            (5, Some(slot)) => Phase::Command(slot),
            (6, Some(slot)) => Phase::Signal(slot),
            (7, None) => Phase::Up,
            (16, None) => Phase::SignalProcess,
            _ => return Err(Odd),
        };
        let (step, due, prune) = (from.get_u32()?, from.get_due()?, from.get_bool()?);
        let (began, failed) = (Mono(from.get()?), failed::from_word(from.get()?)?);
        occurrence.about = EntityId(from.get_u32()?);
        let tag = from.get()?;
        let (a, b, c) = (from.get_u32()?, from.get_u32()?, from.get_u32()?);
        occurrence.detail = match tag {
            0 => Detail::None,
            1 => Detail::State { from: a, to: b },
            2 => Detail::Raise { kind: a, class: b, severity: c },
            3 => Detail::Heartbeat { missed: a },
            9 => Detail::Now,
            _ => return Err(Odd),
        };
        let mut passed = Marks::default();
        for word in &mut passed.actions {
            *word = from.get()?;
        }
        from.finish()?;
        if occurrence.about.0 >= crate::ids::MAX_ENTITIES {
            return Err(Odd);
        }
        // One that nothing comes of would be due for ever.
        let may_be_due = matches!(phase, Phase::Path | Phase::Pause | Phase::Up);
        if due.is_some() && !may_be_due {
            return Err(Odd);
        }
        let run = Run {
            entity,
            serial,
            class,
            occurrence,
            condition,
            action,
            on_fail,
            phase,
            step,
            due,
            prune,
            began,
            failed,
            passed,
        };
        if run.encode() == *words { Ok(run) } else { Err(Odd) }
    }
}

/// Which action of an entity: condition, action, place in the on-fail list.
pub type Place = (u16, u16, u16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Failure;

    #[test]
    fn any_is_fired_by_everything_and_nothing_else_is() {
        let kinds = Kinds::of(&[ConditionKind::Death, ConditionKind::Failure]);
        let fired: Vec<&str> = ConditionKind::ALL
            .iter()
            .filter(|(kind, _)| kinds.fires(*kind))
            .map(|(_, word)| *word)
            .collect();
        assert_eq!(fired, ["death", "failure", "any"]);
    }

    #[test]
    fn runs_survive_their_records() {
        let slot = SlotRef { index: 12, generation: 5 };
        let run = Run {
            entity: EntityId(3),
            serial: 8,
            class: Class::Independent,
            occurrence: Occurrence {
                about: EntityId(4),
                detail: Detail::Raise { kind: 1, class: 2, severity: 3 },
                kinds: Kinds::of(&[ConditionKind::Death]),
                slot: Some(slot),
                pid: 4711,
                status: Some(ExitStatus::Code(3)),
            },
            condition: 1,
            action: 2,
            on_fail: 3,
            phase: Phase::Command(slot),
            step: 9,
            due: None,
            prune: true,
            began: Mono(3),
            failed: Some(Failed { action: 2, why: Failure::Exit(ExitStatus::Code(1)) }),
            passed: Marks { actions: [5, 0, 0, 1 << 63], ..Marks::default() },
        };
        assert_eq!(Run::decode(&run.record().words), Ok(run.clone()));
        let waits = Run { phase: Phase::Path, due: Some(Mono(77)), ..run.clone() };
        assert_eq!(Run::decode(&waits.record().words), Ok(waits));
        let for_ever = Run { due: Some(Mono(77)), ..run.clone() };
        assert_eq!(Run::decode(&for_ever.record().words), Err(Odd));
    }
}
