//! What a program says of itself, as sd_notify(3) defines the words. A
//! datagram is lines of `NAME=VALUE`; what is not known is passed over, since
//! the protocol grows.

use crate::time::{Mono, Span};

/// One datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `READY=1`
    pub ready: bool,
    /// `RELOADING=1`
    pub reloading: bool,
    /// `MONOTONIC_USEC=`: when the reloading began.
    pub at: Option<Mono>,
    /// `STOPPING=1`
    pub stopping: bool,
    /// `STATUS=`
    pub status: Option<String>,
    /// `ERRNO=`
    pub errno: Option<u32>,
    /// `MAINPID=`
    pub main: Option<i32>,
    /// `EXTEND_TIMEOUT_USEC=`
    pub extend: Option<Span>,
    /// `WATCHDOG=1`
    pub beat: bool,
    /// `WATCHDOG=trigger`: as if the last beat had been too long ago.
    pub trigger: bool,
    /// `WATCHDOG_USEC=`
    pub interval: Option<Span>,
    /// `FDSTORE=1`
    pub store: bool,
    /// `FDSTOREREMOVE=1`
    pub remove: bool,
    /// `FDNAME=`
    pub name: Option<String>,
    /// `BARRIER=1`
    pub barrier: bool,
}
