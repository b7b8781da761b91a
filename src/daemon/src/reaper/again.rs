//! A reaper that has executed itself again after a fault (details 13): what the
//! image before may have left half done, and when to stop trusting the state.

use crate::shared::Shared;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::{clock, reap};

/// This many faults within that time, and the state may be what causes them.
const WITHIN_NS: u64 = 10_000_000_000;

/// Notes that there was a fault. False when it was the third within ten
/// seconds.
pub(crate) fn note_fault(state: State) -> bool {
    let now = clock::monotonic();
    let third = state.get(Field::ReaperFault2);
    state.set(Field::ReaperFault3, third);
    state.set(Field::ReaperFault2, state.get(Field::ReaperFault1));
    state.set(Field::ReaperFault1, now);
    // Who was forked and not noted must see this before others are forked.
    let before = state.bump(Field::ReaperFaults);
    state.get(Field::ReaperGaveUp) == 0 && (before < 2 || now.saturating_sub(third) >= WITHIN_NS)
}

/// Before any zombie is taken: pids in slots whose end is recorded. The image
/// before may have reaped one and not cleared its number, and somebody else may
/// have that by now.
pub(super) fn tidy(shared: &Shared) {
    let state = shared.state;
    let used = state.slots_used();
    let slots = || (0..used).filter_map(|index| state.slot(index));
    for slot in slots().filter(|slot| slot.word().1 == Phase::Exited) {
        let Some(pid) = slot.live_pid() else { continue };
        let is_anothers = || {
            slots().any(|other| other.word().1 != Phase::Exited && other.live_pid() == Some(pid))
        };
        // Not our zombie: reaped. A zombie: if another slot has the number it
        // is that one's; else it is met again by the sweep.
        if reap::peek(pid).is_none() || is_anothers() {
            slot.forget_pid(pid);
        }
    }
}
