//! What fuzzing has found in the core, each by name: records that are whole,
//! and do not fit to each other or to the slots.

use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::memory::{Record, RecordId, SlotState};
use ham_core::monitor::{Level, Monitor, Resume, Turn, Why};
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, HeartbeatPlan, Only, PlanIndex,
    PlanSource, RestartPlan, Verb, encode,
};
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_core::way::Way;
use ham_tests::fake::{SharedMemory, SlotWord, plain};

const FIRST: EntityId = EntityId(0);
const OTHER: EntityId = EntityId(1);

/// A monitor of two entities that are brought back, and its memory.
struct Machine {
    memory: SharedMemory,
    monitor: Monitor,
    now: Mono,
}

fn plans() -> Vec<EntityPlan> {
    let action = ActionPlan {
        name: "again".to_owned(),
        verb: Verb::Restart(RestartPlan::default()),
        break_on_fail: false,
        keep_on_fail: true,
        rearm: true,
        on_fail: Vec::new(),
    };
    let condition = ConditionPlan {
        name: "death".to_owned(),
        on: ConditionKind::Death,
        only: Only::All,
        of: None,
        class: Class::InOrder,
        rearm: true,
        enabled: true,
        actions: vec![action],
    };
    let entity = |id, name: &str| EntityPlan {
        conditions: vec![condition.clone()],
        ..plain(id, name.to_owned(), "/bin/entity")
    };
    let (interval, grace) = (Span::seconds(1), Span::ZERO);
    let heartbeat = Some(HeartbeatPlan { interval, low: 2, high: 3, grace, most: None });
    vec![entity(FIRST, "first"), EntityPlan { heartbeat, ..entity(OTHER, "other") }]
}

fn restore(memory: &SharedMemory, now: Mono) -> (Monitor, Resume) {
    let source: Box<dyn PlanSource> = Box::new(encode(&plans()).expect("a plan"));
    let plan = PlanIndex::open(source).expect("the same plan");
    Monitor::restore(plan, Box::new(memory.clone()), now)
}

fn spawned(turn: &Turn) -> Vec<SlotRef> {
    let slot = |effect: &Effect| match effect {
        Effect::Spawn(spawn) => Some(spawn.slot),
        _ => None,
    };
    turn.effects.iter().filter_map(slot).collect()
}

impl Machine {
    /// Both are being made.
    fn booted() -> Machine {
        let memory = SharedMemory::default();
        let now = Mono(Span::seconds(1).0);
        let (monitor, _) = restore(&memory, now);
        let mut machine = Machine { memory, monitor, now };
        machine.step(Event::Boot);
        machine
    }

    fn step(&mut self, event: Event) -> Turn {
        let mut turn = Turn::default();
        self.monitor.step(self.now, event, &mut turn);
        self.memory.commit(&self.monitor, &turn);
        turn
    }

    fn record(&self, id: EntityId) -> Record {
        let store = self.memory.store();
        *store.records.get(&RecordId::Entity(id)).expect("a record")
    }

    fn put(&self, id: EntityId, record: Record) {
        self.memory.store().records.insert(RecordId::Entity(id), record);
    }

    fn slot(&self, id: EntityId) -> SlotRef {
        self.record(id).head.slot.expect("a slot of its own")
    }

    fn set_slot(&self, slot: SlotRef, state: SlotState, pid: i32) {
        let word = SlotWord { generation: slot.generation, state, pid, ..SlotWord::default() };
        self.memory.store().slots.insert(slot.index, word);
    }

    fn run(&mut self, id: EntityId, pid: i32) -> SlotRef {
        let slot = self.slot(id);
        self.set_slot(slot, SlotState::Running, pid);
        self.step(Event::Spawned { slot, pid });
        slot
    }
}

