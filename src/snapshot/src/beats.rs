//! What the monitor has seen of heartbeats: beside the records, since most of
//! it changes without a turn. A successor goes on from here, so that no period
//! is counted twice and none is forgotten.

use crate::State;
use crate::layout::{BEAT_WORDS, BEATS, BEATS_AT};

const OF: usize = 0;
const TOLD: usize = 1;
const TOLD_SEEN: usize = 2;
const STORED_SEEN: usize = 3;
const MOVED: usize = 4;

/// The place of one entity.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    state: State,
    at: usize,
}

impl State {
    /// The place of an entity; `None`: it has none.
    #[must_use]
    pub fn beat(&self, entity: u32) -> Option<Beat> {
        let entity = usize::try_from(entity).ok().filter(|entity| *entity < BEATS)?;
        Some(Beat { state: *self, at: BEATS_AT + entity * BEAT_WORDS })
    }
}

impl Beat {
    /// Another process begins: what has come before is not its own. `slot`
    /// names it, `stored` is its counter now. Nothing changes for the process
    /// that it was begun for before: a successor asks again.
    pub fn begin(&self, slot: u64, stored: u64, now: u64) {
        if self.state.load(self.at + OF) == slot {
            return;
        }
        self.state.store(self.at + TOLD_SEEN, self.state.load(self.at + TOLD));
        self.state.store(self.at + STORED_SEEN, stored);
        self.state.store(self.at + MOVED, now);
        self.state.store(self.at + OF, slot);
    }

    /// A heartbeat came as a message.
    pub fn tell(&self) {
        let told = self.state.load(self.at + TOLD);
        self.state.store(self.at + TOLD, told.wrapping_add(1));
    }

    /// Heartbeats that came as messages, so far.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.state.load(self.at + TOLD)
    }

    /// Heartbeats since the last look. `stored`: the counter of the process. Of
    /// one that went back, because two threads have written it, one has come.
    #[must_use]
    pub fn since(&self, told: u64, stored: u64) -> u32 {
        let moved = |seen: u64, now: u64| match now.checked_sub(seen) {
            Some(more) => u32::try_from(more).unwrap_or(u32::MAX),
            None => 1,
        };
        let told = moved(self.state.load(self.at + TOLD_SEEN), told);
        let stored = moved(self.state.load(self.at + STORED_SEEN), stored);
        told.saturating_add(stored)
    }

    /// So many were seen, at that time. Once what follows from it counts.
    pub fn saw(&self, told: u64, stored: u64, now: u64) {
        self.state.store(self.at + TOLD_SEEN, told);
        self.state.store(self.at + STORED_SEEN, stored);
        self.state.store(self.at + MOVED, now);
    }

    /// When a look has last seen a heartbeat, CLOCK_MONOTONIC, ns; 0: never.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.state.load(self.at + MOVED)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_state;

    #[test]
    fn beats_count_from_the_beginning_of_their_process() {
        let state = test_state();
        let beat = state.beat(65_535).unwrap();
        assert!(state.beat(65_536).is_none());
        beat.tell();
        beat.begin(7, 100, 5);
        assert_eq!(beat.since(beat.told(), 100), 0);
        beat.tell();
        beat.tell();
        assert_eq!(beat.since(beat.told(), 101), 3);
        // A successor asks again, and forgets nothing.
        beat.begin(7, 101, 6);
        assert_eq!((beat.since(beat.told(), 101), beat.moved()), (3, 5));
        beat.saw(beat.told(), 101, 9);
        assert_eq!((beat.since(beat.told(), 101), beat.moved()), (0, 9));
        assert_eq!(beat.since(beat.told(), 4), 1);
        assert_eq!(beat.since(beat.told(), u64::MAX), u32::MAX);
    }
}
