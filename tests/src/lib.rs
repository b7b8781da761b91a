//! What several test files share: machines that are none ([`fake`]), and the
//! programs with a manager of one's own ([`programs`]).
#![forbid(unsafe_code)]

pub mod bare;
pub mod chaos;
pub mod container;
pub mod dead_mount;
pub mod decoders;
pub mod events;
pub mod executables;
pub mod fake;
pub mod ledger;
pub mod machine;
pub mod own_units;
pub mod processes;
pub mod programs;
mod shared;
pub mod skip;
pub mod state_file;
pub mod status;
pub mod strangers;
pub mod terminal;

/// How the daemon reads and writes the state: not a copy, which would be tested
/// in its place.
#[allow(dead_code)]
#[path = "../../src/daemon/src/monitor/memory.rs"]
mod memory;
#[allow(dead_code)]
#[path = "../../src/daemon/src/monitor/salvage.rs"]
mod salvage;
