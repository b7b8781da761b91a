//! Heartbeats: whose are watched, and what is done when they stay away. The
//! supervision of a process begins when it is up, and ends with its end, or
//! when it is to end: a stop is no miss. Nothing is counted of one that is
//! suspended, or while all are; what then comes counts as if it had not.

use super::Monitor;
use super::entity::{Actual, Entity};
use super::heart::{Heart, Level, Reached, Watch};
use super::run::Detail;
use crate::directive::{Counting, Heartbeat, Numbers, Verdict};
use crate::effect::{Effect, Fact};
use crate::ids::{EntityId, SlotRef};
use crate::memory::RecordId;
use crate::notify::Told;
use crate::plan::{ConditionKind, HeartbeatPlan};
use crate::time::{Mono, Span};

/// A heartbeat as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartView {
    /// How well it is.
    pub level: Level,
    /// Periods in a row without one.
    pub missed: u32,
    /// The length of a period.
    pub interval: Span,
    /// Whether it is not counted at present: it, or all, are suspended.
    pub suspended: bool,
}

impl Monitor {
    /// A process is up: its heartbeat is supervised, if it has said how when it
    /// was attached, or the unit does.
    pub(super) fn begin_planned_beats(&mut self, id: EntityId, slot: SlotRef) {
        let planned = self.plan_of(id).and_then(|plan| plan.heartbeat);
        let plan = match self.given(id, slot) {
            Some(Numbers { interval, low, high }) => {
                let most = planned.and_then(|planned| planned.most);
                Some(HeartbeatPlan { interval, low, high, grace: Span::ZERO, most })
            }
            None => planned,
        };
        if let Some(plan) = plan {
            self.begin_beats(id, slot, &plan);
        }
    }

    /// A process was attached, perhaps not for the first time: by what its
    /// heartbeat is counted from now on, or from when it is up.
    pub(super) fn count_from(&mut self, id: EntityId, slot: SlotRef, counting: Counting) {
        let up = up_slot(&self.entity(id)) == Some(slot);
        match counting {
            Counting::GoesOn => {}
            Counting::Anew => {
                let mut heart = self.heart(id);
                let Some(watch) = heart.watch.filter(|watch| up && watch.slot == slot) else {
                    return;
                };
                let watch = watch.anew(self.now);
                heart.fresh = None;
                heart.watch = Some(watch);
                self.put_heart(id, heart);
                self.watch_beats(id, &watch);
            }
            Counting::By(numbers) => {
                let mut heart = self.heart(id);
                heart.given = Some((slot, numbers));
                self.put_heart(id, heart);
                if up {
                    self.begin_planned_beats(id, slot);
                }
            }
        }
    }

    /// Supervises a process, anew if it was. An interval that it has told
    /// before it was up counts.
    pub(super) fn begin_beats(&mut self, id: EntityId, slot: SlotRef, plan: &HeartbeatPlan) {
        let mut heart = self.heart(id);
        let mut watch = Watch::new(slot, plan, self.now);
        if let Some((by, interval)) = heart.told.take()
            && by == slot
        {
            watch.interval = interval.max(HeartbeatPlan::SHORTEST);
        }
        heart.fresh = None;
        heart.given = None;
        heart.watch = Some(watch);
        self.put_heart(id, heart);
        self.watch_beats(id, &watch);
    }

    /// An entity has changed that is supervised: a process that is not up, or
    /// is another, is supervised no longer; one that only waits for its turn to
    /// end is again should somebody want it after all.
    pub(super) fn follow_beats(&mut self, id: EntityId, entity: &Entity) {
        if !self.beating.has(id) {
            return;
        }
        let mut heart = self.heart(id);
        let Some(watch) = heart.watch else { return };
        let same = |slot: Option<SlotRef>| slot == Some(watch.slot);
        let retires = matches!(entity.actual, Actual::Retiring { slot, .. } if same(slot));
        let counts = same(up_slot(entity));
        if (counts && !watch.retires) || (retires && watch.retires) {
            return;
        }
        heart.watch = match (counts, retires) {
            (true, _) => Some(watch.anew(self.now)),
            (false, true) => Some(Watch { retires: true, ..watch }),
            (false, false) => None,
        };
        heart.fresh = None;
        self.put_heart(id, heart);
        match heart.watch.filter(|_| counts) {
            Some(watch) => self.watch_beats(id, &watch),
            None if !watch.retires => self.emit(Effect::UnwatchBeats { entity: id }),
            None => {}
        }
    }

