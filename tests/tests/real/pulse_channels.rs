//! Channels of pulses at their bounds: which make way, for whom, when they go by
//! themselves, and that no number of a pulse comes twice.

use ham_core::change::Change;
use ham_core::directive::Directive;
use ham_core::effect::{Effect, Fact, Failure};
use ham_core::event::Event;
use ham_core::ids::{EntityId, RequestId};
use ham_core::monitor::{MOST_CHANNELS, MOST_GUEST_PULSES, MOST_OF_GUEST, MOST_OF_GUESTS};
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, Item, Only, PlanIndex, PlanSource,
    PulsePlan, Verb, encode,
};
use ham_core::time::{Mono, Span};
use ham_tests::fake::{SharedMemory, plain};
use std::collections::BTreeSet;

/// Entities whose units name channels, so many each: `u0/0` and on.
const UNITS: u32 = 5;
const OF_UNIT: u32 = 64;
/// Entities whose units name none.
const OTHERS: u32 = 10;

struct Machine {
    bytes: Vec<u8>,
    memory: SharedMemory,
    monitor: Monitor,
    now: Mono,
}

/// When an event of that type is published of the entity, a pulse is sent.
fn condition(kind: u32, channel: String, guest: bool) -> ConditionPlan {
    let pulse = PulsePlan { channel, code: 1, value: 0, guest };
    let action = ActionPlan {
        name: "tell".to_owned(),
        verb: Verb::NotifyPulse(pulse),
        break_on_fail: false,
        keep_on_fail: true,
        rearm: true,
        on_fail: Vec::new(),
    };
    ConditionPlan {
        name: format!("c{kind}"),
        on: ConditionKind::Raise,
        only: Only::Raise { kind: Some(kind), class: None, severity: None },
        of: None,
        class: Class::InOrder,
        rearm: true,
        enabled: true,
        actions: vec![action],
    }
}

fn restore(bytes: &[u8], memory: &SharedMemory, now: Mono) -> Monitor {
    let source: Box<dyn PlanSource> = Box::new(bytes.to_vec());
    let plan = PlanIndex::open(source).expect("a plan that was just encoded");
    Monitor::restore(plan, Box::new(memory.clone()), now).0
}

/// The entity of that number without channels in its unit.
fn other(number: u32) -> EntityId {
    EntityId(UNITS + number)
}

impl Machine {
    fn new() -> Machine {
        let unit = |id: u32| {
            let conditions =
                (0..OF_UNIT).map(|kind| condition(kind, format!("u{id}/{kind}"), false));
            let plan = plain(EntityId(id), format!("u{id}"), "/bin/entity");
            EntityPlan { conditions: conditions.collect(), ..plan }
        };
        let bare = |number: u32| plain(other(number), format!("v{number}"), "/bin/entity");
        let plans: Vec<_> = (0..UNITS).map(unit).chain((0..OTHERS).map(bare)).collect();
        let bytes = encode(&plans).expect("a plan inside the rules");
        let (memory, now) = (SharedMemory::default(), Mono(1_000_000_000));
        let monitor = restore(&bytes, &memory, now);
        Machine { bytes, memory, monitor, now }
    }

    fn take_over(&mut self) {
        self.monitor = restore(&self.bytes, &self.memory, self.now);
    }

    /// A millisecond later.
    fn step(&mut self, event: Event) -> Vec<Fact> {
        self.now = self.now.after(Span::millis(1));
        let mut turn = Turn::default();
        self.monitor.step(self.now, event, &mut turn);
        self.memory.commit(&self.monitor, &turn);
        let facts = turn.effects.iter().filter_map(|effect| match effect {
            Effect::Notice(notice) => Some(notice.fact),
            _ => None,
        });
        facts.collect()
    }

    fn direct(&mut self, directive: Directive) -> Vec<Fact> {
        self.step(Event::Directive { id: RequestId(1), directive, from: None })
    }

    /// Whether its pulse was sent, and which channel has made way for that.
    fn raise(&mut self, entity: EntityId, kind: u32) -> (Option<u64>, Option<String>) {
        let facts = self.direct(Directive::Raise { entity, kind, class: 0, severity: 0 });
        let mut reused = facts.iter().filter_map(|fact| match fact {
            Fact::ChannelReused { place } => self.monitor.channel_gone(*place).map(str::to_owned),
            _ => None,
        });
        let sent = facts.iter().find_map(|fact| match fact {
            Fact::PulseSent { serial, .. } => Some(*serial),
            _ => None,
        });
        let full =
            |fact: &Fact| matches!(fact, Fact::ActionFailed { why: Failure::ChannelFull, .. });
        assert_eq!(sent.is_none(), facts.iter().any(full), "{facts:?}");
        (sent, reused.next())
    }

    fn add(&mut self, entity: EntityId, kind: u32, channel: &str, guest: bool) {
        let condition = Box::new(condition(kind, channel.to_owned(), guest));
        let change = Change::Condition { entity, condition, keep_on_empty: false };
        self.direct(Directive::Change(Box::new(change)));
    }

    fn remove(&mut self, entity: EntityId, kind: u32) {
        let item = Item::Condition(format!("c{kind}"));
        self.direct(Directive::Change(Box::new(Change::Remove { entity, item })));
    }

    fn received(&mut self, channel: &str, upto: u64) {
        self.step(Event::Received { channel: channel.to_owned(), upto });
    }

