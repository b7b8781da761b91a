//! The heartbeat of one entity: what is counted of it, and what a period with
//! or without a heartbeat leads to. Numbers only: what follows from them is in
//! `beats`, its record in `heart_record`.
//!
//! The daemon cuts time into periods and looks once in each; here a period is
//! one that it tells of. Missed are periods in a row (QNX HAM): reaching `low`
//! makes it low, reaching `high` makes it high, each once until it is healthy
//! again. A heartbeat ends the row. One that is low is then healthy by itself;
//! one that is high has been given over to its actions, so it is healthy only
//! when an action says so, or with another process.

use crate::directive::Numbers;
use crate::ids::SlotRef;
use crate::plan::{HeartbeatPlan, LimitPlan};
use crate::time::{Mono, Span};

/// How well a heartbeat is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is wrong.
    #[default]
    Healthy,
    /// So many as `low` says were missed.
    Low,
    /// So many as `high` says were missed.
    High,
}

/// What is known of an entity's heartbeat, whether or not it has a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heart {
    /// Somebody has said that it is not to be counted, until he says otherwise:
    /// also of later processes.
    pub suspended: bool,
    /// As if a heartbeat had come then: it was resumed, or taken for healthy.
    pub fresh: Option<Mono>,
    /// The interval that its process has told before it was up.
    pub told: Option<(SlotRef, Span)>,
    /// By what a process that was attached before it was up is to be
    /// supervised, as it was said then.
    pub given: Option<(SlotRef, Numbers)>,
    /// Its process is supervised.
    pub watch: Option<Watch>,
}

/// The supervision of one process, by the numbers that were in force when it
/// began. Those of a later plan count at once; it begins anew by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The process.
    pub slot: SlotRef,
    /// The length of a period.
    pub interval: Span,
    /// Missed in a row for low; 0: never.
    pub low: u32,
    /// Missed in a row for high; 0: never.
    pub high: u32,
    /// More than so many are too many.
    pub most: Option<LimitPlan>,
    /// When the first period begins.
    pub from: Mono,
    /// How well it is.
    pub level: Level,
    /// Periods in a row without a heartbeat.
    pub missed: u32,
    /// A heartbeat came at about that time, or later: exact to a period while
    /// some are missed.
    pub last: Mono,
    /// When the window began in which heartbeats are counted for `most`.
    pub window: Mono,
    /// Heartbeats in it.
    pub in_window: u32,
    /// Whether it was said that these are too many.
    pub too_many: bool,
    /// It is to end, when others have: nothing is counted of it. Should that be
    /// taken back it is supervised anew.
    pub retires: bool,
}

/// What a period has led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// It is low.
    pub low: bool,
    /// It is high.
    pub high: bool,
    /// It is healthy again.
    pub healthy: bool,
    /// Too many have come.
    pub too_many: bool,
}

impl Watch {
    /// A process of which nothing is known yet.
    #[must_use]
    pub fn new(slot: SlotRef, plan: &HeartbeatPlan, now: Mono) -> Watch {
        let from = now.after(plan.grace);
        Watch {
            slot,
            interval: plan.interval.max(HeartbeatPlan::SHORTEST),
            low: plan.low,
            high: plan.high,
            most: plan.most.filter(|most| most.count > 0),
            from,
            level: Level::Healthy,
            missed: 0,
            last: from,
            window: from,
            in_window: 0,
            too_many: false,
            retires: false,
        }
    }

    /// The same process, of which nothing is known any more.
    #[must_use]
    pub fn anew(&self, now: Mono) -> Watch {
        let Watch { slot, interval, low, high, most, .. } = *self;
        Watch::new(slot, &HeartbeatPlan { interval, low, high, most, grace: Span::ZERO }, now)
    }

    /// Whether periods with heartbeats matter too.
    #[must_use]
    pub fn every(&self) -> bool {
        self.missed > 0 || self.level != Level::Healthy || self.most.is_some()
    }

    /// What was to count as a heartbeat at that time, if none has come since.
    /// True: it is healthy again.
    pub fn refresh(&mut self, fresh: Option<Mono>) -> bool {
        fresh.is_some_and(|at| at > self.last && self.beat(at))
    }

    /// A period has ended in which so many heartbeats came. One that was looked
    /// at before supervision began (anew) is none of its own.
    pub fn period(&mut self, count: u32, fresh: Option<Mono>, now: Mono) -> Reached {
        if now < self.from.after(self.interval) {
            return Reached::default();
        }
        let mut reached = Reached { healthy: self.refresh(fresh), ..Reached::default() };
        let began = Mono(now.0.saturating_sub(self.interval.0));
        // At most one counts in a period, and one that was to count does.
        if count > 0 || fresh.is_some_and(|at| at > began) {
            reached.healthy |= self.beat(now);
        } else {
            if self.missed == 0 {
                self.last = self.last.max(began);
            }
            self.missed = self.missed.saturating_add(1);
            reached.low = self.reaches(self.low, Level::Low);
            reached.high = self.reaches(self.high, Level::High);
        }
        reached.too_many = self.counts(count, began, now);
        reached
    }

    fn reaches(&mut self, number: u32, level: Level) -> bool {
        let reached = number > 0 && self.missed >= number && self.level < level;
        if reached {
            self.level = level;
        }
        reached
    }

