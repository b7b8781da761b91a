//! Threads that look at paths. A look at a dead mount does not come back, so
//! there is another thread for the next path, up to a bound; those at paths
//! that have hung before leave some of them for the others. When all hang this
//! says so: only the end of the process gives them back.

use super::look::{Seen, Sought, look};
use ham_sys::clock;
use ham_sys::inotify::{Directories, Watch};
use ham_sys::poller::EventFd;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Threads at most. Each that hangs costs some pages; each hung path has one.
const MOST_WORKERS: usize = 32;
/// At most so many of them look at paths that have hung before: so many may
/// hang for ever without holding up each other.
const MOST_SUSPECTS: usize = 24;
/// A look takes microseconds, on a slow disk milliseconds. When none comes back
/// for so long there are to be twice as many threads.
const STALLED_NS: u64 = 100_000_000;
/// A look that is not back after this hangs.
const HUNG_AFTER_NS: u64 = 1_000_000_000;
/// Room for a path and the calls that look at it.
const STACK_BYTES: usize = 64 * 1024;

/// A path to be looked at.
#[derive(Debug)]
pub(super) struct Job {
    /// Whose it is.
    pub(super) number: u64,
    pub(super) sought: Sought,
    /// An earlier look at it has hung.
    pub(super) suspect: bool,
}

#[derive(Debug)]
pub(super) struct Looks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    work: Mutex<Work>,
    ready: Condvar,
    directories: Directories,
    /// There is something in `done`.
    wake: EventFd,
}

#[derive(Debug, Default)]
struct Work {
    waiting: VecDeque<Job>,
    suspects: VecDeque<Job>,
    unwatched: VecDeque<Watch>,
    /// What each worker is at.
    workers: Vec<Option<At>>,
    done: Vec<(u64, Seen)>,
    /// When more workers were made, or tried to be.
    grown_at: u64,
    /// The system gave no thread the last time.
    refused: bool,
    closed: bool,
}

enum Task {
    Look(Job),
    Unwatch(Watch),
}

#[derive(Debug)]
struct At {
    /// What it looks at; `None`: it ends a watch.
    number: Option<u64>,
    since: u64,
    suspect: bool,
    hangs: bool,
}

impl Looks {
    /// # Errors
    /// No descriptor or no thread.
    pub(super) fn new() -> Result<Looks, Box<dyn std::error::Error>> {
        let inner = Arc::new(Inner {
            work: Mutex::new(Work::default()),
            ready: Condvar::new(),
            directories: Directories::new()?,
            wake: EventFd::new()?,
        });
        inner.add_worker(&mut inner.lock())?;
        Ok(Looks(inner))
    }

    /// Where changes of watched directories are read.
    pub(super) fn directories(&self) -> &Directories {
        &self.0.directories
    }

    /// Readable when a look has come back.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }

    pub(super) fn begin(&self, job: Job) {
        let mut work = self.0.lock();
        let queue = if job.suspect { &mut work.suspects } else { &mut work.waiting };
        queue.push_back(job);
        drop(work);
        self.0.ready.notify_one();
    }

    /// Nobody waits for it any more: it is not looked at, unless it is just now.
    pub(super) fn forget(&self, number: u64) {
        let mut work = self.0.lock();
        work.waiting.retain(|job| job.number != number);
        work.suspects.retain(|job| job.number != number);
    }

    /// A directory need not be watched any more. The end of a watch may be the
    /// last that the kernel knows of what it was on, so it may hang, too.
    pub(super) fn unwatch(&self, watch: Watch) {
        self.0.lock().unwatched.push_back(watch);
        self.0.ready.notify_one();
    }

    /// Looks that have come back.
    pub(super) fn take(&self) -> Vec<(u64, Seen)> {
        self.0.wake.drain();
        std::mem::take(&mut self.0.lock().done)
    }

    /// Whether there are looks that may come back soon.
    pub(super) fn any_open(&self) -> bool {
        let work = self.0.lock();
        !work.waiting.is_empty()
            || !work.suspects.is_empty()
            || !work.done.is_empty()
            || work.workers.iter().flatten().any(|at| !at.hangs)
    }

    /// When `look_after` has something to do.
    pub(super) fn due(&self) -> Option<u64> {
        let work = self.0.lock();
        let hangs = work.workers.iter().flatten().filter(|at| !at.hangs);
        let hangs = hangs.map(|at| at.since.saturating_add(HUNG_AFTER_NS)).min();
        // What an idle one is about to take is looked after from then on.
        let taken = work.has_work() && work.workers.iter().any(Option::is_none);
        let taken = taken.then(|| clock::monotonic().saturating_add(STALLED_NS));
        [hangs, taken, work.grow_due()].into_iter().flatten().min()
    }

    /// Adds workers when none comes back. Gives the numbers whose looks hang,
    /// once each.
    pub(super) fn look_after(&self, now: u64) -> Vec<u64> {
        let mut work = self.0.lock();
        if work.grow_due().is_some_and(|due| due <= now) {
            work.grown_at = now;
            let more = work.workers.len().min(MOST_WORKERS.saturating_sub(work.workers.len()));
            work.refused = (0..more).any(|_| self.0.add_worker(&mut work).is_err());
        }
        let mut hung = Vec::new();
        for at in work.workers.iter_mut().flatten() {
            if !at.hangs && at.since.saturating_add(HUNG_AFTER_NS) <= now {
                at.hangs = true;
                hung.extend(at.number);
            }
        }
        hung
    }

