//! Worker threads that end what entities leave behind: that can take as long
//! as a process takes to die, and the event loop waits for nobody.

use super::completions::{Completion, Completions};
use super::holder::{Held, Holder};
use ham_core::ids::SlotRef;
use ham_sys::clock;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Threads at most; each ends one entity's processes at a time. A mass stop
/// is bounded by how fast the kernel ends processes, not by these.
const THREADS: usize = 4;

/// One pass of ending gives up after this and reports what is left: SIGKILL
/// takes milliseconds unless a process hangs in the kernel.
const PATIENCE_NS: u64 = 10_000_000_000;

#[derive(Debug)]
pub(super) struct Clearers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    work: Mutex<Work>,
    ready: Condvar,
    holder: Arc<Holder>,
    completions: Arc<Completions>,
}

#[derive(Debug, Default)]
struct Work {
    queue: VecDeque<Held>,
    under_way: BTreeSet<SlotRef>,
    threads: usize,
    idle: usize,
}

impl Clearers {
    pub(super) fn new(holder: Arc<Holder>, completions: Arc<Completions>) -> Clearers {
        let work = Mutex::new(Work::default());
        Clearers { inner: Arc::new(Inner { work, ready: Condvar::new(), holder, completions }) }
    }

    /// Ends everything of it, some time soon. Asked again while it is under
    /// way it is done once: the one completion serves both.
    pub(super) fn clear(&self, held: Held) {
        let mut work = self.inner.work.lock().unwrap_or_else(PoisonError::into_inner);
        if !work.under_way.insert(held.slot) {
            return;
        }
        work.queue.push_back(held);
        if work.idle == 0 && work.threads < THREADS {
            let inner = Arc::clone(&self.inner);
            let thread = std::thread::Builder::new()
                .name("ham-clear".to_owned())
                .stack_size(256 * 1024)
                .spawn(move || inner.run());
            match thread {
                Ok(_) => work.threads += 1,
                // No thread to be had (a limit on processes) and none there:
                // it is done here, late rather than never.
                Err(_) if work.threads == 0 => {
                    if let Some(held) = work.queue.pop_front() {
                        drop(work);
                        self.inner.perform(&held);
                        return;
                    }
                }
                Err(_) => {}
            }
        }
        drop(work);
        self.inner.ready.notify_one();
    }
}

impl Inner {
    fn run(&self) {
        loop {
            let held = {
                let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(held) = work.queue.pop_front() {
                        break held;
                    }
                    work.idle += 1;
                    work = self.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
                    work.idle -= 1;
                }
            };
            self.perform(&held);
        }
    }

    fn perform(&self, held: &Held) {
        let deadline = clock::monotonic().saturating_add(PATIENCE_NS);
        let left = self.holder.clear(held, deadline);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.under_way.remove(&held.slot);
        drop(work);
        self.completions.push(Completion::Cleared { slot: held.slot, left });
    }
}
