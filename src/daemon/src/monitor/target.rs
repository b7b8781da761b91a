//! Sending a signal to the process of a slot and to no other: the pidfd is
//! opened first, then the slot is looked at again. The reaper records an exit
//! before it lets go of the pid, so a pidfd of a process that is not recorded
//! as exited is the right one (kernel.md §4).

use ham_core::ids::SlotRef;
use ham_core::signal::Signal;
use ham_snapshot::State;
use ham_snapshot::slots::Phase;
use ham_sys::process::PidFd;

/// `si_code` of a queued signal (sigaction(2), `SI_QUEUE`).
const SI_QUEUE: i32 = -1;

/// Sends it, queued with a value where one is given. False when there is no
/// such process (any more), or it was refused.
pub(super) fn signal(state: State, reference: SlotRef, signal: Signal, value: Option<i32>) -> bool {
    let Some(slot) = state.slot(reference.index) else { return false };
    let is_it = || {
        let (generation, phase) = slot.word();
        generation == reference.generation && matches!(phase, Phase::Intent | Phase::Running)
    };
    if !is_it() {
        return false;
    }
    let Some(pid) = slot.live_pid() else { return false };
    let Ok(process) = PidFd::open(pid) else { return false };
    if !is_it() {
        return false;
    }
    send(&process, signal, value)
}

/// The same to a process that is held.
pub(super) fn send(process: &PidFd, signal: Signal, value: Option<i32>) -> bool {
    let number = i32::from(signal.0);
    match value {
        Some(value) => process.queue(number, SI_QUEUE, value).is_ok(),
        None => process.send(number).is_ok(),
    }
}
