//! One life: a monitor on the fake machine, killed and replaced at any point
//! of a turn, and beside it a shadow that is restored from the committed
//! memory before every step and must do what the monitor does.

#[path = "shadow.rs"]
mod shadow;

use crate::changes;
use crate::clients::{Clients, had_no_effect, some};
use crate::heartbeats::{Heartbeats, watched};
use crate::rules::Rules;
use crate::sayings::Sayings;
use crate::ways;
use ham_core::change::Change;
use ham_core::directive::{Counting, Directive, Stranger};
use ham_core::effect::Effect;
use ham_core::event::{Ask, Event};
use ham_core::ids::{EntityId, RequestId, SlotRef};
use ham_core::memory::{Memory, RecordId, SlotState};
use ham_core::monitor::{Host, Monitor, Resume, Turn};
use ham_core::plan::{EntityPlan, Item, Kind, PlanIndex, PlanSource, encode};
use ham_core::signal::Signal;
use ham_core::time::{Mono, Span};
use ham_tests::fake::{Kernel, Random, START, SharedMemory, Temper, random_plan};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Steps in which a calm machine must come to rest: the longest back-off and
/// the longest list of a random plan take some dozens.
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
    /// Whether a shadow runs beside it.
    pub(crate) shadow: bool,
}

pub(crate) struct World {
    life: Life,
    host: Host,
    random: Random,
    pub(crate) kernel: Kernel,
    memory: SharedMemory,
    bytes: Vec<u8>,
    pub(crate) plans: Vec<EntityPlan>,
    monitor: Monitor,
    pub(crate) rules: Rules,
    pub(crate) clients: Clients,
    pub(crate) sayings: Sayings,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) takeovers: u32,
    pub(crate) turns: u64,
    next_request: u64,
    answered: BTreeMap<(u64, EntityId), u32>,
    /// Slots that were handed out and not yet told to be free again, with the
    /// generation: as the monitor sees it, not as the words say.
    held: BTreeMap<u32, u32>,
    /// Generations of slots that were told to be free.
    freed: BTreeMap<u32, u32>,
    /// The last things that happened, for the story of a failure.
    story: VecDeque<String>,
}

pub(crate) type Checked = Result<(), String>;

fn restore(host: Host, bytes: &[u8], memory: Box<dyn Memory>, now: Mono) -> (Monitor, Resume) {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore_on(host, plan, memory, now)
}

impl World {
    pub(crate) fn new(life: Life) -> World {
        let mut random = Random::new(life.seed);
        let plans = random_plan(&mut random);
        let bytes = encode(&plans).expect("a plan inside the rules");
        let memory = SharedMemory::default();
        let machine = Random::new(random.bits());
        let kernel = Kernel::new(memory.clone(), machine, Temper::wild());
        let host = ways::host(life.seed);
        let (monitor, _) = restore(host, &bytes, Box::new(memory.clone()), kernel.now);
        World {
            life,
            host,
            random,
            kernel,
            memory,
            bytes,
            plans,
            monitor,
            rules: Rules::default(),
            clients: Clients::default(),
            sayings: Sayings::default(),
            heartbeats: Heartbeats::default(),
            takeovers: 0,
            turns: 0,
            next_request: 1,
            answered: BTreeMap::new(),
            held: BTreeMap::new(),
            freed: BTreeMap::new(),
            story: VecDeque::new(),
        }
    }

