//! Monitor and guardian: either may die or hang, or both, and no entity notices.
//! The reaper survives its own faults. What cannot be read is left aside.
#![forbid(unsafe_code)]

mod guardian {
    mod deaths;
    mod faults;
    mod hangs;
    mod salvage;
}
