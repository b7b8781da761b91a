//! Processes that a monitor before this one has made. One that was killed
//! between clone and exec leaves a child that is still on its way: whether it
//! gets there is seen by a flag of the kernel's, looked at a few times, and by
//! the error word of its slot when it ends (details 8).

use super::Engine;
use ham_core::event::Event;
use ham_core::ids::SlotRef;
use ham_snapshot::slots::Phase;
use ham_sys::{clock, process};

/// When to look again, after the look before: an ordinary exec takes far less
/// than the first; one that takes longer than all is up to `start-timeout`,
/// and looked at by the last.
const PAUSES_NS: [u64; 3] = [1_000_000, 10_000_000, 100_000_000];

#[derive(Debug, Default)]
pub(super) struct Adopting {
    /// Which process, how often it was looked at, when to look again.
    processes: Vec<(SlotRef, usize, u64)>,
}

impl Adopting {
    pub(super) fn due(&self) -> Option<u64> {
        self.processes.iter().map(|(_, _, due)| *due).min()
    }
}

impl Engine {
    pub(super) fn adopt(&mut self, reference: SlotRef) {
        self.look_at(reference, 0);
    }

    pub(super) fn look_at_adopted(&mut self, now: u64) {
        if self.adopting.due().is_none_or(|due| due > now) {
            return;
        }
        for (reference, looks, due) in std::mem::take(&mut self.adopting.processes) {
            if due <= now {
                self.look_at(reference, looks);
            } else {
                self.adopting.processes.push((reference, looks, due));
            }
        }
    }

    fn look_at(&mut self, reference: SlotRef, looks: usize) {
        let Some(slot) = self.state.slot(reference.index) else { return };
        let (generation, phase) = slot.word();
        // Of one that has ended the exit tells.
        if generation != reference.generation || phase == Phase::Exited {
            return;
        }
        let Some(pid) = slot.live_pid() else { return };
        if phase == Phase::Intent {
            match process::forked_not_execed(pid) {
                Some(true) => {
                    let pause = PAUSES_NS.get(looks).or(PAUSES_NS.last()).copied().unwrap_or(0);
                    let due = clock::monotonic().saturating_add(pause);
                    self.adopting.processes.push((reference, looks + 1, due));
                    return;
                }
                Some(false) => {}
                // Gone in this moment: its exit tells of it.
                None => return,
            }
        }
        self.state.hint(pid, reference.index);
        if phase == Phase::Intent {
            slot.run(generation, pid, process::start_time(pid).unwrap_or(0));
        }
        self.feed(Event::Spawned { slot: reference, pid });
    }
}
