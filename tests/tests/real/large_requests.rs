//! A request for more entities than a record has room for: no answer is kept,
//! a repeat is told what follows from the state of each, and nothing is done
//! twice for that. (Scenarios show the ordinary ones.)

use ham_core::effect::{Effect, Process, Reply};
use ham_core::event::{Ask, Caller, Event};
use ham_core::ids::{
    EntityId, MAX_CLIENTS, MAX_CLIENTS_OF_USER, MAX_OWN_CLIENTS, RequestId, SlotRef,
};
use ham_core::memory::SlotState;
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{PlanIndex, PlanSource, encode};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_core::way::Way;
use ham_tests::fake::{SharedMemory, plain};
use std::collections::BTreeMap;

/// One more than there is room for.
const MANY: u32 = 28;

const USR1: Signal = Signal(10);

struct Machine {
    bytes: Vec<u8>,
    memory: SharedMemory,
    monitor: Monitor,
    now: Mono,
    next_request: u64,
    slots: BTreeMap<EntityId, SlotRef>,
}

fn restore(bytes: &[u8], memory: &SharedMemory, now: Mono) -> Monitor {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore(plan, Box::new(memory.clone()), now).0
}

/// What came of one event: answers by entity, of the last who asked; all effects.
type Came = (BTreeMap<u32, Reply>, Vec<Effect>);

impl Machine {
    fn new() -> Machine {
        let plan = |id| plain(EntityId(id), format!("e{id:02}"), "/bin/entity");
        let plans: Vec<_> = (0..MANY).map(plan).collect();
        let bytes = encode(&plans).expect("a plan inside the rules");
        let (memory, now) = (SharedMemory::default(), Mono(1_000_000_000));
        let monitor = restore(&bytes, &memory, now);
        let slots = BTreeMap::new();
        Machine { bytes, memory, monitor, now, next_request: 0, slots }
    }

    fn take_over(&mut self) {
        self.monitor = restore(&self.bytes, &self.memory, self.now);
    }

    /// A millisecond later.
    fn step(&mut self, event: Event) -> Came {
        self.now = self.now.after(Span::millis(1));
        let mut turn = Turn::default();
        self.monitor.step(self.now, event, &mut turn);
        self.memory.commit(&self.monitor, &turn);
        let mut answers = BTreeMap::new();
        for effect in &turn.effects {
            match effect {
                Effect::Spawn(spawn) if spawn.what == Process::Main => {
                    self.slots.insert(spawn.entity, spawn.slot);
                    self.set(spawn.slot, SlotState::Intent);
                }
                Effect::Reply { entity, answer, .. } => {
                    answers.insert(entity.0, *answer);
                }
                _ => {}
            }
        }
        (answers, turn.effects)
    }

    fn set(&self, slot: SlotRef, state: SlotState) {
        let mut store = self.memory.store();
        let word = store.slots.entry(slot.index).or_default();
        (word.generation, word.state, word.pid) = (slot.generation, state, 7);
    }

    /// Asks for all of them, under the name of that serial.
    fn ask(&mut self, serial: u64, ask: Ask) -> Came {
        self.next_request += 1;
        self.step(Event::Request {
            id: RequestId(self.next_request),
            entities: (0..MANY).map(EntityId).collect(),
            ask,
            wait: true,
            from: Some(Caller { uid: 0, own: true, client: 5, serial }),
        })
    }

    fn ask_one(&mut self, id: u32, ask: Ask) -> Came {
        self.next_request += 1;
        let id = (RequestId(self.next_request), EntityId(id));
        self.step(Event::Request { id: id.0, entities: vec![id.1], ask, wait: false, from: None })
    }

    fn spawned(&mut self, id: u32) -> Came {
        let slot = self.slots[&EntityId(id)];
        self.set(slot, SlotState::Running);
        self.step(Event::Spawned { slot, pid: 7 })
    }