    fn receivers(&mut self, channels: &[&str]) {
        let channels: BTreeSet<String> = channels.iter().map(|name| (*name).to_owned()).collect();
        self.step(Event::Receivers { channels });
    }

    fn has(&mut self, channel: &str) -> bool {
        self.monitor.channel(channel).is_some()
    }
}

#[test]
fn the_channel_that_was_idle_longest_makes_way() {
    let mut machine = Machine::new();
    let all = u32::try_from(MOST_CHANNELS).expect("few");
    for number in 0..all {
        let sent = machine.raise(EntityId(number / OF_UNIT), number % OF_UNIT);
        assert_eq!(sent, (Some(1), None), "{number}");
    }
    let (unit, late) = (EntityId(all / OF_UNIT), all % OF_UNIT);
    assert_eq!(machine.raise(unit, late), (None, None), "in all of them a pulse waits");
    machine.received("u0/7", 1);
    machine.received("u0/9", 1);
    machine.received("u0/3", 1);
    machine.receivers(&["u0/7"]);
    machine.take_over();
    // Whoever receives tells the successor so.
    machine.receivers(&["u0/7"]);
    assert_eq!(machine.raise(unit, late), (Some(2), Some("u0/9".to_owned())));
    machine.receivers(&[]);
    assert_eq!(machine.raise(unit, late + 1), (Some(2), Some("u0/7".to_owned())));
    machine.take_over();
    assert_eq!(machine.monitor.channels().len(), MOST_CHANNELS);
    // Whoever has received pulse 1 of the earlier one does not take this for that.
    assert_eq!(machine.raise(EntityId(0), 9), (Some(2), Some("u0/3".to_owned())));
    let pulses = machine.monitor.waiting_pulses("u0/9", 1);
    assert_eq!(pulses.iter().map(|pulse| pulse.serial).collect::<Vec<u64>>(), [2]);
    assert_eq!(machine.monitor.channel("u0/9").map(|channel| channel.lost), Some(0));
    assert_eq!(machine.raise(EntityId(0), 3), (None, None));
}

#[test]
fn a_channel_that_nothing_names_any_more_goes() {
    let mut machine = Machine::new();
    let (one, two) = (other(0), other(1));
    machine.add(one, 1, "extra", false);
    machine.add(two, 1, "extra", false);
    assert_eq!(machine.raise(one, 1), (Some(1), None));
    machine.received("extra", 1);
    machine.remove(one, 1);
    assert!(machine.has("extra"), "another item names it");
    machine.remove(two, 1);
    assert!(!machine.has("extra"));
    // What waits is not thrown away with the item.
    machine.add(one, 1, "extra", false);
    assert_eq!(machine.raise(one, 1), (Some(2), None));
    machine.remove(one, 1);
    machine.take_over();
    assert!(machine.has("extra"));
    machine.received("extra", 2);
    assert!(!machine.has("extra"));
    // Nor does it go while somebody waits for more.
    machine.add(one, 1, "extra", false);
    assert_eq!(machine.raise(one, 1), (Some(3), None));
    machine.receivers(&["extra"]);
    machine.received("extra", 3);
    machine.remove(one, 1);
    assert!(machine.has("extra"));
    machine.receivers(&[]);
    assert!(!machine.has("extra"));
    machine.take_over();
    assert_eq!(machine.monitor.channels(), []);
    // One of a unit stays when it is empty.
    machine.raise(EntityId(0), 0);
    machine.received("u0/0", 4);
    machine.receivers(&["u0/0"]);
    machine.receivers(&[]);
    assert!(machine.has("u0/0"));
}

#[test]
fn what_processes_add_leaves_room_for_the_plan() {
    let mut machine = Machine::new();
    let of_one = u32::try_from(MOST_OF_GUEST).expect("few");
    let mut made = 0;
    for number in 0..OTHERS {
        for kind in 0..=of_one {
            machine.add(other(number), kind, &format!("v{number}/{kind}"), true);
            made += usize::from(machine.raise(other(number), kind).0.is_some());
        }
        let expected = ((number as usize + 1) * MOST_OF_GUEST).min(MOST_OF_GUESTS);
        assert_eq!(made, expected);
    }
    machine.take_over();
    // What it has received makes way for itself, and for nothing else.
    machine.received("v0/1", 1);
    assert_eq!(machine.raise(other(0), of_one), (Some(2), Some("v0/1".to_owned())));
    let mut waiting = made;
    while let (Some(_), None) = machine.raise(other(waiting as u32 % 4), 0) {
        waiting += 1;
        assert!(waiting <= MOST_GUEST_PULSES);
    }
    // Each channel holds 64.
    assert_eq!(waiting, made + 4 * 63);
    for number in 4..64 {
        for _ in 0..64 {
            let (entity, kind) = (other(number / of_one), number % of_one);
            waiting += usize::from(machine.raise(entity, kind).0.is_some());
        }
    }
    assert_eq!(waiting, MOST_GUEST_PULSES);
    machine.take_over();
    assert_eq!(machine.raise(other(7), 7), (None, None), "there would be room in it");
    for number in 0..u32::try_from(MOST_CHANNELS - MOST_OF_GUESTS).expect("few") {
        let sent = machine.raise(EntityId(number / OF_UNIT), number % OF_UNIT);
        assert_eq!(sent, (Some(2), None), "{number}");
    }
}
