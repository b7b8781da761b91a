//! Good states: the core on the fake machine for a while, every turn of it
//! committed by the daemon's own store, and the slots as the machine has them.

use super::bed::{Bed, Image};
use crate::fake::{Kernel, Random, SharedMemory, SlotWord, Temper, random_plan};
use crate::memory::Store;
use ham_core::effect::{Effect, Fact};
use ham_core::event::{Ask, Caller, Event};
use ham_core::ids::{EntityId, RequestId};
use ham_core::memory::SlotState;
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{EntityPlan, PlanIndex, PlanSource, encode};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_core::way::Way;
use ham_core::words::Words;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::history::Entry;
use ham_snapshot::layout::{HEAD_WORDS, HEADS_AT, RECORDS, VERSIONS};
use ham_snapshot::rings::Orphan;
use ham_sys::reap::Exit;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// A state that a monitor could have left behind.
pub(super) struct Good {
    pub(super) image: Image,
    pub(super) plans: Vec<EntityPlan>,
    /// When it was left.
    pub(super) now: Mono,
    /// All contents that any record ever had: nothing else may be read.
    pub(super) known: BTreeSet<Words>,
    /// The records that exist, by number.
    pub(super) records: Vec<usize>,
    /// The slots that were used.
    pub(super) slots: Vec<u32>,
}

pub(super) fn open(bytes: Vec<u8>) -> PlanIndex<Box<dyn PlanSource>> {
    let source: Box<dyn PlanSource> = Box::new(bytes);
    PlanIndex::open(source).expect("a plan that was just encoded")
}

/// What of a turn goes into the history.
pub(super) fn entries(turn: &Turn, now: Mono) -> Vec<Entry> {
    let noted = turn.effects.iter().filter_map(|effect| match effect {
        Effect::Notice(notice) => Some(match notice.fact {
            Fact::Died { pid, status } => (6, [u64::from(pid.unsigned_abs()), status.to_word()]),
            _ => (1, [u64::from(notice.entity.0), 0]),
        }),
        _ => None,
    });
    let entry = |(kind, details)| {
        let text = "name\u{1f}what has happened to it".to_owned();
        Entry { mono: now.0, real: now.0, kind, details, text, ..Entry::default() }
    };
    noted.map(entry).collect()
}

/// One life of the core, wholly determined by `seed`.
pub(super) fn live(bed: &Bed, seed: u64) -> Good {
    bed.format();
    let state = bed.state();
    let mut random = Random::new(seed);
    let plans = random_plan(&mut random);
    let bytes = encode(&plans).expect("a plan inside the rules");
    let (generation, half) = state.free_plan_half();
    assert!(half.write(&bytes));
    state.switch_plan(generation, half);
    let memory = SharedMemory::default();
    let machine = Random::new(random.bits());
    let kernel = Kernel::new(memory.clone(), machine, Temper::wild());
    let (monitor, _) = Monitor::restore(open(bytes), Box::new(memory.clone()), kernel.now);
    let store = Store::new(bed.shared);
    let known = BTreeSet::new();
    let mut life = Life { random, memory, kernel, monitor, store, known, state };
    life.step(Event::Boot);
    for number in 0..10 + life.random.below(120) {
        let wants = life.random.chance(15) || life.is_quiet();
        let event = if wants { life.request(&plans, number) } else { life.next() };
        if let Some(event) = event {
            life.step(event);
        }
    }
    if life.random.chance(20) {
        life.step(Event::Shutdown { way: Way::Exit(3), within: Span::seconds(1), signals: 1 });
    }
    if life.random.chance(30) {
        // The last turn was cut off right before it would have counted.
        state.set(Field::CommittedTurn, state.get(Field::CommittedTurn) - 1);
    }
    life.leave_slots();
    let Life { memory, kernel, known, .. } = life;
    let slots = memory.store().slots.keys().copied().collect();
    let image = bed.image();
    let records = records_of(&image);
    Good { image, plans, now: kernel.now, known, records, slots }
}