    fn exited(&mut self, id: u32) -> Came {
        let slot = self.slots[&EntityId(id)];
        self.set(slot, SlotState::Exited);
        let status = ExitStatus::Code(3);
        self.step(Event::Exited { slot, pid: 7, status, at: self.now });
        self.step(Event::Cleared { slot, left: 0 })
    }

    fn all_up(&mut self) {
        self.step(Event::Boot);
        for id in 0..MANY {
            self.spawned(id);
        }
    }
}

fn signals(effects: &[Effect]) -> Vec<SlotRef> {
    let all = effects.iter().filter_map(|effect| match effect {
        Effect::Signal { slot, .. } => Some(*slot),
        _ => None,
    });
    all.collect()
}

fn quiet(effects: &[Effect]) -> bool {
    effects.iter().all(|effect| matches!(effect, Effect::Reply { .. }))
}

#[test]
fn a_restart_of_many_is_not_done_again() {
    let mut machine = Machine::new();
    machine.all_up();
    let (answers, effects) = machine.ask(1, Ask::Restart);
    assert_eq!((answers.len(), signals(&effects).len()), (0, MANY as usize));
    machine.exited(0);
    assert_eq!(machine.spawned(0).0, BTreeMap::from([(0, Reply::Done)]));
    machine.exited(1);
    let failed = Event::SpawnFailed { slot: machine.slots[&EntityId(1)], error: (13 << 32) | 2 };
    machine.step(failed);
    machine.exited(2);
    machine.spawned(2);
    machine.exited(2);
    machine.ask_one(3, Ask::Stop);
    machine.take_over();
    let (answers, effects) = machine.ask(1, Ask::Restart);
    let expected = [
        (0, Reply::Done),
        (1, Reply::StartFailed((13 << 32) | 2)),
        (2, Reply::Ended(ExitStatus::Code(3))),
        (3, Reply::Overruled),
    ];
    assert_eq!(answers, BTreeMap::from(expected));
    assert!(quiet(&effects), "{effects:?}");
    // The others are on their way, and waited for.
    machine.exited(4);
    assert_eq!(machine.spawned(4).0, BTreeMap::from([(4, Reply::Done)]));
    // Only one of them asks for the end.
    machine.step(Event::Shutdown { way: Way::Exit(0), within: Span::seconds(5), signals: 1 });
    machine.take_over();
    let (answers, effects) = machine.ask(1, Ask::Restart);
    let told: Vec<Reply> = [0, 1, 9].map(|id| answers[&id]).to_vec();
    assert_eq!(told, [Reply::ShuttingDown; 3]);
    assert!(quiet(&effects), "{effects:?}");
}

#[test]
fn a_stop_of_many_is_not_done_again() {
    let mut machine = Machine::new();
    machine.all_up();
    machine.ask(1, Ask::Stop);
    machine.exited(0);
    machine.ask_one(1, Ask::Start);
    machine.take_over();
    let (answers, effects) = machine.ask(1, Ask::Stop);
    assert_eq!(answers, BTreeMap::from([(0, Reply::Done), (1, Reply::Overruled)]));
    assert!(quiet(&effects), "{effects:?}");
    assert_eq!(machine.exited(2).0, BTreeMap::from([(2, Reply::Done)]));
}

#[test]
fn a_signal_to_many_reaches_no_later_process() {
    let mut machine = Machine::new();
    machine.all_up();
    let (answers, effects) = machine.ask(1, Ask::Kill(USR1));
    assert_eq!((answers.len(), signals(&effects).len()), (MANY as usize, MANY as usize));
    machine.exited(0);
    machine.ask_one(0, Ask::Start);
    machine.spawned(0);
    machine.take_over();
    let (answers, effects) = machine.ask(1, Ask::Kill(USR1));
    assert_eq!(answers.len(), MANY as usize);
    let again = signals(&effects);
    assert_eq!(again.len(), MANY as usize - 1);
    assert!(!again.contains(&machine.slots[&EntityId(0)]), "{again:?}");
}

