//! The two halves of the plan: a new one is written into the half that is not
//! in force, then the selector flips (details 4).

use crate::State;
use crate::header::Field;
use crate::layout::{PLAN_WORDS, PLANS_AT, WORD};
use std::sync::atomic::Ordering;

/// One half.
#[derive(Clone, Copy, Debug)]
pub struct PlanHalf {
    state: State,
    half: usize,
}

/// Bytes in one half.
pub const PLAN_BYTES: usize = PLAN_WORDS * WORD;

impl State {
    /// The word of the plan in force, which no other plan has; 0: there is none
    /// yet. One that was staged is in force as soon as its turn was committed.
    #[must_use]
    pub fn plan_word(&self) -> u64 {
        let turn = self.get(Field::PlanTurn);
        let counts = turn != 0 && turn <= self.get(Field::CommittedTurn);
        self.get(if counts { Field::PlanStaged } else { Field::Plan })
    }

    /// Generation and half of the plan in force; `None`: there is none yet.
    #[must_use]
    pub fn plan_in_force(&self) -> Option<(u64, PlanHalf)> {
        let word = self.plan_word();
        let half = usize::from(word & 1 == 1);
        (word >> 1 != 0).then_some((word >> 1, PlanHalf { state: *self, half }))
    }

    /// The half that is not in force, and the generation that it would get.
    #[must_use]
    pub fn free_plan_half(&self) -> (u64, PlanHalf) {
        let word = self.plan_word();
        let half = usize::from(word & 1 == 0);
        // Never 0, which is no plan, even after the last that there is room for.
        let next = ((word >> 1) + 1) & (u64::MAX >> 1);
        (next.max(1), PlanHalf { state: *self, half })
    }

    /// That half is in force now.
    pub fn switch_plan(&self, generation: u64, half: PlanHalf) {
        self.set(Field::PlanTurn, 0);
        self.set(Field::Plan, half.word(generation));
    }

    /// That half is in force as soon as this turn, the next one, is committed:
    /// with it the records are of that plan.
    pub fn stage_plan(&self, generation: u64, half: PlanHalf, turn: u64) {
        self.set(Field::PlanTurn, 0);
        self.set(Field::PlanStaged, half.word(generation));
        self.set(Field::PlanTurn, turn);
    }

    /// What is in force is so without regard to turns: when the turn of a plan
    /// has been committed, and by a successor before it commits any.
    pub fn settle_plan(&self) {
        self.set(Field::Plan, self.plan_word());
        self.set(Field::PlanTurn, 0);
    }
}

impl PlanHalf {
    fn word(self, generation: u64) -> u64 {
        generation << 1 | self.half as u64
    }

    /// Where it begins, in bytes from the beginning of the state.
    #[must_use]
    pub fn byte_offset(&self) -> usize {
        (PLANS_AT + self.half * PLAN_WORDS) * WORD
    }

    /// Writes it; false when it is too long.
    pub fn write(&self, bytes: &[u8]) -> bool {
        if bytes.len() > PLAN_BYTES {
            return false;
        }
        let start = PLANS_AT + self.half * PLAN_WORDS;
        for (place, chunk) in bytes.chunks(WORD).enumerate() {
            let mut word = [0u8; WORD];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.state.word(start + place).store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
        true
    }

    /// Fills `out` from byte `offset`; false when that lies outside.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        let Some(end) = offset.checked_add(out.len()).filter(|end| *end <= PLAN_BYTES) else {
            return false;
        };
        let start = PLANS_AT + self.half * PLAN_WORDS;
        let mut place = offset;
        let mut rest = out.iter_mut();
        while place < end {
            let word = self.state.word(start + place / WORD).load(Ordering::Relaxed);
            for byte in word.to_le_bytes().iter().skip(place % WORD) {
                match rest.next() {
                    Some(to) => *to = *byte,
                    None => return true,
                }
                place += 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn halves_alternate_and_read_back_at_any_offset() {
        let state = test_state();
        assert!(state.plan_in_force().is_none());
        let (generation, half) = state.free_plan_half();
        let bytes: Vec<u8> = (0..100).collect();
        assert!(half.write(&bytes));
        state.switch_plan(generation, half);
        let (first, current) = state.plan_in_force().unwrap();
        assert_eq!(first, 1);
        for offset in 0..90 {
            let mut out = [0u8; 10];
            assert!(current.read(offset, &mut out));
            assert_eq!(out, bytes[offset..offset + 10]);
        }
        let (second, other) = state.free_plan_half();
        assert_eq!(second, 2);
        assert_ne!(other.byte_offset(), current.byte_offset());
        assert!(!current.read(PLAN_BYTES - 3, &mut [0; 4]));
    }

    #[test]
    fn a_staged_plan_is_in_force_with_its_turn_and_not_before() {
        let state = test_state();
        let (first, half) = state.free_plan_half();
        state.switch_plan(first, half);
        let turn = state.records().committed() + 1;
        let (second, half) = state.free_plan_half();
        state.stage_plan(second, half, turn);
        assert_eq!(state.plan_in_force().unwrap().0, first);
        assert_eq!(state.free_plan_half().1.byte_offset(), half.byte_offset());
        state.records().commit(turn);
        assert_eq!(state.plan_in_force().unwrap().0, second);
        state.settle_plan();
        assert_eq!(state.plan_in_force().unwrap().0, second);
        // One whose turn never came is forgotten before another has its number.
        let (third, half) = state.free_plan_half();
        state.stage_plan(third, half, turn + 1);
        state.settle_plan();
        state.records().commit(turn + 1);
        assert_eq!(state.plan_in_force().unwrap().0, second);
    }

    #[test]
    fn whatever_the_generation_is_the_next_plan_is_in_force() {
        let state = test_state();
        for wrong in [u64::MAX, u64::MAX - 1, 1 << 63] {
            state.set(Field::Plan, wrong);
            let (generation, half) = state.free_plan_half();
            state.switch_plan(generation, half);
            let (now, in_force) = state.plan_in_force().unwrap();
            assert_eq!((now, in_force.byte_offset()), (generation, half.byte_offset()));
        }
    }
}
