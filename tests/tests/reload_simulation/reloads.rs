//! Units change in the life of a world, and the plan that comes of them is taken
//! as the daemon does.

use super::{Checked, World, open};
use crate::rules::Reload;
use crate::seen;
use crate::units::Units;
use ham_core::event::{Ask, Event};
use ham_core::ids::EntityId;
use ham_core::monitor::{Base, NotTaken, Turn};
use ham_core::plan::{encode, join};
use std::collections::BTreeSet;

/// Reloads after which what has begun to be something else is nothing else.
const SETTLES: u32 = 50;

impl World {
    /// Other units, and then those that there were: all is as it was.
    pub(super) fn there_and_back(&mut self) -> Checked {
        let first = self.units.clone();
        for _ in 0..1 + self.random.below(3) {
            let units = self.edited();
            self.reload(&units)?;
            if self.random.chance(50) {
                self.rest()?;
            }
        }
        self.settle(&first)?;
        self.rules.quiet(&self.monitor, &self.kernel)?;
        for id in self.monitor.ids() {
            if matches!(self.monitor.view(id).state, "running" | "finished") {
                let request = self.request_id();
                let (entities, ask) = (vec![id], Ask::Restart);
                self.step(Event::Request { id: request, entities, ask, wait: false, from: None })?;
                self.rest()?;
            }
        }
        // What has begun to be something else is so, and what has left is gone.
        self.settle(&first)?;
        self.rules.quiet(&self.monitor, &self.kernel)?;
        let kept = |id: &EntityId| {
            self.monitor.plan().is_leaving(*id)
                || self.monitor.view(*id).state == "waiting"
                || self.kernel.living(*id).is_empty() && self.monitor.slot_of(*id).is_some()
        };
        if self.monitor.plan().pending().iter().any(kept) {
            // Something is left of one for ever, or it waits for ever.
            return Ok(());
        }
        let plan = self.monitor.plan();
        let ids = plan.ids().collect();
        let expected = self.units.plans(&|name| plan.find(name), &ids);
        if encode(&expected).as_ref() != Ok(&self.bytes) {
            let other = expected.iter().find(|one| plan.entity(one.id).as_ref() != Ok(*one));
            let is = other.map(|one| (plan.entity(one.id), self.monitor.view(one.id)));
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
            if self.units == *units && self.monitor.base() == Base::default() {
                return Ok(());
            }
        }
        Err("does not settle".to_owned())
    }

    /// Units as somebody makes them of those that there are.
    pub(super) fn edited(&mut self) -> Units {
        let back = self.random.chance(20) && !self.past.is_empty();
        if back {
            return self.random.pick(&self.past).clone();
        }
        let mut units = self.units.clone();
        for _ in 0..self.random.below(5) {
            units.edit(&mut self.random);
        }
        units
    }

    /// Such units are there from now on: as the daemon takes them.
    pub(super) fn reload(&mut self, units: &Units) -> Checked {
        // What is due is no effect of it.
        self.step(Event::Tick)?;
        while self.monitor.deadline().is_some_and(|due| due <= self.kernel.now) {
            self.step(Event::Tick)?;
        }
        let base = self.monitor.base();
        let plan = self.monitor.plan();
        let known = base.known(plan).map_err(|error| error.to_string())?;
        let id = |name: &str| known.get(name).map(|known| known.plan.id);
        let new = units.plans(&id, &plan.ids().collect());
        let stays = |name: &str| new.iter().any(|entity| entity.name == name);
        let goes = known.values().filter(|known| !known.plan.leaving && !stays(&known.plan.name));
        let gone: BTreeSet<EntityId> = goes.map(|known| known.plan.id).collect();
        let bytes = encode(&join(&known, &new, &gone)).map_err(|error| error.to_string())?;
        if self.random.chance(15) {
            // The loader is not done at once.
            let before = self.takeovers;
            for _ in 0..self.random.below(12) {
                self.turn()?;
            }
            if self.takeovers > before {
                // Its answer was for the one that has died.
                return Ok(());
            }
            while self.monitor.deadline().is_some_and(|due| due <= self.kernel.now) {
                self.step(Event::Tick)?;
            }
        }
        let before = seen::all(&self.monitor);
        let now = self.kernel.now;
        let fits = self.monitor.base() == base;
        let mut shadow = self.shadow();
        self.is_as_committed(&shadow)?;
        let (mut turn, mut other) = (Turn::default(), Turn::default());
        let taken = self.monitor.take_plan(now, open(&bytes), &base, &mut turn);
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
        self.turns += 1;
        self.tell(&"reload", &turn.effects);
        self.same(&shadow, &Event::Tick, (&turn, &other))?;
        if self.dies() {
            self.take_over()?;
            return match self.random.chance(70) {
                true => self.reload(units),
                false => Ok(()),
            };
        }
        let old = open(&std::mem::replace(&mut self.bytes, bytes));
        let same = *units == self.units;
        if !same {
            self.past.push(std::mem::replace(&mut self.units, units.clone()));
        }
        self.commit(&turn)?;
        let reload = Reload { before: &before, old: &old, base: &base, turn: &turn, same };
        self.rules.reloaded(&self.monitor, &self.kernel, &reload)?;
        self.rules.stepped(&self.monitor, now)?;
        if self.dies() {
            let some = self.random.below(turn.effects.len() as u64 + 1);
            self.carry(&turn.effects[..usize::try_from(some).unwrap_or(0)])?;
            return self.take_over();
        }
        self.carry(&turn.effects)
    }
}
