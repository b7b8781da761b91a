//! Heartbeats of processes, and the daemon's looks at them: once in a period,
//! now and then late by many, told where nothing has come, or where every one
//! is to be told.

use super::kernel::{Kernel, Task};
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::time::{Mono, Span};

/// A heartbeat that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Whose process.
    pub slot: SlotRef,
    /// The length of a period.
    pub interval: Span,
    /// When the first one begins.
    pub from: Mono,
    /// Whether all are told.
    pub every: bool,
    /// Whether its process hangs.
    hangs: bool,
    /// A look is to come.
    looks: bool,
}

impl Kernel {
    pub(super) fn watch_beats(
        &mut self,
        entity: EntityId,
        slot: SlotRef,
        (interval, from): (Span, Mono),
        every: bool,
    ) {
        if interval < Span::millis(10) {
            self.fault(format!("periods of {interval} for {}", entity.0));
        }
        let before = self.watched.get(&entity).copied();
        let hangs = before.is_some_and(|before| before.slot == slot && before.hangs);
        let looks = before.is_some_and(|before| before.looks);
        let watched = Watched { slot, interval, from, every, hangs, looks };
        self.watched.insert(entity, watched);
        // A calm machine looks no more than is needed to know that all is well.
        if !looks && (every || self.temper.silent > 0) {
            self.look_later(entity);
        }
    }

    pub(super) fn unwatch_beats(&mut self, entity: EntityId) {
        // Whatever look is to come finds nothing.
        if let Some(watched) = self.watched.remove(&entity)
            && watched.looks
        {
            self.blind_looks.push(entity);
        }
    }

    /// Whose heartbeat is watched.
    #[must_use]
    pub fn watched(&self, entity: EntityId) -> Option<Watched> {
        self.watched.get(&entity).copied()
    }

    fn look_later(&mut self, entity: EntityId) {
        let late = if self.random.chance(self.temper.slow) { self.random.below(6) } else { 0 };
        let jitter = self.random.micros(0, 4_000);
        let now = self.now;
        let Some(watched) = self.watched.get_mut(&entity) else { return };
        watched.looks = true;
        // A multiple of the interval, at which the first period is over.
        let interval = watched.interval.0;
        let least = now.0.max(watched.from.0 + interval.saturating_sub(1));
        let at = Mono((least / interval + 1 + late) * interval).after(jitter);
        self.task(at.since(now), Task::Look { entity });
    }

    pub(super) fn look(&mut self, entity: EntityId) {
        if let Some(place) = self.blind_looks.iter().position(|blind| *blind == entity) {
            self.blind_looks.remove(place);
            return;
        }
        let calm = self.temper.silent == 0;
        let turns = self.random.chance(self.temper.silent);
        let beats = 1 + u32::try_from(self.random.below(3)).unwrap_or(0);
        let Some(watched) = self.watched.get_mut(&entity) else { return };
        watched.looks = false;
        watched.hangs = !calm && watched.hangs != turns;
        let (slot, every) = (watched.slot, watched.every);
        let count = if watched.hangs { 0 } else { beats };
        if count == 0 || every {
            self.post(Event::Beats { entity, slot, count });
        }
        if !calm {
            self.look_later(entity);
        }
    }
}
