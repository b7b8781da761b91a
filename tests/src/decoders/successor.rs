//! A successor on a state that may be damaged: it reads all there is to read,
//! takes over as the daemon does, and goes on for a while. What must hold is
//! asserted on the way.

use super::bed::Bed;
use super::choices::Choices;
use super::life::{self, Good};
use crate::memory::{PlanMemory, SharedMemory, Store};
use crate::salvage::{Salvage, Salvaged};
use ham_core::directive::{Directive, Heartbeat};
use ham_core::effect::{Effect, Fact, Notice, Process, Spawn};
use ham_core::event::{Ask, Caller, Event, Wait};
use ham_core::ids::{EntityId, RequestId, SlotRef};
use ham_core::memory::{Memory, SlotState};
use ham_core::monitor::{Monitor, Resume, Turn};
use ham_core::notify::Told;
use ham_core::plan::{PlanIndex, PlanSource, encode};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_core::way::Way;
use ham_core::words::Words;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::layout::{BODIES_AT, BODY_WORDS, HISTORY, KEPT, SLOTS, VERSIONS};
use ham_snapshot::rings::Orphan;
use ham_snapshot::slots::Phase;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

/// More effects in one turn than this would be a loop: a good state has some
/// dozens of entities, lists and slots, a damaged one has no more that say
/// something.
const MANY_EFFECTS: usize = 1_000;
/// Events that one case goes on for, beside those that are chosen.
const EVENTS: usize = 120;
const ROUNDS: usize = 12;

/// As `begin` of the daemon does, and then some.
pub(super) fn take_over(
    bed: &Bed,
    good: &Good,
    known: &BTreeSet<Words>,
    choices: &mut Choices<'_>,
) {
    let Ok(state) = State::open(bed.words()) else { return };
    read_all(state, good);
    whole_or_not_at_all(state, good, known);
    hand_over(state);
    let salvage = *choices.pick(&[
        Salvage::Nothing,
        Salvage::Nothing,
        Salvage::Nothing,
        Salvage::Lists,
        Salvage::Entities,
    ]);
    let mut successor = Successor::new(bed, good, salvage);
    for _ in 0..ROUNDS {
        if !choices.are_left() {
            break;
        }
        successor.round(good, choices);
    }
    successor.read_every_entity(good);
    read_all(state, good);
    hand_over(state);
}

/// Everything that is read of a state by somebody.
fn read_all(state: State, good: &Good) {
    for index in good.slots.iter().copied().chain([0, 7, 8, SLOTS as u32 - 1, u32::MAX]) {
        let Some(slot) = state.slot(index) else { continue };
        let _ = (slot.word(), slot.live_pid(), slot.status(), slot.error(), slot.name());
        let _ = (slot.leader(), slot.start_time());
        let _ = slot.live_pid().and_then(|pid| state.slot_of_pid(pid));
        let _ = SharedMemory { state }.slot(index);
    }
    let taken = state.get(Field::ExitQueueTail);
    let exits = (0..4).map(|back| state.exit_at(taken.wrapping_sub(back)));
    assert!(exits.count() == 4 && state.exit_at(taken).is_none());
    let _ = (state.find_orphan(3), state.orphans_overwritten(), state.free_plan_half());
    for (place, _) in state.all_kept() {
        let _ = state.kept_name(place);
    }
    let _ = (state.kept(KEPT), state.kept_name(KEPT));
    // As the log does, and whoever asks for the history.
    let mut number = state.history_oldest();
    let mut looked = 0;
    while number < state.get(Field::HistoryNext) {
        let _ = state.history(number);
        number += 1;
        looked += 1;
        assert!(looked <= HISTORY, "the history has no end");
    }
    let plan = state.plan_in_force().and_then(|(_, half)| {
        let source: Box<dyn PlanSource> = Box::new(PlanMemory(half));
        PlanIndex::open(source).ok()
    });
    for plan in plan.iter().flat_map(|index| index.ids().map(|id| index.entity(id))).flatten() {
        assert!(good.plans.contains(&plan), "half a definition: {plan:?}");
    }
}

/// A record is as somebody wrote it, in a turn of old or in the last, or it is
/// not there.
fn whole_or_not_at_all(state: State, good: &Good, known: &BTreeSet<Words>) {
    let records = state.records();
    for record in &good.records {
        let _ = records.head(*record);
        if let Ok(Some(words)) = records.load(*record) {
            assert!(known.contains(&words), "record {record} was read as {words:?}");
        }
    }
}