    /// Paths that have never hung wait for a worker, and there will be none.
    pub(super) fn all_hang(&self) -> bool {
        let work = self.0.lock();
        !work.waiting.is_empty()
            && (work.refused || work.workers.len() >= MOST_WORKERS)
            && work.workers.iter().all(|at| at.as_ref().is_some_and(|at| at.hangs))
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

impl Work {
    fn next(&mut self) -> Option<Task> {
        if let Some(job) = self.waiting.pop_front() {
            return Some(Task::Look(job));
        }
        if let Some(watch) = self.unwatched.pop_front() {
            return Some(Task::Unwatch(watch));
        }
        if self.may_look_at_suspect() { self.suspects.pop_front().map(Task::Look) } else { None }
    }

    /// Something waits that a worker may take.
    fn has_work(&self) -> bool {
        !self.waiting.is_empty()
            || !self.unwatched.is_empty()
            || (!self.suspects.is_empty() && self.may_look_at_suspect())
    }

    fn may_look_at_suspect(&self) -> bool {
        self.workers.iter().flatten().filter(|at| at.suspect).count() < MOST_SUSPECTS
    }

    /// When there are to be more workers: something waits, and none has begun
    /// anything for a while.
    fn grow_due(&self) -> Option<u64> {
        if !self.has_work() || self.workers.len() >= MOST_WORKERS {
            return None;
        }
        // An idle one takes it in a moment.
        let begun: Option<Vec<u64>> =
            self.workers.iter().map(|at| at.as_ref().map(|at| at.since)).collect();
        let last = begun?.into_iter().max().unwrap_or(0).max(self.grown_at);
        Some(last.saturating_add(STALLED_NS))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_worker(self: &Arc<Inner>, work: &mut Work) -> std::io::Result<()> {
        let place = work.workers.len();
        let inner = Arc::clone(self);
        std::thread::Builder::new()
            .name("ham-look".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || inner.run(place))?;
        work.workers.push(None);
        Ok(())
    }

    fn run(&self, place: usize) {
        let mut work = self.lock();
        while !work.closed {
            let Some(task) = work.next() else {
                work = self.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (number, suspect) = match &task {
                Task::Look(job) => (Some(job.number), job.suspect),
                Task::Unwatch(_) => (None, false),
            };
            if let Some(at) = work.workers.get_mut(place) {
                *at = Some(At { number, since: clock::monotonic(), suspect, hangs: false });
            }
            drop(work);
            let seen = match task {
                Task::Look(job) => Some((job.number, look(&job.sought, &self.directories))),
                Task::Unwatch(watch) => {
                    self.directories.unwatch(watch);
                    None
                }
            };
            work = self.lock();
            if let Some(at) = work.workers.get_mut(place) {
                *at = None;
            }
            if let Some(seen) = seen {
                work.done.push(seen);
                self.wake.post();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64, suspect: bool) -> Job {
        let sought = Sought { path: "/".into(), since: 0, came: false };
        Job { number, sought, suspect }
    }

    fn next(work: &mut Work) -> Option<u64> {
        match work.next()? {
            Task::Look(job) => Some(job.number),
            Task::Unwatch(_) => None,
        }
    }

    fn busy(suspect: bool, hangs: bool) -> Option<At> {
        Some(At { number: Some(0), since: 5, suspect, hangs })
    }

    #[test]
    fn paths_that_have_hung_leave_workers_for_the_others() {
        let mut work = Work::default();
        work.suspects.extend([job(1, true), job(2, true)]);
        work.waiting.push_back(job(3, false));
        assert_eq!((next(&mut work), next(&mut work)), (Some(3), Some(1)));
        work.workers.extend((0..MOST_SUSPECTS).map(|_| busy(true, true)));
        assert_eq!((next(&mut work), work.grow_due()), (None, None));
        work.waiting.push_back(job(4, false));
        assert_eq!(work.grow_due(), Some(5 + STALLED_NS));
        // One that is idle takes it without another.
        work.workers.push(None);
        assert_eq!((work.grow_due(), next(&mut work)), (None, Some(4)));
    }

    #[test]
    fn what_comes_back_is_told() {
        let looks = Looks::new().unwrap();
        looks.begin(job(7, false));
        let mut done = Vec::new();
        while done.is_empty() {
            done = looks.take();
            std::thread::yield_now();
        }
        // There is nothing above it that could be watched.
        assert!(matches!(done.as_slice(), [(7, Seen { found: true, at: None, .. })]));
        assert!(!looks.any_open() && !looks.all_hang() && looks.due().is_none());
    }

    #[test]
    fn all_hang_when_a_path_waits_and_no_worker_can_come() {
        let looks = Looks(Arc::new(Inner {
            work: Mutex::default(),
            ready: Condvar::new(),
            directories: Directories::new().unwrap(),
            wake: EventFd::new().unwrap(),
        }));
        looks.0.lock().workers.extend((0..MOST_WORKERS).map(|_| busy(false, false)));
        looks.begin(job(1, true));
        assert_eq!(looks.look_after(5 + HUNG_AFTER_NS).len(), MOST_WORKERS);
        assert_eq!(looks.look_after(6 + HUNG_AFTER_NS).len(), 0);
        // A path that has hung before may wait for ever.
        assert!(!looks.all_hang());
        looks.begin(job(2, false));
        assert!(looks.all_hang());
        looks.0.lock().workers[0] = None;
        assert!(!looks.all_hang());
    }
}
