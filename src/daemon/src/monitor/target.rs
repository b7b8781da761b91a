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
    send(&process, signal, queued)
}

/// The same to a process that is held.
pub(super) fn send(process: &PidFd, signal: Signal, queued: Option<(i32, i32)>) -> bool {
    let number = i32::from(signal.0);
    match queued {
        Some((code, value)) => process.queue(number, code, value).is_ok(),
        None => process.send(number).is_ok(),
    }
}

/// Queues a signal to the process that was started then: opened first and then
/// looked at, so that a later one with its id gets nothing. The error says why
/// not.
fn signal_process(
    (pid, start): (i32, u64),
    signal: Signal,
    (code, value): (i32, i32),
) -> Result<(), String> {
    const ENDED: &str = "it has ended";
    let process = PidFd::open(pid).map_err(|error| match error.errno {
        Errno::ESRCH => ENDED.to_owned(),
        _ => error.to_string(),
    })?;
    if process.has_exited() || process::start_time(pid) != Some(start) {
        return Err(ENDED.to_owned());
    }
    process.queue(i32::from(signal.0), code, value).map_err(|error| error.to_string())
}

impl Engine {
    /// For an action, which is done or failed at once.
    pub(super) fn signal_process(
        &mut self,
        whom: (i32, u64),
        signal: Signal,
        queued: (i32, i32),
        run: RunRef,
    ) {
        let sent = signal_process(whom, signal, queued);
        if let Err(why) = &sent {
            let text = format!("could not send {signal} to process {}: {why}", whom.0);
            self.remark(Weight::Always, &text);
        }
        self.feed(Event::ActionDone { run, ok: sent.is_ok() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn only_the_process_that_was_started_then_gets_the_signal() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep(1)");
        let pid = i32::try_from(child.id()).expect("a process id");
        let start = process::start_time(pid).expect("it lives");
        let ended = Err("it has ended".to_owned());
        assert_eq!(signal_process((pid, start + 1), Signal::KILL, (-1, 0)), ended);
        assert_eq!(child.try_wait().expect("our child"), None);
        assert_eq!(signal_process((pid, start), Signal::TERM, (-60, 7)), Ok(()));
        // A zombie has ended, whether it was waited for or not.
        let process = PidFd::open(pid).expect("our child");
        while !process.has_exited() {
            std::thread::yield_now();
        }
        assert_eq!(signal_process((pid, start), Signal::TERM, (-1, 0)), ended);
        assert_eq!(child.wait().expect("our child").signal(), Some(15));
        assert_eq!(signal_process((pid, start), Signal::TERM, (-1, 0)), ended);
    }
}
