//! Ends of processes, as the reaper has recorded them in their slots.

use super::Engine;
use crate::shared::{DISK_SLOTS, LOADER_SLOT, OUTPUT_SLOT, WATCHER_SLOTS};
use ham_core::event::Event;
use ham_core::ids::{RESERVED_SLOTS, SlotRef};
use ham_core::status::ExitStatus;
use ham_core::time::Mono;
use ham_snapshot::slots::{Phase, Slot};
use ham_sys::reap::Exit;

impl Engine {
    /// The process of this slot has ended.
    pub(super) fn exited(&mut self, index: u32) {
        if self.making.contains(&index) {
            self.early_exits.insert(index);
            return;
        }
        let Some(slot) = self.state.slot(index) else { return };
        let (generation, phase) = slot.word();
        if phase != Phase::Exited {
            return;
        }
        if index < RESERVED_SLOTS {
            self.helper_exited(index, generation, &slot);
            return;
        }
        let reference = SlotRef { index, generation };
        if self.planless {
            // Once there is a plan all slots are looked at.
            return;
        }
        self.note_held(reference);
        let event = match slot.error() {
            0 => {
                let (code, status, at) = slot.status();
                let status = exit_status(code, status);
                self.tell_last_kills(reference, status);
                Event::Exited { slot: reference, pid: slot.ended(), status, at: Mono(at) }
            }
            error => Event::SpawnFailed { slot: reference, error },
        };
        self.feed(event);
    }

    fn helper_exited(&mut self, index: u32, generation: u32, slot: &Slot) {
        match index {
            LOADER_SLOT => {
                let (code, status, _) = slot.status();
                self.loader_ended(SlotRef { index, generation }, exit_status(code, status));
            }
            OUTPUT_SLOT => {
                slot.free(generation);
                self.outputs.ended();
            }
            index if WATCHER_SLOTS.contains(&index) => {
                slot.free(generation);
                self.paths.ended(index);
            }
            index if DISK_SLOTS.contains(&index) => {
                slot.free(generation);
                self.watchdog.disk.ended(index);
            }
            _ => {}
        }
    }
}

/// As waitid(2) has it.
pub(super) fn exit_status(code: i32, status: i32) -> ExitStatus {
    let number = u8::try_from(status & 0xff).unwrap_or(0);
    let signal = ham_core::signal::Signal(number);
    match code {
        Exit::EXITED => ExitStatus::Code(number),
        Exit::KILLED => ExitStatus::Signal { signal, core: false },
        Exit::DUMPED => ExitStatus::Signal { signal, core: true },
        _ => ExitStatus::Unknown,
    }
}
