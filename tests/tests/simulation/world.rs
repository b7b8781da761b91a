//! One life: a monitor on the fake machine, killed and replaced at any point
//! of a turn, and beside it a shadow that is restored from the committed
//! memory before every step and must do what the monitor does.

use crate::alone::{self, Alone};
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
use ham_core::ids::EntityId;
use ham_core::memory::RecordId;
use ham_core::monitor::{Host, Turn};
use ham_core::plan::{EntityPlan, Item, Kind};
use ham_core::signal::Signal;
use ham_core::way::Way;
use ham_tests::fake::{Checked, Lives, Random, START, Stage, Temper, random_plan};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    pub(crate) stage: Stage,
    pub(crate) plans: Vec<EntityPlan>,
    pub(crate) rules: Rules,
    pub(crate) clients: Clients,
    pub(crate) sayings: Sayings,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) alone: Alone,
    answered: BTreeMap<(u64, EntityId), u32>,
}

impl World {
    pub(crate) fn new(life: Life) -> World {
        let mut random = Random::new(life.seed);
        let mut plans = random_plan(&mut random);
        let host = alone::draw(life.seed, ways::host(life.seed), &mut plans);
        World {
            life,
            host,
            stage: Stage::new(random, &plans, life.deaths, host),
            plans,
            rules: Rules::default(),
            clients: Clients::default(),
            sayings: Sayings::default(),
            heartbeats: Heartbeats::default(),
            alone: Alone::default(),
            answered: BTreeMap::new(),
        }
    }

