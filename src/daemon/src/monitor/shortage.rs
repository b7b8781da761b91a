//! Kills by the kernel because memory was short, where the memory controller
//! counts them for the cgroup of an entity: looked at when its process has ended,
//! and for those with a condition on that, told by the kernel as it happens.

use super::holder::Held;
use super::memory::entities_with_processes;
use super::{Engine, SHORTAGE};
use crate::facts::Weight;
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::plan::{ConditionKind, EntityPlan, Kind};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_snapshot::slots::Phase;
use ham_sys::clock;
use ham_sys::containment::{ShortageWatch, Watched};
use ham_sys::poller::Interest;
use std::collections::BTreeMap;

/// The count changes before the process that was chosen has ended: is it the
/// entity's own, its end tells. It takes milliseconds.
const END_TELLS_NS: u64 = 100_000_000;

#[derive(Debug, Default)]
pub(super) struct Shortage {
    watch: Option<ShortageWatch>,
    watched: BTreeMap<Watched, (EntityId, SlotRef)>,
    /// Those whose count has changed, and when it is told.
    changed: BTreeMap<SlotRef, (EntityId, u64)>,
    /// Entities that run already are to be looked at.
    late: bool,
    /// The kernel is known to count. That it does not is asked again, each time
    /// for a read, since it begins with the first entity that it is to count for.
    counts: bool,
    /// That it does not was said.
    said: bool,
}

impl Shortage {
    /// `late`: there was a monitor before this one.
    pub(super) fn new(late: bool) -> Shortage {
        Shortage { late, said: late, ..Shortage::default() }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.changed.values().map(|(_, due)| *due).min()
    }
}

impl Engine {
    fn counts_memory(&mut self) -> bool {
        self.shortage.counts = self.shortage.counts || self.holder.counts_memory();
        self.shortage.counts
    }

    /// A process of an entity has been started.
    pub(super) fn watch_memory(&mut self, entity: EntityId) {
        if !self.core.watches_memory(entity) {
            return;
        }
        if !self.counts_memory() {
            self.say_uncounted(entity);
            return;
        }
        let Some(slot) = self.core.slot_of(entity) else { return };
        let held = Held { slot, name: self.name(entity), command: false };
        let Some(cgroup) = self.holder.cgroup_path(&held) else { return };
        if self.shortage.watch.is_none() {
            let watch = ShortageWatch::new().ok();
            let watch = watch.filter(|one| self.poller.add(one, SHORTAGE, Interest::READ).is_ok());
            self.shortage.watch = watch;
        }
        // Without one the end of its process tells.
        if let Some(Ok(watched)) = self.shortage.watch.as_ref().map(|watch| watch.add(&cgroup)) {
            self.shortage.watched.insert(watched, (entity, slot));
        }
    }

    /// A condition that never fires is told of, once. Not of `any`, which fires for
    /// other things.
    fn say_uncounted(&mut self, entity: EntityId) {
        let plan = if self.shortage.said { None } else { self.core.definition(entity) };
        let named = |plan: &EntityPlan| {
            plan.conditions.iter().any(|condition| condition.on == ConditionKind::OomKill)
        };
        if plan.is_some_and(|plan| named(&plan)) {
            self.shortage.said = true;
            let text = "the kernel does not count memory for entities here (ham(8), THE CGROUP OF \
                        HAM): no oom-kill condition fires";
            self.remark(Weight::Event, text);
        }
    }

    /// After a takeover, when what is urgent is done.
    pub(super) fn watch_memory_of_all(&mut self) {
        if std::mem::take(&mut self.shortage.late) {
            self.watch_memory_late(None);
        }
    }

    /// One that runs already, or all of them, are to be watched.
    pub(super) fn watch_memory_late(&mut self, entity: Option<EntityId>) {
        for entity in self.counted(entity) {
            self.watch_memory(entity);
            // It may have changed while nobody looked.
            if let Some(slot) = self.core.slot_of(entity) {
                self.shortage.changed.insert(slot, (entity, clock::monotonic()));
            }
        }
    }

    /// A condition is about to be added at run time. What nobody has looked at so
    /// far came before it: it is told, and does not fire that.
    pub(super) fn tell_kills_before(&mut self, entity: EntityId, on: ConditionKind) {
        if !on.is_of_memory() {
            return;
        }
        let definition = self.core.definition(entity);
        let is_global = definition.is_some_and(|plan| plan.kind == Kind::Global);
        for entity in self.counted((!is_global).then_some(entity)) {
            if let Some(slot) = self.core.slot_of(entity) {
                self.tell_kills_so_far(entity, slot);
            }
        }
    }

    /// Those of which the kernel counts kills; `None`: of all.
    fn counted(&mut self, entity: Option<EntityId>) -> Vec<EntityId> {
        if !self.counts_memory() {
            return Vec::new();
        }
        let all = || entities_with_processes(self.state).into_iter().map(|(id, _)| id).collect();
        entity.map_or_else(all, |entity| vec![entity])
    }

    /// The kernel tells that counts have changed.
    pub(super) fn memory_was_short(&mut self) {
        let Some(watch) = &self.shortage.watch else { return };
        let due = clock::monotonic().saturating_add(END_TELLS_NS);
        for watched in watch.read() {
            let Some((entity, slot)) = self.shortage.watched.get(&watched).copied() else {
                continue;
            };
            self.shortage.changed.entry(slot).or_insert((entity, due));
        }
    }

    /// Tells of those whose process goes on.
    pub(super) fn tell_shortages(&mut self, now: u64) {
        let changed = std::mem::take(&mut self.shortage.changed);
        let (due, later) = changed.into_iter().partition(|(_, (_, due))| *due <= now);
        self.shortage.changed = later;
        let due: BTreeMap<SlotRef, (EntityId, u64)> = due;
        for (slot, (entity, _)) in due {
            self.tell_kills_so_far(entity, slot);
        }
    }

    /// Of a process that has ended, whether or not the core knows, its end tells.
    fn tell_kills_so_far(&mut self, entity: EntityId, slot: SlotRef) {
        let place = self.state.slot(slot.index);
        if place.is_some_and(|place| place.word() == (slot.generation, Phase::Running)) {
            let held = Held { slot, name: self.name(entity), command: false };
            self.tell_kills(&held, false);
        }
    }

    /// Before the end of its process is told.
    pub(super) fn tell_last_kills(&mut self, slot: SlotRef, status: ExitStatus) {
        self.shortage.changed.remove(&slot);
        self.shortage.watched.retain(|_, (_, watched)| *watched != slot);
        let held = self.held.get(&slot.index).filter(|held| held.slot == slot && !held.command);
        if let Some(held) = held.cloned() {
            let killed =
                matches!(status, ExitStatus::Signal { signal, .. } if signal == Signal::KILL);
            self.tell_kills(&held, killed);
        }
    }

    fn tell_kills(&mut self, held: &Held, ended: bool) {
        if let Some(kills) = self.holder.oom_kills(held).filter(|kills| *kills > 0) {
            self.feed(Event::OomKilled { slot: held.slot, kills, ended });
        }
    }
}
