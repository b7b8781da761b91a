//! Actions that end the manager: in good order, as any other shutdown. What comes
//! at its very end is in the state, and a command in the action, which the state
//! names. So a takeover on the way down changes nothing.

use super::run::Place;
use super::{Global, Monitor};
use crate::effect::{Effect, Failure};
use crate::ids::{EntityId, MAX_ENTITIES};
use crate::memory::RecordId;
use crate::plan::{Ending, Verb};
use crate::time::Span;
use crate::way::{Last, Way};
use crate::words::{Odd, Reader, Writer};

/// What the core must know of where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// How long entities have when an action ends the manager.
    pub stop_deadline: Span,
    /// Whether the manager may end the machine, or start it anew: it is its init.
    pub reboots: bool,
    /// Whether the manager is the init of a container, which ends when nothing is
    /// left in it.
    pub container: bool,
}

impl Monitor {
    /// From here on an ending that an action asks for may take that long.
    pub fn set_stop_deadline(&mut self, stop_deadline: Span) {
        self.host.stop_deadline = stop_deadline;
    }
}

impl Default for Host {
    /// Of a manager beside others.
    fn default() -> Host {
        Host { stop_deadline: Span::seconds(10), reboots: false, container: false }
    }
}

/// The action that has asked for the end: whose, and which.
pub(super) type By = (EntityId, Place);

/// Two words: the entity, counted from 1, and where its action stands.
pub(super) fn put_by(words: &mut Writer, by: Option<By>) {
    let (entity, (condition, action, on_fail)) = by.unwrap_or((EntityId(0), (0, 0, 0)));
    let place = u64::from(condition) | u64::from(action) << 16 | u64::from(on_fail) << 32;
    let from_one = u64::from(entity.0).saturating_add(u64::from(by.is_some()));
    words.put(from_one).put(place);
}

pub(super) fn get_by(from: &mut Reader<'_>) -> Result<Option<By>, Odd> {
    let (entity, place) = (from.get_u32()?, from.get()?);
    let Some(entity) = entity.checked_sub(1) else {
        return if place == 0 { Ok(None) } else { Err(Odd) };
    };
    let part = |shift: u32| u16::try_from(place >> shift & 0xffff).map_err(|_| Odd);
    if entity >= MAX_ENTITIES || place >> 48 != 0 {
        return Err(Odd);
    }
    Ok(Some((EntityId(entity), (part(0)?, part(16)?, part(32)?))))
}

impl Monitor {
    /// Done when the way down has begun. One that is under way already ends as
    /// it was to.
    pub(super) fn begin_ending(&mut self, index: u32, ending: &Ending) -> Result<(), Failure> {
        if self.is_shutting_down() {
            return Ok(());
        }
        let way = match ending {
            Ending::Reboot if !self.host.reboots => return Err(Failure::NoInit),
            Ending::Execute(words) if !Ending::fits(words) => return Err(Failure::TooLong),
            Ending::Exit(code) => Way::Exit(*code),
            Ending::Reboot => Way::Reboot,
            Ending::Execute(_) => Way::Exit(0),
        };
        let by = self.runs.get(&index).map(|run| {
            let place = (run.condition, run.action, run.on_fail);
            (run.entity, place)
        });
        self.shut_down(way, self.host.stop_deadline, 0);
        if let Global { shutdown: Some(shutdown), .. } = &mut self.global {
            shutdown.by = by;
        }
        self.turn.dirty.insert(RecordId::Global);
        Ok(())
    }

    /// Whether an action of this entity says what comes at the end: nothing of
    /// it is taken out any more, since it is found by its place.
    pub(super) fn says_the_end(&self, id: EntityId) -> bool {
        let by = self.global.shutdown.and_then(|shutdown| shutdown.by);
        by.is_some_and(|(entity, _)| entity == id)
    }

    /// Whether it was this action that has asked for the end: whose, and its
    /// places of condition, action and item of its on-fail list.
    #[must_use]
    pub fn ends_by(&self, id: EntityId, place: (u16, u16, u16)) -> bool {
        self.global.shutdown.is_some_and(|shutdown| shutdown.by == Some((id, place)))
    }

    /// All is down: what comes now is the daemon's.
    pub(super) fn emit_finish(&mut self) {
        let Some(shutdown) = self.global.shutdown else { return };
        let said = shutdown.by.and_then(|(id, (condition, action, on_fail))| {
            match self.plan_of(id)?.verb(condition, action, on_fail)? {
                Verb::Shutdown(Ending::Execute(words)) => Some(Last::Execute(words)),
                Verb::Shutdown(Ending::Exit(_) | Ending::Reboot) => None,
                Verb::Restart(_)
                | Verb::Execute(_)
                | Verb::NotifySignal(_)
                | Verb::NotifyPulse(_)
                | Verb::WaitFor(_)
                | Verb::Log(_)
                | Verb::HeartbeatHealthy
                | Verb::Start(_)
                | Verb::Stop(_) => None,
            }
        });
        let last = said.unwrap_or_else(|| {
            Last::Way(match shutdown.way {
                Way::Exit(code) => Way::Exit(self.code_at_end(code)),
                way @ (Way::PowerOff | Way::Reboot | Way::Halt | Way::SoftReboot) => way,
            })
        });
        self.emit(Effect::Finish { last });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_the_manager_survives_in_two_words() {
        for by in [None, Some((EntityId(0), (0, 0, 0))), Some((EntityId(65_535), (64, 256, 255)))] {
            let mut words = Writer::new();
            put_by(&mut words, by);
            let words = words.finish();
            assert_eq!(get_by(&mut Reader::new(&words)), Ok(by));
        }
        for (entity, place) in [(0, 1), (65_537, 0), (1, 1 << 48), (1 << 32, 0)] {
            let words = Writer::new().put(entity).put(place).finish();
            assert_eq!(get_by(&mut Reader::new(&words)), Err(Odd), "{entity} {place}");
        }
    }
}
