//! Heartbeats: a counter in memory that ham looks at once a period.

use crate::Error;
use ham_core::wire::HeartbeatPage;
use ham_sys::shm::Map;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// The heartbeat of an entity. Copies beat the same heart. It outlives every
/// monitor of ham, and ham itself: then nobody looks.
#[derive(Clone, Copy, Debug)]
pub struct Heart {
    counter: &'static AtomicU64,
}

impl Heart {
    pub(crate) fn map(fd: OwnedFd, page: HeartbeatPage) -> Result<Heart, Error> {
        let number = |number: i64| usize::try_from(number).unwrap_or(0);
        let (offset, bytes) = (number(page.offset), number(page.bytes));
        let map = Map::from_fd(fd.as_fd(), c"heartbeats", offset.saturating_add(bytes))
            .map_err(Error::Map)?;
        let counter = map.words().get(offset / size_of::<AtomicU64>());
        counter.map(|counter| Heart { counter }).ok_or(Error::NoPage)
    }

    /// Says that this process is alive: a load and a store, without a system
    /// call or a lock. Safe in a signal handler and in any thread. Of two
    /// threads that do so at the same moment one beat may be lost, which is no
    /// loss: in each period one counts.
    pub fn beat(&self) {
        let beats = self.counter.load(Ordering::Relaxed);
        self.counter.store(beats.wrapping_add(1), Ordering::Relaxed);
    }
}