    /// The whole life.
    pub(crate) fn run(&mut self) -> Checked {
        self.step(Event::Boot)?;
        let mut next_request = self.kernel.now;
        for _ in 0..self.life.steps {
            if self.kernel.now >= next_request || self.is_quiet() {
                next_request = self.kernel.now.after(self.random.micros(1_000, 1_500_000));
                let event = self.request();
                self.step(event)?;
            }
            self.turn()?;
        }
        let wild_end = self.random.chance(30);
        if !wild_end {
            self.kernel.temper = Temper::calm();
            self.rest()?;
            self.rules.quiet(&mut self.monitor, &self.kernel, &self.plans)?;
            watched(&self.monitor, &self.kernel, &self.plans, true)?;
            for (client, entity) in self.clients.unanswered() {
                // One that waits for a path can do so for ever.
                let view = self.monitor.view(entity);
                if view.state != "waiting" {
                    return Err(format!("{client:?} is never answered: {} is {view:?}", entity.0));
                }
            }
        }
        self.no_pulse_is_lost()?;
        let within = self.random.micros(0, 3_000_000);
        let mut asked = vec![ways::some(&mut self.random, 4)];
        self.step(Event::Shutdown { way: asked[0], within, signals: 1 })?;
        if self.random.chance(30) {
            self.turn()?;
            let within = self.random.micros(0, 1_000_000);
            let way = ways::some(&mut self.random, 5);
            let finished = self.rules.finishes > 0;
            self.step(Event::Shutdown { way, within, signals: 2 })?;
            asked.extend((!finished).then_some(way));
        }
        self.kernel.temper = Temper::calm();
        self.rest()?;
        self.rules.ended(&self.kernel, &self.plans, self.takeovers)?;
        ways::came(self.host, &asked, &self.kernel.finished)?;
        match self.answered.iter().find(|(_, times)| **times > 1) {
            Some((id, times)) if self.takeovers == 0 => {
                Err(format!("request {id:?} was answered {times} times"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Over any number of takeovers, and a successor would find the same.
    fn no_pulse_is_lost(&mut self) -> Checked {
        let mut successor = self.shadow();
        for channel in self.monitor.channels() {
            let (name, waiting) = (&channel.name, self.monitor.waiting_pulses(&channel.name, 0));
            let serials: Vec<u64> = waiting.iter().map(|pulse| pulse.serial).collect();
            let first = channel.last + 1 - serials.len() as u64;
            if channel.lost > 0 || serials != (first..=channel.last).collect::<Vec<u64>>() {
                return Err(format!("{channel:?} holds {serials:?}"));
            }
            if successor.waiting_pulses(name, 0) != waiting {
                return Err(format!("a successor finds other pulses in {name}"));
            }
            self.rules.pulses += u32::try_from(channel.last).unwrap_or(0);
        }
        Ok(())
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

    fn request(&mut self) -> Event {
        if self.random.chance(15) {
            let channel = format!("p{}", self.random.below(3));
            let sent = self.monitor.channel(&channel).map_or(0, |channel| channel.last);
            return Event::Received { channel, upto: self.random.below(sent + 2) };
        }
        let id = self.request_id();
        if self.random.chance(40) {
            return self.sayings.event(&mut self.random, &self.plans, id);
        }
        if self.random.chance(25) {
            return changes::change(&mut self.random, &self.plans, id);
        }
        if self.random.chance(4)
            && let Some(event) = self.sayings.attach_again(id)
        {
            return event;
        }
        if self.random.chance(8)
            && let Some(directive) = self.directive()
        {
            let from = self.random.chance(60).then(|| self.sayings.attaches(&directive));
            return Event::Directive { id, directive, from };
        }
        if self.random.chance(60) {
            return self.clients.event(&mut self.random, &self.plans, id);
        }
        let entities = some(&mut self.random, &self.plans);
        let ask = match self.random.below(10) {
            0..=3 => Ask::Start,
            4 | 5 => Ask::Stop,
            6 | 7 => Ask::Restart,
            8 if self.random.chance(50) => Ask::Reload,
            8 => Ask::Kill(Signal::KILL),
            _ => Ask::Kill(Signal::TERM),
        };
        Event::Request { id, entities, ask, wait: self.random.chance(50), from: None }
    }

    /// A process that runs by itself is attached, or one is let go of: of an
    /// entity alone, since others cannot keep order with what is not ham's.
    fn directive(&mut self) -> Option<Directive> {
        if self.random.chance(40) {
            return Some(self.named());
        }
        let plan = self.random.pick(&self.plans).clone();
        if plan.kind != Kind::Service || !plan.links.is_empty() {
            return None;
        }
        let entity = plan.id;
        if self.random.chance(40) {
            return Some(Directive::Detach { entity });
        }
        let pid = self.kernel.stranger(Arc::new(plan));
        let process = Stranger { pid, start: START, slot: None, own: false };
        Some(Directive::Attach { entity, process, counting: Counting::GoesOn })
    }

    /// The same under a name that no unit has: it is made with its process.
    fn named(&mut self) -> Directive {
        let name = format!("n{}", self.random.below(3));
        if let Some(entity) = self.monitor.find(&name)
            && self.random.chance(60)
        {
            let item = Item::Entity;
            return match self.random.below(4) {
                0 => Directive::Change(Box::new(Change::Remove { entity, item })),
                _ => Directive::Detach { entity },
            };
        }
        let plan = EntityPlan {
            kind: Kind::Placeholder { pid_file: None },
            ..EntityPlan::new(EntityId(0), &name, Vec::new())
        };
        let pid = self.kernel.stranger(Arc::new(plan));
        let process = Stranger { pid, start: START, slot: None, own: false };
        let counting = Counting::GoesOn;
        Directive::AttachNamed { name, keep_on_death: self.random.chance(30), process, counting }
    }

    fn request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Lets the next thing happen, of the machine or of the clock.
    fn turn(&mut self) -> Checked {
        let due = self.monitor.deadline();
        let happens = self.kernel.next();
        match (due, happens) {
            (Some(due), Some(next)) if due <= next => self.wake(due),
            (Some(due), None) => self.wake(due),
            (_, Some(_)) => match self.kernel.turn() {
                Some(event) => self.step(event),
                None => self.sound(),
            },
            (None, None) => Ok(()),
        }
    }

    fn wake(&mut self, due: Mono) -> Checked {
        self.kernel.now = self.kernel.now.max(due);
        self.step(Event::Tick)
    }

    fn sound(&self) -> Checked {
        match self.kernel.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// One turn of the monitor, in which it may die.
    fn step(&mut self, event: Event) -> Checked {
        // A monitor that was kept from the processor meets an event and
        // deadlines that have passed meanwhile in the same turn.
        if self.random.chance(10) {
            self.kernel.now = self.kernel.now.after(self.random.micros(0, 400_000));
        }
        let now = self.kernel.now;
        if let Event::SlotFreed { slot } = event {
            // Its word has said so before anybody was told.
            self.slot_freed(slot);
        }
        let shadow = self.life.shadow.then(|| self.shadow());
        let repeats = self.clients.is_repeat(&event) || self.sayings.is_repeat(&event);
        let without = repeats.then(|| self.shadow());
        self.turns += 1;
        let mut turn = Turn::default();
        self.monitor.step(now, event.clone(), &mut turn);
        self.tell(&event, &turn.effects);
        if let Some(shadow) = shadow {
            self.compare(shadow, &event, &turn)?;
        }
        if let Some(without) = without {
            had_no_effect(&self.monitor, without, now, &event, &turn)?;
        }
        if self.dies() {
            // Before the commit: the turn never was. What the daemon has from
            // outside it has again: a client repeats, the reaper's word stands.
            self.take_over()?;
            return match event {
                Event::Boot
                | Event::Shutdown { .. }
                | Event::Request { .. }
                | Event::Directive { .. }
                | Event::Told { .. }
                | Event::Ready { .. } => self.step(event),
                _ => Ok(()),
            };
        }
        self.commit(Some(&event), &turn)?;
        self.rules.stepped(&self.monitor, now)?;
        self.rules.ordered(&mut self.monitor, &self.kernel, &self.plans, &turn)?;
        if self.dies() {
            let some = self.random.below(turn.effects.len() as u64 + 1);
            self.carry(&turn.effects[..usize::try_from(some).unwrap_or(0)])?;
            return self.take_over();
        }
        self.carry(&turn.effects)?;
        watched(&self.monitor, &self.kernel, &self.plans, false)
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

    fn commit(&mut self, event: Option<&Event>, turn: &Turn) -> Checked {
        self.memory.commit(&self.monitor, turn);
        for effect in &turn.effects {
            match effect {
                Effect::Spawn(spawn) => {
                    self.held.insert(spawn.slot.index, spawn.slot.generation);
                }
                Effect::Attach { slot, .. } => {
                    self.held.insert(slot.index, slot.generation);
                }
                Effect::Reply { id, entity, .. } => {
                    *self.answered.entry((id.0, *entity)).or_default() += 1;
                }
                _ => {}
            }
        }
        self.clients.committed(event, turn)?;
        self.sayings.committed(event, turn)?;
        self.heartbeats.committed(&self.monitor, &self.plans, event, (self.kernel.now, turn))?;
        self.rules.committed(turn)
    }

    fn carry(&mut self, effects: &[Effect]) -> Checked {
        for effect in effects {
            self.kernel.carry(effect);
        }
        self.clients.carried(effects)?;
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
    fn restored(&self, memory: Box<dyn Memory>) -> (Monitor, Resume) {
        restore(self.host, &self.bytes, memory, self.kernel.now)
    }

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
            self.commit(None, &resume.turn)?;
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
            let next = &mut self.next_request;
            for event in self.clients.reconnect(|| {
                *next += 1;
                RequestId(*next)
            }) {
                self.kernel.post(event);
            }
            return self.sound();
        }
    }

    /// Which slots the new monitor takes for not free: those that a record
    /// owns and those whose words say so.
    fn take_stock(&mut self) {
        self.held.clear();
        self.freed.clear();
        let store = self.memory.store();
        for (index, word) in &store.slots {
            if word.state != SlotState::Free {
                self.held.insert(*index, word.generation);
            }
        }
        for record in store.records.values() {
            if let Some(slot) = record.head.slot {
                self.held.insert(slot.index, slot.generation);
            }
        }
    }

    /// What there is to say when something is wrong.
    pub(crate) fn describe(&self) -> String {
        let records: Vec<RecordId> = self.memory.store().records.keys().copied().collect();
        let plans: Vec<String> = self.plans.iter().map(|plan| format!("{plan:?}")).collect();
        let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
        format!(
            "{}\nplans\n{}\nat {} after {} turns and {} takeovers; records {records:?}",
            story.join("\n"),
            plans.join("\n"),
            Span(self.kernel.now.0),
            self.turns,
            self.takeovers
        )
    }
}
