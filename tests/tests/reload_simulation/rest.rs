//! What must hold when nothing moves any more.

use crate::rules::Rules;
use ham_core::ids::EntityId;
use ham_core::monitor::{Desired, Monitor, Phase, Run, View, Why};
use ham_core::plan::{EntityPlan, Kind};
use ham_tests::fake::Kernel;
use std::collections::BTreeSet;

/// Whether an entity may stay as it is for ever: up, down, or waiting for a
/// path, for the end of one that it conflicts with, or for another that waits.
fn rests(monitor: &Monitor, id: EntityId, seen: &mut BTreeSet<EntityId>) -> bool {
    if !seen.insert(id) {
        return false;
    }
    match monitor.view(id).state {
        "running" | "stopped" | "failed" | "finished" | "placeholder" => seen.len() == 1,
        "waiting" => {
            let others = monitor.waits_for(id);
            let Some(plan) = monitor.definition(id) else { return false };
            let conflicts = |other: &EntityId| plan.links.conflicts.contains(other);
            if others.is_empty() {
                return plan.start_when.is_some();
            }
            let mut branch =
                |other: &EntityId| conflicts(other) || rests(monitor, *other, &mut seen.clone());
            others.iter().any(&mut branch)
        }
        _ => false,
    }
}

/// Why it is down, if that is for want of one that it does not need.
fn lacks(view: &View, plan: &EntityPlan) -> Option<EntityId> {
    let Why::Dependency(on) = view.why else { return None };
    let waits = view.desired == Desired::Running && view.state != "running";
    (waits && !plan.links.requires.contains(&on)).then_some(on)
}

impl Rules {
    /// Nothing moves any more and nobody has asked for the end.
    pub(crate) fn quiet(&self, monitor: &Monitor, kernel: &Kernel) -> Result<(), String> {
        let shown = monitor.ids();
        for id in monitor.plan().ids() {
            let view = monitor.view(id);
            let living = kernel.living(id);
            let name = monitor.plan().name(id).unwrap_or_default();
            // What could not be ended keeps it for ever.
            let left = monitor.slot_of(id).is_some() && living.is_empty();
            if monitor.plan().is_leaving(id) && !left {
                if shown.contains(&id) || monitor.find(&name) == Some(id) || !living.is_empty() {
                    return Err(format!("{name} has left, and is {view:?}, {living:?}"));
                }
                continue;
            }
            if !rests(monitor, id, &mut BTreeSet::new()) {
                return Err(format!("{name} is in the middle of something: {view:?}"));
            }
            let Some(plan) = monitor.definition(id) else {
                return Err(format!("{name} has no definition"));
            };
            let firm = self.firm.get(&id).copied().unwrap_or(false);
            let is_up = view.state == "running";
            if view.desired == Desired::Running && firm && !is_up {
                return Err(format!("{name} should be up: {view:?}"));
            }
            let count = usize::from(!matches!(plan.kind, Kind::Target | Kind::Global));
            if living.len() != if is_up { count } else { 0 } {
                return Err(format!("{name} is {view:?}, and there is {living:?}"));
            }
            if let Some(on) = lacks(&view, &plan) {
                return Err(format!("{name} waits for {} without need: {view:?}", on.0));
            }
            let waits = |run: &&Run| view.state == "waiting" && run.phase == Phase::Restart;
            if let Some(run) = monitor.lists(id).find(|run| !waits(run)) {
                return Err(format!("{name} has a list in progress: {run:?}"));
            }
            self.is_as_made(monitor, id, &plan)?;
        }
        Ok(())
    }

    /// A process is as the definition in force makes one; an outdated one as
    /// that which was.
    fn is_as_made(&self, monitor: &Monitor, id: EntityId, is: &EntityPlan) -> Result<(), String> {
        let Some(slot) = monitor.slot_of(id) else { return Ok(()) };
        let made = self.spawned.get(&id).filter(|(made, _)| *made == slot);
        let Some((_, made)) = made else { return Ok(()) };
        if !made.makes_the_same(is) {
            return Err(format!("{slot} was made by {made:?}, and there is {is:?}"));
        }
        let Ok(plan) = monitor.plan().entity(id) else { return Err("no plan".to_owned()) };
        let renewed = monitor.base().renewed.contains(&id);
        let says = plan.configured();
        if renewed || plan.next.is_none() || !monitor.is_outdated(id) {
            return match made.makes_the_same(says) {
                true => Ok(()),
                false => Err(format!("{slot} was made by {made:?}, its unit says {says:?}")),
            };
        }
        match made.makes_the_same(says) {
            true => Err(format!("{slot} is called outdated, and is as {says:?}")),
            false => Ok(()),
        }
    }
}
