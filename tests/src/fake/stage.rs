//! A monitor on the fake machine that may die at any point of a turn, and what
//! outlives it. What events there are, and what must hold, is for those who live
//! there to say.

use super::{Kernel, Random, SharedMemory, Temper};
use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::ids::{RequestId, SlotRef};
use ham_core::memory::{Memory, SlotState};
use ham_core::monitor::{Host, Monitor, Resume, Turn};
use ham_core::plan::{EntityPlan, PlanIndex, PlanSource, encode};
use ham_core::time::{Mono, Span};
use std::collections::{BTreeMap, VecDeque};

/// Steps in which a calm machine must come to rest: the longest back-off and
/// the longest list of a random plan take some dozens.
const STEPS_TO_REST: u32 = 20_000;

/// Turns that the story of a failure goes back.
const STORY: usize = 60;

/// What is wrong, if anything is.
pub type Checked = Result<(), String>;

/// A plan of these bytes.
///
/// # Panics
/// When they are none.
#[must_use]
pub fn open(bytes: &[u8]) -> PlanIndex<Box<dyn PlanSource>> {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    PlanIndex::open(source).expect("a plan that was just encoded")
}

/// The monitor, the machine, and the memory between them.
#[derive(Debug)]
pub struct Stage {
    /// What decides.
    pub random: Random,
    /// The machine.
    pub kernel: Kernel,
    /// What is committed.
    pub memory: SharedMemory,
    /// The plan in force.
    pub bytes: Vec<u8>,
    /// The monitor of this moment.
    pub monitor: Monitor,
    /// So many have died.
    pub takeovers: u32,
    /// So many turns they have had.
    pub turns: u64,
    /// One dies in so many of a hundred turns, before or after each commit.
    deaths: u64,
    /// Where the monitors run.
    pub(super) host: Host,
    requests: u64,
    /// Slots that were handed out and not yet told to be free again, with the
    /// generation: as the monitor sees it, not as the words say.
    pub(super) held: BTreeMap<u32, u32>,
    /// Generations of slots that were told to be free.
    pub(super) freed: BTreeMap<u32, u32>,
    /// The last things that happened, for the story of a failure.
    story: VecDeque<String>,
}

impl Stage {
    /// A wild machine, and a monitor for this plan that has not begun, on such a
    /// host.
    ///
    /// # Panics
    /// When the plan is outside the rules.
    #[must_use]
    pub fn new(mut random: Random, plans: &[EntityPlan], deaths: u64, host: Host) -> Stage {
        let bytes = encode(plans).expect("a plan inside the rules");
        let memory = SharedMemory::default();
        let machine = Random::new(random.bits());
        let kernel = Kernel::new(memory.clone(), machine, Temper::wild());
        let boxed: Box<dyn Memory> = Box::new(memory.clone());
        let (monitor, _) = Monitor::restore_on(host, open(&bytes), boxed, kernel.now);
        Stage {
            random,
            kernel,
            memory,
            bytes,
            monitor,
            takeovers: 0,
            turns: 0,
            deaths,
            host,
            requests: 1,
            held: BTreeMap::new(),
            freed: BTreeMap::new(),
            story: VecDeque::new(),
        }
    }

    /// A number for a request, not used before.
    pub fn request_id(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Whether nothing will happen by itself.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.kernel.next().is_none() && self.monitor.deadline().is_none()
    }

    /// Whether the monitor is to die at this point.
    pub fn dies(&mut self) -> bool {
        self.random.chance(self.deaths)
    }

