//! Another process takes the place of the one that was made in a slot: what a
//! forking daemon has left behind, or what a program has named by `MAINPID=`.
//! Done here, between two ends that are recorded, so that whichever process
//! ends at this moment, its end is told of it and of no other.

use ham_core::ids::SlotRef;
use ham_snapshot::State;
use ham_snapshot::slots::{Phase, Slot};
use ham_sys::{Errno, clock, process, reap};

/// What has come of it.
pub(super) enum Adopted {
    /// It is so, or was already.
    Done,
    /// It has ended, and that is recorded now.
    Ended,
    /// It cannot be.
    Refused(Errno),
}

/// From now on `pid` is the process of this slot and generation.
pub(super) fn adopt(state: State, owner: SlotRef, pid: i32) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    let (generation, phase) = slot.word();
    if generation != owner.generation || phase == Phase::Free || pid <= 1 {
        return Adopted::Refused(Errno::ESRCH);
    }
    let is_it = slot.live_pid() == Some(pid) && phase == Phase::Running;
    let has_ended = phase == Phase::Exited && slot.ended() == pid;
    if is_it || has_ended {
        return Adopted::Done;
    }
    slot.adopt(generation, pid);
    state.hint(pid, owner.index);
    if process::exists(pid) { Adopted::Done } else { end(state, &slot, pid, 0) }
}

/// This slot, in which no process was made, holds `pid` from now on; unless
/// another slot does, since then the number is that one's by now. Whether it is
/// the process that was meant is looked at by who has asked.
pub(super) fn join(state: State, owner: SlotRef, pid: i32) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    let adopted = adopt(state, owner, pid);
    if matches!(adopted, Adopted::Done) && is_anothers(state, owner.index, pid) {
        slot.release(owner.generation);
        return Adopted::Refused(Errno::EEXIST);
    }
    adopted
}

/// This slot holds nothing any more, though its process goes on: the end of
/// that is nobody's.
pub(super) fn release(state: State, owner: SlotRef) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    slot.release(owner.generation);
    Adopted::Done
}

/// Whether another slot holds that process.
fn is_anothers(state: State, index: u32, pid: i32) -> bool {
    let mut others = (0..state.slots_used()).filter(|other| *other != index);
    let holds = |slot: Slot| slot.live_pid() == Some(pid) && slot.word().1 != Phase::Exited;
    others.any(|other| state.slot(other).is_some_and(holds))
}

/// The process of this slot, no child of the reaper, was seen to end by the
/// monitor, which had it open or was told that there is none. `ended`: how, as
/// far as that knows.
pub(super) fn gone(state: State, owner: SlotRef, pid: i32, ended: u64) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    let runs = slot.word() == (owner.generation, Phase::Running) && slot.live_pid() == Some(pid);
    // Of a child the kernel tells, in its time; unless the child is the process
    // of another slot, which has got the number since.
    if !runs || (reap::is_child(pid) && !is_anothers(state, owner.index, pid)) {
        return Adopted::Done;
    }
    end(state, &slot, pid, ended)
}

/// It was reaped before it had a slot, or by another parent. If nobody knows
/// then how it ended, that is what is recorded: code 0 of waitid(2) is no end.
fn end(state: State, slot: &Slot, pid: i32, ended: u64) -> Adopted {
    let (code, status, at) = match state.find_orphan(pid).filter(|_| ended == 0) {
        Some(orphan) => (orphan.code, orphan.status, orphan.at),
        None => {
            let word = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0).cast_signed();
            (word(ended >> 32), word(ended), clock::monotonic())
        }
    };
    slot.exit(code, status, at);
    slot.forget_pid(pid);
    state.push_exit(slot.index());
    Adopted::Ended
}
