//! Processes that ham has let go of and that are below the reaper all the same:
//! they are to outlive the manager. Written by the monitor.

use crate::State;
use crate::layout::{DETACHED, DETACHED_AT, DETACHED_WORDS};

/// Process ids are below 2^22 (proc_sys_kernel(5), pid_max).
const PID_BITS: u32 = 22;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detached {
    /// The slot that it was in, which is part of its invocation id.
    pub index: u32,
    /// The generation of that.
    pub generation: u32,
    /// Its process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot; 0: not known.
    pub start_time: u64,
}

impl State {
    /// All that are noted, alive or not.
    pub fn all_detached(&self) -> impl Iterator<Item = Detached> {
        (0..DETACHED).filter_map(|place| self.detached_at(place))
    }

    fn detached_at(&self, place: usize) -> Option<Detached> {
        let at = DETACHED_AT + place * DETACHED_WORDS;
        let (slot, process) = (self.load(at), self.load(at + 1));
        let pid = i32::try_from(process & ((1 << PID_BITS) - 1)).ok()?;
        let detached = Detached {
            index: u32::try_from(slot & 0xffff_ffff).ok()?,
            generation: u32::try_from(slot >> 32).ok()?,
            pid,
            start_time: process >> PID_BITS,
        };
        // Half of an entry, of a monitor that was killed there, is none.
        (slot != 0 && pid > 1).then_some(detached)
    }

    /// Notes one, in the place of one that is `over` when no other is left. One
    /// that is noted already stays as it is. False: there is no room.
    pub fn note_detached(&self, one: Detached, over: impl Fn(&Detached) -> bool) -> bool {
        let is_it = |known: &Detached| (known.pid, known.start_time) == (one.pid, one.start_time);
        if self.all_detached().any(|known| is_it(&known)) {
            return true;
        }
        let is_free = |place: &usize| self.detached_at(*place).is_none();
        let is_over = |place: &usize| self.detached_at(*place).is_some_and(|known| over(&known));
        let place = (0..DETACHED).find(is_free).or_else(|| (0..DETACHED).find(is_over));
        let Some(place) = place else { return false };
        let at = DETACHED_AT + place * DETACHED_WORDS;
        // The word that makes it one goes first and comes last.
        self.store(at, 0);
        let pid = u64::try_from(one.pid).unwrap_or(0);
        self.store(at + 1, one.start_time << PID_BITS | pid);
        self.store(at, u64::from(one.generation) << 32 | u64::from(one.index));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn what_is_noted_is_found_and_makes_room_when_it_is_over() {
        let state = test_state();
        assert_eq!(state.all_detached().count(), 0);
        let one = |pid| Detached { index: 65_535, generation: u32::MAX, pid, start_time: 1 << 40 };
        let pids = || state.all_detached().map(|one| one.pid).collect::<Vec<_>>();
        let last = 4_194_303;
        assert!(state.note_detached(one(last), |_| false));
        assert!(state.note_detached(one(last), |_| false));
        assert_eq!(state.all_detached().collect::<Vec<_>>(), [one(last)]);
        // The same number, another process.
        assert!(state.note_detached(Detached { start_time: 7, ..one(last) }, |_| false));
        assert_eq!(pids(), [last, last]);
        let more = i32::try_from(DETACHED).unwrap();
        for pid in 3..=more {
            assert!(state.note_detached(one(pid), |_| false), "{pid}");
        }
        assert!(!state.note_detached(one(99), |_| false));
        assert!(state.note_detached(one(99), |known| known.pid == 5));
        assert!(pids().contains(&99) && !pids().contains(&5));
        assert_eq!(pids().len(), DETACHED);
    }
}
