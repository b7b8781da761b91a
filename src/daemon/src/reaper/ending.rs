//! The last thing that the reaper does, when all is down and nobody else of the
//! manager lives: it ends, or lets another program take its place, or the
//! machine end or start anew. What, stands in the state.

use super::watchdog;
use crate::exit;
use crate::last_resort::last_line;
use crate::say::say;
use crate::shared::Shared;
use ham_snapshot::ending::Ending;
use ham_sys::ending::{Machine, begin_again_in_place, end_machine, execute_in_place};
use std::os::fd::AsFd;

/// Gives the exit code, if there is to be one. The init of a machine has none:
/// whoever calls this does not end either then.
pub(super) fn carry_out(shared: &Shared, code: u8, ending: Ending) -> u8 {
    match ending {
        // Who comes next may not know of it. Where nobody can come it is not
        // closed, and the machine starts anew.
        Ending::Exit | Ending::Execute | Ending::SoftReboot => {
            watchdog::stop_at_close(shared.state);
        }
        // A machine that stands still is to stay so, and nothing closes it there.
        Ending::Halt => {
            let _ = watchdog::stop(shared.state);
        }
        // Whatever still hangs on that way hangs no longer than its timeout.
        Ending::Reboot | Ending::PowerOff => {
            let _ = watchdog::feed(shared.state);
        }
    }
    match ending {
        Ending::Exit => code,
        Ending::Execute => {
            let recovery = shared.state.recovery();
            let done = execute_in_place(recovery.words());
            if let Err(error) = done {
                say(format_args!("recovery failed: {error}"));
            }
            exit::RECOVERY
        }
        Ending::SoftReboot => again(shared),
        Ending::Reboot => machine(Machine::Restarts),
        Ending::PowerOff => machine(Machine::Ends),
        Ending::Halt => machine(Machine::Halts),
    }
}

/// What stands at the path of this program by now, else the program that runs.
fn again(shared: &Shared) -> u8 {
    let recovery = shared.state.recovery();
    let at_its_path = begin_again_in_place(None, recovery.words());
    if let Err(error) = at_its_path {
        say(format_args!("not the program at the path of ham, but the one that runs: {error}"));
    }
    let program = shared.common.program.as_fd();
    let itself = begin_again_in_place(Some(program), recovery.words());
    if let Err(error) = itself {
        say(format_args!("soft-reboot failed: {error}"));
    }
    if shared.options.place.is_board() { machine(Machine::Restarts) } else { exit::RECOVERY }
}

fn machine(how: Machine) -> u8 {
    say(last_line(how));
    if let Err(error) = end_machine(how) {
        say(error);
    }
    exit::SYSTEM
}
