//! What is seen of every entity before a reload, by names where records know
//! places.

use ham_core::ids::{EntityId, SlotRef};
use ham_core::monitor::{Monitor, Phase, View};
use ham_core::plan::{EntityPlan, Verb};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a list is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    /// Of its list and its action; `None`: behind the last.
    pub(crate) at: Option<(String, String)>,
    pub(crate) verb: Option<Verb>,
    pub(crate) phase: Phase,
    pub(crate) step: u32,
    pub(crate) alone: bool,
}

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) view: View,
    pub(crate) slot: Option<SlotRef>,
    pub(crate) plan: Option<Arc<EntityPlan>>,
    pub(crate) leaving: bool,
    /// By serial number.
    pub(crate) lists: BTreeMap<u32, Spot>,
    /// Conditions and their actions, and whether each is there.
    pub(crate) armed: BTreeMap<(String, Option<String>), bool>,
}

/// An entity as it is.
pub(crate) fn seen(monitor: &Monitor, id: EntityId) -> Seen {
    let plan = monitor.definition(id);
    let mut armed = BTreeMap::new();
    let conditions = plan.as_ref().map(|plan| plan.conditions.as_slice()).unwrap_or_default();
    for (place, condition) in conditions.iter().enumerate() {
        let name = &condition.name;
        armed.insert((name.clone(), None), monitor.is_armed(id, place, None));
        for (at, action) in condition.actions.iter().enumerate() {
            let bit = plan.as_ref().map(|plan| plan.action_bit(place, at));
            // Of the action alone: its condition may be gone without it.
            let is_armed = monitor.is_armed(id, usize::MAX, bit);
            armed.insert((name.clone(), Some(action.name.clone())), is_armed);
        }
    }
    Seen {
        view: monitor.view(id),
        slot: monitor.slot_of(id),
        leaving: monitor.plan().is_leaving(id),
        lists: lists(monitor, id, plan.as_deref()),
        armed,
        plan,
    }
}

/// Every entity of the plan in force.
pub(crate) fn all(monitor: &Monitor) -> BTreeMap<EntityId, Seen> {
    monitor.plan().ids().map(|id| (id, seen(monitor, id))).collect()
}

/// The lists of an entity.
pub(crate) fn lists(
    monitor: &Monitor,
    id: EntityId,
    plan: Option<&EntityPlan>,
) -> BTreeMap<u32, Spot> {
    let Some(plan) = plan else { return BTreeMap::new() };
    let spot = |run: &ham_core::monitor::Run| {
        let list = plan.list_name(run.condition).map(str::to_owned);
        let action = plan.action_name(run.condition, run.action).map(str::to_owned);
        Spot {
            at: list.zip(action),
            verb: plan.verb(run.condition, run.action, run.on_fail),
            phase: run.phase,
            step: run.step,
            alone: run.class == ham_core::plan::Class::Independent,
        }
    };
    monitor.lists(id).map(|run| (run.serial, spot(run))).collect()
}
