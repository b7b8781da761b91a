//! Threads that make processes. A program on a hung file system must not stop
//! the event loop (details 6): it hands over a description and goes on; if a
//! spawner does not come back, another takes its place.

use super::closer::Closer;
use super::completions::{Completion, Completions};
use super::descriptors_passed::Passed;
use super::holder::{Held, Holder};
use super::main_process;
use super::pid_file;
use super::prepare::{self, Surroundings};
use super::settings;
use super::streams::Pipes;
use crate::facts;
use ham_core::effect::Spawn;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::signal::Signal;
use ham_snapshot::State;
use ham_sys::spawn::{Abilities, Program, SlotWords, Stack, Started, spawn};
use ham_sys::{clock, process};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Spawners from the start: one more than can be needed on a good day.
const SPAWNERS: usize = 2;
/// Spawners at most, when some hang.
const MOST_SPAWNERS: usize = 8;
/// A spawn that is not back after this hangs.
const HUNG_AFTER_NS: u64 = 1_000_000_000;

/// A process to be made.
#[derive(Debug)]
pub(super) enum Job {
    /// An entity's or a command's, with the descriptors that it gets and the
    /// pipes for its output, if there are some.
    Entity(Box<Spawn>, Passed, Pipes),
    /// One of ham's own helpers.
    /// With the descriptors that it is given.
    Helper { slot: SlotRef, name: &'static str, program: Box<Program>, _keep: Vec<OwnedFd> },
    /// Not to be made but to be found: what a forking daemon, of this user, has
    /// left behind.
    FindMain { held: Held, path: String, uid: u32 },
    /// Likewise: the process that a file names, whoever started it.
    ReadPid { held: Held, entity: EntityId, path: String },
    /// A signal to every process of an entity.
    SignalAll { held: Held, signal: Signal },
}

impl Job {
    pub(super) fn slot(&self) -> SlotRef {
        match self {
            Job::Entity(spawn, ..) => spawn.slot,
            Job::Helper { slot, .. } => *slot,
            Job::FindMain { held, .. }
            | Job::ReadPid { held, .. }
            | Job::SignalAll { held, .. } => held.slot,
        }
    }
}

#[derive(Debug)]
pub(super) struct Spawners {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    work: Mutex<Work>,
    ready: Condvar,
    state: State,
    abilities: Abilities,
    surroundings: Arc<Surroundings>,
    holder: Arc<Holder>,
    completions: Arc<Completions>,
    closer: Closer,
}

#[derive(Debug, Default)]
struct Work {
    jobs: VecDeque<Job>,
    closed: bool,
    /// What each spawner is at, since when, and whether that was reported.
    spawners: Vec<Option<(SlotRef, u64, bool)>>,
}

impl Spawners {
    pub(super) fn new(
        state: State,
        abilities: Abilities,
        surroundings: Arc<Surroundings>,
        holder: Arc<Holder>,
        completions: Arc<Completions>,
        closer: Closer,
    ) -> std::io::Result<Spawners> {
        let (work, ready) = (Mutex::new(Work::default()), Condvar::new());
        let inner = Arc::new(Inner {
            work,
            ready,
            state,
            abilities,
            surroundings,
            holder,
            completions,
            closer,
        });
        for _ in 0..SPAWNERS {
            inner.add_spawner(&mut inner.lock())?;
        }
        Ok(Spawners { inner })
    }

    pub(super) fn submit(&self, job: Job) {
        let mut work = self.inner.lock();
        if work.closed {
            return;
        }
        work.jobs.push_back(job);
        drop(work);
        self.inner.ready.notify_one();
    }

    /// One more, after that.
    pub(super) fn submit_last(&self, job: Job) {
        self.inner.lock().jobs.push_back(job);
        self.inner.ready.notify_one();
    }

    /// Nothing more is made: what waits is dropped.
    pub(super) fn close(&self) {
        let mut work = self.inner.lock();
        work.closed = true;
        work.jobs.clear();
    }

    /// When `look` may find something.
    pub(super) fn due(&self) -> Option<u64> {
        let work = self.inner.lock();
        let open = work.spawners.iter().flatten().filter(|(_, _, reported)| !reported);
        open.map(|(_, since, _)| since.saturating_add(HUNG_AFTER_NS)).min()
    }

