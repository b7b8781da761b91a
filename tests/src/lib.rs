//! What several test files share: machines that are none ([`fake`]), and the
//! programs with a manager of one's own ([`programs`]).
#![forbid(unsafe_code)]

pub mod bare;
pub mod chaos;
pub mod events;
pub mod fake;
pub mod ledger;
pub mod own_units;
pub mod processes;
pub mod programs;
pub mod skip;
pub mod state_file;
pub mod status;
