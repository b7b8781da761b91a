//! Clients that name their requests and repeat them: because a takeover has
//! cut them off, because the answer was lost, or for no reason. The books on
//! what each was told, and whether a signal that it asked for was sent.

use ham_core::effect::{Effect, Reply};
use ham_core::event::{Ask, Caller, Event};
use ham_core::ids::{EntityId, RequestId, SlotRef};
use ham_core::memory::RecordId;
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::EntityPlan;
use ham_core::signal::Signal;
use ham_core::time::Mono;
use ham_tests::fake::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

/// Clients at the same time: few, so that they come often.
const CLIENTS: u64 = 4;

/// Signals that nobody else sends.
const SIGNALS: [Signal; 2] = [Signal(10), Signal(12)];

#[derive(Clone, Debug)]
struct Asked {
    entities: Vec<EntityId>,
    ask: Ask,
    wait: bool,
    /// It is part of a committed turn: from here on it is a repeat.
    taken: bool,
    /// What it was answered in committed turns.
    answers: BTreeMap<EntityId, Reply>,
    /// Entities of which the answer has reached the client.
    heard: BTreeSet<EntityId>,
    /// Processes that were to be signalled, and those that were.
    meant: BTreeSet<SlotRef>,
    sent: BTreeSet<SlotRef>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    asked: BTreeMap<(u64, u64), Asked>,
    /// The last serial of each client.
    last: BTreeMap<u64, u64>,
    ids: BTreeMap<RequestId, (u64, u64)>,
    /// Requests that were answered in full after a repeat.
    pub(crate) repeated: u64,
}

impl Clients {
    /// What some client has to say next.
    pub(crate) fn event(
        &mut self,
        random: &mut Random,
        plans: &[EntityPlan],
        id: RequestId,
    ) -> Event {
        // As random as those of hamctl.
        let client = random.below(CLIENTS).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let last = self.last.get(&client).copied().unwrap_or(0);
        let open = self.asked.get(&(client, last)).is_some_and(|asked| !asked.is_answered());
        let serial = if last > 0 && (open || random.chance(40)) {
            last
        } else if last > 1 && random.chance(10) {
            last - 1
        } else {
            self.last.insert(client, last + 1);
            self.asked.insert((client, last + 1), Asked::new(random, plans));
            last + 1
        };
        self.repeat((client, serial), id)
    }

    fn repeat(&mut self, name: (u64, u64), id: RequestId) -> Event {
        let asked = &self.asked[&name];
        self.repeated += u64::from(asked.taken);
        self.ids.insert(id, name);
        let (entities, ask, wait) = (asked.entities.clone(), asked.ask, asked.wait);
        let from = Some(Caller { uid: 0, own: true, client: name.0, serial: name.1 });
        Event::Request { id, entities, ask, wait, from }
    }

    /// The monitor is gone: who has not heard everything asks the next one.
    pub(crate) fn reconnect(&mut self, mut id: impl FnMut() -> RequestId) -> Vec<Event> {
        self.ids.clear();
        self.waiting().into_iter().map(|name| self.repeat(name, id())).collect()
    }

    /// Whose last request is not answered in full.
    pub(crate) fn waiting(&self) -> Vec<(u64, u64)> {
        let last = self.last.iter().map(|(client, serial)| (*client, *serial));
        last.filter(|name| !self.asked[name].is_answered()).collect()
    }

    /// Of whom nobody has heard what became of a last request.
    pub(crate) fn unanswered(&self) -> Vec<((u64, u64), EntityId)> {
        let open = |name: (u64, u64)| {
            let asked = &self.asked[&name];
            let unheard = asked.entities.iter().filter(|id| !asked.heard.contains(id));
            unheard.map(move |id| (name, *id))
        };
        self.waiting().into_iter().flat_map(open).collect()
    }

    fn name_of(event: &Event) -> Option<(u64, u64)> {
        match event {
            Event::Request { from: Some(from), .. } => Some((from.client, from.serial)),
            _ => None,
        }
    }

    /// Whether it was taken before, or is too old to be.
    pub(crate) fn is_repeat(&self, event: &Event) -> bool {
        Self::name_of(event)
            .is_some_and(|name| self.asked[&name].taken || name.1 < self.last_taken(name.0))
    }

    fn last_taken(&self, client: u64) -> u64 {
        let of = self.asked.range((client, 0)..=(client, u64::MAX));
        of.filter(|(_, asked)| asked.taken).map(|((_, serial), _)| *serial).max().unwrap_or(0)
    }

