//! How a monitor begins: alone on a fresh state, or on what the one before it
//! has committed; then it carries on what that may have left undone.

use super::adoption::Adopting;
use super::clearers::Clearers;
use super::completions::Completions;
use super::control::Control;
use super::holder::Holder;
use super::loading::Loading;
use super::log::Log;
use super::memory::{PlanMemory, SharedMemory, Store};
use super::paths::Paths;
use super::spawners::Spawners;
use super::{DONE, Engine, Fatal, LISTENER, REAPER, TIMER, WAKE, abilities, environment};
use crate::exit;
use crate::facts::Weight;
use crate::shared::Shared;
use ham_core::event::Event;
use ham_core::monitor::{Monitor, Resume, Turn};
use ham_core::plan::{PlanIndex, PlanSource, encode};
use ham_core::time::{Mono, Span};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::clock;
use ham_sys::poller::{Interest, Poller, Timer};
use ham_sys::process::{self, PidFd};
use ham_sys::spawn::Method;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

impl Engine {
    pub(super) fn new(shared: &'static Shared, successor: bool) -> Result<Engine, Fatal> {
        let state = shared.state;
        let began = clock::monotonic();
        let memory = SharedMemory { state };
        memory.forget_uncommitted();
        // What the reaper records from here on comes through the queue; what
        // it has recorded before is found by looking at the slots.
        let exits_seen = state.get(Field::ExitQueueTail);
        let plan = plan_in_force(state)?;
        let has_plan = plan.is_some();
        let plan = match plan {
            Some(plan) => plan,
            None => empty_plan()?,
        };
        let (core, resume) = Monitor::restore(plan, Box::new(memory), Mono(began));

        let completions = Arc::new(Completions::new()?);
        let (holder, no_cgroup) = Holder::new(shared);
        // Where nothing can be supervised, nothing is left behind.
        let abilities = abilities::find(state, &holder).map_err(|error| {
            holder.remove_tree();
            Fatal { code: Some(exit::UNAVAILABLE), what: error.to_string() }
        })?;
        let holder = Arc::new(holder);
        let spawners = Spawners::new(
            state,
            abilities,
            environment::inherited(state),
            Arc::clone(&holder),
            Arc::clone(&completions),
        )
        .map_err(|error| {
            holder.remove_tree();
            no_threads(&error, abilities.method)
        })?;
        let clearers = Clearers::new(Arc::clone(&holder), Arc::clone(&completions));

        let poller = Poller::new()?;
        let timer = Timer::new()?;
        poller.add(&shared.wake_monitor, WAKE, Interest::READ)?;
        poller.add(completions.wake(), DONE, Interest::READ)?;
        poller.add(&timer, TIMER, Interest::READ)?;
        poller.add(&shared.control, LISTENER, Interest::READ)?;
        let reaper = watch_reaper(state)?;
        poller.add(&reaper, REAPER, Interest::READ)?;

        let mut engine = Engine {
            shared,
            state,
            core,
            store: Store::new(shared),
            turn: Turn::default(),
            events: VecDeque::new(),
            remarks: Vec::new(),
            poller,
            timer,
            timer_set: None,
            completions,
            abilities,
            holder,
            spawners,
            clearers,
            making: BTreeSet::new(),
            early_exits: BTreeSet::new(),
            held: BTreeMap::new(),
            unfreed: BTreeSet::new(),
            exits_seen,
            shutdowns_seen: 0,
            adopting: Adopting::default(),
            log: Log::start(shared),
            control: Control::new(),
            paths: Paths::new(shared),
            loading: Loading::new(shared),
            finished: false,
            _reaper: reaper,
        };
        if successor {
            let took = clock::monotonic().saturating_sub(state.get(Field::MonitorDied));
            state.set(Field::TakeoverTook, took);
            let pid = process::pid();
            let text = format!("monitor {pid} has taken over after {}", Span(took / 1000 * 1000));
            engine.remark(Weight::Event, &text);
        } else {
            engine.report_start(no_cgroup.as_deref());
        }
        engine.shutdowns_seen = engine.core.signals_taken();
        engine.resume(resume);
        if engine.finished {
            return Ok(engine);
        }
        if has_plan {
            engine.loading.recall();
            engine.feed(Event::Boot);
        } else {
            engine.begin_load();
        }
        Ok(engine)
    }

    /// Carries on what the monitor before may have left undone.
    fn resume(&mut self, resume: Resume) {
        self.turn = resume.turn;
        self.finish_turn();
        for slot in resume.adopt {
            self.adopt(slot);
        }
        let used = u32::try_from(self.state.get(Field::SlotsUsed)).unwrap_or(0);
        for index in 0..used {
            if self.state.slot(index).is_some_and(|slot| slot.word().1 == Phase::Exited) {
                self.exited(index);
            }
        }
        self.run_events();
    }
}

/// The reaper, if it still lives: a child whose parent has died has another.
fn watch_reaper(state: State) -> Result<PidFd, Fatal> {
    let pid = process::parent_pid();
    let reaper = PidFd::open(pid)?;
    let same = u64::try_from(pid).is_ok_and(|pid| pid == state.get(Field::ReaperPid));
    // Looked at after it was opened: until then the number may have changed hands.
    if same && process::parent_pid() == pid {
        return Ok(reaper);
    }
    Err(Fatal { code: None, what: "the reaper has ended".to_owned() })
}

/// glibc (from 2.34) makes threads by clone3, and without it only where that is
/// unknown: a filter that forbids it instead leaves no thread to be had, ever.
fn no_threads(error: &std::io::Error, method: Method) -> Fatal {
    if method == Method::Clone && error.kind() == std::io::ErrorKind::PermissionDenied {
        let what = "a filter refuses clone3 with EPERM, and the C library then starts no threads, \
                    which ham needs: let the filter allow clone3, or answer ENOSYS";
        return Fatal { code: Some(exit::UNAVAILABLE), what: what.to_owned() };
    }
    Fatal { code: None, what: format!("could not start threads: {error}") }
}

pub(super) fn plan_in_force(state: State) -> Result<Option<PlanIndex<Box<dyn PlanSource>>>, Fatal> {
    let Some((_, half)) = state.plan_in_force() else { return Ok(None) };
    let source: Box<dyn PlanSource> = Box::new(PlanMemory(half));
    PlanIndex::open(source).map(Some).map_err(|error| Fatal { code: None, what: error.to_string() })
}

fn empty_plan() -> Result<PlanIndex<Box<dyn PlanSource>>, Fatal> {
    let open = || {
        let source: Box<dyn PlanSource> = Box::new(encode(&[])?);
        PlanIndex::open(source)
    };
    open().map_err(|error| Fatal { code: None, what: error.to_string() })
}
