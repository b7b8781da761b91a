//! What must hold of heartbeats, from what is told of them and seen: misses are
//! neither forgotten nor invented, low and high come at their numbers and once,
//! and watched is whoever is up and has one.

use ham_core::effect::{Effect, Fact};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::monitor::{Level, Monitor, Turn};
use ham_core::plan::EntityPlan;
use ham_core::time::Mono;
use ham_tests::fake::Kernel;
use std::collections::BTreeMap;

/// The books on one process.
#[derive(Clone, Copy, Debug)]
struct Row {
    slot: SlotRef,
    /// When its first period is over.
    first: Mono,
    /// When something may last have counted as a heartbeat that is none.
    doubt: Mono,
    /// Periods without a heartbeat in a row, at most: that some did not count,
    /// since they were suspended or resumed in them, is not followed.
    most: u32,
    /// Whether that is exact.
    exact: bool,
    level: Level,
}

/// Of all.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    rows: BTreeMap<EntityId, Row>,
    /// How often each has happened: low, high, healthy, too many.
    pub(crate) met: [u64; 4],
}

impl Heartbeats {
    /// A turn that was committed, and the event that it began with.
    pub(crate) fn committed(
        &mut self,
        monitor: &Monitor,
        plans: &[EntityPlan],
        event: Option<&Event>,
        (now, turn): (Mono, &Turn),
    ) -> Result<(), String> {
        // Any of these may be a heartbeat for somebody, as far as is followed here.
        let acts = |effect: &Effect| {
            matches!(effect, Effect::Notice(notice)
                if matches!(notice.fact, Fact::ActionDone { .. } | Fact::HeartbeatHealthy))
        };
        let doubtful = turn.effects.iter().any(acts)
            || matches!(event, Some(Event::Directive { .. } | Event::Told { .. }));
        for plan in plans {
            let slot = monitor.slot_of(plan.id);
            let row = self.rows.get(&plan.id).copied();
            // One that was supervised when the turn began.
            let Some(mut row) = row else { continue };
            let suspended = monitor.view(plan.id).heartbeat.is_some_and(|heart| heart.suspended);
            match event {
                Some(Event::Beats { .. }) if now < row.first => {}
                Some(Event::Beats { entity, slot, count })
                    if !suspended && *entity == plan.id && *slot == row.slot =>
                {
                    row.most = if *count == 0 { row.most + 1 } else { 0 };
                    // What is to count as one does so for a period.
                    let interval = monitor.view(plan.id).heartbeat.map(|heart| heart.interval);
                    let sure = interval.is_some_and(|span| now.since(row.doubt) > span);
                    row.exact |= *count > 0 && sure;
                }
                _ => {}
            }
            if doubtful || suspended {
                (row.exact, row.doubt) = (false, now);
            }
            self.rows.insert(plan.id, row);
            if Some(row.slot) != slot {
                self.rows.remove(&plan.id);
            }
            let counted = |effect: &Effect| {
                let Effect::Notice(notice) = effect else { return false };
                let fact = notice.fact;
                let missed = matches!(fact, Fact::HeartbeatMissed { .. });
                notice.entity == plan.id
                    && (missed || matches!(fact, Fact::HeartbeatTooMany { .. }))
            };
            if suspended && turn.effects.iter().any(counted) {
                return Err(format!("{} is suspended, and counted: {event:?}", plan.name));
            }
            self.told_of(plan, row, event, turn)?;
        }
        for plan in plans {
            self.seen(monitor, plan, turn)?;
        }
        Ok(())
    }

