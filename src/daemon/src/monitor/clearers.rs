//! Worker threads that end and remove what entities leave behind: that can take
//! as long as a process takes to die, or a file system to answer, and the event
//! loop waits for nobody.

use super::completions::{Completion, Completions};
use super::holder::{Held, Holder};
use super::prepare::Surroundings;
use crate::facts;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::plan::EntityPlan;
use ham_sys::clock;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Threads at most; each ends one entity's processes at a time. A mass stop
/// is bounded by how fast the kernel ends processes, not by these.
const THREADS: usize = 4;

/// One pass of ending gives up after this and reports what is left: SIGKILL
/// takes milliseconds unless a process hangs in the kernel. So does one of
/// removing directories, which end when nobody fills them.
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
    surroundings: Arc<Surroundings>,
    completions: Arc<Completions>,
}

/// The directories of an entity, to be removed.
#[derive(Debug)]
pub(super) struct Tidying {
    pub(super) plan: Arc<EntityPlan>,
    /// A start follows.
    pub(super) restarts: bool,
}

#[derive(Debug)]
enum Job {
    Clear(Held),
    LetGo(Held),
    Tidy(Tidying),
}

/// What a job is about.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Slot(SlotRef),
    Entity(EntityId),
}

impl Job {
    fn subject(&self) -> Subject {
        match self {
            Job::Clear(held) | Job::LetGo(held) => Subject::Slot(held.slot),
            Job::Tidy(tidying) => Subject::Entity(tidying.plan.id),
        }
    }
}

#[derive(Debug, Default)]
struct Work {
    queue: VecDeque<Job>,
    under_way: BTreeSet<Subject>,
    threads: usize,
    idle: usize,
}

impl Clearers {
    pub(super) fn new(
        holder: Arc<Holder>,
        surroundings: Arc<Surroundings>,
        completions: Arc<Completions>,
    ) -> Clearers {
        let (work, ready) = (Mutex::new(Work::default()), Condvar::new());
        Clearers { inner: Arc::new(Inner { work, ready, holder, surroundings, completions }) }
    }

    /// Ends everything of it, some time soon. Asked again while it is under
    /// way it is done once: the one completion serves both.
    pub(super) fn clear(&self, held: Held) {
        self.submit(Job::Clear(held));
    }

    /// Lets go of everything of it: told as a clearing that has left nothing.
    pub(super) fn let_go(&self, held: Held) {
        self.submit(Job::LetGo(held));
    }

    /// Removes those of its directories that do not stay, some time soon; once
    /// as well. What is asked for while another is under way is the same.
    pub(super) fn tidy(&self, tidying: Tidying) {
        self.submit(Job::Tidy(tidying));
    }

    fn submit(&self, job: Job) {
        let mut work = self.inner.work.lock().unwrap_or_else(PoisonError::into_inner);
        if !work.under_way.insert(job.subject()) {
            return;
        }
        work.queue.push_back(job);
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
                    if let Some(job) = work.queue.pop_front() {
                        drop(work);
                        self.inner.perform(&job);
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
            let job = {
                let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(job) = work.queue.pop_front() {
                        break job;
                    }
                    work.idle += 1;
                    work = self.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
                    work.idle -= 1;
                }
            };
            self.perform(&job);
        }
    }

    fn perform(&self, job: &Job) {
        let deadline = clock::monotonic().saturating_add(PATIENCE_NS);
        let completion = match job {
            Job::Clear(held) => {
                let left = self.holder.clear(held, deadline);
                Completion::Cleared { slot: held.slot, left }
            }
            Job::LetGo(held) => {
                self.holder.let_go(held);
                Completion::Cleared { slot: held.slot, left: 0 }
            }
            Job::Tidy(Tidying { plan, restarts }) => {
                let bases = &self.surroundings.bases;
                for error in bases.tidy(&plan.directories, *restarts, deadline) {
                    let entry = facts::of_trouble(&plan.name, &error.to_string());
                    self.completions.push(Completion::Remark(entry));
                }
                Completion::Tidied { entity: plan.id }
            }
        };
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.under_way.remove(&job.subject());
        drop(work);
        self.completions.push(completion);
    }
}
