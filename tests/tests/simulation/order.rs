//! What must hold between neighbours, after every step and when all is quiet.
//! Written from what is seen of each entity, not from how the core decides.

use crate::rules::Rules;
use ham_core::effect::{Effect, Fact, Process};
use ham_core::ids::EntityId;
use ham_core::monitor::{Desired, Monitor, Turn, View, Why};
use ham_core::plan::{EntityPlan, POST_STOP, PRE_START};
use ham_tests::fake::Kernel;
use std::collections::BTreeSet;

/// Whether an entity is not up and nobody will change that.
fn is_given_up(view: &View) -> bool {
    // A one-shot counts as up when the last that it has left is gone.
    let ending = matches!(view.why, Why::Finished(_));
    let down = matches!(view.state, "stopped" | "failed" | "finished") && !ending;
    !view.ready && (view.desired == Desired::Stopped || down)
}

/// What all of them are, for the story of a failure.
pub(crate) fn all(monitor: &mut Monitor, plans: &[EntityPlan]) -> String {
    let mut told = String::new();
    for plan in plans {
        let view = monitor.view(plan.id);
        let waits_for = monitor.waits_for(plan.id);
        told.push_str(&format!(
            "\n{} is {} ({:?}, {:?}), waits for {waits_for:?}",
            plan.name, view.state, view.desired, view.why
        ));
    }
    told
}

/// Whether an entity may stay as it is for ever: up, down, or waiting for a
/// path, or for another that does.
pub(crate) fn rests(monitor: &mut Monitor, plan: &EntityPlan) -> bool {
    let mut seen = BTreeSet::new();
    may_wait(monitor, plan.id, &mut seen)
}

fn may_wait(monitor: &mut Monitor, id: EntityId, seen: &mut BTreeSet<EntityId>) -> bool {
    if !seen.insert(id) {
        return false;
    }
    match monitor.view(id).state {
        "running" | "stopped" | "failed" | "finished" => seen.len() == 1,
        "waiting" => {
            let others = monitor.waits_for(id);
            let gated = monitor.definition(id).is_some_and(|plan| plan.start_when.is_some());
            let mut branch = |other| may_wait(monitor, other, &mut seen.clone());
            if others.is_empty() { gated } else { others.into_iter().any(&mut branch) }
        }
        _ => false,
    }
}

impl Rules {
    /// A step that was committed: neighbours fit to each other.
    pub(crate) fn ordered(
        &mut self,
        monitor: &mut Monitor,
        kernel: &Kernel,
        plans: &[EntityPlan],
        turn: &Turn,
    ) -> Result<(), String> {
        let views: Vec<View> = plans.iter().map(|plan| monitor.view(plan.id)).collect();
        for plan in plans {
            let view = &views[plan.id.index()];
            let living = !kernel.living(plan.id).is_empty();
            let own =
                |run: &ham_core::monitor::Run| [PRE_START, POST_STOP].contains(&run.condition);
            if living && monitor.lists(plan.id).any(own) {
                return Err(format!("a list of {} runs beside its process: {view:?}", plan.name));
            }
            for other in plan.links.conflicts.iter().filter(|_| living) {
                if !kernel.living(*other).is_empty() {
                    return Err(format!("{} and {} live at once", plan.name, other.0));
                }
            }
            if monitor.is_stopping() || !matches!(view.state, "starting" | "running") {
                continue;
            }
            for other in &plan.links.requires {
                let its = &views[other.index()];
                if is_given_up(its) {
                    return Err(format!("{} is {view:?} without {}: {its:?}", plan.name, other.0));
                }
            }
        }
        for effect in &turn.effects {
            match effect {
                Effect::Spawn(spawn) if spawn.what == Process::Main => {
                    self.may_be_made(monitor, &views, &spawn.plan)?;
                }
                Effect::Notice(notice) => match notice.fact {
                    Fact::Stopping { .. } => {
                        // What was made at run time has no neighbours.
                        if let Some(plan) = plans.get(notice.entity.index()) {
                            may_end(plan, &views, kernel, turn)?;
                        }
                    }
                    Fact::EndsItself => self.said += 1,
                    Fact::MainProcess { .. } => self.changed += 1,
                    Fact::Dependency { stops: true, .. } => self.taken_along += 1,
                    Fact::Reloaded => self.reloaded += 1,
                    Fact::Conflict { .. } => self.conflicts += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// All that it comes after is settled. (What happens while its `pre-start`
    /// list runs does not hold it up.)
    fn may_be_made(
        &mut self,
        monitor: &mut Monitor,
        views: &[View],
        plan: &EntityPlan,
    ) -> Result<(), String> {
        // Made, and stopped again in the same turn with what it requires: an
        // action that its coming up has fired may say so.
        let taken_back = views[plan.id.index()].state == "stopping";
        if !plan.pre_start.is_empty() || taken_back {
            return Ok(());
        }
        for other in &plan.links.after {
            let view = &views[other.index()];
            let required = plan.links.requires.contains(other);
            let coming = matches!(view.state, "starting" | "backoff")
                || (view.state == "waiting" && !monitor.waits_for(*other).is_empty());
            if coming || (required && !view.ready) {
                return Err(format!("{} is made before {}: {view:?}", plan.name, other.0));
            }
        }
        Ok(())
    }
}

/// Those that were started after it have ended. (At the end of the time of a
/// shutdown, and of what never was up, nobody's turn is waited for.)
fn may_end(plan: &EntityPlan, views: &[View], kernel: &Kernel, turn: &Turn) -> Result<(), String> {
    let kills =
        |effect: &Effect| matches!(effect, Effect::Notice(notice) if notice.fact == Fact::Killing);
    let was_up = views[plan.id.index()].times.up.is_some();
    if turn.effects.iter().any(kills) || !was_up {
        return Ok(());
    }
    for other in &plan.links.before {
        let view = &views[other.index()];
        if view.state == "stopping" && !kernel.living(*other).is_empty() {
            return Err(format!("{} is to end before {}: {view:?}", plan.name, other.0));
        }
    }
    Ok(())
}