    /// The whole life.
    pub(crate) fn run(&mut self) -> Checked {
        self.step(Event::Boot)?;
        let mut next_request = self.stage.kernel.now;
        for _ in 0..self.life.steps {
            if self.ends_alone() {
                break;
            }
            if self.stage.kernel.now >= next_request || self.stage.is_quiet() {
                next_request =
                    self.stage.kernel.now.after(self.stage.random.micros(1_000, 1_500_000));
                let event = self.request();
                self.step(event)?;
            }
            self.turn()?;
        }
        let wild_end = self.stage.random.chance(30);
        if !wild_end && !self.ends_alone() {
            self.stage.kernel.temper = Temper::calm();
            self.rest()?;
        }
        if !wild_end && !self.ends_alone() {
            Alone::quiet(&self.stage.monitor, &self.plans, self.host)?;
            self.rules.quiet(&mut self.stage.monitor, &self.stage.kernel, &self.plans)?;
            watched(&self.stage.monitor, &self.stage.kernel, &self.plans, true)?;
            for (client, entity) in self.clients.unanswered() {
                // One that waits for a path can do so for ever.
                let view = self.stage.monitor.view(entity);
                if view.state != "waiting" {
                    return Err(format!("{client:?} is never answered: {} is {view:?}", entity.0));
                }
            }
        }
        self.no_pulse_is_lost()?;
        let asked = self.end()?;
        self.stage.kernel.temper = Temper::calm();
        self.rest()?;
        self.rules.ended(&self.stage.kernel, &self.plans, self.stage.takeovers)?;
        let (monitor, kernel) = (&self.stage.monitor, &self.stage.kernel);
        let by_signal = asked.len() > usize::from(self.alone.code.is_some());
        let took =
            if by_signal { self.alone.after_signal(monitor, kernel, &self.plans) } else { 0 };
        ways::came(self.host, &asked, took, &kernel.finished)?;
        match self.answered.iter().find(|(_, times)| **times > 1) {
            Some((id, times)) if self.stage.takeovers == 0 => {
                Err(format!("request {id:?} was answered {times} times"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn ends_alone(&self) -> bool {
        self.alone.code.is_some()
    }

    /// The way down: asked for once or twice, or come by itself and perhaps asked
    /// for as well. Gives what was.
    fn end(&mut self) -> Result<Vec<Way>, String> {
        let mut asked = match self.alone.code {
            Some(code) => vec![Way::Exit(code)],
            None => vec![ways::some(&mut self.stage.random, 4)],
        };
        if !self.ends_alone() {
            let within = self.stage.random.micros(0, 3_000_000);
            self.step(Event::Shutdown { way: asked[0], within, signals: 1 })?;
            // A successor may have found that it ends, before it was asked again.
            asked.splice(0..0, self.alone.code.map(Way::Exit));
        }
        if self.stage.random.chance(30) {
            self.turn()?;
            let within = self.stage.random.micros(0, 1_000_000);
            let way = ways::some(&mut self.stage.random, 5);
            let finished = self.rules.finishes > 0;
            let signals = asked.len() as u64 + u64::from(!self.ends_alone());
            self.step(Event::Shutdown { way, within, signals })?;
            asked.extend((!finished).then_some(way));
        }
        Ok(asked)
    }

    /// Over any number of takeovers, and a successor would find the same.
    fn no_pulse_is_lost(&mut self) -> Checked {
        let mut successor = self.stage.shadow();
        for channel in self.stage.monitor.channels() {
            let (name, waiting) =
                (&channel.name, self.stage.monitor.waiting_pulses(&channel.name, 0));
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

    fn request(&mut self) -> Event {
        if self.stage.random.chance(15) {
            let channel = format!("p{}", self.stage.random.below(3));
            let sent = self.stage.monitor.channel(&channel).map_or(0, |channel| channel.last);
            return Event::Received { channel, upto: self.stage.random.below(sent + 2) };
        }
        let id = self.stage.request_id();
        if self.stage.random.chance(40) {
            return self.sayings.event(&mut self.stage.random, &self.plans, id);
        }
        if self.stage.random.chance(25) {
            return changes::change(&mut self.stage.random, &self.plans, id);
        }
        if self.stage.random.chance(4)
            && let Some(event) = self.sayings.attach_again(id)
        {
            return event;
        }
        if self.stage.random.chance(8)
            && let Some(directive) = self.directive()
        {
            let from = self.stage.random.chance(60).then(|| self.sayings.attaches(&directive));
            return Event::Directive { id, directive, from };
        }
        if self.stage.random.chance(60) {
            return self.clients.event(&mut self.stage.random, &self.plans, id);
        }
        let entities = some(&mut self.stage.random, &self.plans);
        let ask = match self.stage.random.below(10) {
            0..=3 => Ask::Start,
            4 | 5 => Ask::Stop,
            6 | 7 => Ask::Restart,
            8 if self.stage.random.chance(50) => Ask::Reload,
            8 => Ask::Kill(Signal::KILL),
            _ => Ask::Kill(Signal::TERM),
        };
        Event::Request { id, entities, ask, wait: self.stage.random.chance(50), from: None }
    }

    /// A process that runs by itself is attached, or one is let go of: of an
    /// entity alone, since others cannot keep order with what is not ham's.
    fn directive(&mut self) -> Option<Directive> {
        if self.stage.random.chance(40) {
            return Some(self.named());
        }
        let plan = self.stage.random.pick(&self.plans).clone();
        if plan.kind != Kind::Service || !plan.links.is_empty() {
            return None;
        }
        let entity = plan.id;
        if self.stage.random.chance(40) {
            return Some(Directive::Detach { entity });
        }
        let pid = self.stage.kernel.stranger(Arc::new(plan));
        let process = Stranger { pid, start: START, slot: None, own: false };
        Some(Directive::Attach { entity, process, counting: Counting::GoesOn })
    }

    /// The same under a name that no unit has: it is made with its process.
    fn named(&mut self) -> Directive {
        let name = format!("n{}", self.stage.random.below(3));
        if let Some(entity) = self.stage.monitor.find(&name)
            && self.stage.random.chance(60)
        {
            let item = Item::Entity;
            return match self.stage.random.below(4) {
                0 => Directive::Change(Box::new(Change::Remove { entity, item })),
                _ => Directive::Detach { entity },
            };
        }
        let plan = EntityPlan {
            kind: Kind::Placeholder { pid_file: None },
            ..EntityPlan::new(EntityId(0), &name, Vec::new())
        };
        let pid = self.stage.kernel.stranger(Arc::new(plan));
        let process = Stranger { pid, start: START, slot: None, own: false };
        let counting = Counting::GoesOn;
        Directive::AttachNamed {
            name,
            keep_on_death: self.stage.random.chance(30),
            process,
            counting,
        }
    }

    /// What there is to say when something is wrong.
    pub(crate) fn describe(&self) -> String {
        let records: Vec<RecordId> = self.stage.memory.store().records.keys().copied().collect();
        format!("{}; records {records:?}", self.stage.describe(&self.plans))
    }
}

impl Lives for World {
    fn stage(&mut self) -> &mut Stage {
        &mut self.stage
    }

    fn step(&mut self, event: Event) -> Checked {
        let now = self.stage.begin(&event);
        let shadow = self.life.shadow.then(|| self.stage.shadow());
        let repeats = self.clients.is_repeat(&event) || self.sayings.is_repeat(&event);
        let without = repeats.then(|| self.stage.shadow());
        self.stage.turns += 1;
        let mut turn = Turn::default();
        self.stage.monitor.step(now, event.clone(), &mut turn);
        self.stage.tell(&event, &turn.effects);
        if let Some(shadow) = shadow {
            self.stage.compare(shadow, &event, &turn)?;
        }
        if let Some(without) = without {
            had_no_effect(&self.stage.monitor, without, now, &event, &turn)?;
        }
        if self.stage.dies() {
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
        self.rules.stepped(&self.stage.monitor, now)?;
        self.rules.ordered(&mut self.stage.monitor, &self.stage.kernel, &self.plans, &turn)?;
        if self.stage.dies() {
            self.carry_some(&turn.effects)?;
            return self.take_over();
        }
        self.carry(&turn.effects)?;
        watched(&self.stage.monitor, &self.stage.kernel, &self.plans, false)
    }

    fn commit(&mut self, event: Option<&Event>, turn: &Turn) -> Checked {
        self.stage.commit(turn);
        for effect in &turn.effects {
            if let Effect::Reply { id, entity, .. } = effect {
                *self.answered.entry((id.0, *entity)).or_default() += 1;
            }
        }
        self.clients.committed(event, turn)?;
        self.sayings.committed(event, turn)?;
        let then = (self.stage.kernel.now, turn);
        self.heartbeats.committed(&self.stage.monitor, &self.plans, event, then)?;
        let place = (&self.stage.kernel, self.plans.as_slice(), self.host);
        self.alone.committed(turn, &self.stage.monitor, place)?;
        self.rules.committed(turn)
    }

    fn carry(&mut self, effects: &[Effect]) -> Checked {
        self.stage.carry(effects);
        self.clients.carried(effects)?;
        self.stage.sound()
    }

    fn taken_over(&mut self) {
        for event in self.clients.reconnect(|| self.stage.request_id()) {
            self.stage.kernel.post(event);
        }
    }
}
