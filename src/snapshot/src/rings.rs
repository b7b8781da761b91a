//! What the reaper hands on: the queue of slots whose process has ended, and
//! the ring of exits that no slot owns.

use crate::State;
use crate::header::Field;
use crate::layout::{EXIT_QUEUE, EXIT_QUEUE_AT, ORPHAN_WORDS, ORPHANS, ORPHANS_AT};

/// An exit that no slot owns: a process that was left behind and adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its process id.
    pub pid: i32,
    /// `si_code` of waitid(2).
    pub code: i32,
    /// `si_status` of waitid(2).
    pub status: i32,
    /// When it was reaped, CLOCK_MONOTONIC.
    pub at: u64,
}

impl State {
    /// Reaper: the process of this slot has ended.
    pub fn push_exit(&self, slot: u32) {
        let tail = self.get(Field::ExitQueueTail);
        self.store(exit_at(tail), u64::from(slot));
        // The entry before the count: who sees the count sees the entry.
        self.set(Field::ExitQueueTail, tail.wrapping_add(1));
    }

    /// The slot at a place of the queue, counted from the beginning; `None`:
    /// nothing was put there yet, or it is no more there. A slot that does not
    /// exist: its entry is damaged.
    #[must_use]
    pub fn exit_at(&self, place: u64) -> Option<u32> {
        // A distance, and not which is larger: whatever the count is, the next
        // is the one after it.
        let waiting = self.get(Field::ExitQueueTail).wrapping_sub(place);
        if waiting == 0 || waiting > EXIT_QUEUE as u64 {
            return None;
        }
        // What is no number of a slot takes its place in the queue all the same.
        Some(u32::try_from(self.load(exit_at(place))).unwrap_or(u32::MAX))
    }

    /// Whether exits from that place on have left the queue, or the count is
    /// not what it was: then only the slots tell what has ended.
    #[must_use]
    pub fn exits_overrun(&self, place: u64) -> bool {
        self.get(Field::ExitQueueTail).wrapping_sub(place) > EXIT_QUEUE as u64
    }

    /// Reaper: a process ended that no slot owns.
    pub fn push_orphan(&self, orphan: Orphan) {
        let tail = self.get(Field::OrphanTail);
        let at = orphan_at(tail);
        let status =
            u64::from(orphan.code.cast_unsigned()) << 32 | u64::from(orphan.status.cast_unsigned());
        self.store(at, u64::from(orphan.pid.cast_unsigned()));
        self.store(at + 1, status);
        self.store(at + 2, orphan.at);
        self.store(at + 3, tail);
        self.set(Field::OrphanTail, tail.wrapping_add(1));
    }

    /// The newest orphan with this process id that is still in the ring.
    #[must_use]
    pub fn find_orphan(&self, pid: i32) -> Option<Orphan> {
        let tail = self.get(Field::OrphanTail);
        (1..=ORPHANS as u64).find_map(|back| {
            let place = tail.wrapping_sub(back);
            let at = orphan_at(place);
            let status = self.load(at + 1);
            let orphan = Orphan {
                pid: u32::try_from(self.load(at)).ok()?.cast_signed(),
                code: u32::try_from(status >> 32).ok()?.cast_signed(),
                status: u32::try_from(status & 0xffff_ffff).ok()?.cast_signed(),
                at: self.load(at + 2),
            };
            // Overwritten while it was read?
            (orphan.pid == pid && self.load(at + 3) == place).then_some(orphan)
        })
    }

    /// Orphans that have been overwritten.
    #[must_use]
    pub fn orphans_overwritten(&self) -> u64 {
        self.get(Field::OrphanTail).saturating_sub(ORPHANS as u64)
    }
}

fn exit_at(place: u64) -> usize {
    EXIT_QUEUE_AT + usize::try_from(place % EXIT_QUEUE as u64).unwrap_or(0)
}

fn orphan_at(place: u64) -> usize {
    ORPHANS_AT + usize::try_from(place % ORPHANS as u64).unwrap_or(0) * ORPHAN_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn exits_come_out_in_the_order_they_went_in() {
        let state = test_state();
        for slot in [9, 8, 77] {
            state.push_exit(slot);
        }
        let all: Vec<u32> = (0..).map_while(|place| state.exit_at(place)).collect();
        assert_eq!(all, [9, 8, 77]);
    }

    #[test]
    fn the_ring_of_orphans_keeps_the_newest_and_counts_the_rest() {
        let state = test_state();
        for pid in 1..=1_500 {
            state.push_orphan(Orphan { pid, code: 1, status: pid % 256, at: 5 });
        }
        assert_eq!(state.orphans_overwritten(), 1_500 - 1_024);
        assert_eq!(state.find_orphan(1_400).map(|orphan| orphan.status), Some(1_400 % 256));
        assert_eq!(state.find_orphan(10), None);
    }

    #[test]
    fn whatever_the_counts_are_the_newest_is_found() {
        for tail in [u64::MAX, u64::MAX - 1, 1 << 63, u64::from(u32::MAX)] {
            let state = test_state();
            state.set(Field::ExitQueueTail, tail);
            state.set(Field::OrphanTail, tail);
            for slot in [9, 8, 77] {
                state.push_exit(slot);
            }
            let seen = |back| state.exit_at(tail.wrapping_add(back));
            assert_eq!([0, 1, 2, 3].map(seen), [Some(9), Some(8), Some(77), None]);
            assert!(state.exits_overrun(5) && !state.exits_overrun(tail));
            for pid in [4, 5, 6] {
                state.push_orphan(Orphan { pid, code: 1, status: 0, at: 5 });
            }
            let found = |pid| state.find_orphan(pid).is_some();
            assert_eq!([4, 5, 6, 7].map(found), [true, true, true, false]);
        }
    }
}
