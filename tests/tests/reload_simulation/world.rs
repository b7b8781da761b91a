//! One life: a monitor on the fake machine, whose units change, killed and
//! replaced at any point of a turn, and beside it a shadow that is restored from
//! the committed memory before every step.

#[path = "reloads.rs"]
mod reloads;
#[path = "requests.rs"]
mod requests;
#[path = "../simulation/shadow.rs"]
mod shadow;

use crate::rules::Rules;
use crate::units::Units;
use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::ids::SlotRef;
use ham_core::memory::{Memory, SlotState};
use ham_core::monitor::{Monitor, Resume, Turn};
use ham_core::plan::{EntityPlan, PlanIndex, PlanSource, encode};
use ham_core::time::Span;
use ham_core::way::Way;
use ham_tests::fake::{Kernel, Random, SharedMemory, Temper, random_plan};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Steps in which a calm machine must come to rest.
const STEPS_TO_REST: u32 = 20_000;

/// Turns that the story of a failure goes back.
const STORY: usize = 60;

/// What one life is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// Steps of the wild part.
    pub(crate) steps: u32,
    /// The monitor dies in so many of a hundred turns.
    pub(crate) deaths: u64,
}

pub(crate) struct World {
    life: Life,
    random: Random,
    kernel: Kernel,
    memory: SharedMemory,
    /// The plan in force.
    bytes: Vec<u8>,
    monitor: Monitor,
    rules: Rules,
    /// What it was made from, and sets of units before that.
    units: Units,
    past: Vec<Units>,
    pub(crate) takeovers: u32,
    pub(crate) turns: u64,
    /// Plans that were stale when they came, and lives that came back to where
    /// they had begun.
    stale: u64,
    restored: u64,
    next_request: u64,
    held: BTreeMap<u32, u32>,
    freed: BTreeMap<u32, u32>,
    story: VecDeque<String>,
}

pub(crate) type Checked = Result<(), String>;

fn open(bytes: &[u8]) -> PlanIndex<Box<dyn PlanSource>> {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    PlanIndex::open(source).expect("a plan that was just encoded")
}

impl World {
    pub(crate) fn new(life: Life) -> World {
        let mut random = Random::new(life.seed);
        let units = Units::of(&random_plan(&mut random));
        let bytes = encode(&units.plans(&|_| None, &BTreeSet::new())).expect("inside the rules");
        let memory = SharedMemory::default();
        let machine = Random::new(random.bits());
        let kernel = Kernel::new(memory.clone(), machine, Temper::wild());
        let (monitor, _) = Monitor::restore(open(&bytes), Box::new(memory.clone()), kernel.now);
        World {
            life,
            random,
            kernel,
            memory,
            bytes,
            monitor,
            rules: Rules::default(),
            units,
            past: Vec::new(),
            takeovers: 0,
            turns: 0,
            stale: 0,
            restored: 0,
            next_request: 1,
            held: BTreeMap::new(),
            freed: BTreeMap::new(),
            story: VecDeque::new(),
        }
    }

    /// How often each of the things has happened that are worth a rule.
    pub(crate) fn met(&self) -> [u64; 10] {
        let [same, left, restarted, outdated, new] = self.rules.met;
        let [stayed, gone, other] = self.rules.lists.met;
        [same, left, restarted, outdated, new, stayed, gone, other, self.stale, self.restored]
    }

    /// The whole life.
    pub(crate) fn run(&mut self) -> Checked {
        self.step(Event::Boot)?;
        let mut next_request = self.kernel.now;
        let mut next_reload = self.kernel.now.after(self.random.micros(0, 2_000_000));
        for _ in 0..self.life.steps {
            if self.kernel.now >= next_request || self.is_quiet() {
                next_request = self.kernel.now.after(self.random.micros(1_000, 1_500_000));
                let event = self.request();
                self.step(event)?;
            }
            if self.kernel.now >= next_reload || self.random.chance(5) {
                next_reload = self.kernel.now.after(self.random.micros(1_000, 3_000_000));
                let units = self.edited();
                self.reload(&units)?;
            }
            self.turn()?;
        }
        if !self.random.chance(25) {
            self.kernel.temper = Temper::calm();
            self.rest()?;
            self.rules.quiet(&self.monitor, &self.kernel)?;
            self.there_and_back()?;
        }
        let within = self.random.micros(0, 3_000_000);
        self.step(Event::Shutdown { way: Way::Exit(4), within, signals: 1 })?;
        if self.random.chance(30) {
            let units = self.edited();
            self.reload(&units)?;
        }
        self.kernel.temper = Temper::calm();
        self.rest()?;
        if self.rules.finishes == 0 || self.kernel.finished.is_empty() {
            return Err("does not finish".to_owned());
        }
        match self
            .kernel
            .processes
            .values()
            .find(|process| process.main && process.alive && process.slot.generation != 0)
        {
            Some(process) => Err(format!("{process:?} outlives the manager")),
            None => Ok(()),
        }
    }

    fn is_quiet(&self) -> bool {
        self.kernel.next().is_none() && self.monitor.deadline().is_none()
    }

    fn rest(&mut self) -> Checked {
        for _ in 0..STEPS_TO_REST {
            if self.is_quiet() {
                return Ok(());
            }
            self.turn()?;
        }
        Err("does not come to rest".to_owned())
    }

    fn plans(&self) -> Vec<EntityPlan> {
        let plan = self.monitor.plan();
        plan.ids().filter_map(|id| plan.entity(id).ok()).collect()
    }