    /// Its process says itself that it is in trouble. False: that is known.
    pub fn trigger(&mut self) -> bool {
        if self.level == Level::High {
            return false;
        }
        self.level = Level::High;
        self.missed = self.missed.max(self.high);
        true
    }

    /// It is to count as healthy, whatever was missed. False: it was.
    pub fn heal(&mut self, now: Mono) -> bool {
        self.missed = 0;
        self.last = self.last.max(now);
        std::mem::take(&mut self.level) != Level::Healthy
    }

    /// A heartbeat. True: it is healthy again by that.
    fn beat(&mut self, at: Mono) -> bool {
        self.missed = 0;
        self.last = self.last.max(at);
        let was_low = self.level == Level::Low;
        if was_low {
            self.level = Level::Healthy;
        }
        was_low
    }

    /// Counts for `most`, in windows of whole periods; true once in each that
    /// has too many. A look that comes half a period late or early still
    /// belongs to the period that it is about.
    fn counts(&mut self, count: u32, began: Mono, now: Mono) -> bool {
        let Some(most) = self.most else { return false };
        let half = Span(self.interval.0 / 2);
        let of_window = self.window.after(most.within).after(half);
        if self.in_window == 0 || now > of_window.max(self.window.after(self.interval).after(half))
        {
            (self.window, self.in_window, self.too_many) = (began, 0, false);
        }
        self.in_window = self.in_window.saturating_add(count);
        let exceeds = self.in_window > most.count && !self.too_many;
        self.too_many |= exceeds;
        exceeds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 1_000_000_000;

    fn watch(low: u32, high: u32, most: Option<(u32, u64)>) -> Watch {
        let most = most.map(|(count, within)| LimitPlan { count, within: Span::seconds(within) });
        let interval = Span(PERIOD);
        let plan = HeartbeatPlan { interval, low, high, grace: Span::ZERO, most };
        Watch::new(SlotRef { index: 8, generation: 1 }, &plan, Mono(0))
    }

    /// What came of each of some periods, one letter each: `-` nothing.
    fn live(watch: &mut Watch, counts: &[u32]) -> Vec<String> {
        let mut now = watch.last.0;
        let mut told = Vec::new();
        for count in counts {
            now += PERIOD;
            let reached = watch.period(*count, None, Mono(now));
            let flags = [
                (reached.healthy, 'o'),
                (reached.low, 'l'),
                (reached.high, 'h'),
                (reached.too_many, 'm'),
            ];
            let word: String =
                flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            told.push(if word.is_empty() { "-".to_owned() } else { word });
        }
        told
    }

    #[test]
    fn low_and_high_are_reached_once() {
        assert_eq!(live(&mut watch(2, 3, None), &[0, 0, 0, 0, 0]), ["-", "l", "h", "-", "-"]);
        assert_eq!(live(&mut watch(2, 2, None), &[0, 0, 0]), ["-", "lh", "-"]);
        assert_eq!(live(&mut watch(0, 2, None), &[0, 0, 0]), ["-", "h", "-"]);
        assert_eq!(live(&mut watch(1, 0, None), &[0, 0, 0]), ["l", "-", "-"]);
        assert_eq!(live(&mut watch(0, 0, None), &[0, 0, 0]), ["-", "-", "-"]);
    }

    #[test]
    fn a_heartbeat_ends_the_row() {
        assert_eq!(
            live(&mut watch(2, 3, None), &[0, 1, 0, 9, 0, 0]),
            ["-", "-", "-", "-", "-", "l"]
        );
        assert_eq!(live(&mut watch(1, 3, None), &[0, 1, 0, 1]), ["l", "o", "l", "o"]);
        let mut high = watch(1, 2, None);
        assert_eq!(live(&mut high, &[0, 0, 1, 0, 0, 0]), ["l", "h", "-", "-", "-", "-"]);
        assert!(high.heal(Mono(9 * PERIOD)) && !high.heal(Mono(9 * PERIOD)));
        assert_eq!(live(&mut high, &[0, 0]), ["l", "h"]);
    }

    #[test]
    fn too_many_are_counted_in_windows() {
        let mut once = watch(0, 0, Some((3, 1)));
        assert_eq!(live(&mut once, &[3, 4, 0, 9, 3]), ["-", "m", "-", "m", "-"]);
        let mut over_two = watch(0, 0, Some((3, 2)));
        assert_eq!(
            live(&mut over_two, &[2, 2, 2, 1, 4, 9, 9]),
            ["-", "m", "-", "-", "m", "-", "m"]
        );
    }

    #[test]
    fn what_is_to_count_as_a_heartbeat_counts_for_its_period() {
        let mut low = watch(2, 3, None);
        assert_eq!(live(&mut low, &[0, 0]), ["-", "l"]);
        // Resumed at 2.5 s, looked at in time, and once more.
        let fresh = Some(Mono(2_500_000_000));
        let mut timely = low;
        assert!(timely.period(0, fresh, Mono(3 * PERIOD)).healthy);
        assert_eq!((timely.missed, timely.level), (0, Level::Healthy));
        assert_eq!(timely.period(0, fresh, Mono(4 * PERIOD)), Reached::default());
        assert_eq!(timely.missed, 1);
        // So late that a whole period has passed since: one miss, no more.
        let reached = low.period(0, fresh, Mono(9 * PERIOD));
        assert_eq!(reached, Reached { healthy: true, ..Reached::default() });
        assert_eq!(low.missed, 1);
    }
}
