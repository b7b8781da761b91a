//! The history as ham tells it, collected while it runs: the ring holds the
//! last two thousand facts only. What was overwritten before it was read is
//! counted, and makes a run fail: it would prove nothing.

use crate::state::{Fact, Found, State};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The ring holds about a second of a run.
const PAUSE: Duration = Duration::from_millis(10);

/// All that was seen of a history.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The facts in the order of their numbers.
    pub(crate) facts: Vec<Fact>,
    /// So many were overwritten before they were read.
    pub(crate) unseen: u64,
}

/// A collection in progress.
#[derive(Debug)]
pub(crate) struct Collector {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    thread: JoinHandle<Collected>,
}

impl Collector {
    /// Begins to read the history of the ham on this runtime directory.
    pub(crate) fn start(runtime: &Path) -> io::Result<Collector> {
        let state = State::open(runtime)?;
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicU64::new(0));
        let (wanted, read) = (Arc::clone(&stop), Arc::clone(&next));
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(move || {
            let mut collected = Collected::default();
            loop {
                // Asked before, so that a last look follows.
                let last = wanted.load(Ordering::Acquire);
                take(&state, &mut collected, &read);
                if last {
                    return collected;
                }
                thread::sleep(PAUSE);
            }
        })?;
        Ok(Collector { stop, next, thread })
    }

    /// How many facts were read so far: a run is quiet when this stands still.
    pub(crate) fn read(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Everything, when ham has ended.
    pub(crate) fn finish(self) -> Collected {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_default()
    }
}

fn take(state: &State, collected: &mut Collected, next: &AtomicU64) {
    loop {
        match state.history(next.load(Ordering::Acquire)) {
            Found::Fact(fact) => collected.facts.push(fact),
            Found::Gone => collected.unseen += 1,
            Found::NotYet => return,
        }
        next.fetch_add(1, Ordering::AcqRel);
    }
}
