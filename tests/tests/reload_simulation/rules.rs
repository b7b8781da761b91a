//! What must hold of a reload, and after every step.

use crate::lists::Lists;
use crate::seen::{Seen, seen};
use ham_core::effect::{Effect, Fact, Process};
use ham_core::event::Wait;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::monitor::{Base, Desired, Monitor, Turn};
use ham_core::plan::{EntityPlan, OnChange, PlanIndex, PlanSource, SignalTarget, Verb};
use ham_core::time::Mono;
use ham_tests::fake::{Kernel, brings_itself_back};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The books over a whole life.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    told: BTreeMap<i32, u32>,
    /// What each entity's last process was made by.
    pub(crate) spawned: BTreeMap<EntityId, (SlotRef, Arc<EntityPlan>)>,
    /// Whether it was to be brought back by all that it was since.
    pub(crate) firm: BTreeMap<EntityId, bool>,
    pub(crate) lists: Lists,
    pub(crate) finishes: u32,
    /// Reloads that changed nothing, entities that left, and that were
    /// restarted by one, outdated ones that ran on, and new ones.
    pub(crate) met: [u64; 5],
}

/// What a reload has met.
pub(crate) struct Reload<'a> {
    pub(crate) before: &'a BTreeMap<EntityId, Seen>,
    pub(crate) old: &'a PlanIndex<Box<dyn PlanSource>>,
    pub(crate) base: &'a Base,
    pub(crate) turn: &'a Turn,
    /// Units are as they were.
    pub(crate) same: bool,
}

type Checked = Result<(), String>;