/// What the reaper does is found by the monitor, whatever the header says.
fn hand_over(state: State) {
    let (exits, pid) = (state.get(Field::ExitQueueTail), 2_000_000_000);
    state.push_exit(9);
    assert_eq!(state.exit_at(exits), Some(9));
    assert_eq!(state.exit_at(exits.wrapping_add(1)), None);
    state.push_orphan(Orphan { pid, code: 1, status: 2, at: exits });
    assert_eq!(state.find_orphan(pid).map(|orphan| orphan.at), Some(exits));
    assert!([-1, 0, i32::MIN, i32::MAX].iter().all(|pid| state.slot_of_pid(*pid).is_none()));
}

/// [`super::lost_records`] of one good state.
pub(super) fn lose_each(bed: &Bed, good: &Good) -> usize {
    good.plans.iter().filter(|plan| lose(bed, good, plan.id)).count()
}

fn lose(bed: &Bed, good: &Good, entity: EntityId) -> bool {
    bed.lay(&good.image);
    let state = bed.state();
    let record = 1 + entity.index();
    for version in 0..VERSIONS {
        let at = BODIES_AT + (record * VERSIONS + version) * BODY_WORDS;
        bed.set(at, bed.get(at) ^ 1);
    }
    let memory = SharedMemory { state };
    let head = state.records().head(record);
    let slot = head.and_then(|head| SlotRef::from_word(head.slot));
    let holds = |slot: &SlotRef| {
        let view = memory.slot(slot.index);
        let made = view.has_pid || view.state != SlotState::Intent;
        view.generation == slot.generation && view.state != SlotState::Free && made
    };
    let Some(slot) = slot.filter(holds) else { return false };
    let lives = memory.slot(slot.index).state != SlotState::Exited;
    let mut successor = Successor::new(bed, good, Salvage::Nothing);
    if lives {
        assert_eq!(successor.monitor.owner_of(slot), Some((entity, false)));
        // Nor does anybody who asks for it get a second one.
        successor.ask(vec![entity], Ask::Start);
        assert!(!successor.spawned.contains(&entity), "entity {} has a process", entity.0);
        let place = state.slot(slot.index).expect("a slot of the record");
        assert!(place.exit(1, 7, successor.now.0));
        state.push_exit(slot.index);
        place.forget_pid(i32::try_from(place.pid()).unwrap_or(0));
        successor.exited(slot.index);
    }
    let ended = |notice: &Notice| {
        let fact = &notice.fact;
        // A daemon with a pid file may go on as what that names.
        let moved = matches!(fact, Fact::MainProcess { .. });
        let died = moved || matches!(fact, Fact::Died { .. } | Fact::Stopped { .. });
        notice.entity == entity && (died || matches!(fact, Fact::StartFailed { .. }))
    };
    assert!(successor.has_noted(entity, &Fact::RecordLost));
    assert!(successor.noted.iter().any(ended), "entity {}: {:?}", entity.0, successor.noted);
    true
}

struct Successor<'a> {
    bed: &'a Bed,
    state: State,
    monitor: Monitor,
    store: Store,
    now: Mono,
    events: VecDeque<Event>,
    /// Events that are left to this case.
    left: usize,
    next_pid: i32,
    serial: u64,
    noted: Vec<Notice>,
    spawned: Vec<EntityId>,
}

