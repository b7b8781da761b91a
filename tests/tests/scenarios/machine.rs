//! What a scenario runs on: a monitor, its memory, and a daemon that answers
//! at once whatever the scenario does not hold back.

#[path = "events.rs"]
mod events;

use crate::notation::{self, Line};
use crate::show;
use ham_core::effect::Effect;
use ham_core::event::{Event, Wait};
use ham_core::ids::{EntityId, MAX_SLOTS, RESERVED_SLOTS, RequestId, SlotRef};
use ham_core::memory::{RecordId, SlotState};
use ham_core::monitor::{Host, Monitor, Turn};
use ham_core::notify::Told;
use ham_core::plan::{EntityPlan, PlanIndex, PlanSource, encode};
use ham_core::time::{Mono, Span};
use ham_tests::fake::SharedMemory;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When a scenario begins: late enough that nothing is near 0 by chance.
pub(crate) const BEGIN: Mono = Mono(1_000_000_000_000);

/// Id of the first process.
const FIRST_PID: i32 = 100;

/// When each process that ham did not start has started.
const START: u64 = 77;

pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) bytes: Vec<u8>,
    pub(crate) names: BTreeMap<EntityId, String>,
    pub(crate) memory: SharedMemory,
    pub(crate) monitor: Monitor,
    /// Replaced before every step.
    pub(crate) restored: bool,
    pub(crate) now: Mono,
    held: BTreeSet<String>,
    next_pid: i32,
    pids: BTreeMap<SlotRef, i32>,
    current: BTreeMap<EntityId, SlotRef>,
    shown: BTreeMap<String, String>,
    wake: Option<Mono>,
    /// Requests for more than one entity: their answers say of which.
    several: BTreeSet<RequestId>,
}

pub(crate) fn restore(
    host: Host,
    bytes: &[u8],
    memory: &SharedMemory,
    now: Mono,
) -> (Monitor, ham_core::monitor::Resume) {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore_on(host, plan, Box::new(memory.clone()), now)
}

impl Machine {
    pub(crate) fn new(host: Host, plans: Vec<EntityPlan>, restored: bool) -> Machine {
        let bytes = encode(&plans).expect("a plan inside the rules");
        let memory = SharedMemory::default();
        let (monitor, _) = restore(host, &bytes, &memory, BEGIN);
        let names = plans.iter().map(|plan| (plan.id, plan.name.clone())).collect();
        let mut machine = Machine {
            host,
            bytes,
            names,
            memory,
            monitor,
            restored,
            now: BEGIN,
            held: BTreeSet::new(),
            next_pid: FIRST_PID,
            pids: BTreeMap::new(),
            current: BTreeMap::new(),
            shown: BTreeMap::new(),
            wake: None,
            several: BTreeSet::new(),
        };
        machine.changes();
        machine
    }

    /// One line of a scenario; what came of it.
    pub(crate) fn command(&mut self, text: &str) -> String {
        let mut line = Line::new(text);
        let mut word = line.word();
        if word == "at" {
            let at = BEGIN.after(notation::span(&line.word()));
            assert!(at >= self.now, "{text}: goes back");
            self.now = at;
            word = line.word();
        }
        match word.as_str() {
            "hold" => self.held.extend(line.rest()),
            "let-go" => {
                for kind in line.rest() {
                    assert!(self.held.remove(&kind), "{kind} is not held");
                }
            }
            "not-made" => {
                // Its clone never came about: the word is as before.
                let slot = self.slot(&line.word());
                let mut store = self.memory.store();
                let word = store.slots.entry(slot.index).or_default();
                (word.pid, word.state) = (0, SlotState::Intent);
            }
            "all-slots-in-use" => {
                // By processes of nobody's, as far as a successor can tell.
                let mut store = self.memory.store();
                for index in RESERVED_SLOTS..MAX_SLOTS {
                    let word = store.slots.entry(index).or_default();
                    if word.state == SlotState::Free {
                        (word.generation, word.state) = (1, SlotState::Running);
                    }
                }
            }
            "damage-changes" => {
                let id = self.id(&line.word());
                self.memory.store().broken.push(RecordId::Overlay(id));
            }
            "takeover" => return self.take_over(),
            "show" => {
                let id = self.id(&line.word());
                let name = self.monitor.name(id).expect("its name");
                return show::whole(&name, &self.monitor.view(id), &self.monitor.said(id), BEGIN);
            }
            "pulses" => {
                let channel = line.word();
                return show::pulses(&mut self.monitor, &channel, BEGIN);
            }
            "would-stop" => {
                let id = self.id(&line.word());
                let all = self.monitor.would_stop(&[id]);
                return format!("would stop {}\n", self.names_of(&all));
            }
            _ => {
                let event = self.event(&word, &mut line);
                line.end();
                return self.step(event);
            }
        }
        line.end();
        String::new()
    }