    /// The facts of a turn about one.
    fn told_of(
        &mut self,
        plan: &EntityPlan,
        mut row: Row,
        event: Option<&Event>,
        turn: &Turn,
    ) -> Result<(), String> {
        let Some(numbers) = plan.heartbeat else { return Ok(()) };
        let triggered = matches!(event, Some(Event::Told { told, .. }) if told.trigger);
        for effect in &turn.effects {
            // Should it be watched after that in the same turn: anew.
            if *effect == (Effect::UnwatchBeats { entity: plan.id }) {
                (row.most, row.level) = (0, Level::Healthy);
            }
            let Effect::Notice(notice) = effect else { continue };
            if notice.entity != plan.id {
                continue;
            }
            match notice.fact {
                Fact::HeartbeatMissed { missed, high } => {
                    let (number, level) =
                        if high { (numbers.high, Level::High) } else { (numbers.low, Level::Low) };
                    self.met[usize::from(high)] += 1;
                    if row.level >= level {
                        return Err(format!("{notice:?}, and it was {row:?}"));
                    }
                    row.level = level;
                    if triggered && high {
                        row.exact = false;
                        continue;
                    }
                    // Two reached at once are of the same miss.
                    if missed < number || number == 0 || missed > row.most {
                        return Err(format!("{notice:?} by {numbers:?}, and there was {row:?}"));
                    }
                    if row.exact && missed != row.most {
                        return Err(format!("{notice:?} forgets some of {row:?}"));
                    }
                }
                Fact::HeartbeatHealthy => {
                    self.met[2] += 1;
                    if row.level == Level::Healthy {
                        return Err(format!("{notice:?}, and it was {row:?}"));
                    }
                    row.level = Level::Healthy;
                    row.exact = false;
                }
                Fact::HeartbeatTooMany { count } => {
                    self.met[3] += 1;
                    let most = numbers.most.map_or(u32::MAX, |most| most.count);
                    if count <= most {
                        return Err(format!("{notice:?} by {numbers:?}"));
                    }
                }
                _ => {}
            }
        }
        if let Some(kept) = self.rows.get_mut(&plan.id) {
            (kept.most, kept.level, kept.exact) = (row.most, row.level, row.exact);
        }
        Ok(())
    }

    /// What is seen of it now.
    fn seen(&mut self, monitor: &Monitor, plan: &EntityPlan, turn: &Turn) -> Result<(), String> {
        let view = monitor.view(plan.id);
        let is_up = plan.heartbeat.is_some() && view.state == "running";
        let Some(heart) = view.heartbeat else {
            self.rows.remove(&plan.id);
            return match is_up {
                true => Err(format!("nobody watches the heartbeat of {}: {view:?}", plan.name)),
                false => Ok(()),
            };
        };
        let slot = monitor.slot_of(plan.id).filter(|_| is_up);
        let (Some(slot), Some(numbers)) = (slot, plan.heartbeat) else {
            return Err(format!("{} has a heartbeat: {view:?}", plan.name));
        };
        let (first, doubt) = Default::default();
        let fresh = Row { slot, first, doubt, most: 0, exact: true, level: Level::Healthy };
        let row = self.rows.entry(plan.id).or_insert(fresh);
        let begun = turn.effects.iter().rev().find_map(|effect| match effect {
            Effect::WatchBeats { entity, interval, from, .. } if *entity == plan.id => {
                Some(from.after(*interval))
            }
            _ => None,
        });
        row.first = begun.unwrap_or(row.first);
        let row = *row;
        if row.slot != slot {
            return Err(format!("{} is {view:?} of {row:?} and not {slot}", plan.name));
        }
        let below = |number: u32| number == 0 || heart.missed < number;
        let fits = match heart.level {
            Level::Healthy => below(numbers.low) && below(numbers.high),
            Level::Low => below(numbers.high) || heart.suspended,
            Level::High => true,
        };
        let seen = heart.level <= row.level || heart.level == Level::High;
        let exact = !row.exact || heart.missed == row.most || row.level == Level::High;
        if !fits || !seen || !exact {
            return Err(format!("{} is {heart:?} by {numbers:?}, after {row:?}", plan.name));
        }
        Ok(())
    }
}

/// Effects were carried out: nobody is watched who has no heartbeat to show;
/// when all is `quiet`, everybody who has.
pub(crate) fn watched(
    monitor: &Monitor,
    kernel: &Kernel,
    plans: &[EntityPlan],
    quiet: bool,
) -> Result<(), String> {
    for plan in plans {
        let watched = kernel.watched(plan.id);
        let heart = monitor.view(plan.id).heartbeat;
        let same = watched.is_none_or(|watched| Some(watched.slot) == monitor.slot_of(plan.id));
        let missing = quiet && heart.is_some() && watched.is_none();
        if !same || (heart.is_none() && watched.is_some()) || missing {
            return Err(format!("{} is {heart:?}, and watched is {watched:?}", plan.name));
        }
    }
    Ok(())
}