    /// After a takeover: these are watched again, those of them that are.
    pub(super) fn watch_again(&mut self, entities: &[EntityId]) {
        for id in entities {
            let entity = self.entity(*id);
            self.follow_beats(*id, &entity);
            if let Some(watch) = self.heart(*id).watch.filter(|watch| !watch.retires) {
                self.watch_beats(*id, &watch);
            }
        }
    }

    fn watch_beats(&mut self, id: EntityId, watch: &Watch) {
        let (slot, interval, from) = (watch.slot, watch.interval, watch.from);
        let every = watch.every();
        self.emit(Effect::WatchBeats { entity: id, slot, interval, from, every });
    }

    /// A period of a process has ended, with so many heartbeats.
    pub(super) fn beats(&mut self, id: EntityId, slot: SlotRef, count: u32) {
        self.change_beats(id, |watch, fresh, now| match watch.slot == slot {
            true => watch.period(count, fresh, now),
            false => Reached::default(),
        });
    }

    /// Its process says that it is in trouble: as if too many were missed.
    fn trigger(&mut self, id: EntityId) {
        self.change_beats(id, |watch, _, _| {
            let high = watch.trigger();
            Reached { high, ..Reached::default() }
        });
    }

    /// Changes what is supervised, unless nothing counts at present, and does
    /// what follows.
    fn change_beats(
        &mut self,
        id: EntityId,
        how: impl FnOnce(&mut Watch, Option<Mono>, Mono) -> Reached,
    ) {
        if !self.beating.has(id) {
            return;
        }
        let mut heart = self.heart(id);
        let Some(before) = heart.watch.filter(|watch| !watch.retires) else { return };
        if heart.suspended || self.global.beats_suspended {
            return;
        }
        let mut watch = before;
        let reached = how(&mut watch, self.fresh(&heart), self.now);
        heart.watch = Some(watch);
        self.put_heart(id, heart);
        if watch.every() != before.every() {
            self.watch_beats(id, &watch);
        }
        // As low first, as what was missed before it came back.
        if reached.healthy {
            self.healthy(id);
        }
        let missed = watch.missed;
        if reached.low {
            self.note(id, Fact::HeartbeatMissed { missed, high: false });
            self.fire_beats(id, ConditionKind::HeartbeatMissedLow, missed);
        }
        if reached.high {
            self.note(id, Fact::HeartbeatMissed { missed, high: true });
            self.fire_beats(id, ConditionKind::HeartbeatMissedHigh, missed);
        }
        if reached.too_many {
            self.note(id, Fact::HeartbeatTooMany { count: watch.in_window });
            self.fire_beats(id, ConditionKind::HeartbeatTooMany, missed);
        }
    }

    fn healthy(&mut self, id: EntityId) {
        self.note(id, Fact::HeartbeatHealthy);
        self.fire_beats(id, ConditionKind::HeartbeatHealthy, 0);
    }

    fn fire_beats(&mut self, id: EntityId, kind: ConditionKind, missed: u32) {
        self.fire(id, self.said_of(id, kind, Detail::Heartbeat { missed }));
    }

    /// The action of that name: it counts as healthy, and counting begins anew.
    pub(super) fn heal(&mut self, id: EntityId) {
        if !self.beating.has(id) {
            return;
        }
        let mut heart = self.heart(id);
        let Some(mut watch) = heart.watch.filter(|watch| !watch.retires) else { return };
        let every = watch.every();
        let healed = watch.heal(self.now);
        heart.fresh = Some(self.now);
        heart.watch = Some(watch);
        self.put_heart(id, heart);
        if watch.every() != every {
            self.watch_beats(id, &watch);
        }
        if healed {
            self.healthy(id);
        }
    }