    /// Looks for spawners that hang: gives their slots, once each, and starts
    /// others in their place.
    pub(super) fn look(&self, now: u64) -> Vec<SlotRef> {
        let mut work = self.inner.lock();
        let mut hung = Vec::new();
        for (slot, since, reported) in work.spawners.iter_mut().flatten() {
            if !*reported && since.saturating_add(HUNG_AFTER_NS) <= now {
                *reported = true;
                hung.push(*slot);
            }
        }
        let free = work.spawners.iter().filter(|at| !at.is_some_and(|(_, _, hung)| hung)).count();
        if free == 0 && work.spawners.len() < MOST_SPAWNERS {
            // Without a thread the jobs wait for one of the hung ones.
            let _ = self.inner.add_spawner(&mut work);
        }
        hung
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_spawner(self: &Arc<Inner>, work: &mut Work) -> std::io::Result<()> {
        let number = work.spawners.len();
        let inner = Arc::clone(self);
        let stack = Stack::new().map_err(std::io::Error::other)?;
        std::thread::Builder::new()
            .name("ham-spawn".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || inner.run(number, stack))?;
        work.spawners.push(None);
        Ok(())
    }

    fn run(&self, number: usize, mut stack: Stack) {
        loop {
            let job = {
                let mut work = self.lock();
                if let Some(at) = work.spawners.get_mut(number) {
                    *at = None;
                }
                loop {
                    if let Some(job) = work.jobs.pop_front() {
                        if let Some(at) = work.spawners.get_mut(number) {
                            *at = Some((job.slot(), clock::monotonic(), false));
                        }
                        break job;
                    }
                    work = self.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
                }
            };
            if let Some(completion) = self.perform(job, &mut stack) {
                self.completions.push(completion);
            }
        }
    }

    fn perform(&self, job: Job, stack: &mut Stack) -> Option<Completion> {
        let slot = job.slot();
        match job {
            Job::Entity(spawn, mut passed, pipes) => {
                let completion = self.make_entity(&spawn, &mut passed, pipes, stack);
                self.closer.close_all(passed.into_descriptors());
                Some(completion)
            }
            // Its descriptors live until it has been made.
            Job::Helper { name, program, _keep, .. } => {
                Some(self.make(slot, name, &program, stack))
            }
            Job::FindMain { held, path, uid } => {
                let found = main_process::find(&path, &held, uid, &self.holder);
                let left = found.is_ok() || !self.holder.is_empty(&held);
                Some(Completion::MainLooked { slot, name: held.name, found, left })
            }
            Job::ReadPid { entity, path, .. } => {
                Some(Completion::PidLooked { entity, found: pid_file::find(&path) })
            }
            Job::SignalAll { held, signal } => {
                self.holder.signal(&held, signal);
                None
            }
        }
    }

    fn make_entity(
        &self,
        spawn: &Spawn,
        passed: &mut Passed,
        pipes: Pipes,
        stack: &mut Stack,
    ) -> Completion {
        let name = &spawn.plan.name;
        let made = prepare::program(spawn, &self.surroundings, &self.holder, pipes);
        match made.and_then(|(mut program, streams)| {
            passed.give(&mut program)?;
            Ok((program, streams))
        }) {
            Ok((program, streams)) => {
                if let Some(text) = &streams.trouble {
                    self.completions.push(Completion::Remark(facts::of_trouble(name, text)));
                }
                self.make(spawn.slot, name, &program, stack)
            }
            Err(error) => Completion::SpawnFailed { slot: spawn.slot, error },
        }
    }

    fn make(&self, slot: SlotRef, name: &str, program: &Program, stack: &mut Stack) -> Completion {
        let Some(place) = self.state.slot(slot.index) else {
            return Completion::SpawnFailed { slot, error: ham_core::monitor::ERROR_NO_SLOT };
        };
        place.intend(slot.generation);
        place.set_name(name);
        let (pid, child_pid, error) = place.kernel_words();
        match spawn(&self.abilities, stack, program, SlotWords { pid, child_pid, error }) {
            Ok(Started { pid, without }) => {
                self.state.hint(pid, slot.index);
                place.run(slot.generation, pid, process::start_time(pid).unwrap_or(0));
                for error in without {
                    let entry = facts::of_trouble(name, &settings::left_out(error));
                    self.completions.push(Completion::Remark(entry));
                }
                Completion::Spawned { slot, pid }
            }
            Err(error) => Completion::SpawnFailed { slot, error: error.to_word() },
        }
    }
}
