//! The last thing that the reaper does, when all is down and nobody else of the
//! manager lives: it ends, or lets another program take its place, or the
//! machine start anew. What, stands in the state.

use super::watchdog;
use crate::exit;
use crate::say::say;
use ham_snapshot::State;
use ham_snapshot::ending::Ending;
use ham_sys::ending::{Machine, end_machine, execute_in_place};

/// Gives the exit code, if there is to be one.
pub(super) fn carry_out(state: State, code: u8, ending: Ending) -> u8 {
    match ending {
        Ending::Exit | Ending::Execute => watchdog::stop_at_close(state),
        // Whatever still hangs on that way hangs no longer than its timeout.
        Ending::Reboot | Ending::PowerOff => {
            let _ = watchdog::feed(state);
        }
    }
    match ending {
        Ending::Exit => code,
        Ending::Execute => {
            let recovery = state.recovery();
            let done = execute_in_place(recovery.words());
            if let Err(error) = done {
                say(format_args!("recovery failed: {error}"));
            }
            exit::RECOVERY
        }
        Ending::Reboot => machine(Machine::Restarts),
        Ending::PowerOff => machine(Machine::Ends),
    }
}

fn machine(how: Machine) -> u8 {
    if let Err(error) = end_machine(how) {
        say(error);
    }
    exit::SYSTEM
}
