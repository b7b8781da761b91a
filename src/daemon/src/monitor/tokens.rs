//! By which the poller tells what has become ready.

pub(super) const WAKE: u64 = 0;
pub(super) const DONE: u64 = 1;
pub(super) const TIMER: u64 = 2;
pub(super) const LISTENER: u64 = 3;
pub(super) const PATHS: u64 = 4;
pub(super) const REAPER: u64 = 5;
pub(super) const KEEPER: u64 = 6;
pub(super) const NOTIFY: u64 = 7;
pub(super) const OUTPUTS: u64 = 8;
pub(super) const UNITS: u64 = 9;
pub(super) const DISK: u64 = 13;
pub(super) const SHORTAGE: u64 = 14;
/// Tokens of clients begin here.
pub(super) const CLIENTS: u64 = 16;
/// Tokens of watched processes begin here, by the index of their slot.
pub(super) const ALIENS: u64 = 1 << 40;
/// Likewise of where processes say that they are ready.
pub(super) const READY_ENDS: u64 = 1 << 41;