    fn slot(&self, text: &str) -> SlotRef {
        if text.starts_with('#') {
            return notation::slot(text);
        }
        *self.current.get(&self.id(text)).expect("an entity that was spawned")
    }

    fn id(&self, name: &str) -> EntityId {
        self.monitor.find(name).expect("an entity")
    }

    fn names_of(&self, ids: &[EntityId]) -> String {
        let names: Vec<&str> = ids.iter().map(|id| self.names[id].as_str()).collect();
        names.join(",")
    }

    /// Who waits for a path: `start NAME`, `ready NAME`, or an action.
    fn wait(&self, line: &mut Line) -> Wait {
        match line.word().as_str() {
            "start" => Wait::Start(self.id(&line.word())),
            "ready" => Wait::Ready(self.slot(&line.word())),
            action => Wait::Run(notation::run(action)),
        }
    }

    fn told(&self, line: &mut Line) -> Told {
        Told {
            ready: line.flag("ready"),
            reloading: line.flag("reloading"),
            at: line.pair("at").map(|text| BEGIN.after(notation::span(&text))),
            stopping: line.flag("stopping"),
            status: line.pair("status"),
            errno: line.pair("errno").map(|text| text.parse().expect("a number")),
            main: line.pair("main").map(|text| text.parse().expect("a process id")),
            extend: line.pair("extend").map(|text| notation::span(&text)),
            beat: line.flag("beat"),
            trigger: line.flag("trigger"),
            interval: line.pair("interval").map(|text| notation::span(&text)),
            ..Told::default()
        }
    }

