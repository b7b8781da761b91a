//! Ham as the init of a machine, on the way up: what has to be there before an
//! entity can be, none of which can be a unit. All of it is done once, by the
//! reaper, before it has children and before its state is laid out. Whatever
//! fails is a warning: nothing here ends the manager, for that would be the end
//! of the machine.
//!
//! - `words`: what is told on the command line of the kernel
//! - `mounts`, `console`, `host` (name, loopback, keys), `clock`, `seed`
//! - `kmsg`: the log of the kernel, which is there before any other
//! - `shell`: the program of the emergency entity; `hold`: what is left to do when
//!   not even a monitor can be

mod clock;
mod console;
mod hold;
mod host;
pub(crate) mod kmsg;
mod mounts;
mod seed;
pub(crate) mod shell;
pub(crate) mod words;

pub(crate) use clock::keep_clock;
pub(crate) use hold::{again_after_a_panic, hold, never_end, not_by_a_panic};
pub(crate) use seed::keep_seed;

use crate::options::{Options, Place};
use crate::say::say;
use ham_sys::{machine, process};
use std::process::ExitCode;

/// Where stamp and seed are kept from one boot to the next.
const STATE: &str = "/var/lib/ham";

/// Where programs are looked for when the kernel's command line does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `ham keep`: both are left to the next boot, for a unit that comes when the root
/// can be written to.
pub(crate) fn keep() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (what, kept) in [("the random seed", keep_seed()), ("the clock", keep_clock())] {
        if let Err(error) = kept {
            say(format_args!("could not keep {what} in {STATE}: {error}"));
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// A reaper that has executed itself again: what is of its process alone.
pub(crate) fn rise_again(options: &Options) {
    not_by_a_panic();
    if options.place == Place::Machine {
        kmsg::begin();
    }
}

/// Makes the machine fit for a manager. What it says goes to the log of the
/// kernel, or to the console.
pub(crate) fn rise(options: &mut Options) {
    hold::not_by_a_panic();
    machine::set_umask(0o022);
    // Refused to who leads a session already.
    let _ = process::new_session();
    let mut warnings = std::mem::take(&mut options.warnings);
    let is_machine = options.place == Place::Machine;
    warnings.extend(mounts::mount_all(is_machine));
    warnings.extend(console::fill());
    if is_machine {
        kmsg::begin();
        words::from_kernel(options);
    }
    for (name, value) in [("PATH", PATH), ("HOME", "/"), ("TERM", "linux")] {
        machine::set_missing_variable(name, value);
    }
    warnings.extend(host::set_up(is_machine));
    // The clock is no part of any namespace: it is the machine's.
    if is_machine {
        warnings.extend(clock::set_forward());
    }
    warnings.extend(seed::sow());
    // So that no seed is used twice. Where the root cannot be written to yet they
    // stay as they are until the end.
    let _ = keep_seed();
    let _ = keep_clock();
    for warning in warnings {
        say(format_args!("{}{warning}", kmsg::WARNING));
    }
}