    /// Lets the next thing happen, of the machine or of the clock.
    fn turn(&mut self) -> Checked {
        let due = self.monitor.deadline();
        match (due, self.kernel.next()) {
            (Some(due), next) if next.is_none_or(|next| due <= next) => {
                self.kernel.now = self.kernel.now.max(due);
                self.step(Event::Tick)
            }
            (_, Some(_)) => match self.kernel.turn() {
                Some(event) => self.step(event),
                None => self.sound(),
            },
            (_, None) => Ok(()),
        }
    }

    fn sound(&self) -> Checked {
        match self.kernel.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// One turn of the monitor, in which it may die.
    fn step(&mut self, event: Event) -> Checked {
        if self.random.chance(10) {
            self.kernel.now = self.kernel.now.after(self.random.micros(0, 400_000));
        }
        let now = self.kernel.now;
        if let Event::SlotFreed { slot } = event {
            self.slot_freed(slot);
        }
        let shadow = self.shadow();
        self.turns += 1;
        let mut turn = Turn::default();
        self.monitor.step(now, event.clone(), &mut turn);
        self.tell(&event, &turn.effects);
        self.compare(shadow, &event, &turn)?;
        if self.dies() {
            self.take_over()?;
            return match event {
                Event::Boot
                | Event::Shutdown { .. }
                | Event::Told { .. }
                | Event::Ready { .. }
                | Event::Request { .. } => self.step(event),
                _ => Ok(()),
            };
        }
        self.commit(&turn)?;
        self.rules.stepped(&self.monitor, now)?;
        if self.dies() {
            let some = self.random.below(turn.effects.len() as u64 + 1);
            self.carry(&turn.effects[..usize::try_from(some).unwrap_or(0)])?;
            return self.take_over();
        }
        self.carry(&turn.effects)
    }

    fn tell(&mut self, what: &impl std::fmt::Debug, effects: &[Effect]) {
        let mut line = format!("{} {what:?}", Span(self.kernel.now.0));
        for effect in effects {
            line.push_str("\n    ");
            match effect {
                Effect::Spawn(spawn) => {
                    line.push_str(&format!("Spawn e{} {:?}", spawn.entity.0, spawn.slot));
                }
                other => line.push_str(&format!("{other:?}")),
            }
        }
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    fn dies(&mut self) -> bool {
        self.random.chance(self.life.deaths)
    }

    fn commit(&mut self, turn: &Turn) -> Checked {
        self.memory.commit(&self.monitor, turn);
        for effect in &turn.effects {
            match effect {
                Effect::Spawn(spawn) => {
                    self.held.insert(spawn.slot.index, spawn.slot.generation);
                }
                Effect::Attach { slot, .. } => {
                    self.held.insert(slot.index, slot.generation);
                }
                _ => {}
            }
        }
        self.rules.committed(turn)
    }

    fn carry(&mut self, effects: &[Effect]) -> Checked {
        for effect in effects {
            self.kernel.carry(effect);
        }
        self.sound()
    }

    fn slot_freed(&mut self, slot: SlotRef) {
        if self.held.get(&slot.index) == Some(&slot.generation) {
            self.held.remove(&slot.index);
            let freed = self.freed.entry(slot.index).or_default();
            *freed = slot.generation.max(*freed);
        }
    }

    fn restored(&self, memory: Box<dyn Memory>) -> (Monitor, Resume) {
        Monitor::restore(open(&self.bytes), memory, self.kernel.now)
    }

    /// The monitor is dead; the next one goes on, if it lives long enough.
    fn take_over(&mut self) -> Checked {
        loop {
            self.takeovers += 1;
            self.kernel.monitor_dies();
            self.kernel.now = self.kernel.now.after(self.random.micros(50, 3_000));
            let boxed: Box<dyn Memory> = Box::new(self.memory.clone());
            let (monitor, resume) = self.restored(boxed);
            self.monitor = monitor;
            self.tell(&"takeover", &resume.turn.effects);
            self.take_stock();
            if self.dies() {
                continue;
            }
            self.commit(&resume.turn)?;
            if self.dies() {
                let some = self.random.below(resume.turn.effects.len() as u64 + 1);
                self.carry(&resume.turn.effects[..usize::try_from(some).unwrap_or(0)])?;
                continue;
            }
            self.carry(&resume.turn.effects)?;
            for slot in resume.adopt {
                if let Some(event) = self.kernel.adoption(slot) {
                    self.kernel.post(event);
                }
            }
            for event in self.kernel.recorded_exits() {
                self.kernel.post(event);
            }
            self.kernel.post(Event::Boot);
            if !resume.beats.is_empty() {
                self.kernel.post(Event::WatchAgain { entities: resume.beats });
            }
            return self.sound();
        }
    }

    /// Which slots the new monitor takes for not free.
    fn take_stock(&mut self) {
        self.held.clear();
        self.freed.clear();
        let store = self.memory.store();
        for (index, word) in &store.slots {
            if word.state != SlotState::Free {
                self.held.insert(*index, word.generation);
            }
        }
        for slot in store.records.values().filter_map(|record| record.head.slot) {
            self.held.insert(slot.index, slot.generation);
        }
    }

    /// What there is to say when something is wrong.
    pub(crate) fn describe(&self) -> String {
        let plans: Vec<String> = self.plans().iter().map(|plan| format!("{plan:?}")).collect();
        let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
        format!(
            "{}\nplan in force\n{}\nat {} after {} turns and {} takeovers",
            story.join("\n"),
            plans.join("\n"),
            Span(self.kernel.now.0),
            self.turns,
            self.takeovers
        )
    }
}