    /// A turn that was committed, and the event that it began with.
    pub(crate) fn committed(&mut self, event: Option<&Event>, turn: &Turn) -> Result<(), String> {
        if let Some(name) = event.and_then(Self::name_of)
            && name.1 >= self.last_taken(name.0)
        {
            let Some(asked) = self.asked.get_mut(&name) else { return Ok(()) };
            if !asked.taken {
                asked.meant = signals(&turn.effects).map(|(slot, _)| slot).collect();
            }
            asked.taken = true;
        }
        for (slot, signal) in signals(&turn.effects) {
            let meant =
                |asked: &Asked| asked.ask == Ask::Kill(signal) && asked.meant.contains(&slot);
            if !self.asked.values().any(meant) {
                return Err(format!("{signal} for {slot}, which nobody has meant"));
            }
        }
        for effect in &turn.effects {
            let Effect::Reply { id, entity, answer } = effect else { continue };
            let Some(name) = self.ids.get(id) else { continue };
            let too_old = name.1 < self.last_taken(name.0);
            if too_old || *answer == Reply::SerialUsed {
                // Answers to those who waited may still come after a later one.
                if *answer == Reply::SerialUsed && !too_old {
                    return Err(format!("{name:?} is refused, and is the last"));
                }
                continue;
            }
            let Some(asked) = self.asked.get_mut(name) else { continue };
            let before = *asked.answers.entry(*entity).or_insert(*answer);
            if discriminant(&before) != discriminant(answer) {
                return Err(format!("{name:?} was answered {before:?}, and then {answer:?}"));
            }
        }
        Ok(())
    }

    /// Effects that were carried out.
    pub(crate) fn carried(&mut self, effects: &[Effect]) -> Result<(), String> {
        for (slot, signal) in signals(effects) {
            for asked in self.asked.values_mut() {
                if asked.ask == Ask::Kill(signal) && asked.meant.contains(&slot) {
                    asked.sent.insert(slot);
                }
            }
        }
        for effect in effects {
            let Effect::Reply { id, entity, .. } = effect else { continue };
            let Some(name) = self.ids.get(id) else { continue };
            let Some(asked) = self.asked.get_mut(name) else { continue };
            asked.heard.insert(*entity);
            if asked.is_answered() && asked.sent != asked.meant {
                return Err(format!("{name:?} is answered, and a signal not sent: {asked:?}"));
            }
        }
        Ok(())
    }
}

impl Asked {
    fn new(random: &mut Random, plans: &[EntityPlan]) -> Asked {
        let ask = match random.below(10) {
            0..=2 => Ask::Start,
            3 | 4 => Ask::Stop,
            5..=7 => Ask::Restart,
            8 => Ask::Reload,
            _ => Ask::Kill(*random.pick(&SIGNALS)),
        };
        Asked {
            entities: some(random, plans),
            ask,
            wait: random.chance(70),
            taken: false,
            answers: BTreeMap::new(),
            heard: BTreeSet::new(),
            meant: BTreeSet::new(),
            sent: BTreeSet::new(),
        }
    }

    fn is_answered(&self) -> bool {
        self.heard.len() == self.entities.len()
    }
}

/// A request that was taken before changes no entity: the turn is that of a
/// monitor `without` it, but for answers and signals that may not have been
/// sent.
pub(crate) fn had_no_effect(
    monitor: &Monitor,
    mut without: Monitor,
    now: Mono,
    event: &Event,
    turn: &Turn,
) -> Result<(), String> {
    let mut other = Turn::default();
    without.step(now, Event::Tick, &mut other);
    let counts = |effect: &&Effect| {
        let answer = matches!(effect, Effect::Reply { .. } | Effect::Verdict { .. });
        !answer && !matches!(effect, Effect::Signal { run: None, .. })
    };
    let mine: Vec<&Effect> = turn.effects.iter().filter(counts).collect();
    let its: Vec<&Effect> = other.effects.iter().filter(counts).collect();
    if mine != its {
        return Err(format!("{event:?} had the effects\n{mine:#?}\nand not\n{its:#?}"));
    }
    for id in turn.dirty.union(&other.dirty) {
        let (mine, its) = (monitor.record(*id), without.record(*id));
        if matches!(id, RecordId::Entity(_)) && mine != its {
            return Err(format!("{event:?} made {id:?} {mine:?}, and not {its:?}"));
        }
    }
    Ok(())
}

/// One to three entities, each once.
pub(crate) fn some(random: &mut Random, plans: &[EntityPlan]) -> Vec<EntityId> {
    let count = 1 + random.below(3);
    let chosen: BTreeSet<EntityId> = (0..count).map(|_| random.pick(plans).id).collect();
    chosen.into_iter().collect()
}

/// Signals that clients of ours have asked for.
fn signals(effects: &[Effect]) -> impl Iterator<Item = (SlotRef, Signal)> + '_ {
    effects.iter().filter_map(|effect| match effect {
        Effect::Signal { slot, signal, run: None, .. } if SIGNALS.contains(signal) => {
            Some((*slot, *signal))
        }
        _ => None,
    })
}