    /// What a datagram says of heartbeats, beside that one has come: those are
    /// counted where it was read. It means nothing of an entity whose unit has
    /// no heartbeat, since nobody could say what is to be done then.
    pub(super) fn told_beats(&mut self, id: EntityId, slot: SlotRef, told: &Told) {
        if let Some(interval) = told.interval.filter(|interval| *interval > Span::ZERO) {
            self.new_interval(id, slot, interval.max(HeartbeatPlan::SHORTEST));
        }
        if told.trigger {
            self.trigger(id);
        }
    }

    /// From now on its periods are as long. That it says so counts as a
    /// heartbeat.
    fn new_interval(&mut self, id: EntityId, slot: SlotRef, interval: Span) {
        if !self.beating.has(id) {
            let early = matches!(self.entity(id).actual,
                Actual::Starting { slot: mine, .. } | Actual::Readying { slot: mine, .. }
                    if mine == slot);
            if early && self.plan_of(id).is_some_and(|plan| plan.heartbeat.is_some()) {
                let mut heart = self.heart(id);
                heart.told = Some((slot, interval));
                self.put_heart(id, heart);
            }
            return;
        }
        let mut heart = self.heart(id);
        let Some(mut watch) =
            heart.watch.filter(|watch| watch.interval != interval && !watch.retires)
        else {
            return;
        };
        watch.interval = interval;
        // What is left of the grace stays.
        watch.from = watch.from.max(self.now);
        let counts = !heart.suspended && !self.global.beats_suspended;
        let healthy = counts && watch.refresh(Some(self.now));
        heart.fresh = Some(self.now);
        heart.watch = Some(watch);
        self.put_heart(id, heart);
        self.watch_beats(id, &watch);
        if healthy {
            self.healthy(id);
        }
    }

    /// Suspends, resumes or asks; the verdict is what was before.
    pub(super) fn heartbeat(&mut self, entity: Option<EntityId>, to: Heartbeat) -> Verdict {
        let before = match entity {
            None => {
                let before = self.global.beats_suspended;
                match to {
                    Heartbeat::Suspend => self.global.beats_suspended = true,
                    Heartbeat::Resume if before => {
                        self.global.beats_suspended = false;
                        // Each is seen to have had one when it is next looked
                        // at: there may be thousands.
                        self.global.beats_fresh = Some(self.now);
                    }
                    Heartbeat::Resume | Heartbeat::Query => {}
                }
                self.turn.dirty.insert(RecordId::Global);
                before
            }
            Some(id) => match self.heartbeat_of(id, to) {
                Some(before) => before,
                None => return Verdict::NoHeartbeat,
            },
        };
        if before { Verdict::WasSuspended } else { Verdict::WasActive }
    }

    /// `None`: it has no heartbeat.
    fn heartbeat_of(&mut self, id: EntityId, to: Heartbeat) -> Option<bool> {
        let mut heart = self.heart(id);
        let planned = self.plan_of(id).is_some_and(|plan| plan.heartbeat.is_some());
        if !planned && heart.watch.is_none() && !heart.suspended {
            return None;
        }
        let before = heart.suspended || self.global.beats_suspended;
        match to {
            Heartbeat::Suspend if !heart.suspended => {
                heart.suspended = true;
                self.put_heart(id, heart);
            }
            Heartbeat::Resume if heart.suspended => {
                heart.suspended = false;
                heart.fresh = Some(self.now);
                self.put_heart(id, heart);
                self.change_beats(id, |watch, fresh, _| {
                    let healthy = watch.refresh(fresh);
                    Reached { healthy, ..Reached::default() }
                });
            }
            Heartbeat::Suspend | Heartbeat::Resume | Heartbeat::Query => {}
        }
        Some(before)
    }

    /// As `status` shows it; `None`: none is supervised.
    pub(super) fn heart_view(&self, id: EntityId) -> Option<HeartView> {
        let heart = self.peek_heart(id)?;
        let mut watch = heart.watch.filter(|watch| !watch.retires)?;
        let suspended = heart.suspended || self.global.beats_suspended;
        if !suspended {
            let _ = watch.refresh(self.fresh(&heart));
        }
        let Watch { level, missed, interval, .. } = watch;
        Some(HeartView { level, missed, interval, suspended })
    }