#[test]
fn a_record_of_old_makes_no_process_where_a_later_one_runs() {
    let mut machine = Machine::booted();
    let old = machine.record(FIRST);
    let slot = machine.run(FIRST, 100);
    for generation in [slot.generation, slot.generation + 1] {
        let later = SlotRef { generation, ..slot };
        for (state, pid) in
            [(SlotState::Running, 200), (SlotState::Free, 0), (SlotState::Exited, 0)]
        {
            machine.put(FIRST, old);
            machine.set_slot(later, state, pid);
            let (mut monitor, resume) = restore(&machine.memory, machine.now);
            let made = spawned(&resume.turn);
            assert!(!made.contains(&slot), "{state:?} {generation}: {made:?}");
            let adopts = state != SlotState::Free && later == slot;
            assert_eq!(resume.adopt.contains(&slot), adopts, "{state:?} {generation}");
            let lost = monitor.view(FIRST).why == Why::RecordLost;
            assert_eq!(lost, !adopts, "{state:?} {generation}");
            let mut turn = Turn::default();
            monitor.step(machine.now, Event::Boot, &mut turn);
            assert_eq!(spawned(&turn), [], "{state:?} {generation}");
        }
    }
}

#[test]
fn a_damaged_head_takes_no_slot_from_its_owner() {
    for (damaged, owner) in [(FIRST, OTHER), (OTHER, FIRST)] {
        let mut machine = Machine::booted();
        machine.run(damaged, 100);
        let slot = machine.run(owner, 101);
        let mut wrong = machine.record(damaged);
        wrong.head.slot = Some(slot);
        machine.put(damaged, wrong);
        machine.memory.store().broken.push(RecordId::Entity(damaged));
        let (mut monitor, _) = restore(&machine.memory, machine.now);
        assert_eq!(monitor.owner_of(slot), Some((owner, false)));
        assert_eq!(monitor.view(damaged).why, Why::RecordLost);
        let (status, mut turn) = (ExitStatus::Code(1), Turn::default());
        let event = Event::Exited { slot, pid: 101, status, at: machine.now };
        monitor.step(machine.now, event, &mut turn);
        assert_eq!(monitor.view(owner).why, Why::Died(status));
    }
}

#[test]
fn what_waits_for_its_start_in_a_shutdown_is_not_due_for_ever() {
    let mut machine = Machine::booted();
    let slot = machine.slot(FIRST);
    machine.run(OTHER, 101);
    machine.set_slot(slot, SlotState::Intent, 0);
    machine.step(Event::SpawnFailed { slot, error: 2 });
    let waits = machine.record(FIRST);
    machine.step(Event::Shutdown { way: Way::Exit(0), within: Span::seconds(60), signals: 0 });
    machine.put(FIRST, waits);
    let (monitor, _) = restore(&machine.memory, machine.now);
    machine.monitor = monitor;
    machine.now = waits.head.due.expect("the next attempt");
    let turn = machine.step(Event::Tick);
    assert_eq!(spawned(&turn), []);
    assert!(machine.monitor.deadline().is_some_and(|due| due > machine.now));
}

#[test]
fn a_heartbeat_whose_record_is_lost_is_supervised_anew() {
    let mut machine = Machine::booted();
    let slot = machine.run(OTHER, 101);
    let missed = |machine: &Machine| machine.monitor.view(OTHER).heartbeat.map(|of| of.missed);
    machine.now = machine.now.after(Span::seconds(1));
    machine.step(Event::Beats { entity: OTHER, slot, count: 0 });
    assert_eq!(missed(&machine), Some(1));
    machine.memory.store().broken.push(RecordId::Beat(OTHER));
    let (monitor, resume) = restore(&machine.memory, machine.now);
    assert_eq!(resume.beats, [OTHER]);
    machine.monitor = monitor;
    let turn = machine.step(Event::WatchAgain { entities: resume.beats });
    let watched = |effect: &Effect| match effect {
        Effect::WatchBeats { entity, slot, .. } => Some((*entity, *slot)),
        _ => None,
    };
    assert_eq!(turn.effects.iter().filter_map(watched).next_back(), Some((OTHER, slot)));
    assert_eq!(missed(&machine), Some(0));
    for _ in 0..2 {
        machine.now = machine.now.after(Span::seconds(1));
        machine.step(Event::Beats { entity: OTHER, slot, count: 0 });
    }
    let level = machine.monitor.view(OTHER).heartbeat.map(|heart| heart.level);
    assert_eq!(level, Some(Level::Low));
}
