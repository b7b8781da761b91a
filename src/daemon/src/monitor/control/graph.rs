//! `Graph` and `StopPlan`: what entities are to each other, and what would go
//! down together.

use super::calls::{bad, result};
use super::shown::kind_word;
use crate::monitor::Engine;
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, StartMode};
use ham_core::wire::{Answer, Chosen, Graph, GraphEntity, Stops};
use ham_snapshot::header::Field;

/// The neighbours of an entity by name.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    pub(super) requires: Vec<String>,
    pub(super) wants: Vec<String>,
    /// Without those that it requires or wants, which imply the order.
    pub(super) after: Vec<String>,
    pub(super) conflicts: Vec<String>,
}

impl Engine {
    pub(super) fn graph(&self, chosen: &Chosen) -> Result<Answer, Answer> {
        let ids: Vec<EntityId> =
            if chosen.names.is_empty() { self.core.ids() } else { self.resolve(&chosen.names)? };
        let entities = ids.into_iter().map(|id| self.graph_entity(id)).collect();
        let started_mono_ns = self.state.get(Field::StartedMono);
        Ok(result(&Graph { started_mono_ns, entities }))
    }

    pub(super) fn stop_plan(&self, chosen: &Chosen) -> Result<Answer, Answer> {
        if chosen.names.is_empty() {
            return Err(bad("names", "name at least one entity"));
        }
        let ids = self.resolve(&chosen.names)?;
        let stops = self.core.would_stop(&ids).into_iter().map(|id| self.name(id)).collect();
        Ok(result(&Stops { stops }))
    }

    fn graph_entity(&self, id: EntityId) -> GraphEntity {
        let view = self.core.view(id);
        let plan = self.core.definition(id);
        let neighbours = plan.as_deref().map(|plan| self.neighbours(plan)).unwrap_or_default();
        let (kind, start) = match &plan {
            Some(plan) => (kind_word(&plan.kind), start_word(plan.start)),
            None => ("", ""),
        };
        GraphEntity {
            name: self.name(id),
            kind: kind.to_owned(),
            start: start.to_owned(),
            state: view.state.to_owned(),
            ready: view.ready,
            requires: neighbours.requires,
            wants: neighbours.wants,
            after: neighbours.after,
            conflicts: neighbours.conflicts,
            waits_for: self.waits_for(id),
            asked_mono_ns: view.times.asked.map(|at| at.0),
            gated_mono_ns: view.times.gated.map(|at| at.0),
            start_when: plan.as_ref().and_then(|plan| plan.start_when.clone()),
            begun_mono_ns: view.times.begun.map(|at| at.0),
            up_mono_ns: view.times.up.map(|at| at.0),
            since_mono_ns: view.since.map(|at| at.0),
            why: self.why(id, &view),
        }
    }

    pub(super) fn neighbours(&self, plan: &EntityPlan) -> Neighbours {
        let links = &plan.links;
        let implied = |id: &&EntityId| links.requires.contains(id) || links.wants.contains(id);
        let after: Vec<EntityId> = links.after.iter().filter(|id| !implied(id)).copied().collect();
        Neighbours {
            requires: self.names(&links.requires),
            wants: self.names(&links.wants),
            after: self.names(&after),
            conflicts: self.names(&links.conflicts),
        }
    }

    /// What the start of an entity waits for, by name.
    pub(super) fn waits_for(&self, id: EntityId) -> Vec<String> {
        self.names(&self.core.waits_for(id))
    }

    fn names(&self, ids: &[EntityId]) -> Vec<String> {
        let mut names: Vec<String> = ids.iter().map(|id| self.name(*id)).collect();
        names.sort_unstable();
        names
    }
}

fn start_word(start: StartMode) -> &'static str {
    match start {
        StartMode::Auto => "auto",
        StartMode::Manual => "manual",
    }
}