/// A client of some user asks under its serial.
fn ask_as(machine: &mut Machine, (uid, client, serial): (u32, u64, u64), ask: Ask) -> Reply {
    machine.next_request += 1;
    let (id, entities) = (RequestId(machine.next_request), vec![EntityId(0)]);
    let from = Some(Caller { uid, own: uid == 0, client, serial });
    let wait = ask == Ask::Start && client == 0;
    let answers = machine.step(Event::Request { id, entities, ask, wait, from }).0;
    answers.get(&0).copied().unwrap_or(Reply::Done)
}

#[test]
fn only_the_requests_of_so_many_clients_are_kept() {
    let mut machine = Machine::new();
    // The first waits for its answer, so it is kept longer than older ones.
    ask_as(&mut machine, (0, 0, 1), Ask::Start);
    for client in 1..=MAX_OWN_CLIENTS {
        ask_as(&mut machine, (0, u64::from(client), 1), Ask::Start);
    }
    machine.take_over();
    let kept = machine.memory.store().records.len();
    assert_eq!(kept, 1 + MAX_OWN_CLIENTS as usize, "and that of the entity");
    // Under a name that is known another request is refused.
    for client in [0, 2, u64::from(MAX_OWN_CLIENTS)] {
        let answer = ask_as(&mut machine, (0, client, 1), Ask::Kill(USR1));
        assert_eq!(answer, Reply::SerialUsed, "{client}");
    }
    assert_eq!(ask_as(&mut machine, (0, 1, 1), Ask::Kill(USR1)), Reply::NotRunning);
}

#[test]
fn what_another_user_calls_its_client_is_another_client() {
    let mut machine = Machine::new();
    ask_as(&mut machine, (0, 7, 1), Ask::Kill(USR1));
    // The serial of a stranger blocks nobody, nor is it told what others asked for.
    assert_eq!(ask_as(&mut machine, (1000, 7, u64::MAX), Ask::Kill(USR1)), Reply::NotRunning);
    machine.take_over();
    assert_eq!(ask_as(&mut machine, (0, 7, 2), Ask::Kill(USR1)), Reply::NotRunning);
    assert_eq!(ask_as(&mut machine, (0, 7, 1), Ask::Kill(USR1)), Reply::SerialUsed);
    assert_eq!(ask_as(&mut machine, (1001, 7, 1), Ask::Kill(USR1)), Reply::NotRunning);
}

#[test]
fn a_user_with_many_clients_makes_way_for_itself() {
    let mut machine = Machine::new();
    let known = |machine: &mut Machine, uid, client| {
        ask_as(machine, (uid, client, 1), Ask::Restart) == Reply::SerialUsed
    };
    ask_as(&mut machine, (0, 1, 1), Ask::Kill(USR1));
    ask_as(&mut machine, (1000, 1, 1), Ask::Kill(USR1));
    for client in 1..=u64::from(MAX_CLIENTS) {
        ask_as(&mut machine, (1001, client, 1), Ask::Kill(USR1));
    }
    machine.take_over();
    let kept = machine.memory.store().records.len();
    assert_eq!(kept, 2 + MAX_CLIENTS_OF_USER as usize);
    assert!(known(&mut machine, 0, 1) && known(&mut machine, 1000, 1));
    // Of many users with as many as they may have one makes way, not who has few.
    for uid in 1002..1012 {
        for client in 1..=u64::from(MAX_CLIENTS_OF_USER) {
            ask_as(&mut machine, (uid, client, 1), Ask::Kill(USR1));
        }
    }
    ask_as(&mut machine, (1000, 2, 1), Ask::Kill(USR1));
    machine.take_over();
    let kept = machine.memory.store().records.len();
    assert_eq!(kept, 1 + (MAX_CLIENTS - MAX_OWN_CLIENTS) as usize);
    for (uid, client) in [(0, 1), (1000, 1), (1000, 2)] {
        assert!(known(&mut machine, uid, client), "{uid}, {client}");
    }
}
