//! Looking at heartbeats: once in every period of every interval, all of one
//! interval together. Only what can change something becomes an event: as long
//! as an entity beats and is healthy, nothing is stepped, stored or sent.

use super::pages::Pages;
use super::{Engine, pages};
use ham_core::event::Event;
use ham_core::ids::EntityId;
use ham_core::monitor::{Level, View};
use ham_core::time::{Mono, Span};
use ham_core::wheel::{Member, Wheel};
use ham_core::wire::HeartbeatStatus;
use ham_snapshot::header::Field;
use ham_sys::clock;

/// Entities that are watched again in one turn: each is read from its record, so
/// that others have their turn in between.
const AGAIN_IN_TURN: usize = 128;

/// Whose heartbeats are watched, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Beats {
    wheel: Wheel,
    pub(super) pages: Pages,
    /// Those that the monitor before has watched, and that this one has not
    /// come to.
    again: Vec<EntityId>,
    /// Up to when that one has looked; until this one does itself.
    looked: Option<Mono>,
    /// Clients that wait for a page.
    pub(super) waiting: Vec<(u64, pages::Which, EntityId)>,
}

/// What was seen of one entity.
struct Seen {
    entity: EntityId,
    told: u64,
    stored: u64,
}

impl Beats {
    /// A successor: these are to be watched again, when there is time for it. A
    /// period that has ended since `looked` is looked at then: else monitors that
    /// live for less than a period would never come to it.
    pub(super) fn begin_again(&mut self, entities: Vec<EntityId>, looked: u64) {
        self.again = entities;
        self.looked = (looked != 0).then_some(Mono(looked));
    }

    /// When the next look is due; 0: at once.
    pub(super) fn due(&self) -> Option<u64> {
        if !self.again.is_empty() {
            return Some(0);
        }
        // Pages that are on their way come within a moment, as an event.
        if self.pages.are_incomplete() { None } else { self.wheel.due().map(|due| due.0) }
    }
}

impl Engine {
    pub(super) fn watch_beats(&mut self, member: Member, interval: Span) {
        if let Err(error) = self.store.reserve_beat(member.entity) {
            let text = format!("its heartbeats cannot be watched: {error}");
            self.trouble(member.entity, &text);
            return;
        }
        let now = clock::monotonic();
        if let Some(beat) = self.state.beat(member.entity.0) {
            let stored = self.beats.pages.counter(member.entity);
            beat.begin(member.slot.to_word(), stored, now);
        }
        if self.beats.wheel.is_empty() && self.beats.looked.is_none() {
            // There is nothing that a successor could have to look at before.
            self.state.set(Field::BeatsLooked, now);
        }
        let since = self.beats.looked.unwrap_or(Mono(now));
        self.beats.wheel.watch(member, interval, since);
    }

    pub(super) fn unwatch_beats(&mut self, entity: EntityId) {
        self.beats.wheel.unwatch(entity);
    }

    /// A process of this entity says that it is alive: noted, and looked at when
    /// its period is over.
    pub(super) fn heartbeat_told(&mut self, entity: EntityId) {
        if self.store.reserve_beat(entity).is_ok()
            && let Some(beat) = self.state.beat(entity.0)
        {
            beat.tell();
        }
    }

    /// The periods that are over.
    pub(super) fn look_at_beats(&mut self, now: u64) {
        if self.beats.due().is_none_or(|due| due > now) {
            return;
        }
        if !self.beats.again.is_empty() {
            let left = self.beats.again.len().saturating_sub(AGAIN_IN_TURN);
            let entities = self.beats.again.split_off(left);
            self.feed(Event::WatchAgain { entities });
            self.run_events();
            return;
        }
        self.beats.looked = None;
        // Before what follows from it: a successor looks at no period twice.
        self.state.set(Field::BeatsLooked, now);
        // What has come before this moment counts.
        self.notified_before_look();
        let (mut telling, mut seen) = (Vec::new(), Vec::new());
        let (state, pages) = (self.state, &self.beats.pages);
        self.beats.wheel.look(Mono(now), |member| {
            let Member { entity, slot, every, .. } = *member;
            let Some(beat) = state.beat(entity.0) else { return };
            let (told, stored) = (beat.told(), pages.counter(entity));
            let count = beat.since(told, stored);
            if count == 0 || every {
                telling.push(Event::Beats { entity, slot, count });
                if count > 0 {
                    seen.push(Seen { entity, told, stored });
                }
            } else {
                beat.saw(told, stored, now);
            }
        });
        for event in telling {
            self.feed(event);
        }
        self.run_events();
        // Only once it counts: a successor would take a heartbeat that was seen
        // for one that did not come.
        for Seen { entity, told, stored } in seen {
            if let Some(beat) = self.state.beat(entity.0) {
                beat.saw(told, stored, now);
            }
        }
    }

    /// The heartbeat of an entity as `status` shows it; `None`: it is not
    /// watched.
    pub(super) fn heartbeat_status(&self, id: EntityId, view: &View) -> Option<HeartbeatStatus> {
        let heart = view.heartbeat?;
        let moved = self.state.beat(id.0).map_or(0, |beat| beat.moved());
        let age = (moved != 0).then(|| clock::monotonic().saturating_sub(moved));
        Some(HeartbeatStatus {
            age_ns: age,
            missed: u64::from(heart.missed),
            level: match heart.level {
                Level::Healthy => "healthy",
                Level::Low => "low",
                Level::High => "high",
            }
            .to_owned(),
            interval_ns: heart.interval.0,
            suspended: heart.suspended,
        })
    }
}
