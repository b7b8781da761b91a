//! The layout of the shared state: slots, records, rings, plan halves, in one
//! mapping of 64-bit words that reaper, monitor and guardian share.
//!
//! This crate knows where things stand and in which order they are stored and
//! read; it does not know what a record means (that is `ham-core`) nor how
//! memory is shared (that is `ham-sys`). Every word is an atomic, so nothing
//! here is unsafe; everything read is checked, since another process, perhaps
//! of an older version, wrote it. `schema/state.md` describes the layout.
//!
//! Nothing here allocates except [`records::Records::load`]'s callers' own
//! buffers: the reaper uses it.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod beats;
pub mod detached;
pub mod ending;
pub mod header;
pub mod history;
pub mod kept;
pub mod layout;
pub mod plans;
pub mod records;
pub mod requests;
pub mod rings;
pub mod slots;
pub mod watchdog;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place that does not exist: reading it gives 0, writing it is lost. The
/// layout is checked when the state is opened, so nothing ever gets here; but
/// the reaper must not panic, not even over its own mistake.
static NOWHERE: AtomicU64 = AtomicU64::new(0);

/// The shared state.
#[derive(Clone, Copy)]
pub struct State {
    words: &'static [AtomicU64],
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} words)", self.words.len())
    }
}

/// Why memory is no state of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// It is shorter than the layout.
    TooShort,
    /// It does not begin as one.
    NotAState,
    /// It is of another layout version.
    OtherVersion(u64),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::TooShort => f.write_str("the state is cut short"),
            StateError::NotAState => f.write_str("this is no state of ham"),
            StateError::OtherVersion(version) => write!(
                f,
                "the state is of layout {version}, this program has layout {}",
                layout::VERSION
            ),
        }
    }
}

impl std::error::Error for StateError {}

impl State {
    /// Fresh memory, all zero, becomes a state.
    ///
    /// # Errors
    /// When it is too short.
    pub fn format(words: &'static [AtomicU64]) -> Result<State, StateError> {
        if words.len() < layout::TOTAL {
            return Err(StateError::TooShort);
        }
        let state = State { words };
        state.word(header::VERSION).store(layout::VERSION, Ordering::Relaxed);
        state.word(header::TOTAL).store(layout::TOTAL as u64, Ordering::Relaxed);
        // The magic comes last: with it the header counts.
        state.word(header::MAGIC).store(layout::MAGIC, Ordering::Release);
        Ok(state)
    }

    /// Memory that another process has formatted.
    ///
    /// # Errors
    /// When it is none, or not of this layout.
    pub fn open(words: &'static [AtomicU64]) -> Result<State, StateError> {
        if words.len() < layout::TOTAL {
            return Err(StateError::TooShort);
        }
        let state = State { words };
        if state.word(header::MAGIC).load(Ordering::Acquire) != layout::MAGIC {
            return Err(StateError::NotAState);
        }
        match state.word(header::VERSION).load(Ordering::Relaxed) {
            layout::VERSION => Ok(state),
            other => Err(StateError::OtherVersion(other)),
        }
    }

    pub(crate) fn word(&self, place: usize) -> &'static AtomicU64 {
        self.words.get(place).unwrap_or(&NOWHERE)
    }

    pub(crate) fn load(&self, place: usize) -> u64 {
        self.word(place).load(Ordering::Acquire)
    }

    pub(crate) fn store(&self, place: usize, value: u64) {
        self.word(place).store(value, Ordering::Release);
    }
}

/// A fresh state for one test, on memory that costs only what is touched.
#[cfg(test)]
pub(crate) fn test_state() -> State {
    let (map, _fd) = ham_sys::shm::Map::memfd(c"test", layout::TOTAL * layout::WORD).unwrap();
    State::format(map.words()).unwrap()
}
