//! Requests that come again under their name: none has a second effect, each
//! gets the answer of the first, or waits for it.

use super::Monitor;
use super::ask::{Asker, Goal, Waiter, Who};
use super::clients::{Asked, Told};
use super::entity::{Actual, Desired, Next, Why};
use crate::effect::{Effect, Reply};
use crate::event::Ask;
use crate::ids::{EntityId, RequestId};
use crate::plan::RELOAD;
use crate::status::ExitStatus;
use crate::time::Mono;

impl Monitor {
    /// Answers a request that was taken before.
    pub(super) fn repeat(&mut self, id: RequestId, entities: &[EntityId], wait: bool, place: u32) {
        let Some(client) = self.clients.get(&place) else { return };
        let (Asked::Ask(ask), taken) = (client.asked, client.taken) else { return };
        for entity in entities {
            // Should its record be lost, that is an answer.
            let _ = self.entity(*entity);
            let Some(client) = self.clients.get(&place) else { return };
            match (client.told(*entity), ask) {
                (Some(Told::Answered(answer)), _) => self.reply(id, *entity, answer),
                (Some(Told::Signalled(slot)), Ask::Kill(signal)) => {
                    // Whether it was sent nobody knows. It names the process,
                    // so that it can reach no later one.
                    self.emit(Effect::Signal { slot, signal, code: 0, value: 0, run: None });
                    self.reply(id, *entity, Reply::Done);
                }
                (Some(Told::Pending), Ask::Start | Ask::Restart) if wait => {
                    self.wait_for(id, *entity, Goal::Up);
                }
                (Some(Told::Pending), Ask::Stop) if wait => {
                    self.wait_for(id, *entity, Goal::Down);
                }
                (Some(Told::Pending), Ask::Reload) if wait => {
                    self.wait_for(id, *entity, Goal::Reloaded);
                }
                (Some(Told::Pending | Told::Signalled(_)), _) => {
                    self.reply(id, *entity, Reply::Done);
                }
                (None, _) => self.repeat_unkept(id, *entity, ask, wait, taken),
            }
        }
    }

    fn wait_for(&mut self, id: RequestId, entity: EntityId, goal: Goal) {
        self.waiters.insert(Waiter { entity, goal, who: Who::Request(id) });
    }

    /// The request was taken, and its answers did not fit: they follow from
    /// what became of the entity.
    fn repeat_unkept(
        &mut self,
        id: RequestId,
        entity: EntityId,
        ask: Ask,
        wait: bool,
        taken: Mono,
    ) {
        let now = self.entity(entity);
        let answer = match ask {
            Ask::Kill(signal) => {
                // One that has come up since then is not meant. One that is
                // being stopped ends anyway.
                if let Some((slot, _)) = now.running()
                    && now.runs_since().is_some_and(|since| since <= taken)
                {
                    self.emit(Effect::Signal { slot, signal, code: 0, value: 0, run: None });
                }
                Some(Reply::Done)
            }
            Ask::Start | Ask::Restart | Ask::Stop | Ask::Reload if !wait => Some(Reply::Done),
            Ask::Reload if !self.has_own_list(entity, RELOAD) => Some(Reply::Done),
            Ask::Reload => {
                self.wait_for(id, entity, Goal::Reloaded);
                return;
            }
            Ask::Start | Ask::Restart => self.outcome_of_start(entity),
            Ask::Stop if now.desired == Desired::Running => Some(Reply::Overruled),
            Ask::Stop if now.actual == Actual::Down => Some(Reply::Done),
            Ask::Stop => {
                // It is on its way down, or what is left of it is ended again.
                self.ask(Asker { id, place: None }, entity, ask, wait);
                return;
            }
        };
        match answer {
            Some(answer) => self.reply(id, entity, answer),
            None => self.wait_for(id, entity, Goal::Up),
        }
    }

    /// What a start has come to; `None`: nothing yet.
    fn outcome_of_start(&mut self, id: EntityId) -> Option<Reply> {
        let entity = self.entity(id);
        match entity.actual {
            Actual::Up { .. } | Actual::Reached => return Some(Reply::Done),
            Actual::Down if entity.finished => return Some(Reply::Done),
            Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Joining { .. }
            | Actual::Retiring { next: Next::Start(..), .. }
            | Actual::Stopping { next: Next::Start(..), .. }
            | Actual::Clearing { next: Next::Start(..), .. }
            | Actual::Tidying { next: Next::Start(..) } => return None,
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Retiring { next: Next::Rest, .. }
            | Actual::Stopping { next: Next::Rest, .. }
            | Actual::Clearing { next: Next::Rest, .. }
            | Actual::Tidying { next: Next::Rest }
            | Actual::Left { .. } => {}
        }
        if self.is_shutting_down() {
            return Some(Reply::ShuttingDown);
        }
        Some(match entity.why {
            Why::StartFailed(error) => Reply::StartFailed(error),
            Why::StartTimeout => Reply::StartFailed(0),
            Why::PreStartFailed => Reply::PreStartFailed,
            Why::Dependency(on) => Reply::Dependency(on),
            Why::Died(status) => Reply::Ended(status),
            Why::AskedStop | Why::Shutdown | Why::Conflict(_) | Why::Gone => Reply::Overruled,
            Why::NeverStarted
            | Why::Boot
            | Why::AskedStart
            | Why::Restarted(_)
            | Why::Finished(_)
            | Why::CameBack(_)
            | Why::Wanted(_)
            | Why::Limit
            | Why::RecordLost
            | Why::Attached
            | Why::Detached
            | Why::Changed => Reply::Ended(entity.last_exit.unwrap_or(ExitStatus::Unknown)),
        })
    }
}
