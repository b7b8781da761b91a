//! Processes that the kernel ends because memory is short. What it counts for an
//! entity's process and all that it has started is told with its sum, so that
//! each is told once whoever is the monitor.

use super::Monitor;
use super::life::occurrence;
use super::pool::Owner;
use crate::effect::{Effect, Fact};
use crate::ids::{EntityId, SlotRef};
use crate::plan::{ConditionKind, EntityPlan, Kind};
use std::collections::BTreeSet;

impl Monitor {
    /// So many were killed since the process of that slot was started. `ended`:
    /// that is the last that is told of it, before its end, which was by KILL;
    /// so the kernel has killed that one, too.
    pub(super) fn oom_killed(&mut self, slot: SlotRef, kills: u64, ended: bool) {
        let Owner::Main(id) = self.pool.owner(slot) else { return };
        let mut entity = self.entity(id);
        let kills = u16::try_from(kills).unwrap_or(u16::MAX);
        if entity.slot() != Some(slot) || kills <= entity.oom_kills {
            return;
        }
        entity.oom_kills = kills;
        entity.oom_ended = ended;
        let process = entity.process();
        self.put(id, entity);
        self.note(id, Fact::OomKilled { kills: u32::from(kills) });
        // Of its end it is a kind, and tells so itself.
        if !ended && let Some((_, pid)) = process {
            let kinds = [ConditionKind::OomKill];
            self.fire(id, occurrence(id, &kinds, Some(slot), pid, None));
        }
    }

    /// Whether any condition hangs on this: then it is told at once, and not
    /// only at the end of its process.
    pub fn watches_memory(&mut self, id: EntityId) -> bool {
        let Some(plan) = self.plan_of(id) else { return false };
        let globals = self.plan.global().to_vec();
        let others = plan.links.watched_by.iter().copied().chain(globals);
        let mut units = vec![id];
        units.extend(others);
        units.into_iter().any(|unit| {
            self.plan_of(unit).is_some_and(|plan| {
                plan.conditions.iter().any(|condition| condition.on.is_of_memory())
            })
        })
    }

    /// A unit says something else than it did: what its new conditions hang on is
    /// told from here on.
    pub(super) fn watch_memory_by(&mut self, plan: &EntityPlan, was: Option<&EntityPlan>) {
        let of = |plan: &EntityPlan| -> BTreeSet<Option<EntityId>> {
            let conditions = plan.conditions.iter().filter(|one| one.on.is_of_memory());
            let all = plan.kind == Kind::Global;
            conditions.map(|one| one.of.or_else(|| (!all).then_some(plan.id))).collect()
        };
        let before = was.map(of).unwrap_or_default();
        for entity in of(plan).difference(&before) {
            self.emit(Effect::WatchMemory { entity: *entity });
        }
    }

    /// A condition was added at run time: what it hangs on is told from here on,
    /// not from the next start on.
    pub(super) fn watch_memory(&mut self, id: EntityId, on: ConditionKind) {
        if on.is_of_memory() {
            let all = self.plan_of(id).is_some_and(|plan| plan.kind == Kind::Global);
            self.emit(Effect::WatchMemory { entity: (!all).then_some(id) });
        }
    }
}
