//! Slots: one process each. The protocol between monitor, kernel and reaper
//! (design §2, details 11; `tests/slot_protocol.rs` checks it exhaustively):
//!
//! - monitor, before clone: [`Slot::intend`]; the kernel writes the pid during
//!   clone; monitor, after it: [`Slot::run`]
//! - reaper, on a zombie: [`Slot::exit`], notify, reap, [`Slot::forget_pid`]
//! - monitor, once the exit is committed: [`Slot::free`]
//!
//! Generation and state are one word: a kill between two stores must not
//! leave a slot that says half of it.

use crate::State;
use crate::header::Field;
use crate::layout::{HINTS, HINTS_AT, PHASES_AT, PIDS_AT, SLOT_WORDS, SLOTS, SLOTS_AT};
use std::sync::atomic::{AtomicU64, Ordering};

const CHILD_PID: usize = 0;
const ERROR: usize = 1;
const STATUS: usize = 2;
const EXITED_AT: usize = 3;
const LEADER: usize = 4;
const START_TIME: usize = 5;
const ENDED: usize = 6;
const NAME_AT: usize = 7;

/// The state half of a slot's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not in use.
    Free,
    /// A process is about to be made, or is made and not yet seen.
    Intent,
    /// Its program runs.
    Running,
    /// It has ended and its status is recorded.
    Exited,
}

impl Phase {
    fn bits(self) -> u64 {
        match self {
            Phase::Free => 0,
            Phase::Intent => 1,
            Phase::Running => 2,
            Phase::Exited => 3,
        }
    }

    fn from_bits(word: u64) -> Phase {
        match word & 0xf {
            1 => Phase::Intent,
            2 => Phase::Running,
            3 => Phase::Exited,
            // 0, and what no version has ever written: not in use.
            _ => Phase::Free,
        }
    }
}

/// One slot.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    state: State,
    index: usize,
}

impl State {
    /// The slot at `index`; `None`: there is no such slot.
    #[must_use]
    pub fn slot(&self, index: u32) -> Option<Slot> {
        let index = index as usize;
        (index < SLOTS).then_some(Slot { state: *self, index })
    }

    /// The slot whose process has this id, and has not been recorded as
    /// exited or is just being reaped. First where the hint says, then
    /// everywhere that was ever used.
    #[must_use]
    pub fn slot_of_pid(&self, pid: i32) -> Option<Slot> {
        let wanted = u64::try_from(pid).ok().filter(|pid| *pid != 0)?;
        let hint = self.load(hint_at(pid));
        let hinted = u32::try_from(hint.wrapping_sub(1)).ok().and_then(|index| self.slot(index));
        if let Some(slot) = hinted.filter(|slot| slot.pid() == wanted) {
            return Some(slot);
        }
        (0..self.slots_used())
            .filter_map(|index| self.slot(index))
            .find(|slot| slot.pid() == wanted)
    }

    /// One more than the highest slot that was ever used: as many as there
    /// are, should that be more.
    #[must_use]
    pub fn slots_used(&self) -> u32 {
        let all = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        u32::try_from(self.get(Field::SlotsUsed)).map_or(all, |used| used.min(all))
    }

    /// Where the reaper should look first for this pid.
    pub fn hint(&self, pid: i32, index: u32) {
        self.store(hint_at(pid), u64::from(index) + 1);
    }
}

fn hint_at(pid: i32) -> usize {
    HINTS_AT + (usize::try_from(pid).unwrap_or(0) & (HINTS - 1))
}