fn records_of(image: &Image) -> Vec<usize> {
    let size = VERSIONS * HEAD_WORDS;
    let heads =
        image.iter().filter(|(place, _)| (HEADS_AT..HEADS_AT + RECORDS * size).contains(place));
    let numbers: BTreeSet<usize> = heads.map(|(place, _)| (place - HEADS_AT) / size).collect();
    numbers.into_iter().collect()
}

struct Life {
    random: Random,
    memory: SharedMemory,
    kernel: Kernel,
    monitor: Monitor,
    store: Store,
    known: BTreeSet<Words>,
    state: State,
}

impl Life {
    fn is_quiet(&self) -> bool {
        self.kernel.next().is_none() && self.monitor.deadline().is_none()
    }

    /// What happens next by itself; `None`: nothing that is told.
    fn next(&mut self) -> Option<Event> {
        match (self.monitor.deadline(), self.kernel.next()) {
            (Some(due), next) if next.is_none_or(|next| due <= next) => {
                self.kernel.now = self.kernel.now.max(due);
                Some(Event::Tick)
            }
            _ => self.kernel.turn(),
        }
    }

    fn request(&mut self, plans: &[EntityPlan], number: u64) -> Option<Event> {
        let entities: Vec<EntityId> = plans.iter().map(|plan| plan.id).collect();
        let asks =
            [Ask::Start, Ask::Reload, Ask::Stop, Ask::Restart, Ask::Kill(Signal::TERM), Ask::Start];
        let ask = *self.random.pick(&asks);
        let from =
            Some(Caller { uid: 0, own: true, client: self.random.below(3), serial: number + 1 });
        let wait = self.random.chance(50);
        Some(Event::Request { id: RequestId(number), entities, ask, wait, from })
    }

    fn step(&mut self, event: Event) {
        let mut turn = Turn::default();
        self.monitor.step(self.kernel.now, event, &mut turn);
        self.memory.commit(&self.monitor, &turn);
        let changed: Vec<_> = turn.dirty.iter().map(|id| (*id, self.monitor.record(*id))).collect();
        self.known.extend(changed.iter().filter_map(|(_, record)| Some(record.as_ref()?.words)));
        let history = entries(&turn, self.kernel.now);
        self.store.commit(&changed, &history).expect("room for a turn");
        for effect in &turn.effects {
            self.kernel.carry(effect);
        }
    }

    /// The words of the slots, by the protocol.
    fn leave_slots(&mut self) {
        let slots = self.memory.store().slots.clone();
        for (index, word) in &slots {
            self.store.reserve_slot(*index).expect("room for a slot");
            leave_slot(self.state, *index, word);
        }
        for pid in 1..1 + i32::try_from(self.random.below(5)).unwrap_or(0) {
            self.state.push_orphan(Orphan { pid, code: Exit::EXITED, status: 0, at: 1 });
        }
    }
}

fn leave_slot(state: State, index: u32, word: &SlotWord) {
    if word.generation == 0 {
        return;
    }
    let slot = state.slot(index).expect("a slot of the fake machine");
    slot.intend(word.generation);
    slot.set_name("name");
    let (pid, _, error) = slot.kernel_words();
    pid.store(u64::from(word.last_pid.unsigned_abs()), Ordering::Relaxed);
    error.store(word.error, Ordering::Relaxed);
    state.hint(word.last_pid, index);
    if word.state == SlotState::Running {
        assert!(slot.run(word.generation, word.last_pid, 1));
    }
    if let (SlotState::Exited, Some((status, at))) = (word.state, word.exit) {
        let (code, status) = as_told(status);
        assert!(slot.exit(code, status, at.0));
        state.push_exit(index);
    }
    if word.pid == 0 {
        slot.forget_pid(word.last_pid);
    }
    if word.state == SlotState::Free {
        assert!(slot.free(word.generation));
    }
}

/// As waitid(2) tells it.
pub(super) fn as_told(status: ExitStatus) -> (i32, i32) {
    match status {
        ExitStatus::Code(code) => (Exit::EXITED, i32::from(code)),
        ExitStatus::Signal { signal, core: false } => (Exit::KILLED, i32::from(signal.0)),
        ExitStatus::Signal { signal, core: true } => (Exit::DUMPED, i32::from(signal.0)),
        ExitStatus::Unknown => (0, 0),
    }
}
