//! A set of units as somebody could write them: entities with names of their
//! own, and what they say of each other by name. The plan is made of it as the
//! loader does: a name that was there keeps its id, others get the lowest that
//! is free.

use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Kind, Links};
use ham_tests::fake::{Edge, link, number, watch};
use std::collections::{BTreeMap, BTreeSet};

/// One unit. Its id, and those in its conditions, are numbers of names here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) plan: EntityPlan,
    pub(crate) edges: Vec<(Edge, u32)>,
}

/// All of them, by the number in their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Units(pub(crate) BTreeMap<u32, Unit>);

impl Units {
    /// Those of a plan whose ids are such numbers.
    pub(crate) fn of(plans: &[EntityPlan]) -> Units {
        let unit = |plan: &EntityPlan| {
            let links = &plan.links;
            let other = |id: &EntityId| !links.requires.contains(id) && !links.wants.contains(id);
            let after = links.after.iter().filter(|id| other(id));
            let conflicts = links.conflicts.iter().filter(|id| **id < plan.id);
            let edges = (links.requires.iter().map(|id| (Edge::Requires, id.0)))
                .chain(links.wants.iter().map(|id| (Edge::Wants, id.0)))
                .chain(after.map(|id| (Edge::After, id.0)))
                .chain(conflicts.map(|id| (Edge::Conflicts, id.0)));
            let edges = edges.collect();
            Unit { plan: EntityPlan { links: Links::default(), ..plan.clone() }, edges }
        };
        Units(plans.iter().map(|plan| (plan.id.0, unit(plan))).collect())
    }

    /// Whether it may be somebody's neighbour.
    pub(crate) fn may_be_linked(&self, number: u32) -> bool {
        self.0.get(&number).is_some_and(|unit| unit.plan.kind != Kind::Global)
    }

    /// Whether an order from one to the other would close a circle.
    pub(crate) fn leads(&self, from: u32, to: u32) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(number) = open.pop() {
            if number == to {
                return true;
            }
            if seen.insert(number)
                && let Some(unit) = self.0.get(&number)
            {
                open.extend(unit.edges.iter().map(|(_, other)| *other));
            }
        }
        false
    }

    /// As a loader gives them.
    pub(crate) fn plans(
        &self,
        known: &dyn Fn(&str) -> Option<EntityId>,
        in_use: &BTreeSet<EntityId>,
    ) -> Vec<EntityPlan> {
        let place = |number: u32| {
            let place = self.0.keys().position(|other| *other == number)?;
            u32::try_from(place).ok().map(EntityId)
        };
        let linked = |number: u32| place(number).filter(|_| self.may_be_linked(number));
        let mut plans: Vec<EntityPlan> = Vec::new();
        let (mut edges, mut about) = (Vec::new(), Vec::new());
        for (number, unit) in &self.0 {
            let id = place(*number).expect("its place");
            let mut plan = EntityPlan { id, ..unit.plan.clone() };
            if let Some(program) = plan.command.first_mut() {
                // The machine has made a process fit to how it may be ended:
                // another end is for another process.
                let patient = plan.stop.timeout.is_infinite();
                program.push_str(&format!("-{:?}-{patient}", plan.stop.kill));
            }
            plan.conditions
                .retain(|condition| condition.of.is_none_or(|of| linked(of.0).is_some()));
            for (at, condition) in plan.conditions.iter_mut().enumerate() {
                if let Some(of) = condition.of.take() {
                    about.push((id, at, linked(of.0).expect("one that is there")));
                }
            }
            for (edge, other) in &unit.edges {
                if let (Some(_), Some(other)) = (linked(*number), linked(*other)) {
                    edges.push((id, *edge, other));
                }
            }
            plans.push(plan);
        }
        for (from, edge, to) in edges {
            link(&mut plans, from, edge, to);
        }
        for (from, at, of) in about {
            watch(&mut plans, from, at, of);
        }
        number(&mut plans, known, in_use);
        plans
    }
}