impl Slot {
    fn at(&self, place: usize) -> &'static AtomicU64 {
        self.state.word(SLOTS_AT + self.index * SLOT_WORDS + place)
    }

    /// Generation and phase.
    fn phase(&self) -> &'static AtomicU64 {
        self.state.word(PHASES_AT + self.index)
    }

    fn pid_word(&self) -> &'static AtomicU64 {
        self.state.word(PIDS_AT + self.index)
    }

    /// Its place.
    #[must_use]
    pub fn index(&self) -> u32 {
        u32::try_from(self.index).unwrap_or(u32::MAX)
    }

    /// Generation and phase, of one moment.
    #[must_use]
    pub fn word(&self) -> (u32, Phase) {
        let word = self.phase().load(Ordering::Acquire);
        (u32::try_from(word >> 4).unwrap_or(u32::MAX), Phase::from_bits(word))
    }

    /// The process id; 0: none, or not yet.
    #[must_use]
    pub fn pid(&self) -> u64 {
        // The kernel stores 32 bits; the upper half stays 0.
        self.pid_word().load(Ordering::Acquire) & 0xffff_ffff
    }

    /// The process id, if there is one.
    #[must_use]
    pub fn live_pid(&self) -> Option<i32> {
        i32::try_from(self.pid()).ok().filter(|pid| *pid > 0)
    }

    /// The words that the kernel and the child write: parent's and child's
    /// copy of the pid, and the error.
    #[must_use]
    pub fn kernel_words(&self) -> (&'static AtomicU64, &'static AtomicU64, &'static AtomicU64) {
        (self.pid_word(), self.at(CHILD_PID), self.at(ERROR))
    }

    /// Monitor: a process of this generation is about to be made.
    pub fn intend(&self, generation: u32) {
        self.pid_word().store(0, Ordering::Relaxed);
        for place in [CHILD_PID, ERROR, STATUS, EXITED_AT, LEADER, START_TIME, ENDED] {
            self.at(place).store(0, Ordering::Relaxed);
        }
        self.state.raise(Field::SlotsUsed, self.index as u64 + 1);
        self.put(generation, Phase::Intent);
    }

    fn put(&self, generation: u32, phase: Phase) {
        self.phase().store(u64::from(generation) << 4 | phase.bits(), Ordering::Release);
    }

    fn change(&self, generation: u32, from: Phase, to: Phase) -> bool {
        let old = u64::from(generation) << 4 | from.bits();
        let new = u64::from(generation) << 4 | to.bits();
        self.phase().compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Monitor: the process was seen to run. False when the reaper was faster.
    pub fn run(&self, generation: u32, pid: i32, start_time: u64) -> bool {
        self.at(LEADER).store(u64::try_from(pid).unwrap_or(0), Ordering::Relaxed);
        self.at(START_TIME).store(start_time, Ordering::Relaxed);
        self.change(generation, Phase::Intent, Phase::Running)
    }

    /// Reaper: the process is a zombie; this is how it ended. False when that
    /// was recorded already (by a reaper that was re-executed in between).
    pub fn exit(&self, code: i32, status: i32, now: u64) -> bool {
        let (generation, phase) = self.word();
        if phase == Phase::Exited {
            return false;
        }
        let pid = self.pid();
        self.at(ENDED).store(pid, Ordering::Relaxed);
        if self.at(LEADER).load(Ordering::Relaxed) == 0 {
            self.at(LEADER).store(pid, Ordering::Relaxed);
        }
        let packed = u64::from(code.cast_unsigned()) << 32 | u64::from(status.cast_unsigned());
        self.at(STATUS).store(packed, Ordering::Relaxed);
        self.at(EXITED_AT).store(now, Ordering::Relaxed);
        self.put(generation, Phase::Exited);
        true
    }

    /// Reaper: another process takes the place of the one that was made in this
    /// generation, which may have ended. The reaper does it, since only between
    /// two ends that it records does a slot not change under its hands.
    pub fn adopt(&self, generation: u32, pid: i32) {
        // With the pid its end is recorded in this phase already.
        self.put(generation, Phase::Intent);
        self.pid_word().store(u64::try_from(pid).unwrap_or(0), Ordering::Release);
        for place in [STATUS, EXITED_AT, ENDED, ERROR, START_TIME] {
            self.at(place).store(0, Ordering::Relaxed);
        }
        self.put(generation, Phase::Running);
    }

    /// Reaper: the process of this generation goes on and is nobody's. Left as
    /// if none had been made, which whoever comes may give back.
    pub fn release(&self, generation: u32) {
        if self.word() == (generation, Phase::Running) {
            self.pid_word().store(0, Ordering::Release);
            self.change(generation, Phase::Running, Phase::Intent);
        }
    }

    /// Reaper: the zombie is reaped, its id may be used again by anybody. Only
    /// if it still stands here: the slot may hold a later process by now.
    pub fn forget_pid(&self, pid: i32) {
        let pid = u64::try_from(pid).unwrap_or(0);
        let _ = self.pid_word().compare_exchange(pid, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Monitor: the exit is committed, or the clone failed; the slot may be
    /// used again. False while the reaper still holds its pid.
    pub fn free(&self, generation: u32) -> bool {
        let (current, phase) = self.word();
        if current != generation {
            // Never begun (the generation before is still there), or long
            // used again: nothing to give back.
            return true;
        }
        if self.pid() != 0 {
            return false;
        }
        // Compared, not stored: given back twice, the slot may be somebody
        // else's by the second time. The compare fails only over that.
        self.change(generation, phase, Phase::Free);
        true
    }

    /// How it ended: `si_code` and `si_status` of waitid(2), and when.
    #[must_use]
    pub fn status(&self) -> (i32, i32, u64) {
        let packed = self.at(STATUS).load(Ordering::Acquire);
        let low = u32::try_from(packed & 0xffff_ffff).unwrap_or(0).cast_signed();
        let high = u32::try_from(packed >> 32).unwrap_or(0).cast_signed();
        (high, low, self.at(EXITED_AT).load(Ordering::Acquire))
    }

    /// Stage and errno that the child stored before it gave up; 0: none.
    #[must_use]
    pub fn error(&self) -> u64 {
        self.at(ERROR).load(Ordering::Acquire)
    }

    /// The process id that it had, also after it was reaped: the leader of
    /// its session. 0: it was never seen.
    #[must_use]
    pub fn leader(&self) -> i32 {
        let leader = self.at(LEADER).load(Ordering::Acquire);
        let leader = if leader == 0 { self.pid() } else { leader };
        i32::try_from(leader).unwrap_or(0)
    }

    /// Whether this is the process that was made in this generation: it was
    /// neither adopted nor attached.
    #[must_use]
    pub fn was_made_as(&self, pid: i32) -> bool {
        u64::try_from(pid).is_ok_and(|pid| pid == self.at(LEADER).load(Ordering::Acquire))
    }

    /// The process whose end is recorded; 0: none is.
    #[must_use]
    pub fn ended(&self) -> i32 {
        i32::try_from(self.at(ENDED).load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Start time of the process in clock ticks since boot; 0: not known.
    #[must_use]
    pub fn start_time(&self) -> u64 {
        self.at(START_TIME).load(Ordering::Acquire)
    }

    /// Monitor: start time of a process that has taken the place.
    pub fn set_start_time(&self, ticks: u64) {
        self.at(START_TIME).store(ticks, Ordering::Relaxed);
    }

    /// Monitor: whose process it is, up to 72 bytes, for a person who looks.
    pub fn set_name(&self, name: &str) {
        for (place, chunk) in (NAME_AT..SLOT_WORDS)
            .zip(name.as_bytes().chunks(8).chain(std::iter::repeat::<&[u8]>(&[])))
        {
            let mut bytes = [0u8; 8];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.at(place).store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// The name given by [`Slot::set_name`].
    #[must_use]
    pub fn name(&self) -> String {
        let words = (NAME_AT..SLOT_WORDS).map(|place| self.at(place).load(Ordering::Relaxed));
        let bytes: Vec<u8> =
            words.flat_map(u64::to_le_bytes).take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn a_life_in_a_slot() {
        let state = test_state();
        let slot = state.slot(9).unwrap();
        assert_eq!(slot.word(), (0, Phase::Free));
        slot.intend(1);
        slot.set_name("audio");
        assert_eq!(slot.word(), (1, Phase::Intent));
        slot.kernel_words().0.store(4711, Ordering::Release);
        assert!(slot.run(1, 4711, 99));
        state.hint(4711, 9);
        assert_eq!(state.slot_of_pid(4711).map(|slot| slot.index()), Some(9));
        assert!(slot.exit(1, 3, 77));
        assert!(!slot.exit(1, 4, 78), "recorded once");
        assert_eq!(slot.status(), (1, 3, 77));
        assert!(!slot.free(1), "the reaper still holds the pid");
        slot.forget_pid(4711);
        assert!(slot.free(1));
        assert_eq!((slot.word(), slot.leader(), slot.ended()), ((1, Phase::Free), 4711, 4711));
        assert_eq!(slot.name(), "audio");
        assert!(state.slot_of_pid(4711).is_none());
    }

    #[test]
    fn another_process_takes_the_place() {
        let state = test_state();
        let slot = state.slot(9).unwrap();
        slot.intend(4);
        slot.kernel_words().0.store(50, Ordering::Release);
        assert!(slot.run(4, 50, 1) && slot.exit(1, 0, 7));
        slot.forget_pid(50);
        slot.adopt(4, 60);
        assert_eq!((slot.word(), slot.live_pid()), ((4, Phase::Running), Some(60)));
        assert_eq!((slot.status(), slot.ended(), slot.leader()), ((0, 0, 0), 0, 50));
        assert!(slot.exit(2, 9, 8));
        assert_eq!((slot.status(), slot.ended(), slot.leader()), ((2, 9, 8), 60, 50));
    }

    #[test]
    fn a_wrong_hint_is_only_slower() {
        let state = test_state();
        let slot = state.slot(20).unwrap();
        slot.intend(1);
        slot.kernel_words().0.store(50, Ordering::Release);
        state.hint(50, 3);
        assert_eq!(state.slot_of_pid(50).map(|slot| slot.index()), Some(20));
    }

    #[test]
    fn a_damaged_count_of_slots_does_not_keep_the_reaper() {
        let state = test_state();
        for wrong in [u64::from(u32::MAX), 1 << 32, u64::MAX] {
            state.set(Field::SlotsUsed, wrong);
            assert_eq!(state.slots_used() as usize, SLOTS);
            assert!(state.slot_of_pid(4711).is_none());
        }
    }

    #[test]
    fn the_reaper_before_the_monitor() {
        let state = test_state();
        let slot = state.slot(8).unwrap();
        slot.intend(5);
        slot.kernel_words().0.store(60, Ordering::Release);
        assert!(slot.exit(2, 9, 1));
        assert!(!slot.run(5, 60, 0));
        assert_eq!(slot.word(), (5, Phase::Exited));
    }
    #[test]
    fn given_back_twice_it_leaves_the_next_generation_alone() {
        const GENERATIONS: u32 = 100_000;
        let state = test_state();
        let slot = state.slot(11).unwrap();
        let given_back = AtomicU64::new(0);
        let mut lost = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    let last = u32::try_from(given_back.load(Ordering::Acquire)).unwrap();
                    assert!(slot.free(last));
                    if last == GENERATIONS {
                        break;
                    }
                }
            });
            for generation in 1..=GENERATIONS {
                slot.intend(generation);
                // Somebody who is about to free the one before has his chance.
                for _ in 0..20 {
                    std::hint::spin_loop();
                }
                lost += u32::from(slot.word() != (generation, Phase::Intent));
                assert!(slot.free(generation));
                given_back.store(u64::from(generation), Ordering::Release);
            }
        });
        assert_eq!((lost, slot.word()), (0, (GENERATIONS, Phase::Free)));
    }
}
