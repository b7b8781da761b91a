//! How a monitor begins: alone on a fresh state, or on what the one before it
//! has committed; then it carries on what that may have left undone.

use super::adoption::Adopting;
use super::aliens::Aliens;
use super::beats::Beats;
use super::control::Control;
use super::descriptors_passed::Starts;
use super::descriptors_ready::ReadyEnds;
use super::descriptors_stored::Stored;
use super::ending::host;
use super::keeper::Keeper;
use super::loading::Loading;
use super::memory::{SharedMemory, Store};
use super::notify::Notify;
use super::notify_sender::Departed;
use super::outputs::Outputs;
use super::paths::Paths;
use super::salvage::{Salvage, Salvaged};
use super::shortage::Shortage;
use super::standby::Standby;
use super::watchdog::Watchdog;
use super::{Engine, Fatal};
use crate::facts::Weight;
use ham_core::event::Event;
use ham_core::ids::RESERVED_SLOTS;
use ham_core::memory::Memory;
use ham_core::monitor::{Monitor, Resume, Turn};
use ham_core::plan::{PlanIndex, PlanSource, encode};
use ham_core::time::{Mono, Span};
use ham_snapshot::header::Field;
use ham_sys::clock;
use ham_sys::process;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl Engine {
    /// `learnt`: when a successor learnt that the one before is dead; `None`:
    /// there was none before.
    pub(super) fn new(mut standby: Standby, learnt: Option<u64>) -> Result<Engine, Fatal> {
        let shared = standby.shared;
        let state = shared.state;
        let began = clock::monotonic();
        let memory = SharedMemory { state };
        memory.mend();
        // What the reaper records from here on comes through the queue; what
        // it has recorded before is found by looking at the slots.
        let exits_seen = state.get(Field::ExitQueueTail);
        let salvage = Salvage::after(state.get(Field::Faults));
        let plan = match standby.plan() {
            Err(_) if salvage != Salvage::Nothing => None,
            plan => plan?,
        };
        let tools = standby.tools()?;
        let has_plan = plan.is_some();
        // Without a plan no entity means anything: what there is waits for one.
        let memory: Box<dyn Memory> = match has_plan {
            true => Box::new(Salvaged::new(memory, salvage)),
            false => Box::new(Salvaged::new(memory, Salvage::Manager)),
        };
        let plan = plan.map_or_else(empty_plan, Ok)?;
        let (core, resume) = Monitor::restore_on(host(shared), plan, memory, Mono(began));
        state.set(Field::MonitorDue, 0);
        if shared.hang_check {
            shared.common.guard_timer.set(None)?;
        }

        let mut engine = Engine {
            shared,
            state,
            core,
            store: Store::new(shared),
            turn: Turn::default(),
            events: VecDeque::new(),
            remarks: Vec::new(),
            no_main: BTreeMap::new(),
            poller: tools.poller,
            timer: tools.timer,
            timer_set: None,
            completions: tools.completions,
            abilities: tools.abilities,
            holder: tools.holder,
            spawners: tools.spawners,
            clearers: tools.clearers,
            making: BTreeSet::new(),
            made_many: false,
            early_exits: BTreeSet::new(),
            held: BTreeMap::new(),
            unfreed: BTreeMap::new(),
            exits_seen,
            shutdowns_seen: 0,
            aliens: Aliens::default(),
            adopting: Adopting::default(),
            log: tools.log,
            control: Control::new(),
            keeper: Keeper::new(standby.channel, state.get(Field::ReaperFaults)),
            listener: standby.control,
            notify: Notify::new(standby.notify),
            departed: Departed::default(),
            stored: Stored::default(),
            beats: Beats::default(),
            ready_ends: ReadyEnds::default(),
            starts: Starts::default(),
            closer: tools.closer,
            paths: Paths::new(shared),
            shortage: Shortage::new(learnt.is_some()),
            outputs: Outputs::new(shared),
            loading: Loading::new(shared),
            last: None,
            watchdog: Watchdog::new(shared),
            finished: false,
            planless: !has_plan,
            _reaper: tools.reaper,
        };
        if let Some(learnt) = learnt {
            let took = clock::monotonic().saturating_sub(learnt);
            state.set(Field::TakeoverTook, took);
            let pid = process::pid();
            let text = format!("monitor {pid} has taken over after {}", Span(took / 1000 * 1000));
            engine.remark(Weight::Event, &text);
            if let Some(text) = salvage.remark() {
                engine.remark(Weight::Always, text);
            }
        } else {
            engine.report_start(tools.no_cgroup.as_deref());
        }
        engine.shutdowns_seen = engine.core.signals_taken();
        engine.resume(resume);
        if has_plan {
            engine.loading.recall();
        }
        engine.recall_conf();
        // What the monitor before has not written; only now, since somebody may
        // wait for the first effects.
        engine.log.wake();
        if engine.last.is_some() {
            return Ok(engine);
        }
        engine.begin_keeping();
        engine.recall_pages();
        if has_plan {
            engine.look_at_units();
            engine.feed(Event::Boot);
        } else {
            engine.begin_load();
        }
        // The one before may have heard a signal, and not have done it.
        engine.look_at_apply_requests();
        Ok(engine)
    }

    /// Carries on what the monitor before may have left undone.
    pub(super) fn resume(&mut self, resume: Resume) {
        // First: a start that is made again may have to go on in what is kept.
        self.recall_outputs();
        self.turn = resume.turn;
        self.finish_turn();
        self.recall_kept();
        for slot in resume.adopt {
            self.adopt(slot);
        }
        self.note_all_departed();
        self.hear_before_ends();
        // Those of ham's own helpers are not the core's business.
        for index in (0..RESERVED_SLOTS).chain(resume.exited) {
            self.exited(index);
        }
        self.beats.begin_again(resume.beats, self.state.get(Field::BeatsLooked));
        self.run_events();
    }
}

fn empty_plan() -> Result<PlanIndex<Box<dyn PlanSource>>, Fatal> {
    let open = || {
        let source: Box<dyn PlanSource> = Box::new(encode(&[])?);
        PlanIndex::open(source)
    };
    open().map_err(|error| Fatal { code: None, what: error.to_string(), mistake: true })
}
