//! The last steps of a machine, as the monitor has them made: by a helper in a
//! slot, which it waits for no longer than was said when they began. One that was
//! killed meanwhile leaves a helper behind, which its successor ends with
//! everybody else before it makes another: each step can be made twice.

use super::spawners::Job;
use super::{Engine, own_process};
use crate::last::{STATE_NUMBER, WORD_OF_ROLE};
use crate::say::say;
use crate::shared::{LAST_SLOT, OWN_DESCRIPTORS};
use ham_core::ids::SlotRef;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::spawn::Stdio;
use ham_sys::{clock, process};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// How long they may take in all: some file systems that are written out, and
/// some that hang.
const WITHIN_NS: u64 = 30_000_000_000;

/// How long after that the helper itself has to end, and to be made.
const MORE_NS: u64 = 1_000_000_000;

const PAUSE: Duration = Duration::from_millis(5);

impl Engine {
    /// See the file. Comes back when they are made, or have had their time.
    pub(super) fn take_last_steps(&mut self) {
        // Over takeovers it is the same time.
        let begun = self.state.get(Field::LastUntil);
        let until = if begun == 0 { clock::monotonic().saturating_add(WITHIN_NS) } else { begun };
        self.state.set(Field::LastUntil, until);
        // The log may be in a file, and that in the way.
        self.log.close();
        let slot = match self.start_last(until) {
            Ok(slot) => slot,
            Err(why) => return say(format_args!("could not unmount file systems: {why}")),
        };
        let Some(place) = self.state.slot(slot.index) else { return };
        loop {
            let (generation, phase) = place.word();
            let is_made = generation == slot.generation;
            if is_made && (phase == Phase::Exited || place.error() != 0) {
                return;
            }
            // Whoever is impatient, and may write to the state, makes it shorter.
            let until = self.state.get(Field::LastUntil);
            if clock::monotonic() >= until.saturating_add(MORE_NS) {
                return say("the last steps take too long: the machine ends without them");
            }
            self.is_at_it();
            std::thread::sleep(PAUSE);
        }
    }

    /// Where this monitor waits for something at the end, for so long and no
    /// longer: whoever looks whether it hangs sees that it does not, and the
    /// hardware watchdog is fed meanwhile.
    pub(super) fn is_at_it(&self) {
        self.state.bump(Field::Pulse);
        self.state.set(Field::WatchdogPong, self.state.get(Field::WatchdogPing));
    }

    fn start_last(&self, until: u64) -> Result<SlotRef, String> {
        let state = self.shared.common.state().as_raw_fd();
        // For reading only.
        let state = File::open(format!("/proc/self/fd/{state}"));
        let state = state.map_err(|error| format!("the state: {error}"))?;
        let state = process::move_above(state.into(), OWN_DESCRIPTORS);
        let state = state.map_err(|error| error.to_string())?;
        let words = vec![WORD_OF_ROLE.into()];
        let program = own_process::program(self.shared, words, Stdio::Inherit, state.as_raw_fd());
        debug_assert_eq!(program.passed, [(state.as_raw_fd(), STATE_NUMBER)]);
        let place = self.state.slot(LAST_SLOT).ok_or("there is no slot for it")?;
        // That of a monitor before this one has ended, or hangs in the kernel
        // and is nobody's any more.
        while place.live_pid().is_some() && clock::monotonic() < until {
            self.is_at_it();
            std::thread::sleep(PAUSE);
        }
        let slot = SlotRef { index: LAST_SLOT, generation: place.word().0.wrapping_add(1) };
        let _keep = vec![state];
        self.spawners.submit_last(Job::Helper {
            slot,
            name: "ham-last",
            program: Box::new(program),
            _keep,
        });
        Ok(slot)
    }
}
