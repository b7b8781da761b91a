//! One life: a monitor on the fake machine, whose units change, killed and
//! replaced at any point of a turn, and beside it a shadow that is restored from
//! the committed memory before every step.

#[path = "../simulation/shadow.rs"]
mod shadow;

use crate::changes;
use crate::rules::{Reload, Rules};
use crate::seen;
use crate::units::Units;
use ham_core::directive::{Counting, Directive, Heartbeat, Stranger};
use ham_core::effect::Effect;
use ham_core::event::{Ask, Event};
use ham_core::ids::{EntityId, RequestId, SlotRef};
use ham_core::memory::{Memory, SlotState};
use ham_core::monitor::{Base, Monitor, NotTaken, Turn};
use ham_core::plan::{EntityPlan, Kind, PlanIndex, PlanSource, encode, join};
use ham_core::signal::Signal;
use ham_core::time::Span;
use ham_tests::fake::{Kernel, Random, START, SharedMemory, Temper, random_plan};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Steps in which a calm machine must come to rest.
const STEPS_TO_REST: u32 = 20_000;

/// Reloads after which what has begun to be something else is nothing else.
const SETTLES: u32 = 50;

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
        self.step(Event::Shutdown { code: 4, within, signals: 1 })?;
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

    /// Other units, and then those that there were: all is as it was.
    fn there_and_back(&mut self) -> Checked {
        let first = self.units.clone();
        for _ in 0..1 + self.random.below(3) {
            let units = self.edited();
            self.reload(&units)?;
            if self.random.chance(50) {
                self.rest()?;
            }
        }
        self.settle(&first)?;
        self.rules.quiet(&self.monitor, &self.kernel)?;
        for id in self.monitor.ids() {
            if matches!(self.monitor.view(id).state, "running" | "finished") {
                let request = self.request_id();
                let (entities, ask) = (vec![id], Ask::Restart);
                self.step(Event::Request { id: request, entities, ask, wait: false, from: None })?;
                self.rest()?;
            }
        }
        // What has begun to be something else is so, and what has left is gone.
        self.settle(&first)?;
        self.rules.quiet(&self.monitor, &self.kernel)?;
        let kept = |id: &EntityId| {
            self.monitor.plan().is_leaving(*id)
                || self.monitor.view(*id).state == "waiting"
                || self.kernel.living(*id).is_empty() && self.monitor.slot_of(*id).is_some()
        };
        if self.monitor.plan().pending().iter().any(kept) {
            // Something is left of one for ever, or it waits for ever.
            return Ok(());
        }
        let plan = self.monitor.plan();
        let ids = plan.ids().collect();
        let expected = self.units.plans(&|name| plan.find(name), &ids);
        if encode(&expected).as_ref() != Ok(&self.bytes) {
            let other = expected.iter().find(|one| plan.entity(one.id).as_ref() != Ok(*one));
            let is = other.map(|one| (plan.entity(one.id), self.monitor.view(one.id)));
            return Err(format!("it was {other:?}\nand is {is:?}"));
        }
        self.restored += 1;
        Ok(())
    }

    /// Reloads until such units are there, as they are, and all is quiet.
    fn settle(&mut self, units: &Units) -> Checked {
        for _ in 0..SETTLES {
            self.reload(units)?;
            self.rest()?;
            if self.units == *units && self.monitor.base() == Base::default() {
                return Ok(());
            }
        }
        Err("does not settle".to_owned())
    }

    /// Units as somebody makes them of those that there are.
    fn edited(&mut self) -> Units {
        let back = self.random.chance(20) && !self.past.is_empty();
        if back {
            return self.random.pick(&self.past).clone();
        }
        let mut units = self.units.clone();
        for _ in 0..self.random.below(5) {
            units.edit(&mut self.random);
        }
        units
    }

    /// Such units are there from now on: as the daemon takes them.
    fn reload(&mut self, units: &Units) -> Checked {
        // What is due is no effect of it.
        self.step(Event::Tick)?;
        while self.monitor.deadline().is_some_and(|due| due <= self.kernel.now) {
            self.step(Event::Tick)?;
        }
        let base = self.monitor.base();
        let plan = self.monitor.plan();
        let known = base.known(plan).map_err(|error| error.to_string())?;
        let id = |name: &str| known.get(name).map(|known| known.plan.id);
        let new = units.plans(&id, &plan.ids().collect());
        let stays = |name: &str| new.iter().any(|entity| entity.name == name);
        let goes = known.values().filter(|known| !known.plan.leaving && !stays(&known.plan.name));
        let gone: BTreeSet<EntityId> = goes.map(|known| known.plan.id).collect();
        let bytes = encode(&join(&known, &new, &gone)).map_err(|error| error.to_string())?;
        if self.random.chance(15) {
            // The loader is not done at once.
            let before = self.takeovers;
            for _ in 0..self.random.below(12) {
                self.turn()?;
            }
            if self.takeovers > before {
                // Its answer was for the one that has died.
                return Ok(());
            }
            while self.monitor.deadline().is_some_and(|due| due <= self.kernel.now) {
                self.step(Event::Tick)?;
            }
        }
        let before = seen::all(&self.monitor);
        let now = self.kernel.now;
        let fits = self.monitor.base() == base;
        let mut shadow = self.shadow();
        self.is_as_committed(&shadow)?;
        let (mut turn, mut other) = (Turn::default(), Turn::default());
        let taken = self.monitor.take_plan(now, open(&bytes), &base, &mut turn);
        let its = shadow.take_plan(now, open(&bytes), &base, &mut other);
        if taken != its {
            return Err(format!("the plan is {taken:?}, of the shadow {its:?}"));
        }
        match taken {
            Ok(()) if fits => {}
            Err(NotTaken::Stale) if !fits => {
                self.stale += 1;
                return Ok(());
            }
            _ => return Err(format!("the plan is {taken:?}, and fits: {fits}")),
        }
        self.turns += 1;
        self.tell(&"reload", &turn.effects);
        self.same(&shadow, &Event::Tick, (&turn, &other))?;
        if self.dies() {
            self.take_over()?;
            return match self.random.chance(70) {
                true => self.reload(units),
                false => Ok(()),
            };
        }
        let old = open(&std::mem::replace(&mut self.bytes, bytes));
        let same = *units == self.units;
        if !same {
            self.past.push(std::mem::replace(&mut self.units, units.clone()));
        }
        self.commit(&turn)?;
        let reload = Reload { before: &before, old: &old, base: &base, turn: &turn, same };
        self.rules.reloaded(&self.monitor, &self.kernel, &reload)?;
        self.rules.stepped(&self.monitor, now)?;
        if self.dies() {
            let some = self.random.below(turn.effects.len() as u64 + 1);
            self.carry(&turn.effects[..usize::try_from(some).unwrap_or(0)])?;
            return self.take_over();
        }
        self.carry(&turn.effects)
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

    fn request(&mut self) -> Event {
        let id = self.request_id();
        let plans = self.plans();
        if plans.is_empty() {
            return Event::Tick;
        }
        if self.random.chance(25) {
            return changes::change(&mut self.random, &plans, id);
        }
        let entity = self.random.pick(&plans).id;
        if self.random.chance(25) {
            let directive = self.directive(entity);
            return Event::Directive { id, directive, from: None };
        }
        let ask = match self.random.below(10) {
            0..=3 => Ask::Start,
            4 | 5 => Ask::Stop,
            6 | 7 => Ask::Restart,
            8 if self.random.chance(50) => Ask::Reload,
            8 => Ask::Kill(Signal::KILL),
            _ => Ask::Kill(Signal::TERM),
        };
        let (entities, wait) = (vec![entity], self.random.chance(50));
        Event::Request { id, entities, ask, wait, from: None }
    }

    fn directive(&mut self, entity: EntityId) -> Directive {
        let number = u32::try_from(self.random.below(4)).unwrap_or(0);
        match self.random.below(10) {
            0..=3 => Directive::State { entity, to: number },
            4 | 5 => Directive::Raise { entity, kind: number, class: number, severity: 1 },
            6 => {
                let to = *self.random.pick(&[Heartbeat::Suspend, Heartbeat::Resume]);
                Directive::Heartbeat { entity: Some(entity), to }
            }
            7 => Directive::Detach { entity },
            _ => {
                let attaches = |plan: &EntityPlan| {
                    let kind = matches!(plan.kind, Kind::Service | Kind::Placeholder { .. });
                    kind && plan.links.is_empty()
                };
                match self.monitor.definition(entity).filter(|plan| attaches(plan)) {
                    Some(plan) => {
                        let pid = self.kernel.stranger(plan);
                        let process = Stranger { pid, start: START, slot: None, own: false };
                        Directive::Attach { entity, process, counting: Counting::GoesOn }
                    }
                    None => Directive::Heartbeat { entity: None, to: Heartbeat::Resume },
                }
            }
        }
    }

    fn request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
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

    /// The monitor is dead; the next one goes on, if it lives long enough.
    fn take_over(&mut self) -> Checked {
        loop {
            self.takeovers += 1;
            self.kernel.monitor_dies();
            self.kernel.now = self.kernel.now.after(self.random.micros(50, 3_000));
            let boxed: Box<dyn Memory> = Box::new(self.memory.clone());
            let (monitor, resume) = Monitor::restore(open(&self.bytes), boxed, self.kernel.now);
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
