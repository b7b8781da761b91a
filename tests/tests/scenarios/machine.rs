//! What a scenario runs on: a monitor, its memory, and a daemon that answers
//! at once whatever the scenario does not hold back.

use crate::notation::{self, Line};
use crate::show;
use ham_core::effect::Effect;
use ham_core::event::{Caller, Event, Wait};
use ham_core::ids::{EntityId, MAX_SLOTS, RESERVED_SLOTS, RequestId, SlotRef};
use ham_core::memory::SlotState;
use ham_core::monitor::{Monitor, Turn};
use ham_core::notify::Told;
use ham_core::plan::{EntityPlan, PlanIndex, PlanSource, encode};
use ham_core::time::{Mono, Span};
use ham_tests::fake::SharedMemory;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When a scenario begins: late enough that nothing is near 0 by chance.
pub(crate) const BEGIN: Mono = Mono(1_000_000_000_000);

/// Id of the first process.
const FIRST_PID: i32 = 100;

pub(crate) struct Machine {
    bytes: Vec<u8>,
    names: Vec<String>,
    memory: SharedMemory,
    monitor: Monitor,
    /// Replaced before every step.
    restored: bool,
    now: Mono,
    held: BTreeSet<String>,
    next_pid: i32,
    pids: BTreeMap<SlotRef, i32>,
    current: BTreeMap<EntityId, SlotRef>,
    shown: BTreeMap<String, String>,
    wake: Option<Mono>,
    /// Requests for more than one entity: their answers say of which.
    several: BTreeSet<RequestId>,
}

fn restore(bytes: &[u8], memory: &SharedMemory, now: Mono) -> (Monitor, ham_core::monitor::Resume) {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore(plan, Box::new(memory.clone()), now)
}

impl Machine {
    pub(crate) fn new(plans: Vec<EntityPlan>, restored: bool) -> Machine {
        let bytes = encode(&plans).expect("a plan inside the rules");
        let memory = SharedMemory::default();
        let (monitor, _) = restore(&bytes, &memory, BEGIN);
        let names: Vec<String> = plans.into_iter().map(|plan| plan.name).collect();
        let mut machine = Machine {
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
            "takeover" => return self.take_over(),
            "show" => {
                let id = self.id(&line.word());
                let name = &self.names[id.index()];
                return show::whole(name, &self.monitor.view(id), &self.monitor.said(id), BEGIN);
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
        let place = self.names.iter().position(|other| other == name).expect("an entity");
        EntityId(u32::try_from(place).expect("few entities"))
    }

    fn names_of(&self, ids: &[EntityId]) -> String {
        let names: Vec<&str> = ids.iter().map(|id| self.names[id.index()].as_str()).collect();
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
            ..Told::default()
        }
    }

    fn event(&self, word: &str, line: &mut Line) -> Event {
        match word {
            "boot" => Event::Boot,
            "tick" => Event::Tick,
            "spawned" => {
                let slot = self.slot(&line.word());
                Event::Spawned { slot, pid: self.pids[&slot] }
            }
            "spawn-failed" => {
                let slot = self.slot(&line.word());
                let error = line.pair("error").expect("an error").parse().expect("a number");
                Event::SpawnFailed { slot, error }
            }
            "exited" => {
                let slot = self.slot(&line.word());
                let pid = line.pair("pid").map(|text| text.parse().expect("a process id"));
                let status = notation::status(line);
                let pid = pid.unwrap_or_else(|| self.pids.get(&slot).copied().unwrap_or(1));
                Event::Exited { slot, pid, status, at: self.now }
            }
            "cleared" => {
                let slot = self.slot(&line.word());
                let left = line.pair("left").map_or(0, |text| text.parse().expect("a number"));
                Event::Cleared { slot, left }
            }
            "freed" => Event::SlotFreed { slot: self.slot(&line.word()) },
            "ready" => Event::Ready { slot: self.slot(&line.word()) },
            "told" => {
                let slot = self.slot(&line.word());
                Event::Told { slot, told: Box::new(self.told(line)) }
            }
            "main-found" => {
                let slot = self.slot(&line.word());
                let pid = line.pair("pid").expect("pid=").parse().expect("a process id");
                Event::MainFound { slot, pid }
            }
            "main-missing" => {
                let slot = self.slot(&line.word());
                Event::MainMissing { slot, left: line.flag("left") }
            }
            "seen" => Event::PathSeen { wait: self.wait(line), ok: true },
            "not-seen" => Event::PathSeen { wait: self.wait(line), ok: false },
            "tidied" => Event::Tidied { entity: self.id(&line.word()) },
            "done" => Event::ActionDone { run: notation::run(&line.word()), ok: true },
            "refused" => Event::ActionDone { run: notation::run(&line.word()), ok: false },
            "ask" => {
                let id = RequestId(line.word().parse().expect("a number"));
                let wait = line.flag("waiting");
                let verb = line.word();
                let entities = line.word().split(',').map(|name| self.id(name)).collect();
                let from = line.pair("from").map(|text| {
                    let (client, serial) = text.split_once('.').expect("from=CLIENT.SERIAL");
                    let number = |text: &str| text.parse().expect("a number");
                    Caller { client: number(client), serial: number(serial) }
                });
                Event::Request { id, entities, ask: notation::ask(&verb, line), wait, from }
            }
            "oom-killed" => {
                let slot = self.slot(&line.word());
                let kills = line.pair("kills").expect("kills=").parse().expect("a number");
                Event::OomKilled { slot, kills, ended: line.flag("ended") }
            }
            "received" => {
                let channel = line.word();
                let upto = line.pair("upto").expect("upto=").parse().expect("a number");
                Event::Received { channel, upto }
            }
            "shutdown" => {
                let code = line.pair("code").map_or(0, |text| text.parse().expect("a code"));
                let within = notation::span(&line.pair("within").expect("within="));
                Event::Shutdown { code, within, signals: 0 }
            }
            other => panic!("nothing is called {other}"),
        }
    }

    /// One event, and the answers to what came of it that are not held.
    fn step(&mut self, event: Event) -> String {
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
                (self.monitor, _) = restore(&self.bytes, &self.memory, self.now);
            }
            let mut turn = Turn::default();
            self.monitor.step(self.now, event, &mut turn);
            self.memory.commit(&self.monitor, &turn);
            for effect in &turn.effects {
                out.push_str(&show::effect(&self.monitor, effect));
                if let Effect::Reply { id, entity, .. } = effect
                    && self.several.contains(id)
                {
                    out.push_str(&format!(" of {}", self.names[entity.index()]));
                }
                out.push('\n');
                events.extend(self.carry(effect));
            }
        }
        out.push_str(&self.changes());
        out
    }

    fn take_over(&mut self) -> String {
        let (monitor, resume) = restore(&self.bytes, &self.memory, self.now);
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

    fn carry(&mut self, effect: &Effect) -> Option<Event> {
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
            | Effect::Watch { .. }
            | Effect::Unwatch { .. }
            | Effect::Notice(_)
            | Effect::Reply { .. }
            | Effect::Verdict { .. }
            | Effect::WatchBeats { .. }
            | Effect::UnwatchBeats { .. }
            | Effect::Finish { .. } => None,
        }
    }

    /// The states and the deadline that are not as they were last shown.
    fn changes(&mut self) -> String {
        let mut out = String::new();
        for name in self.names.clone() {
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