impl Rules {
    /// A turn that was committed.
    pub(crate) fn committed(&mut self, turn: &Turn) -> Checked {
        for effect in &turn.effects {
            match effect {
                Effect::Notice(notice) => match notice.fact {
                    Fact::Died { pid, .. } | Fact::Stopped { pid, .. } => {
                        let times = self.told.entry(pid).or_default();
                        *times += 1;
                        if *times > 1 {
                            return Err(format!("the end of {pid} is told {times} times"));
                        }
                    }
                    Fact::RecordLost | Fact::ListRefused | Fact::OverlayLost => {
                        return Err(format!("{notice:?} in a sound machine"));
                    }
                    _ => {}
                },
                Effect::Spawn(spawn) if spawn.what == Process::Main => {
                    let made = (spawn.slot, Arc::clone(&spawn.plan));
                    self.spawned.insert(spawn.entity, made);
                    self.firm.insert(spawn.entity, brings_itself_back(&spawn.plan));
                }
                Effect::Finish { .. } => self.finishes += 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// A step that was committed.
    pub(crate) fn stepped(&mut self, monitor: &Monitor, now: Mono) -> Checked {
        if let Some(due) = monitor.deadline()
            && due <= now
        {
            return Err(format!("the deadline {due:?} is not after {now:?}"));
        }
        self.lists.stepped(monitor)
    }

    /// A reload that was committed.
    pub(crate) fn reloaded(
        &mut self,
        monitor: &Monitor,
        kernel: &Kernel,
        reload: &Reload<'_>,
    ) -> Checked {
        let effects = &reload.turn.effects;
        if reload.same {
            self.met[0] += 1;
            if !effects.is_empty() {
                return Err(format!("the same units again: {effects:?}"));
            }
        }
        let touched = touched(reload, monitor);
        for effect in effects {
            if let Some(id) = self.about(effect, kernel)
                && !touched.contains(&id)
            {
                return Err(format!("{effect:?}, and {} has nothing to do with it", id.0));
            }
        }
        let may_end = self.may_end(monitor, reload, &touched);
        for id in monitor.plan().ids() {
            let is = seen(monitor, id);
            let Some(was) = reload.before.get(&id) else {
                self.met[4] += 1;
                continue;
            };
            self.one(monitor, reload, (id, was, &is), may_end.contains(&id))?;
            self.lists.go_on(monitor, id, was)?;
            let firm = self.firm.entry(id).or_default();
            let settled =
                !touched.contains(&id) || (was.view.state == "running" && was.lists.is_empty());
            *firm &= settled && is.plan.as_deref().is_some_and(brings_itself_back);
        }
        self.firm.retain(|id, _| monitor.plan().has(*id));
        self.spawned.retain(|id, _| monitor.plan().has(*id));
        self.lists.reloaded(monitor)
    }

    fn one(
        &mut self,
        monitor: &Monitor,
        reload: &Reload<'_>,
        (id, was, is): (EntityId, &Seen, &Seen),
        may_end: bool,
    ) -> Checked {
        let runs = |seen: &Seen| matches!(seen.view.state, "running" | "starting");
        if runs(was) && !runs(is) && !may_end {
            return Err(format!("{} ends: it was {:?} and is {:?}", id.0, was.view, is.view));
        }
        if was.slot.is_some() && runs(was) && is.slot != was.slot && !may_end {
            return Err(format!("{} had {:?} and has {:?}", id.0, was.slot, is.slot));
        }
        if monitor.is_stopping() {
            return Ok(());
        }
        let leaves = monitor.plan().is_leaving(id);
        if leaves && is.view.desired != Desired::Stopped {
            return Err(format!("{} leaves, and is {:?}", id.0, is.view));
        }
        self.met[1] += u64::from(leaves && !was.leaving);
        let changed = !reload.old.has_same(id, monitor.plan());
        let on_change = monitor.plan().entity(id).map(|plan| plan.configured().on_change);
        let attached = self.spawned.get(&id).is_none_or(|(slot, _)| Some(*slot) != is.slot);
        if changed && !leaves && !was.leaving && monitor.is_outdated(id) && runs(was) && !attached {
            match on_change {
                Ok(OnChange::Restart) if runs(is) && is.view.desired == Desired::Running => {
                    return Err(format!("{} is not restarted: {:?}", id.0, is.view));
                }
                Ok(OnChange::Restart) => self.met[2] += 1,
                _ => self.met[3] += 1,
            }
        }
        // A list may have taken something out in this very turn, or at its end.
        let ended = reload.before.iter().any(|(id, was)| {
            let plan = monitor.definition(*id);
            let lists = crate::seen::lists(monitor, *id, plan.as_deref());
            let step = |serial: &u32| lists.get(serial).map(|spot| spot.step);
            was.lists.iter().any(|(serial, spot)| step(serial) != Some(spot.step))
        });
        let acts = |effect: &Effect| {
            matches!(effect, Effect::Notice(notice) if notice.entity == id && matches!(
                notice.fact,
                Fact::Started { .. } | Fact::ActionFailed { .. } | Fact::OverlayCut
            ))
        };
        if !ended && !reload.turn.effects.iter().any(acts) {
            for (item, armed) in &is.armed {
                let expected = was.armed.get(item).copied().unwrap_or(true);
                if *armed != expected {
                    return Err(format!("{}: {item:?} is armed: {armed}, not {expected}", id.0));
                }
            }
        }
        Ok(())
    }

    /// Whom the reload may end.
    fn may_end(
        &self,
        monitor: &Monitor,
        reload: &Reload<'_>,
        touched: &BTreeSet<EntityId>,
    ) -> BTreeSet<EntityId> {
        let mut ends = BTreeSet::new();
        for id in monitor.plan().ids() {
            let Ok(plan) = monitor.plan().entity(id) else { continue };
            let restarts = reload.before.contains_key(&id)
                && !reload.old.has_same(id, monitor.plan())
                && plan.configured().on_change == OnChange::Restart;
            let was = reload.old.entity(id).map(|plan| plan.links.requires).unwrap_or_default();
            // What it now needs may be down, or just come up.
            let needs = plan.links.requires.iter().any(|other| {
                // Or what was to bring it back is gone.
                let was_up = reload.before.get(other).is_some_and(|seen| seen.view.ready);
                !was.contains(other) || (touched.contains(other) && !was_up)
            });
            if plan.leaving || restarts || needs {
                ends.insert(id);
            }
            let stops = if touched.contains(&id) { stops(&plan) } else { Vec::new() };
            ends.extend(stops.iter().filter_map(|name| monitor.plan().find(name)));
        }
        let mut open: Vec<EntityId> = ends.iter().copied().collect();
        while let Some(id) = open.pop() {
            let Ok(plan) = monitor.plan().entity(id) else { continue };
            for other in plan.links.required_by {
                if ends.insert(other) {
                    open.push(other);
                }
            }
        }
        ends
    }

    fn about(&self, effect: &Effect, kernel: &Kernel) -> Option<EntityId> {
        let owner = |slot: SlotRef| {
            let mut processes = kernel.processes.values();
            processes.find(|process| process.slot == slot).map(|process| process.entity)
        };
        match effect {
            Effect::Spawn(spawn) => Some(spawn.entity),
            Effect::Signal { slot, .. } | Effect::Free { slot } | Effect::Release { slot } => {
                owner(*slot)
            }
            Effect::SignalAll { entity, .. }
            | Effect::Clear { entity, .. }
            | Effect::FindMain { entity, .. }
            | Effect::Adopt { entity, .. }
            | Effect::Attach { entity, .. }
            | Effect::ReadPid { entity, .. }
            | Effect::Tidy { entity, .. }
            | Effect::WatchBeats { entity, .. }
            | Effect::UnwatchBeats { entity }
            | Effect::Log { entity, .. }
            | Effect::Reply { entity, .. } => Some(*entity),
            Effect::Watch { wait, .. } | Effect::Unwatch { wait } => match wait {
                Wait::Start(id) => Some(*id),
                Wait::Ready(slot) => owner(*slot),
                Wait::Run(_) => None,
            },
            Effect::Notice(notice) => Some(notice.entity),
            Effect::WatchMemory { entity } => *entity,
            Effect::SignalProcess { .. } | Effect::Verdict { .. } | Effect::Finish { .. } => None,
        }
    }
}

/// The verbs of an entity, in its lists and in what it will be.
fn verbs(plan: &EntityPlan) -> impl Iterator<Item = &Verb> {
    let both = [plan, plan.configured()].into_iter();
    let lists = both.flat_map(|plan| {
        let own = [&plan.pre_start, &plan.reload, &plan.post_stop].into_iter().flatten();
        plan.conditions.iter().flat_map(|condition| &condition.actions).chain(own)
    });
    lists.flat_map(|action| std::iter::once(&action.verb).chain(&action.on_fail))
}

fn stops(plan: &EntityPlan) -> Vec<String> {
    let name = |verb: &Verb| if let Verb::Stop(name) = verb { Some(name.clone()) } else { None };
    verbs(plan).filter_map(name).collect()
}

/// Everybody whom the reload may concern: what has changed, and whoever is
/// bound to that, by links or by what lists do.
fn touched(reload: &Reload<'_>, monitor: &Monitor) -> BTreeSet<EntityId> {
    let (old, new) = (reload.old, monitor.plan());
    let all: BTreeSet<EntityId> = old.ids().chain(new.ids()).collect();
    let mut touched: BTreeSet<EntityId> = all.iter().copied().collect();
    touched.retain(|id| !old.has_same(*id, new) || reload.base.renewed.contains(id));
    let mut open: Vec<EntityId> = touched.iter().copied().collect();
    if !open.is_empty() {
        open.extend(old.global().iter().chain(new.global()));
    }
    touched.extend(open.iter().copied());
    while let Some(id) = open.pop() {
        for plan in [old.entity(id), new.entity(id)].into_iter().flatten() {
            let links = &plan.links;
            let lists =
                [&links.required_by, &links.wants, &links.before, &links.after, &links.watched_by];
            let mut others: Vec<EntityId> = lists.into_iter().flatten().copied().collect();
            others.extend(links.requires.iter().chain(&links.conflicts));
            let name = |verb: &Verb| match verb {
                Verb::Start(name) | Verb::Stop(name) => Some(name.clone()),
                Verb::NotifySignal(signal) => match &signal.target {
                    SignalTarget::Entity(name) => Some(name.clone()),
                    _ => None,
                },
                _ => None,
            };
            others.extend(verbs(&plan).filter_map(name).filter_map(|name| new.find(&name)));
            open.extend(others.into_iter().filter(|other| touched.insert(*other)));
        }
    }
    touched
}