    /// Whether its heartbeat is suspended, by itself or with all.
    #[must_use]
    pub fn is_heartbeat_suspended(&self, id: EntityId) -> bool {
        let own = self.peek_heart(id).is_some_and(|heart| heart.suspended);
        own || self.global.beats_suspended
    }

    /// Whether its process has a heartbeat, or is to have one when it is up.
    #[must_use]
    pub fn has_heartbeat(&self, id: EntityId) -> bool {
        if self.definition(id).is_some_and(|plan| plan.heartbeat.is_some()) {
            return true;
        }
        let given = |slot| self.given(id, slot).is_some();
        self.beating.has(id) || self.slot_of(id).is_some_and(given)
    }

    /// What that process has said of its heartbeat before it was up.
    fn given(&self, id: EntityId, slot: SlotRef) -> Option<Numbers> {
        let words = || self.memory.load(RecordId::Beat(id)).ok().flatten();
        let known = self.hearts.get(&id).copied();
        let heart = known.or_else(|| words().and_then(|words| Heart::decode(&words).ok()));
        heart?.given.filter(|(whose, _)| *whose == slot).map(|(_, numbers)| numbers)
    }

    /// When one of it, or of all, was last to count as a heartbeat.
    fn fresh(&self, heart: &Heart) -> Option<Mono> {
        heart.fresh.max(self.global.beats_fresh)
    }

    fn peek_heart(&self, id: EntityId) -> Option<Heart> {
        if let Some(heart) = self.hearts.get(&id) {
            return Some(*heart);
        }
        if !self.beating.has(id) {
            return None;
        }
        let words = self.memory.load(RecordId::Beat(id)).ok().flatten()?;
        Heart::decode(&words).ok()
    }

    pub(super) fn heart(&mut self, id: EntityId) -> Heart {
        if let Some(heart) = self.hearts.get(&id) {
            return *heart;
        }
        let read = match self.memory.load(RecordId::Beat(id)) {
            Ok(None) => Ok(Heart::default()),
            Ok(Some(words)) => Heart::decode(&words),
            Err(odd) => Err(odd),
        };
        match read {
            Ok(heart) => {
                self.hearts.insert(id, heart);
                heart
            }
            Err(_) => self.lost_heart(id),
        }
    }

    /// Its record cannot be read. Not to see that it hangs is the greater harm:
    /// what the unit says is supervised anew.
    fn lost_heart(&mut self, id: EntityId) -> Heart {
        self.note(id, Fact::RecordLost);
        self.put_heart(id, Heart::default());
        self.emit(Effect::UnwatchBeats { entity: id });
        let entity = self.entity(id);
        if let Some(slot) = up_slot(&entity) {
            self.begin_planned_beats(id, slot);
        }
        self.hearts.get(&id).copied().unwrap_or_default()
    }

    pub(super) fn put_heart(&mut self, id: EntityId, heart: Heart) {
        self.beating.set(id, heart.watch.is_some());
        if self.hearts.insert(id, heart) != Some(heart) {
            self.turn.dirty.insert(RecordId::Beat(id));
        }
    }
}

/// The slot of a process that is up, so that its heartbeat counts.
fn up_slot(entity: &Entity) -> Option<SlotRef> {
    match entity.actual {
        Actual::Up { slot, .. } => Some(slot),
        Actual::Handover { slot, .. } if entity.moving => Some(slot),
        Actual::Handover { .. }
        | Actual::Down
        | Actual::Waiting(..)
        | Actual::Queued(_)
        | Actual::Gated(_)
        | Actual::Preparing { .. }
        | Actual::Starting { .. }
        | Actual::Readying { .. }
        | Actual::Aborting { .. }
        | Actual::Reached
        | Actual::Retiring { .. }
        | Actual::Stopping { .. }
        | Actual::Clearing { .. }
        | Actual::Tidying { .. }
        | Actual::Left { .. }
        | Actual::Joining { .. } => None,
    }
}
