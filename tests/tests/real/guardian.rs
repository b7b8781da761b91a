//! Monitor and guardian: either may die or hang, or both, and no entity notices.
//! The reaper survives its own faults. What cannot be read is left aside.

mod deaths;
mod faults;
mod hangs;
mod salvage;
