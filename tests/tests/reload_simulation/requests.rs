//! What people and programs ask for in the life of a world.

use super::World;
use crate::changes;
use ham_core::directive::{Counting, Directive, Heartbeat, Stranger};
use ham_core::event::{Ask, Event};
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Kind};
use ham_core::signal::Signal;
use ham_tests::fake::START;

impl World {
    pub(super) fn request(&mut self) -> Event {
        let id = self.stage.request_id();
        let plans = self.plans();
        if plans.is_empty() {
            return Event::Tick;
        }
        if self.stage.random.chance(25) {
            return changes::change(&mut self.stage.random, &plans, id);
        }
        let entity = self.stage.random.pick(&plans).id;
        if self.stage.random.chance(25) {
            let directive = self.directive(entity);
            return Event::Directive { id, directive, from: None };
        }
        let ask = match self.stage.random.below(10) {
            0..=3 => Ask::Start,
            4 | 5 => Ask::Stop,
            6 | 7 => Ask::Restart,
            8 if self.stage.random.chance(50) => Ask::Reload,
            8 => Ask::Kill(Signal::KILL),
            _ => Ask::Kill(Signal::TERM),
        };
        let (entities, wait) = (vec![entity], self.stage.random.chance(50));
        Event::Request { id, entities, ask, wait, from: None }
    }

    pub(super) fn directive(&mut self, entity: EntityId) -> Directive {
        let number = u32::try_from(self.stage.random.below(4)).unwrap_or(0);
        match self.stage.random.below(10) {
            0..=3 => Directive::State { entity, to: number },
            4 | 5 => Directive::Raise { entity, kind: number, class: number, severity: 1 },
            6 => {
                let to = *self.stage.random.pick(&[Heartbeat::Suspend, Heartbeat::Resume]);
                Directive::Heartbeat { entity: Some(entity), to }
            }
            7 => Directive::Detach { entity },
            _ => {
                let attaches = |plan: &EntityPlan| {
                    let kind = matches!(plan.kind, Kind::Service | Kind::Placeholder { .. });
                    kind && plan.links.is_empty()
                };
                match self.stage.monitor.definition(entity).filter(|plan| attaches(plan)) {
                    Some(plan) => {
                        let pid = self.stage.kernel.stranger(plan);
                        let process = Stranger { pid, start: START, slot: None, own: false };
                        Directive::Attach { entity, process, counting: Counting::GoesOn }
                    }
                    None => Directive::Heartbeat { entity: None, to: Heartbeat::Resume },
                }
            }
        }
    }
}
