//! What all processes of the manager have in common. The reaper makes it
//! before it forks anybody; the others inherit it.

use crate::options::Options;
use ham_snapshot::State;
use ham_sys::poller::EventFd;
use ham_sys::shm::Map;
use ham_sys::socket::Listener;
use std::os::fd::OwnedFd;

/// Slot of the loader.
pub(crate) const LOADER_SLOT: u32 = 0;
/// Slot of the path watcher.
pub(crate) const WATCHER_SLOT: u32 = 1;

/// Where descriptors begin that are handed over to children: what they
/// become is below.
pub(crate) const OWN_DESCRIPTORS: i32 = 64;

/// What all processes of the manager have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: State,
    /// The memory of the state, and its descriptor: pages are reserved before
    /// their first use.
    pub(crate) map: Map,
    pub(crate) state_fd: OwnedFd,
    /// The reaper has recorded something.
    pub(crate) wake_monitor: EventFd,
    /// The monitor wants to be done.
    pub(crate) wake_reaper: EventFd,
    /// This program, whatever stands at its path by now.
    pub(crate) program: OwnedFd,
    pub(crate) control: Listener,
    /// Held, and inherited, for as long as any of the three lives.
    pub(crate) _lock: OwnedFd,
    /// What the start found missing, for the report.
    pub(crate) remarks: Vec<String>,
}
