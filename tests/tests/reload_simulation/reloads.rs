//! Units change in the life of a world, and the plan that comes of them is taken
//! as the daemon does.

use super::World;
use crate::rules::Reload;
use crate::seen;
use crate::units::Units;
use ham_core::event::{Ask, Event};
use ham_core::ids::EntityId;
use ham_core::monitor::{Base, NotTaken, Turn};
use ham_core::plan::{encode, join};
use ham_tests::fake::{Checked, Lives, open};
use std::collections::BTreeSet;

/// Reloads after which what has begun to be something else is nothing else.
const SETTLES: u32 = 50;

impl World {
    /// Other units, and then those that there were: all is as it was.
    pub(super) fn there_and_back(&mut self) -> Checked {
        let first = self.units.clone();
        for _ in 0..1 + self.stage.random.below(3) {
            let units = self.edited();
            self.reload(&units)?;
            if self.stage.random.chance(50) {
                self.rest()?;
            }
        }
        self.settle(&first)?;
        self.rules.quiet(&self.stage.monitor, &self.stage.kernel)?;
        for id in self.stage.monitor.ids() {
            if matches!(self.stage.monitor.view(id).state, "running" | "finished") {
                let request = self.stage.request_id();
                let (entities, ask) = (vec![id], Ask::Restart);
                self.step(Event::Request { id: request, entities, ask, wait: false, from: None })?;
                self.rest()?;
            }
        }
        // What has begun to be something else is so, and what has left is gone.
        self.settle(&first)?;
        self.rules.quiet(&self.stage.monitor, &self.stage.kernel)?;
        let kept = |id: &EntityId| {
            self.stage.monitor.plan().is_leaving(*id)
                || self.stage.monitor.view(*id).state == "waiting"
                || self.stage.kernel.living(*id).is_empty()
                    && self.stage.monitor.slot_of(*id).is_some()
        };
        if self.stage.monitor.plan().pending().iter().any(kept) {
            // Something is left of one for ever, or it waits for ever.
            return Ok(());
        }
        let plan = self.stage.monitor.plan();
        let ids = plan.ids().collect();
        let expected = self.units.plans(&|name| plan.find(name), &ids);
        if encode(&expected).as_ref() != Ok(&self.stage.bytes) {
            let other = expected.iter().find(|one| plan.entity(one.id).as_ref() != Ok(*one));
            let is = other.map(|one| (plan.entity(one.id), self.stage.monitor.view(one.id)));
            return Err(format!("it was {other:?}\nand is {is:?}"));
        }
        self.restored += 1;
        Ok(())
    }

    /// Reloads until such units are there, as they are, and all is quiet.
    pub(super) fn settle(&mut self, units: &Units) -> Checked {
        for _ in 0..SETTLES {
            self.reload(units)?;
            self.rest()?;
            if self.units == *units && self.stage.monitor.base() == Base::default() {
                return Ok(());
            }
        }
        Err("does not settle".to_owned())
    }

    /// Units as somebody makes them of those that there are.
    pub(super) fn edited(&mut self) -> Units {
        let back = self.stage.random.chance(20) && !self.past.is_empty();
        if back {
            return self.stage.random.pick(&self.past).clone();
        }
        let mut units = self.units.clone();
        for _ in 0..self.stage.random.below(5) {
            units.edit(&mut self.stage.random);
        }
        units
    }

    /// Such units are there from now on: as the daemon takes them.
    pub(super) fn reload(&mut self, units: &Units) -> Checked {
        // What is due is no effect of it.
        self.step(Event::Tick)?;
        while self.stage.monitor.deadline().is_some_and(|due| due <= self.stage.kernel.now) {
            self.step(Event::Tick)?;
        }
        let base = self.stage.monitor.base();
        let plan = self.stage.monitor.plan();
        let known = base.known(plan).map_err(|error| error.to_string())?;
        let id = |name: &str| known.get(name).map(|known| known.plan.id);
        let new = units.plans(&id, &plan.ids().collect());
        let stays = |name: &str| new.iter().any(|entity| entity.name == name);
        let goes = known.values().filter(|known| !known.plan.leaving && !stays(&known.plan.name));
        let gone: BTreeSet<EntityId> = goes.map(|known| known.plan.id).collect();
        let bytes = encode(&join(&known, &new, &gone)).map_err(|error| error.to_string())?;
        if self.stage.random.chance(15) {
            // The loader is not done at once.
            let before = self.stage.takeovers;
            for _ in 0..self.stage.random.below(12) {
                self.turn()?;
            }
            if self.stage.takeovers > before {
                // Its answer was for the one that has died.
                return Ok(());
            }
            while self.stage.monitor.deadline().is_some_and(|due| due <= self.stage.kernel.now) {
                self.step(Event::Tick)?;
            }
        }
        let before = seen::all(&self.stage.monitor);
        let now = self.stage.kernel.now;
        let fits = self.stage.monitor.base() == base;
        let mut shadow = self.stage.shadow();
        self.stage.is_as_committed(&shadow)?;
        let (mut turn, mut other) = (Turn::default(), Turn::default());
        let taken = self.stage.monitor.take_plan(now, open(&bytes), &base, &mut turn);
        let its = shadow.take_plan(now, open(&bytes), &base, &mut other);
        if taken != its {
            return Err(format!("the plan is {taken:?}, of the shadow {its:?}"));
        }
        match taken {
            Ok(()) if fits => {}
            Err(NotTaken::Stale) if !fits => {
                self.stale += 1;
                return Ok(());
            }
            _ => return Err(format!("the plan is {taken:?}, and fits: {fits}")),
        }
        self.stage.turns += 1;
        self.stage.tell(&"reload", &turn.effects);
        self.stage.same(&shadow, &Event::Tick, (&turn, &other))?;
        if self.stage.dies() {
            self.take_over()?;
            return match self.stage.random.chance(70) {
                true => self.reload(units),
                false => Ok(()),
            };
        }
        let old = open(&std::mem::replace(&mut self.stage.bytes, bytes));
        let same = *units == self.units;
        if !same {
            self.past.push(std::mem::replace(&mut self.units, units.clone()));
        }
        self.commit(None, &turn)?;
        let reload = Reload { before: &before, old: &old, base: &base, turn: &turn, same };
        self.rules.reloaded(&self.stage.monitor, &self.stage.kernel, &reload)?;
        self.rules.stepped(&self.stage.monitor, now)?;
        if self.stage.dies() {
            self.carry_some(&turn.effects)?;
            return self.take_over();
        }
        self.carry(&turn.effects)
    }
}
