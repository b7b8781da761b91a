//! Sending a signal to the process of a slot and to no other: the pidfd is
//! opened first, then the slot is looked at again. The reaper records an exit
//! before it lets go of the pid, so a pidfd of a process that is not recorded
//! as exited is the right one (kernel.md §4).

use super::Engine;
use crate::facts::Weight;
use ham_core::event::Event;
use ham_core::ids::{RunRef, SlotRef};
use ham_core::signal::Signal;
use ham_snapshot::State;
use ham_snapshot::slots::Phase;
use ham_sys::Errno;
use ham_sys::process::{self, PidFd};

/// Sends it, queued with code and value where these are given. False when there is no
/// such process (any more), or it was refused.
pub(super) fn signal(
    state: State,
    reference: SlotRef,
    signal: Signal,
    queued: Option<(i32, i32)>,
) -> bool {
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
    let number = i32::from(signal.0);
    match queued {
        Some((code, value)) => process.queue(number, code, value).is_ok(),
        None => process.send(number).is_ok(),
    }
}

impl Engine {
    /// Queues a signal to the process that was started then: opened first and
    /// then looked at, so that a later one with its id gets nothing.
    pub(super) fn signal_process(
        &mut self,
        (pid, start): (i32, u64),
        signal: Signal,
        (code, value): (i32, i32),
        run: RunRef,
    ) {
        let sent = match PidFd::open(pid) {
            Ok(process) if process::lives(pid, start) && !process.has_exited() => {
                process.queue(i32::from(signal.0), code, value).map_err(|error| error.to_string())
            }
            Ok(_) => Err("it has ended".to_owned()),
            Err(error) if error.errno == Errno::ESRCH => Err("it has ended".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = &sent {
            let text = format!("could not send {signal} to process {pid}: {why}");
            self.remark(Weight::Always, &text);
        }
        self.feed(Event::ActionDone { run, ok: sent.is_ok() });
    }
}
