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
    if process::exists(pid) { Adopted::Done } else { end(state, &slot, pid) }
}

/// The process of this slot, no child of the reaper, was seen to end by the
/// monitor, which had it open or was told that there is none.
pub(super) fn gone(state: State, owner: SlotRef, pid: i32) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    let runs = slot.word() == (owner.generation, Phase::Running) && slot.live_pid() == Some(pid);
    // Of a child the kernel tells, in its time.
    if !runs || reap::is_child(pid) {
        return Adopted::Done;
    }
    end(state, &slot, pid)
}

/// It was reaped before it had a slot, or by another parent. Then nobody here
/// knows how it ended, and that is what is recorded: code 0 of waitid(2) is no
/// end.
fn end(state: State, slot: &Slot, pid: i32) -> Adopted {
    let (code, status, at) = match state.find_orphan(pid) {
        Some(orphan) => (orphan.code, orphan.status, orphan.at),
        None => (0, 0, clock::monotonic()),
    };
    slot.exit(code, status, at);
    slot.forget_pid(pid);
    state.push_exit(slot.index());
    Adopted::Ended
}
