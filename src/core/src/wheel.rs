//! When heartbeats are looked at: all of one interval at the same time, at its
//! multiples on the monotonic clock, so that ten thousand entities make one
//! wake-up. Part of no record: a successor is told anew whose to watch.

use crate::ids::{EntityId, SlotRef};
use crate::time::{Mono, Span};
use std::collections::{BTreeMap, BTreeSet};

/// One whose heartbeat is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whose.
    pub entity: EntityId,
    /// Its process.
    pub slot: SlotRef,
    /// When its first period begins.
    pub from: Mono,
    /// Whether every period is told of, or only those without a heartbeat.
    pub every: bool,
}

#[derive(Debug, Default)]
struct Group {
    members: Vec<Member>,
    next: Mono,
}

/// Those that are watched, by interval.
#[derive(Debug, Default)]
pub struct Wheel {
    groups: BTreeMap<Span, Group>,
    times: BTreeSet<(Mono, Span)>,
    places: BTreeMap<EntityId, (Span, usize)>,
}

impl Wheel {
    /// Watches one; what was watched of its entity before is replaced. An
    /// interval of nothing is none. `since`: up to when periods were looked at:
    /// now, or by whoever has looked before.
    pub fn watch(&mut self, member: Member, interval: Span, since: Mono) {
        if interval == Span::ZERO {
            self.unwatch(member.entity);
            return;
        }
        if let Some((before, place)) = self.places.get(&member.entity).copied()
            && before == interval
        {
            let group = self.groups.get_mut(&interval);
            if let Some(there) = group.and_then(|group| group.members.get_mut(place)) {
                *there = member;
            }
            return;
        }
        self.unwatch(member.entity);
        let times = &mut self.times;
        let group = self.groups.entry(interval).or_insert_with(|| {
            let next = multiple_after(interval, since);
            times.insert((next, interval));
            Group { members: Vec::new(), next }
        });
        self.places.insert(member.entity, (interval, group.members.len()));
        group.members.push(member);
    }

    /// It is of no interest any more.
    pub fn unwatch(&mut self, entity: EntityId) {
        let Some((interval, place)) = self.places.remove(&entity) else { return };
        let Some(group) = self.groups.get_mut(&interval) else { return };
        if place < group.members.len() {
            group.members.swap_remove(place);
        }
        if let Some(moved) = group.members.get(place) {
            self.places.insert(moved.entity, (interval, place));
        }
        if group.members.is_empty() {
            self.times.remove(&(group.next, interval));
            self.groups.remove(&interval);
        }
    }

    /// When the next look is due; `None`: nobody is watched.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Visits all whose period is over by now. However late that is, each is
    /// visited once for an interval, so that a clock that stood still makes no
    /// more than one miss (details 28).
    pub fn look(&mut self, now: Mono, mut visit: impl FnMut(&Member)) {
        while let Some((at, interval)) = self.times.first().copied().filter(|(at, _)| *at <= now) {
            self.times.remove(&(at, interval));
            let Some(group) = self.groups.get_mut(&interval) else { continue };
            group.next = multiple_after(interval, now);
            self.times.insert((group.next, interval));
            for member in &group.members {
                // A period that began in the middle is not over yet.
                if member.from.after(interval) <= now {
                    visit(member);
                }
            }
        }
    }

    /// How many are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// The first multiple of an interval that is later.
fn multiple_after(interval: Span, now: Mono) -> Mono {
    let whole = now.0.checked_div(interval.0).unwrap_or(0);
    Mono(whole.saturating_add(1).saturating_mul(interval.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(entity: u32, from: u64) -> Member {
        let slot = SlotRef { index: 8, generation: 1 };
        Member { entity: EntityId(entity), slot, from: Mono(from), every: false }
    }

    fn seen(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut seen = Vec::new();
        wheel.look(Mono(now), |member| seen.push(member.entity.0));
        seen
    }

    #[test]
    fn all_of_one_interval_are_looked_at_together() {
        let mut wheel = Wheel::default();
        assert_eq!(wheel.due(), None);
        wheel.watch(member(1, 0), Span(100), Mono(30));
        wheel.watch(member(2, 60), Span(100), Mono(60));
        wheel.watch(member(3, 60), Span(50), Mono(60));
        assert_eq!(wheel.due(), Some(Mono(100)));
        assert!(seen(&mut wheel, 99).is_empty());
        assert_eq!(seen(&mut wheel, 100), [1], "the periods of the others are not over");
        assert_eq!(seen(&mut wheel, 150), [3]);
        assert_eq!(seen(&mut wheel, 200), [3, 1, 2]);
        // Late by many: one look each.
        assert_eq!(seen(&mut wheel, 1234), [3, 1, 2]);
        assert_eq!(wheel.due(), Some(Mono(1250)));
        wheel.unwatch(EntityId(1));
        wheel.unwatch(EntityId(3));
        assert_eq!(wheel.due(), Some(Mono(1300)));
        wheel.watch(member(2, 1300), Span(1000), Mono(1290));
        assert_eq!((wheel.due(), wheel.len()), (Some(Mono(2000)), 1));
        wheel.watch(member(2, 1300), Span::ZERO, Mono(1290));
        assert!(wheel.is_empty() && wheel.due().is_none());
        // A successor looks at once at what ended after the last look.
        wheel.watch(member(4, 0), Span(100), Mono(1999));
        assert_eq!((wheel.due(), seen(&mut wheel, 2350)), (Some(Mono(2000)), vec![4]));
        assert_eq!(wheel.due(), Some(Mono(2400)));
    }

    proptest! {
        /// Against a list that is gone through from end to end.
        #[test]
        fn it_does_as_a_plain_list_would(
            steps in proptest::collection::vec((0..4u8, 0..12u32, 1..6u64, 0..40u64), 1..120),
        ) {
            let mut wheel = Wheel::default();
            let mut list: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
            let mut now = 0;
            for (what, entity, interval, more) in steps {
                match what {
                    0 => {
                        wheel.unwatch(EntityId(entity));
                        list.remove(&entity);
                    }
                    1 => {
                        let interval = interval * 10;
                        wheel.watch(member(entity, now), Span(interval), Mono(now));
                        list.insert(entity, (interval, now));
                    }
                    _ => {
                        let before = now;
                        now += more;
                        let mut found = seen(&mut wheel, now);
                        found.sort_unstable();
                        let due = |(interval, from): (u64, u64)| {
                            before / interval != now / interval && from + interval <= now
                        };
                        let expected: Vec<u32> =
                            list.iter().filter(|(_, one)| due(**one)).map(|(id, _)| *id).collect();
                        prop_assert_eq!(found, expected);
                    }
                }
                prop_assert_eq!(wheel.len(), list.len());
                let next = list.values().map(|(interval, _)| (now / interval + 1) * interval).min();
                prop_assert_eq!(wheel.due(), next.map(Mono));
            }
        }
    }
}
