//! Stands in for the daemon's module of this name, so that its own memory on
//! the shared state (`memory`, included in `lib.rs`) can be tested as it is:
//! the state on a memfd, of which a test sees every word.

use ham_snapshot::{State, layout};
use ham_sys::shm::Map;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the daemon's memory needs of what all its processes have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) map: Map,
    pub(crate) common: Common,
}

/// The descriptor of the state.
#[derive(Debug)]
pub(crate) struct Common(OwnedFd);

impl Common {
    pub(crate) fn state(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Shared {
    /// A fresh state. It is never unmapped, so there should be few.
    pub(crate) fn fresh() -> &'static Shared {
        let (map, fd) = Map::memfd(c"ham-decoders", layout::TOTAL * layout::WORD)
            .expect("memory for a state, of which pages are taken as they are used");
        let state = State::format(map.words()).expect("it has the length of the layout");
        Box::leak(Box::new(Shared { state, map, common: Common(fd) }))
    }
}
