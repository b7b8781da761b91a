//! Whether ham is the init of a container. There it does some things otherwise: it
//! ends when all its entities have ended, and what these write goes through it,
//! since all of it comes to one place where nobody else could tell who said what.

use crate::options::{Options, Place};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_sys::ending::is_init_of_machine;

/// As the command line says; else whether the reaper is process 1 of a PID
/// namespace that is not the machine's own.
pub(crate) fn is_one(options: &Options, state: State) -> bool {
    let reaper = i32::try_from(state.get(Field::ReaperPid)).unwrap_or(0);
    let looks = || reaper == 1 && !is_init_of_machine(reaper);
    options.place == Place::Elsewhere && options.container.unwrap_or_else(looks)
}
