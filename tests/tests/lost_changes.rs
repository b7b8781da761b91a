//! Changes made at run time that cannot be read after a takeover: where their
//! text stood there is room again, and the texts of others are left alone.

use ham_core::change::Change;
use ham_core::directive::{Directive, Verdict};
use ham_core::effect::{Effect, Fact};
use ham_core::event::Event;
use ham_core::ids::{EntityId, MAX_CHUNKS, RequestId};
use ham_core::memory::{Record, RecordId};
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, Only, PlanIndex, PlanSource, Verb, encode,
};
use ham_core::time::Mono;
use ham_tests::fake::{SharedMemory, plain};

const ONE: EntityId = EntityId(0);
const TWO: EntityId = EntityId(1);

struct Machine {
    bytes: Vec<u8>,
    memory: SharedMemory,
    monitor: Monitor,
}

fn restore(bytes: &[u8], memory: &SharedMemory) -> Monitor {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore(plan, Box::new(memory.clone()), Mono(1)).0
}

impl Machine {
    fn new() -> Machine {
        let plans = [(ONE, "one"), (TWO, "two")].map(|(id, name)| plain(id, name.into(), "/bin/x"));
        let bytes = encode(&plans).expect("a plan inside the rules");
        let memory = SharedMemory::default();
        let monitor = restore(&bytes, &memory);
        Machine { bytes, memory, monitor }
    }

    fn take_over(&mut self) {
        self.monitor = restore(&self.bytes, &self.memory);
    }

    fn direct(&mut self, directive: Directive) -> Vec<Effect> {
        let event = Event::Directive { id: RequestId(1), directive, from: None };
        let mut turn = Turn::default();
        self.monitor.step(Mono(1), event, &mut turn);
        self.memory.commit(&self.monitor, &turn);
        turn.effects
    }

    /// A condition with so much text.
    fn add(&mut self, entity: EntityId, name: &str, text: usize) -> Option<Verdict> {
        let action = ActionPlan {
            name: "tell".to_owned(),
            verb: Verb::Log("x".repeat(text)),
            break_on_fail: false,
            keep_on_fail: true,
            rearm: true,
            on_fail: Vec::new(),
        };
        let condition = Box::new(ConditionPlan {
            name: name.to_owned(),
            on: ConditionKind::Raise,
            only: Only::All,
            of: None,
            class: Class::InOrder,
            rearm: true,
            enabled: true,
            actions: vec![action],
        });
        let change = Change::Condition { entity, condition, keep_on_empty: false };
        let effects = self.direct(Directive::Change(Box::new(change)));
        effects.iter().find_map(|effect| match effect {
            Effect::Verdict { verdict, .. } => Some(*verdict),
            _ => None,
        })
    }

    /// Whether it is told that its changes are lost when something happens to it.
    fn is_lost(&mut self, entity: EntityId) -> bool {
        let raise = Directive::Raise { entity, kind: 0, class: 0, severity: 0 };
        self.direct(raise).iter().any(
            |effect| matches!(effect, Effect::Notice(notice) if notice.fact == Fact::OverlayLost),
        )
    }

    fn parts(&self) -> usize {
        let store = self.memory.store();
        store.records.keys().filter(|id| matches!(id, RecordId::Chunk(_))).count()
    }
}

#[test]
fn what_cannot_be_read_gives_its_room_back() {
    let mut machine = Machine::new();
    machine.add(TWO, "second", 300);
    let of_two = machine.parts();
    for broken in [RecordId::Overlay(ONE), RecordId::Chunk(u32::try_from(of_two).expect("few"))] {
        machine.add(ONE, "first", 2_000);
        assert!(machine.parts() > of_two + 7, "{broken:?}");
        machine.memory.store().broken.push(broken);
        machine.take_over();
        assert!(machine.is_lost(ONE), "{broken:?}");
        assert_eq!(machine.parts(), of_two, "{broken:?}");
        assert!(!machine.is_lost(ONE));
    }
    // The other one was not even read.
    machine.take_over();
    machine.add(ONE, "again", 2_000);
    machine.take_over();
    assert!(!machine.is_lost(TWO) && !machine.is_lost(ONE));
    assert!(machine.monitor.is_changed(ONE) && machine.monitor.is_changed(TWO));
}

/// A damaged head leaves parts behind that no record tells of.
#[test]
fn room_that_nobody_tells_of_is_found_when_there_is_none_left() {
    let mut machine = Machine::new();
    machine.add(TWO, "second", 300);
    let of_two = machine.parts();
    {
        let mut store = machine.memory.store();
        for place in u32::try_from(of_two).expect("few")..MAX_CHUNKS {
            let record = Record { head: Default::default(), words: [7; 32] };
            store.records.insert(RecordId::Chunk(place), record);
        }
    }
    machine.take_over();
    assert_eq!(machine.add(ONE, "first", 2_000), Some(Verdict::Done));
    assert!(machine.parts() < of_two + 16);
    assert!(!machine.is_lost(TWO) && !machine.is_lost(ONE));
}
