//! The processes of `execute` actions: each is a *command*, with a record of its
//! own. What becomes of them is in `verbs`.

use super::run::Place;
use crate::ids::{EntityId, RunRef, SlotRef};
use crate::memory::{Head, Record};
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};

/// Where a command is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandPhase {
    /// Being made.
    Starting,
    /// It runs.
    Running,
    /// It took too long and is being killed.
    Killing,
}

/// The process of an `execute` action. It outlives its run when nobody waits
/// for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Whose condition.
    pub entity: EntityId,
    /// Its process.
    pub slot: SlotRef,
    /// The run that waits for it (for its start, or its end).
    pub run: Option<RunRef>,
    /// Which action it is, for the limit of commands per action: condition,
    /// action, place in the on-fail list.
    pub place: Place,
    /// Whether the run waits for its end.
    pub wait: bool,
    /// Where it is.
    pub phase: CommandPhase,
    /// When it is killed.
    pub due: Option<Mono>,
}

impl Command {
    pub(super) fn record(&self) -> Record {
        let open = self.phase != CommandPhase::Running;
        let head = Head { due: self.due, slot: Some(self.slot), open, active: true };
        let run = self.run.unwrap_or(RunRef { index: 0, serial: 0, step: 0 });
        let mut words = Writer::new();
        words
            .put(u64::from(self.entity.0))
            .put(self.slot.to_word())
            .put(u64::from(self.run.is_some()))
            .put(u64::from(run.index))
            .put(u64::from(run.serial))
            .put(u64::from(run.step))
            .put(u64::from(self.place.0))
            .put(u64::from(self.place.1))
            .put(u64::from(self.place.2))
            .put(u64::from(self.wait))
            .put(match self.phase {
                CommandPhase::Starting => 0,
                CommandPhase::Running => 1,
                CommandPhase::Killing => 2,
            })
            .put_due(self.due);
        Record { head, words: words.finish() }
    }

    pub(super) fn decode(words: &Words) -> Result<Command, Odd> {
        let mut from = Reader::new(words);
        let entity = EntityId(from.get_u32()?);
        let slot = from.get_slot()?.ok_or(Odd)?;
        let has_run = from.get_bool()?;
        let run = RunRef { index: from.get_u32()?, serial: from.get_u32()?, step: from.get_u32()? };
        let place = (from.get_u16()?, from.get_u16()?, from.get_u16()?);
        let wait = from.get_bool()?;
        let phase = match from.get()? {
            0 => CommandPhase::Starting,
            1 => CommandPhase::Running,
            2 => CommandPhase::Killing,
            _ => return Err(Odd),
        };
        let due = from.get_due()?;
        from.finish()?;
        if entity.0 >= crate::ids::MAX_ENTITIES {
            return Err(Odd);
        }
        let run = has_run.then_some(run);
        let command = Command { entity, slot, run, place, wait, phase, due };
        if command.record().words == *words { Ok(command) } else { Err(Odd) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_their_records() {
        let slot = SlotRef { index: 12, generation: 5 };
        let command = Command {
            entity: EntityId(3),
            slot,
            run: Some(RunRef { index: 4, serial: 8, step: 9 }),
            place: (1, 2, 3),
            wait: true,
            phase: CommandPhase::Killing,
            due: None,
        };
        assert_eq!(Command::decode(&command.record().words), Ok(command));
    }
}