impl<'a> Successor<'a> {
    fn new(bed: &'a Bed, good: &Good, salvage: Salvage) -> Successor<'a> {
        let state = bed.state();
        SharedMemory { state }.mend();
        let half = state.plan_in_force().map(|(_, half)| half);
        let plan = half.and_then(|half| {
            let source: Box<dyn PlanSource> = Box::new(PlanMemory(half));
            PlanIndex::open(source).ok()
        });
        // Without a plan no entity means anything.
        let salvage = if plan.is_some() { salvage } else { Salvage::Manager };
        let _ = salvage.remark();
        let plan = plan.unwrap_or_else(|| life::open(encode(&[]).expect("no entities at all")));
        let now = good.now.after(Span::millis(1));
        let memory = Salvaged::new(SharedMemory { state }, salvage);
        let (monitor, resume) = Monitor::restore(plan, Box::new(memory), now);
        let mut successor = Successor {
            bed,
            state,
            monitor,
            store: Store::new(bed.shared),
            now,
            events: VecDeque::new(),
            left: EVENTS,
            next_pid: 1_000_000,
            serial: 1_000,
            noted: Vec::new(),
            spawned: Vec::new(),
        };
        successor.resume(resume);
        successor
    }

    fn resume(&mut self, resume: Resume) {
        self.finish(&resume.turn);
        for slot in resume.adopt {
            let pid = self.state.slot(slot.index).map_or(0, |place| place.leader());
            self.events.push_back(Event::Spawned { slot, pid });
        }
        for index in resume.exited {
            self.exited(index);
        }
        self.events.push_back(Event::WatchAgain { entities: resume.beats });
        self.events.push_back(Event::Boot);
        self.run();
    }

    /// One thing that somebody chooses.
    fn round(&mut self, good: &Good, choices: &mut Choices<'_>) {
        match choices.below(10) {
            8 => {
                let slot = SlotRef { index: 8 + choices.byte() as u32 % 32, generation: 1 };
                let told = Told {
                    ready: choices.byte().is_multiple_of(2),
                    reloading: choices.byte().is_multiple_of(2),
                    at: choices.byte().is_multiple_of(2).then_some(Mono(choices.bits())),
                    main: choices.byte().is_multiple_of(4).then_some(7),
                    extend: choices.byte().is_multiple_of(4).then_some(Span(choices.bits())),
                    status: choices.byte().is_multiple_of(2).then(|| "ü".repeat(300)),
                    trigger: choices.byte().is_multiple_of(4),
                    interval: choices.byte().is_multiple_of(4).then_some(Span(choices.bits())),
                    ..Told::default()
                };
                self.events.push_back(Event::Told { slot, told: Box::new(told) });
                self.events.push_back(Event::Ready { slot });
            }
            9 => {
                let entity = good.plans[choices.below(good.plans.len())].id;
                self.events.push_back(Event::Tidied { entity });
                let wait = Wait::Start(entity);
                self.events.push_back(Event::PathSeen { wait, ok: choices.byte() < 200 });
                self.beats(entity, choices);
            }
            0 | 1 => {
                // The clock is sound: it does not come to what a damaged head
                // says is due at the end of time.
                let year = self.now.after(Span::seconds(365 * 86_400));
                let due = self.monitor.deadline().filter(|due| *due < year);
                self.now = due.unwrap_or(self.now).max(self.now);
                self.events.push_back(Event::Tick);
            }
            2 | 3 => self.die(good, choices),
            4 | 5 => {
                let entities = good.plans.iter().map(|plan| plan.id).collect();
                let asks =
                    [Ask::Start, Ask::Stop, Ask::Restart, Ask::Kill(Signal::TERM), Ask::Reload];
                let ask = *choices.pick(&asks);
                self.ask(entities, ask);
            }
            6 => {
                let slot = SlotRef { index: 8 + choices.byte() as u32 % 32, generation: 1 };
                let left = u32::from(choices.byte() % 2);
                self.events.push_back(Event::Cleared { slot, left });
                self.events.push_back(Event::SlotFreed { slot });
            }
            _ => {
                let within = Span::millis(u64::from(choices.byte()));
                self.events.push_back(Event::Shutdown { way: Way::Exit(0), within, signals: 1 });
            }
        }
        self.run();
    }

    /// Periods of an entity, with heartbeats and without.
    fn beats(&mut self, entity: EntityId, choices: &mut Choices<'_>) {
        let Some(slot) = self.monitor.slot_of(entity) else { return };
        for _ in 0..choices.below(4) {
            let count = u32::from(choices.byte() % 3);
            self.events.push_back(Event::Beats { entity, slot, count });
        }
        let id = RequestId(self.serial);
        let to = *choices.pick(&[Heartbeat::Suspend, Heartbeat::Resume, Heartbeat::Query]);
        let entity = Some(entity).filter(|_| choices.byte().is_multiple_of(2));
        let directive = Directive::Heartbeat { entity, to };
        self.events.push_back(Event::Directive { id, directive, from: None });
    }

    fn ask(&mut self, entities: Vec<EntityId>, ask: Ask) {
        self.serial += 1;
        let from = Some(Caller { uid: 0, own: true, client: self.serial % 5, serial: self.serial });
        let id = RequestId(self.serial);
        self.events.push_back(Event::Request { id, entities, ask, wait: true, from });
        self.run();
    }

    /// As the reaper meets it.
    fn die(&mut self, good: &Good, choices: &mut Choices<'_>) {
        if good.slots.is_empty() {
            return;
        }
        let index = *choices.pick(&good.slots);
        let Some(pid) = self.state.slot(index).and_then(|slot| slot.live_pid()) else { return };
        let Some(slot) = self.state.slot_of_pid(pid) else { return };
        let (code, status) = life::as_told(ExitStatus::Code(choices.byte()));
        if slot.exit(code, status, self.now.0) {
            self.state.push_exit(slot.index());
        }
        slot.forget_pid(pid);
        self.exited(slot.index());
    }

    /// As the daemon is told of it.
    fn exited(&mut self, index: u32) {
        let Some(place) = self.state.slot(index) else { return };
        let (generation, Phase::Exited) = place.word() else { return };
        let (slot, pid) = (SlotRef { index, generation }, place.leader());
        let (_, status, at) = place.status();
        let status = ExitStatus::Code(u8::try_from(status & 0xff).unwrap_or(0));
        self.events.push_back(match place.error() {
            0 => Event::Exited { slot, pid, status, at: Mono(at) },
            error => Event::SpawnFailed { slot, error },
        });
        self.run();
    }

    fn run(&mut self) {
        while let Some(event) = self.events.pop_front() {
            if self.left == 0 {
                self.events.clear();
                return;
            }
            self.left -= 1;
            let mut turn = Turn::default();
            self.monitor.step(self.now, event, &mut turn);
            let due = self.monitor.deadline();
            assert!(due.is_none_or(|due| due > self.now), "{due:?} is not after {:?}", self.now);
            self.finish(&turn);
        }
    }

    /// Commits a turn, which then counts, and carries it out.
    fn finish(&mut self, turn: &Turn) {
        assert!(turn.effects.len() < MANY_EFFECTS, "{} effects", turn.effects.len());
        let changed: Vec<_> = turn.dirty.iter().map(|id| (*id, self.monitor.record(*id))).collect();
        self.store.commit(&changed, &life::entries(turn, self.now)).expect("room for a turn");
        let memory = SharedMemory { state: self.bed.state() };
        for (id, record) in &changed {
            let expected = record.as_ref().map(|record| record.words);
            assert_eq!(memory.load(*id), Ok(expected), "{id:?} does not count");
        }
        for effect in &turn.effects {
            self.carry(effect);
        }
    }

    fn carry(&mut self, effect: &Effect) {
        let event = match effect {
            Effect::Spawn(spawn) => {
                self.spawn(spawn);
                return;
            }
            Effect::Clear { slot, .. } => Event::Cleared { slot: *slot, left: 0 },
            Effect::Free { slot } => {
                let Some(place) = self.state.slot(slot.index) else { return };
                if !place.free(slot.generation) {
                    return;
                }
                Event::SlotFreed { slot: *slot }
            }
            Effect::Signal { run: Some(run), .. }
            | Effect::SignalProcess { run, .. }
            | Effect::Log { run, .. } => Event::ActionDone { run: *run, ok: true },
            Effect::Watch { wait, .. } => Event::PathSeen { wait: *wait, ok: true },
            Effect::FindMain { slot, .. } if slot.generation.is_multiple_of(2) => {
                Event::MainFound { slot: *slot, pid: 3 }
            }
            Effect::FindMain { slot, .. } => Event::MainMissing { slot: *slot, left: false },
            // Nobody runs here but for ham.
            Effect::Attach { slot, .. } => Event::SpawnFailed { slot: *slot, error: 2 },
            Effect::Release { slot } => {
                let Some(place) = self.state.slot(slot.index) else { return };
                place.release(slot.generation);
                Event::Cleared { slot: *slot, left: 0 }
            }
            Effect::ReadPid { entity, .. } => Event::PidRead { entity: *entity, process: None },
            Effect::Tidy { entity, .. } => Event::Tidied { entity: *entity },
            Effect::Notice(notice) => {
                self.noted.push(notice.clone());
                return;
            }
            Effect::Signal { run: None, .. }
            | Effect::SignalAll { .. }
            | Effect::Adopt { .. }
            | Effect::Unwatch { .. }
            | Effect::Reply { .. }
            | Effect::Verdict { .. }
            | Effect::WatchBeats { .. }
            | Effect::WatchMemory { .. }
            | Effect::UnwatchBeats { .. }
            | Effect::Finish { .. } => return,
        };
        self.events.push_back(event);
    }

    fn spawn(&mut self, spawn: &Spawn) {
        let slot = spawn.slot;
        let view = SharedMemory { state: self.state }.slot(slot.index);
        let again =
            view.generation == slot.generation && view.state == SlotState::Intent && !view.has_pid;
        let next = view.generation < slot.generation && view.state == SlotState::Free;
        assert!((again || next) && !view.has_pid, "{slot} is to be made, and it holds {view:?}");
        if spawn.what == Process::Main {
            self.spawned.push(spawn.entity);
        }
        let Some(place) = self.state.slot(slot.index) else { return };
        place.intend(slot.generation);
        self.next_pid += 1;
        let pid = self.next_pid;
        place.kernel_words().0.store(u64::from(pid.unsigned_abs()), Ordering::Relaxed);
        self.state.hint(pid, slot.index);
        assert!(place.run(slot.generation, pid, 1));
        self.events.push_back(Event::Spawned { slot, pid });
    }

    fn has_noted(&self, entity: EntityId, fact: &Fact) -> bool {
        self.noted.iter().any(|notice| notice.entity == entity && notice.fact == *fact)
    }

    /// What is shown of each.
    fn read_every_entity(&self, good: &Good) {
        for plan in &good.plans {
            let _ = (self.monitor.view(plan.id), self.monitor.definition(plan.id));
            let _ = (self.monitor.lists(plan.id).count(), self.monitor.is_armed(plan.id, 1, None));
        }
    }
}
