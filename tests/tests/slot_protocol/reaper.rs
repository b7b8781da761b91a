//! The reaper's side of the protocol: meet a zombie, record, notify, reap,
//! clear; and what a re-executed reaper does first. It may read shared memory
//! and ask the kernel about its own children; never the owner records.

use crate::model::{Action, SlotProtocol};
use crate::state::*;

/// Lists every step that the reaper could take next.
pub(crate) fn actions(model: &SlotProtocol, state: &State, actions: &mut Vec<Action>) {
    match state.reaper {
        Reaper::Waiting => {
            for pid in 1..=model.pids {
                if let Some(status) = state.zombie_status(pid) {
                    meet(model, state, pid, status, actions);
                }
            }
        }
        Reaper::FindSlot { pid, status } => find_slot(model, state, pid, status, actions),
        Reaper::TidyAsk(_)
        | Reaper::TidyCompare(_)
        | Reaper::RecordStatus { .. }
        | Reaper::WriteExited { .. }
        | Reaper::Notify { .. }
        | Reaper::Reap { .. }
        | Reaper::ClearPid { .. }
        | Reaper::ReapOrphan { .. } => actions.push(Action::Reaper(state.reaper)),
    }
}

fn meet(model: &SlotProtocol, state: &State, pid: u8, status: u8, actions: &mut Vec<Action>) {
    if model.variant == Variant::ReapBeforeRecord {
        actions.push(Action::ReapFirst { pid, status });
    } else {
        find_slot(model, state, pid, status, actions);
    }
}

/// Any slot with this pid may be the one that is found: the model does not
/// rely on the order of the scan, nor on what a stale hint says.
fn find_slot(model: &SlotProtocol, state: &State, pid: u8, status: u8, actions: &mut Vec<Action>) {
    let mut found = false;
    for slot in (0..model.slots).filter(|&slot| state.slot(slot).pid == pid) {
        found = true;
        actions.push(Action::MeetZombie { pid, status, slot });
    }
    if !found {
        actions.push(Action::MeetOrphan { pid });
    }
}

/// A zombie (`waitid(WNOWAIT)`) whose pid stands in a slot. EXITED already
/// means that a reaper re-executed in between meets it again: it goes on at
/// R3, since the notice too may have been lost.
pub(crate) fn meet_zombie(variant: Variant, state: &mut State, pid: u8, status: u8, slot: u8) {
    let Slot { generation, word, .. } = state.slot(slot);
    state.reaper = match (word, variant) {
        (Word::Exited, Variant::SilentSecondMeeting) => Reaper::Reap { pid, slot },
        (Word::Exited, _) => Reaper::Notify { pid, slot },
        (_, Variant::WordBeforeStatus) => Reaper::WriteExited { pid, status, slot, generation },
        (_, _) => Reaper::RecordStatus { pid, status, slot, generation },
    };
}

/// A zombie whose pid stands in no slot goes into the exit ring.
pub(crate) fn meet_orphan(state: &mut State, pid: u8) {
    state.ring += 1;
    state.reaper = Reaper::ReapOrphan { pid };
}

/// The mistake of [`Variant::ReapBeforeRecord`]: the status is in private
/// memory only, and the number is free before its slot was looked up.
pub(crate) fn reap_first(state: &mut State, pid: u8, status: u8) {
    state.reap(pid);
    state.reaper = Reaper::FindSlot { pid, status };
}

/// One step of the reaper's fixed sequence.
pub(crate) fn advance(model: &SlotProtocol, state: &mut State) {
    let variant = model.variant;
    state.reaper = match state.reaper {
        // R1.
        Reaper::RecordStatus { pid, status, slot, generation } => {
            state.slot_mut(slot).status = status;
            match variant {
                Variant::WordBeforeStatus => Reaper::Notify { pid, slot },
                _ => Reaper::WriteExited { pid, status, slot, generation },
            }
        }
        // R2: a plain store of the generation that was read with the pid; the
        // monitor's compare-exchange M4 fails after it.
        Reaper::WriteExited { pid, status, slot, generation } => {
            state.slot_mut(slot).generation = generation;
            state.slot_mut(slot).word = Word::Exited;
            match variant {
                Variant::WordBeforeStatus => Reaper::RecordStatus { pid, status, slot, generation },
                _ => Reaper::Notify { pid, slot },
            }
        }
        // R3.
        Reaper::Notify { pid, slot } => {
            state.bell = true;
            match variant {
                Variant::ReapBeforeRecord | Variant::ClearBeforeReap => {
                    Reaper::ClearPid { pid, slot }
                }
                _ => Reaper::Reap { pid, slot },
            }
        }
        // R4.
        Reaper::Reap { pid, slot } => {
            state.reap(pid);
            match variant {
                Variant::ClearBeforeReap => Reaper::Waiting,
                _ => Reaper::ClearPid { pid, slot },
            }
        }
        // R5.
        Reaper::ClearPid { pid, slot } => {
            let words = state.slot_mut(slot);
            if words.pid == pid || variant == Variant::BlindFree {
                words.pid = NO_PID;
            }
            match variant {
                Variant::ClearBeforeReap => Reaper::Reap { pid, slot },
                _ => Reaper::Waiting,
            }
        }
        Reaper::ReapOrphan { pid } => {
            state.reap(pid);
            Reaper::Waiting
        }
        Reaper::TidyAsk(slot) => tidy_ask(model, state, slot),
        Reaper::TidyCompare(slot) => tidy_compare(model, state, slot),
        Reaper::Waiting | Reaper::FindSlot { .. } => state.reaper,
    };
}

/// A fatal signal in the reaper: it re-executes in place and forgets what it
/// was doing. Its children, and the zombies among them, stay its own.
pub(crate) fn reexecute(model: &SlotProtocol, state: &mut State) {
    state.reexecs_left -= 1;
    state.reaper = match model.variant {
        Variant::NoTidying => Reaper::Waiting,
        _ => Reaper::TidyAsk(0),
    };
}

/// Between R4 and R5 the predecessor left an EXITED slot with the pid of a
/// process that is gone. If the kernel says that this pid is no zombie of
/// ours (ECHILD, or a living child that got the number since), it is stale:
/// clear it. The store is one step with the question: nobody else writes P of
/// an EXITED slot. A zombie needs one more look.
fn tidy_ask(model: &SlotProtocol, state: &mut State, slot: u8) -> Reaper {
    let words = state.slot(slot);
    if words.word != Word::Exited || words.pid == NO_PID {
        return tidy_next(model, slot);
    }
    if state.zombie_status(words.pid).is_some() {
        return Reaper::TidyCompare(slot);
    }
    state.slot_mut(slot).pid = NO_PID;
    tidy_next(model, slot)
}

/// The kernel was asked first, so whoever owns the zombie has its pid in a
/// slot by now. Another slot with this pid that is not EXITED owns it.
fn tidy_compare(model: &SlotProtocol, state: &mut State, slot: u8) -> Reaper {
    let pid = state.slot(slot).pid;
    let taken = (0..model.slots)
        .map(|other| state.slot(other))
        .any(|other| other.pid == pid && other.word != Word::Exited);
    if taken {
        state.slot_mut(slot).pid = NO_PID;
    }
    tidy_next(model, slot)
}

fn tidy_next(model: &SlotProtocol, slot: u8) -> Reaper {
    if slot + 1 < model.slots { Reaper::TidyAsk(slot + 1) } else { Reaper::Waiting }
}
