//! One life: a monitor on the fake machine, whose units change, killed and
//! replaced at any point of a turn, and beside it a shadow that is restored from
//! the committed memory before every step.

#[path = "reloads.rs"]
mod reloads;
#[path = "requests.rs"]
mod requests;

use crate::rules::Rules;
use crate::units::Units;
use ham_core::effect::Effect;
use ham_core::event::Event;
use ham_core::monitor::{Host, Turn};
use ham_core::plan::EntityPlan;
use ham_core::way::Way;
use ham_tests::fake::{Checked, Lives, Random, Stage, Temper, random_plan};
use std::collections::BTreeSet;

/// What one life is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// Steps of the wild part.
    pub(crate) steps: u32,
    /// The monitor dies in so many of a hundred turns.
    pub(crate) deaths: u64,
}

pub(crate) struct World {
    life: Life,
    pub(crate) stage: Stage,
    rules: Rules,
    /// What the plan in force was made from, and sets of units before that.
    units: Units,
    past: Vec<Units>,
    /// Plans that were stale when they came, and lives that came back to where
    /// they had begun.
    stale: u64,
    restored: u64,
}

impl World {
    pub(crate) fn new(life: Life) -> World {
        let mut random = Random::new(life.seed);
        let units = Units::of(&random_plan(&mut random));
        let plans = units.plans(&|_| None, &BTreeSet::new());
        World {
            life,
            stage: Stage::new(random, &plans, life.deaths, Host::default()),
            rules: Rules::default(),
            units,
            past: Vec::new(),
            stale: 0,
            restored: 0,
        }
    }

    /// How often each of the things has happened that are worth a rule.
    pub(crate) fn met(&self) -> [u64; 10] {
        let [same, left, restarted, outdated, new] = self.rules.met;
        let [stayed, gone, other] = self.rules.lists.met;
        [same, left, restarted, outdated, new, stayed, gone, other, self.stale, self.restored]
    }

    /// The whole life.
    pub(crate) fn run(&mut self) -> Checked {
        self.step(Event::Boot)?;
        let mut next_request = self.stage.kernel.now;
        let mut next_reload = self.stage.kernel.now.after(self.stage.random.micros(0, 2_000_000));
        for _ in 0..self.life.steps {
            if self.stage.kernel.now >= next_request || self.stage.is_quiet() {
                next_request =
                    self.stage.kernel.now.after(self.stage.random.micros(1_000, 1_500_000));
                let event = self.request();
                self.step(event)?;
            }
            if self.stage.kernel.now >= next_reload || self.stage.random.chance(5) {
                next_reload =
                    self.stage.kernel.now.after(self.stage.random.micros(1_000, 3_000_000));
                let units = self.edited();
                self.reload(&units)?;
            }
            self.turn()?;
        }
        if !self.stage.random.chance(25) {
            self.stage.kernel.temper = Temper::calm();
            self.rest()?;
            self.rules.quiet(&self.stage.monitor, &self.stage.kernel)?;
            self.there_and_back()?;
        }
        let within = self.stage.random.micros(0, 3_000_000);
        self.step(Event::Shutdown { way: Way::Exit(4), within, signals: 1 })?;
        if self.stage.random.chance(30) {
            let units = self.edited();
            self.reload(&units)?;
        }
        self.stage.kernel.temper = Temper::calm();
        self.rest()?;
        if self.rules.finishes == 0 || self.stage.kernel.finished.is_empty() {
            return Err("does not finish".to_owned());
        }
        match self
            .stage
            .kernel
            .processes
            .values()
            .find(|process| process.main && process.alive && process.slot.generation != 0)
        {
            Some(process) => Err(format!("{process:?} outlives the manager")),
            None => Ok(()),
        }
    }

    fn plans(&self) -> Vec<EntityPlan> {
        let plan = self.stage.monitor.plan();
        plan.ids().filter_map(|id| plan.entity(id).ok()).collect()
    }

    /// What there is to say when something is wrong.
    pub(crate) fn describe(&self) -> String {
        self.stage.describe(&self.plans())
    }
}

impl Lives for World {
    fn stage(&mut self) -> &mut Stage {
        &mut self.stage
    }

    fn step(&mut self, event: Event) -> Checked {
        let now = self.stage.begin(&event);
        let shadow = self.stage.shadow();
        self.stage.turns += 1;
        let mut turn = Turn::default();
        self.stage.monitor.step(now, event.clone(), &mut turn);
        self.stage.tell(&event, &turn.effects);
        self.stage.compare(shadow, &event, &turn)?;
        if self.stage.dies() {
            self.take_over()?;
            return match event {
                Event::Boot
                | Event::Shutdown { .. }
                | Event::Told { .. }
                | Event::Ready { .. }
                | Event::Request { .. } => self.step(event),
                _ => Ok(()),
            };
        }
        self.commit(Some(&event), &turn)?;
        self.rules.stepped(&self.stage.monitor, now)?;
        if self.stage.dies() {
            self.carry_some(&turn.effects)?;
            return self.take_over();
        }
        self.carry(&turn.effects)
    }

    fn commit(&mut self, _: Option<&Event>, turn: &Turn) -> Checked {
        self.stage.commit(turn);
        self.rules.committed(turn)
    }

    fn carry(&mut self, effects: &[Effect]) -> Checked {
        self.stage.carry(effects);
        self.stage.sound()
    }
}
