//! What must hold after every step, over all steps, and when all is quiet.

use crate::order::{all, rests};
use ham_core::effect::{Effect, Fact};
use ham_core::ids::{EntityId, MAX_ENTITIES};
use ham_core::memory::{RecordId, SlotState};
use ham_core::monitor::{Desired, Monitor, Phase, Run, Turn};
use ham_core::plan::{EntityPlan, Kind};
use ham_core::time::Mono;
use ham_tests::fake::{Kernel, SlotWord, brings_itself_back};
use std::collections::BTreeMap;

/// More lists of one entity in progress than this would be a leak: an entity
/// has at most four conditions, and a list lives for some seconds.
const MANY_LISTS: usize = 1500;

/// Where a run is: condition, action, place in the on-fail list.
type Place = (u16, u16, u16);

/// The books over a whole life.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Ends that were told, by process id.
    told: BTreeMap<i32, u32>,
    /// Where each run was last seen, by entity and serial number.
    places: BTreeMap<(EntityId, u32), (u32, Place)>,
    /// Entities of which something was changed at run time, a step ago.
    overlaid: std::collections::BTreeSet<EntityId>,
    /// Turns in which the manager said that it is done.
    pub(crate) finishes: u32,
    /// How often each of these has happened.
    pub(crate) said: u32,
    pub(crate) changed: u32,
    pub(crate) taken_along: u32,
    pub(crate) reloaded: u32,
    pub(crate) conflicts: u32,
    pub(crate) attached: u32,
    pub(crate) detached: u32,
    pub(crate) made: u32,
    pub(crate) unmade: u32,
    pub(crate) pulses: u32,
}

impl Rules {
    /// A turn that was committed.
    pub(crate) fn committed(&mut self, turn: &Turn) -> Result<(), String> {
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
                    Fact::RecordLost | Fact::ListRefused => {
                        return Err(format!("{notice:?} in a sound machine"));
                    }
                    Fact::Attached { .. } => self.attached += 1,
                    Fact::Detached { .. } => self.detached += 1,
                    Fact::Made => self.made += 1,
                    Fact::Removed => self.unmade += 1,
                    _ => {}
                },
                Effect::Finish { .. } => self.finishes += 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// A step that was committed.
    pub(crate) fn stepped(&mut self, monitor: &Monitor, now: Mono) -> Result<(), String> {
        if let Some(due) = monitor.deadline()
            && due <= now
        {
            return Err(format!("the deadline {due:?} is not after {now:?}"));
        }
        for id in monitor.plan().ids() {
            let mut lists = 0;
            // The last change may have been its end.
            let changed = !monitor.is_changed(id) && self.overlaid.remove(&id);
            if monitor.is_changed(id) {
                self.overlaid.insert(id);
            }
            for run in monitor.lists(id) {
                lists += 1;
                let place = (run.condition, run.action, run.on_fail);
                let key = (id, run.serial);
                let before = self.places.insert(key, (run.step, place));
                if let Some((step, old)) = before {
                    let still = step == run.step && old == place;
                    let further = step < run.step && old < place;
                    // What was taken out before it makes its place a lower one.
                    let shifts = monitor.is_changed(id) && step <= run.step;
                    let shifts = shifts || changed;
                    if !still && !further && !shifts {
                        return Err(format!("{run:?} was at {old:?} in step {step}"));
                    }
                }
            }
            if lists > MANY_LISTS {
                return Err(format!("entity {} has {lists} lists in progress", id.0));
            }
        }
        Ok(())
    }

