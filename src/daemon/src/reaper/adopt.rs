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
    if process::exists(pid) {
        return Adopted::Done;
    }
    // It was reaped before it had a slot, or by another parent.
    let (code, status, at) = match state.find_orphan(pid) {
        Some(orphan) => (orphan.code, orphan.status, orphan.at),
        None => (0, 0, clock::monotonic()),
    };
    end(state, &slot, pid, (code, status, at))
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

/// Other slots that hold a process of that number and have seen no end of it.
fn others(state: State, index: u32, pid: i32) -> impl Iterator<Item = Slot> {
    let holds = move |slot: &Slot| slot.live_pid() == Some(pid) && slot.word().1 != Phase::Exited;
    let indexes = (0..state.slots_used()).filter(move |other| *other != index);
    indexes.filter_map(move |other| state.slot(other)).filter(holds)
}

fn is_anothers(state: State, index: u32, pid: i32) -> bool {
    others(state, index, pid).next().is_some()
}

/// The slot whose process a child of that number is, alive or a zombie. What a
/// slot holds that is no child of ours may have ended long ago, when nobody has
/// told of that yet, and its number is another's by now.
pub(super) fn owner_of(state: State, pid: i32) -> Option<Slot> {
    let slot = state.slot_of_pid(pid)?;
    if is_still(&slot, pid) {
        return Some(slot);
    }
    others(state, slot.index(), pid).find(|other| is_still(other, pid))
}

/// Whether the process of that number is the one that the slot has been given,
/// as far as can be told. One that was made there always is: until its end is
/// recorded its number stays its own.
fn is_still(slot: &Slot, pid: i32) -> bool {
    let known = slot.start_time();
    known == 0
        || slot.was_made_as(pid)
        || process::start_time(pid).is_none_or(|start| start == known)
}

/// The process of this slot, no child of the reaper, was seen to end by the
/// monitor, which had it open or was told that there is none. `ended`: how, as
/// far as that knows; 0, which is no end to waitid(2), where it does not. No
/// orphan tells it: while the slot has held it, its end could not become one.
pub(super) fn gone(state: State, owner: SlotRef, pid: i32, ended: u64) -> Adopted {
    let Some(slot) = state.slot(owner.index) else { return Adopted::Refused(Errno::EINVAL) };
    let runs = slot.word() == (owner.generation, Phase::Running) && slot.live_pid() == Some(pid);
    // Of a child the kernel tells, in its time; unless the child is another
    // process, which has got the number since.
    let is_it = || is_still(&slot, pid) && !is_anothers(state, owner.index, pid);
    if !runs || (reap::is_child(pid) && is_it()) {
        return Adopted::Done;
    }
    let word = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0).cast_signed();
    end(state, &slot, pid, (word(ended >> 32), word(ended), clock::monotonic()))
}

fn end(state: State, slot: &Slot, pid: i32, (code, status, at): (i32, i32, u64)) -> Adopted {
    slot.exit(code, status, at);
    slot.forget_pid(pid);
    state.push_exit(slot.index());
    Adopted::Ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_snapshot::layout::{TOTAL, WORD};
    use ham_snapshot::rings::Orphan;
    use std::process::{Child, Command};

    const SLOT: SlotRef = SlotRef { index: 9, generation: 4 };

    fn state() -> State {
        let (map, _fd) = ham_sys::shm::Map::memfd(c"test", TOTAL * WORD).unwrap();
        State::format(map.words()).unwrap()
    }

    /// A child of this process, which is who reaps here.
    fn child() -> (Child, i32) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    /// The slot holds a process of that number, which started then.
    fn holding(state: State, pid: i32, start: u64) -> Slot {
        let slot = state.slot(SLOT.index).unwrap();
        slot.intend(SLOT.generation);
        assert!(matches!(adopt(state, SLOT, pid), Adopted::Done));
        slot.set_start_time(start);
        slot
    }

    #[test]
    fn a_child_that_has_got_the_number_keeps_no_end_from_being_told() {
        let (state, (mut child, pid)) = (state(), child());
        let start = process::start_time(pid).unwrap();
        let slot = holding(state, pid, start);
        // Its own: the kernel tells of it.
        assert!(matches!(gone(state, SLOT, pid, 0), Adopted::Done));
        assert_eq!(owner_of(state, pid).map(|slot| slot.index()), Some(SLOT.index));
        // Another one: what the slot held has ended.
        slot.set_start_time(start - 1);
        assert!(owner_of(state, pid).is_none());
        let ended = 1 << 32 | 7;
        assert!(matches!(gone(state, SLOT, pid, ended), Adopted::Ended));
        assert_eq!((slot.word().1, slot.ended()), (Phase::Exited, pid));
        assert_eq!((slot.status().0, slot.status().1), (1, 7));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_zombie_of_another_is_not_the_end_of_what_a_slot_holds() {
        let (state, (mut child, pid)) = (state(), child());
        let start = process::start_time(pid).unwrap();
        let slot = holding(state, pid, start - 1);
        let made = state.slot(20).unwrap();
        made.intend(1);
        made.kernel_words()
            .0
            .store(u64::try_from(pid).unwrap(), std::sync::atomic::Ordering::Release);
        child.kill().unwrap();
        while reap::peek(pid).is_none() {
            std::thread::yield_now();
        }
        assert_eq!(process::start_time(pid), Some(start), "a zombie has one, too");
        // It is that of the slot in which it was made, whatever the hint says.
        assert_eq!(owner_of(state, pid).map(|slot| slot.index()), Some(20));
        assert_eq!(slot.word().1, Phase::Running);
        child.wait().unwrap();
    }

    #[test]
    fn an_orphan_of_that_number_tells_nothing_of_who_had_a_slot() {
        let (state, (mut child, pid)) = (state(), child());
        let slot = holding(state, pid, 5);
        child.kill().unwrap();
        child.wait().unwrap();
        state.push_orphan(Orphan { pid, code: 1, status: 3, at: 1 });
        assert!(matches!(gone(state, SLOT, pid, 0), Adopted::Ended));
        assert_eq!((slot.status().0, slot.status().1), (0, 0));
    }
}