    /// Whether nothing was asked of the machine that must not be.
    ///
    /// # Errors
    /// The first fault.
    pub fn sound(&self) -> Checked {
        match self.kernel.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// The next event, of the machine or of the clock, if it is one for the
    /// monitor.
    pub fn happens(&mut self) -> Option<Event> {
        match (self.monitor.deadline(), self.kernel.next()) {
            (Some(due), next) if next.is_none_or(|next| due <= next) => {
                self.kernel.now = self.kernel.now.max(due);
                Some(Event::Tick)
            }
            (_, Some(_)) => self.kernel.turn(),
            (_, None) => None,
        }
    }

    /// The time of a turn that is about to begin with this event.
    pub fn begin(&mut self, event: &Event) -> Mono {
        // A monitor that was kept from the processor meets an event and
        // deadlines that have passed meanwhile in the same turn.
        if self.random.chance(10) {
            self.kernel.now = self.kernel.now.after(self.random.micros(0, 400_000));
        }
        if let Event::SlotFreed { slot } = event {
            // Its word has said so before anybody was told.
            self.slot_freed(*slot);
        }
        self.kernel.now
    }

    fn slot_freed(&mut self, slot: SlotRef) {
        if self.held.get(&slot.index) == Some(&slot.generation) {
            self.held.remove(&slot.index);
            let freed = self.freed.entry(slot.index).or_default();
            *freed = slot.generation.max(*freed);
        }
    }

    /// Notes what has happened and what came of it.
    pub fn tell(&mut self, what: &impl std::fmt::Debug, effects: &[Effect]) {
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

    /// The turn counts from here on.
    pub fn commit(&mut self, turn: &Turn) {
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
    }

    /// Carries effects out.
    pub fn carry(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.kernel.carry(effect);
        }
    }

    /// Another monitor in the place of the one that has died.
    fn succeed(&mut self) -> Resume {
        self.takeovers += 1;
        self.kernel.monitor_dies();
        self.kernel.now = self.kernel.now.after(self.random.micros(50, 3_000));
        let boxed: Box<dyn Memory> = Box::new(self.memory.clone());
        let (monitor, resume) =
            Monitor::restore_on(self.host, open(&self.bytes), boxed, self.kernel.now);
        self.monitor = monitor;
        self.tell(&"takeover", &resume.turn.effects);
        self.take_stock();
        resume
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
        for slot in store.records.values().filter_map(|record| record.head.slot) {
            self.held.insert(slot.index, slot.generation);
        }
    }

    /// What a monitor that goes on finds out by itself.
    fn resume(&mut self, resume: Resume) {
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
    }

    /// What there is to say when something is wrong.
    #[must_use]
    pub fn describe(&self, plans: &[EntityPlan]) -> String {
        let plans: Vec<String> = plans.iter().map(|plan| format!("{plan:?}")).collect();
        let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
        format!(
            "{}\nplans\n{}\nat {} after {} turns and {} takeovers",
            story.join("\n"),
            plans.join("\n"),
            Span(self.kernel.now.0),
            self.turns,
            self.takeovers
        )
    }
}

/// Who lives on a stage.
pub trait Lives {
    /// Where that is.
    fn stage(&mut self) -> &mut Stage;

    /// One turn of the monitor, in which it may die.
    ///
    /// # Errors
    /// What is wrong then.
    fn step(&mut self, event: Event) -> Checked;

    /// A turn counts: of that event, or of a takeover.
    ///
    /// # Errors
    /// What is wrong with it.
    fn commit(&mut self, event: Option<&Event>, turn: &Turn) -> Checked;

    /// Effects are carried out.
    ///
    /// # Errors
    /// What is wrong with them.
    fn carry(&mut self, effects: &[Effect]) -> Checked;

    /// Another monitor goes on.
    fn taken_over(&mut self) {}

    /// Lets the next thing happen.
    ///
    /// # Errors
    /// What is wrong then.
    fn turn(&mut self) -> Checked {
        match self.stage().happens() {
            Some(event) => self.step(event),
            None => self.stage().sound(),
        }
    }

    /// Lets things happen until nothing does any more.
    ///
    /// # Errors
    /// What is wrong then, or that it does not end.
    fn rest(&mut self) -> Checked {
        for _ in 0..STEPS_TO_REST {
            if self.stage().is_quiet() {
                return Ok(());
            }
            self.turn()?;
        }
        Err("does not come to rest".to_owned())
    }

    /// Effects of a monitor that dies while it carries them out.
    ///
    /// # Errors
    /// What is wrong with them.
    fn carry_some(&mut self, effects: &[Effect]) -> Checked {
        let some = self.stage().random.below(effects.len() as u64 + 1);
        self.carry(&effects[..usize::try_from(some).unwrap_or(0)])
    }

    /// The monitor is dead; the next one goes on, if it lives long enough.
    ///
    /// # Errors
    /// What is wrong then.
    fn take_over(&mut self) -> Checked {
        loop {
            let resume = self.stage().succeed();
            if self.stage().dies() {
                continue;
            }
            self.commit(None, &resume.turn)?;
            if self.stage().dies() {
                self.carry_some(&resume.turn.effects)?;
                continue;
            }
            self.carry(&resume.turn.effects)?;
            self.stage().resume(resume);
            self.taken_over();
            return self.stage().sound();
        }
    }
}
