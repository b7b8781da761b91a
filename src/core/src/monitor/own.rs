//! Lists of the entity's own life: `pre-start`, `reload`, `post-stop`, and the
//! command of `stop`. They are worked off like those of conditions; when one is
//! over the entity goes on.

use super::entity::Actual;
use super::run::{Occurrence, Phase};
use super::{Goal, Monitor};
use crate::effect::{Failed, Reply};
use crate::ids::EntityId;
use crate::plan::{Class, POST_STOP, PRE_START, RELOAD, STOP_COMMAND};

impl Monitor {
    /// False when no more lists can be begun.
    pub(super) fn begin_own_list(&mut self, id: EntityId, place: u16, of: Occurrence) -> bool {
        self.begin_run(id, Class::Independent, place, of)
    }

    pub(super) fn has_own_list(&self, id: EntityId, place: u16) -> bool {
        self.lists(id).any(|run| run.condition == place)
    }

    /// Nobody wants to know any more what becomes of it: it ends, with its
    /// command. The entity has gone on before.
    pub(super) fn cancel_own_list(&mut self, id: EntityId, place: u16) {
        let indexes = self.runs_of.get(&id).cloned().unwrap_or_default();
        for index in indexes {
            let Some(run) = self.runs.get(&index).filter(|run| run.condition == place) else {
                continue;
            };
            if let Phase::Command(slot) = run.phase {
                self.command_due(slot.index);
            }
            self.end_run(index);
        }
    }

    /// A list has come to its end, or was ended.
    pub(super) fn own_list_over(&mut self, id: EntityId, place: u16, result: Result<(), Failed>) {
        match place {
            PRE_START => self.prepared(id, result.is_ok()),
            STOP_COMMAND => self.stop_command_over(id),
            POST_STOP => self.remove_directories(id),
            RELOAD if !self.has_own_list(id, RELOAD) => {
                let reply = match result {
                    Ok(()) => Reply::Done,
                    Err(failed) => Reply::ReloadFailed(Some(failed)),
                };
                self.answer(id, Goal::Reloaded, reply);
            }
            _ => {}
        }
    }

    /// After a takeover: an entity that waits for a list which is not there
    /// any more goes on.
    pub(super) fn resume_own_list(&mut self, id: EntityId) {
        let prepares = matches!(self.entity(id).actual, Actual::Preparing { .. });
        let place = if prepares { PRE_START } else { POST_STOP };
        if self.has_own_list(id, place) {
            return;
        }
        if prepares {
            self.prepared(id, false);
        } else {
            self.remove_directories(id);
        }
    }
}