    /// One event, and the answers to what came of it that are not held.
    pub(crate) fn step(&mut self, event: Event) -> String {
        let mut out = String::new();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.happened(&event);
            if let Event::Request { id, entities, .. } = &event
                && entities.len() > 1
            {
                self.several.insert(*id);
            }
            if self.restored {
                (self.monitor, _) = restore(self.host, &self.bytes, &self.memory, self.now);
            }
            let mut turn = Turn::default();
            self.monitor.step(self.now, event, &mut turn);
            self.memory.commit(&self.monitor, &turn);
            for effect in &turn.effects {
                out.push_str(&show::effect(&self.monitor, effect));
                if let Effect::Reply { id, entity, .. } = effect
                    && self.several.contains(id)
                {
                    out.push_str(&format!(" of {}", self.names[entity]));
                }
                out.push('\n');
                events.extend(self.carry(effect));
            }
        }
        out.push_str(&self.changes());
        out
    }

    pub(crate) fn take_over(&mut self) -> String {
        let (monitor, resume) = restore(self.host, &self.bytes, &self.memory, self.now);
        self.monitor = monitor;
        self.memory.commit(&self.monitor, &resume.turn);
        let mut out = String::new();
        for effect in &resume.turn.effects {
            out.push_str(&show::effect(&self.monitor, effect));
            out.push('\n');
        }
        for slot in resume.adopt {
            out.push_str(&format!("adopt #{}.{}\n", slot.index, slot.generation));
        }
        if !resume.beats.is_empty() {
            out.push_str(&self.step(Event::WatchAgain { entities: resume.beats }));
        }
        out.push_str(&self.changes());
        out
    }

    /// Slots follow what happens.
    fn happened(&mut self, event: &Event) {
        let (slot, state) = match event {
            Event::Spawned { slot, .. } => (slot, SlotState::Running),
            Event::SpawnFailed { slot, .. } | Event::Exited { slot, .. } => {
                (slot, SlotState::Exited)
            }
            Event::SlotFreed { slot } => (slot, SlotState::Free),
            _ => return,
        };
        let mut store = self.memory.store();
        let word = store.slots.entry(slot.index).or_default();
        if word.generation == slot.generation {
            word.state = state;
            if state == SlotState::Free {
                // The reaper has let go first.
                word.pid = 0;
            }
        }
    }

    pub(crate) fn carry(&mut self, effect: &Effect) -> Option<Event> {
        let holds = |kind: &str| self.held.contains(kind);
        match effect {
            Effect::Spawn(spawn) => {
                let slot = spawn.slot;
                let pid = *self.pids.entry(slot).or_insert_with(|| {
                    self.next_pid += 1;
                    self.next_pid - 1
                });
                if spawn.what == ham_core::effect::Process::Main {
                    self.current.insert(spawn.entity, slot);
                }
                let mut store = self.memory.store();
                let word = store.slots.entry(slot.index).or_default();
                word.generation = slot.generation;
                (word.state, word.pid) = (SlotState::Intent, pid);
                (!holds("spawn")).then_some(Event::Spawned { slot, pid })
            }
            Effect::Adopt { slot, pid, .. } => {
                self.pids.insert(*slot, *pid);
                let mut store = self.memory.store();
                let word = store.slots.entry(slot.index).or_default();
                (word.state, word.pid) = (SlotState::Running, *pid);
                None
            }
            Effect::Attach { slot, entity, pid, .. } => {
                self.pids.insert(*slot, *pid);
                self.current.insert(*entity, *slot);
                let mut store = self.memory.store();
                let word = store.slots.entry(slot.index).or_default();
                word.generation = slot.generation;
                (word.state, word.pid) = (SlotState::Running, *pid);
                (!holds("attach")).then_some(Event::Spawned { slot: *slot, pid: *pid })
            }
            Effect::Release { slot } => {
                (!holds("release")).then_some(Event::Cleared { slot: *slot, left: 0 })
            }
            Effect::Signal { run: Some(run), .. } | Effect::SignalProcess { run, .. } => {
                (!holds("signal")).then_some(Event::ActionDone { run: *run, ok: true })
            }
            Effect::Clear { slot, command: false, .. } => {
                (!holds("clear")).then_some(Event::Cleared { slot: *slot, left: 0 })
            }
            Effect::Free { slot } => (!holds("free")).then_some(Event::SlotFreed { slot: *slot }),
            Effect::Log { run, .. } => {
                (!holds("log")).then_some(Event::ActionDone { run: *run, ok: true })
            }
            Effect::Tidy { entity, .. } => {
                (!holds("tidy")).then_some(Event::Tidied { entity: *entity })
            }
            Effect::Clear { .. }
            | Effect::Signal { .. }
            | Effect::SignalAll { .. }
            | Effect::FindMain { .. }
            | Effect::ReadPid { .. }
            | Effect::Watch { .. }
            | Effect::Unwatch { .. }
            | Effect::Notice(_)
            | Effect::Reply { .. }
            | Effect::Verdict { .. }
            | Effect::WatchBeats { .. }
            | Effect::WatchMemory { .. }
            | Effect::UnwatchBeats { .. }
            | Effect::Finish { .. } => None,
        }
    }

    /// The states and the deadline that are not as they were last shown.
    pub(crate) fn changes(&mut self) -> String {
        let mut out = String::new();
        let made = self.monitor.ids().into_iter().filter(|id| self.monitor.is_made(*id));
        let made: Vec<String> = made.filter_map(|id| self.monitor.name(id)).collect();
        let of_units = self.names.iter().filter(|(id, name)| self.monitor.find(name) == Some(**id));
        let names: Vec<String> = of_units.map(|(_, name)| name.clone()).chain(made).collect();
        self.shown.retain(|name, _| names.contains(name));
        for name in names {
            let id = self.id(&name);
            let waits_for = self.monitor.waits_for(id);
            let mut line = show::view(&name, &self.monitor.view(id));
            if !waits_for.is_empty() {
                line.push_str(&format!(" waits-for={}", self.names_of(&waits_for)));
            }
            if self.shown.insert(name, line.clone()).is_some_and(|before| before != line) {
                out.push_str(&format!("{line}\n"));
            }
        }
        let wake = self.monitor.deadline();
        if wake != self.wake {
            self.wake = wake;
            let when = wake.map_or("never".to_owned(), |wake| {
                let since: Span = wake.since(BEGIN);
                format!("at {since}")
            });
            out.push_str(&format!("wakes {when}\n"));
        }
        out
    }
}
