//! What was done in a scenario: who was killed, how and when, and what was seen
//! of ham meanwhile.

use crate::aim::Way;
use nix::sys::signal::Signal;

/// Who was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whom {
    /// The monitor.
    Monitor,
    /// The guardian.
    Guardian,
    /// Both at once.
    Both,
    /// The reaper, by a signal that it survives.
    Reaper,
}

/// One kill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    /// Who.
    pub(crate) whom: Whom,
    /// By what.
    pub(crate) signal: Signal,
    /// At which moment.
    pub(crate) way: Way,
    /// The moment came; else it was killed after the longest wait for it.
    pub(crate) hit: bool,
    /// So many processes were sent the signal.
    pub(crate) struck: u64,
}

/// An entity that was killed by name.
#[derive(Clone, Debug)]
pub(crate) struct ByName {
    /// Its name.
    pub(crate) name: String,
    /// The process, as it knows itself.
    pub(crate) pid: u64,
    /// By what.
    pub(crate) signal: Signal,
    /// When, CLOCK_MONOTONIC, ns.
    pub(crate) mono: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Kills of ham's own processes.
    pub(crate) kills: Vec<Kill>,
    /// Kills of entities.
    pub(crate) by_name: Vec<ByName>,
    /// From when to when nobody could decide anything: from a kill until the
    /// next monitor was there. CLOCK_MONOTONIC, ns.
    pub(crate) dark: Vec<(u64, u64)>,
    /// From when to when the machine was too busy to tell what is late.
    pub(crate) slow: Vec<(u64, u64)>,
    /// Monitors that did nothing for too long, and from when.
    pub(crate) idle: Vec<(u64, Option<i32>)>,
    /// What ended the run early, or should have come and did not.
    pub(crate) broken: Vec<String>,
}