    /// Nothing moves any more and nobody has asked for the end.
    pub(crate) fn quiet(
        &self,
        monitor: &mut Monitor,
        kernel: &Kernel,
        plans: &[EntityPlan],
    ) -> Result<(), String> {
        for plan in plans {
            let view = monitor.view(plan.id);
            let living = kernel.living(plan.id);
            if !rests(monitor, plan) {
                let all = all(monitor, plans);
                return Err(format!("{} is in the middle of something:{all}", plan.name));
            }
            match view.desired {
                Desired::Stopped if !living.is_empty() => {
                    return Err(format!("{} should be stopped: {living:?}", plan.name));
                }
                Desired::Running if brings_itself_back(plan) && view.state != "running" => {
                    return Err(format!("{} should be up: {view:?}", plan.name));
                }
                Desired::Stopped | Desired::Running => {}
            }
            let count = usize::from(!matches!(plan.kind, Kind::Target | Kind::Global));
            if (view.state == "running" && living.len() != count)
                || (view.state != "running" && !living.is_empty())
            {
                return Err(format!("{} is {view:?}, and there is {living:?}", plan.name));
            }
            // A list may wait for a start that waits for a path.
            let waits = |run: &&Run| view.state == "waiting" && run.phase == Phase::Restart;
            if let Some(run) = monitor.lists(plan.id).find(|run| !waits(run)) {
                return Err(format!("{} has a list in progress: {run:?}", plan.name));
            }
        }
        for id in monitor.ids().into_iter().filter(|id| id.index() >= plans.len()) {
            let (view, living) = (monitor.view(id), kernel.living(id).len());
            if (view.state, living) != ("running", 1) && (view.state, living) != ("placeholder", 0)
            {
                return Err(format!("{id:?}, made at run time, is {view:?} with {living}"));
            }
        }
        self.ends_were_told(kernel)?;
        self.nothing_is_kept(monitor, kernel, plans)
    }

    fn ends_were_told(&self, kernel: &Kernel) -> Result<(), String> {
        for (pid, process) in &kernel.processes {
            let told = self.told.contains_key(pid);
            if told && process.alive {
                return Err(format!("the end of {pid} is told, and it lives"));
            }
            if told && !process.main {
                return Err(format!("the end of {pid}, a command, is told as an entity's"));
            }
        }
        Ok(())
    }

    /// No record of a run or command, no slot but those of living processes.
    fn nothing_is_kept(
        &self,
        monitor: &Monitor,
        kernel: &Kernel,
        plans: &[EntityPlan],
    ) -> Result<(), String> {
        let runs = |plan: &&EntityPlan| {
            !matches!(plan.kind, Kind::Target | Kind::Global)
                && monitor.view(plan.id).state == "running"
        };
        let up = plans.iter().filter(runs).count();
        let store = kernel.memory.store();
        let waits = plans.iter().any(|plan| monitor.lists(plan.id).next().is_some());
        let first = RecordId::Run(0)..RecordId::Command(MAX_ENTITIES);
        if let Some((id, record)) = store.records.range(first).find(|_| !waits) {
            return Err(format!("{id:?} is kept: {record:?}"));
        }
        let kept = store.slots.values().filter(|word| word.state != SlotState::Free).count();
        let left = store.records.values().filter(|record| record.head.slot.is_some()).count();
        if kept != left || left < up {
            let used = |(_, word): &(&u32, &SlotWord)| word.state != SlotState::Free;
            let words: Vec<_> = store.slots.iter().filter(used).collect();
            return Err(format!(
                "{kept} slots are in use, {left} have an owner, {up} are up: {words:?}"
            ));
        }
        Ok(())
    }

    /// The manager has said that it is done.
    pub(crate) fn ended(
        &self,
        kernel: &Kernel,
        plans: &[EntityPlan],
        takeovers: u32,
    ) -> Result<(), String> {
        let once = self.finishes == 1 || (takeovers > 0 && self.finishes > 1);
        if !once || kernel.finished.is_empty() {
            return Err(format!("the end was said {} times", self.finishes));
        }
        for plan in plans {
            let living = kernel.living(plan.id);
            if !living.is_empty() {
                return Err(format!("{} outlives the manager: {living:?}", plan.name));
            }
        }
        self.ends_were_told(kernel)
    }
}
