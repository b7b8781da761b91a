//! Records name conditions and actions by their places. When something is
//! added or taken out, or the unit says something else, those of marks, lists
//! in progress and commands follow.
//! A list that is at what has gone goes on with what comes after it; one at an
//! action that says something else begins that anew.

use super::Monitor;
use super::command::Command;
use super::marks::Marks;
use super::run::{Phase, Place};
use crate::effect::Effect;
use crate::event::Wait;
use crate::ids::EntityId;
use crate::memory::RecordId;
use crate::plan::{ActionPlan, Class, EntityPlan, Item, Overlay, Verb, is_own};

/// The place of a command whose action has gone: no list is there.
const NOWHERE: Place = (0xfe00, 0, 0);

/// An entity before and after a change.
struct Shift<'a> {
    before: (&'a EntityPlan, &'a Overlay),
    after: (&'a EntityPlan, &'a Overlay),
}

/// Where something stands now.
#[derive(Clone, Copy)]
enum Moved {
    /// There.
    To(Place),
    /// It has gone; what came after it is there.
    Gone(Place),
}

impl Shift<'_> {
    fn condition(&self, place: usize) -> Option<usize> {
        let name = &self.before.0.conditions.get(place)?.name;
        self.after.0.conditions.iter().position(|other| other.name == *name)
    }

    fn action(&self, condition: usize, place: usize) -> Option<usize> {
        let name = &actions(self.before.0, condition).get(place)?.name;
        let now = self.condition(condition)?;
        actions(self.after.0, now).iter().position(|other| other.name == *name)
    }

    /// Of an item of an on-fail list, from 1. Those that an action was made
    /// with have no names, and stay.
    fn on_fail(&self, condition: usize, action: usize, place: usize) -> Option<usize> {
        let (c, a) = (self.before.0.conditions.get(condition)?, actions(self.before.0, condition));
        let a = a.get(action)?;
        let late = |overlay: &Overlay| -> Vec<String> {
            let of = |item: &Item| match item {
                Item::OnFail(at, of, name) if *at == c.name && *of == a.name => Some(name.clone()),
                Item::OnFail(..) | Item::Entity | Item::Condition(_) | Item::Action(..) => None,
            };
            overlay.on_fail.iter().filter_map(|late| of(&late.item)).collect()
        };
        let (old, new) = (late(self.before.1), late(self.after.1));
        let fixed = a.on_fail.len().saturating_sub(old.len());
        let now = self.action(condition, action)?;
        let after = actions(self.after.0, self.condition(condition)?).get(now)?;
        let fixed_now = after.on_fail.len().saturating_sub(new.len());
        match place.checked_sub(fixed.saturating_add(1)) {
            None => Some(place),
            Some(at) => {
                let name = old.get(at)?;
                let now = new.iter().position(|other| other == name)?;
                Some(fixed_now.saturating_add(now).saturating_add(1))
            }
        }
    }

    /// Whether what an action waits for is not what its unit says any more, so
    /// that it begins anew. A command that runs, and a start that is planned, go
    /// on as they are.
    fn says_else(&self, from: Place, to: Place) -> bool {
        let old = self.before.0.verb(from.0, from.1, from.2);
        let new = self.after.0.verb(to.0, to.1, to.2);
        let goes_on = matches!(
            (&old, &new),
            (Some(Verb::Execute(_)), Some(Verb::Execute(_)))
                | (Some(Verb::Restart(_)), Some(Verb::Restart(_)))
        );
        old != new && !goes_on
    }

    /// In a list of the entity's own life. Items of on-fail lists stay with
    /// their action.
    fn moved_own(&self, (list, action, on_fail): Place) -> Moved {
        let name = |plan: &EntityPlan, at: u16| plan.action_name(list, at).map(str::to_owned);
        let length = |plan: &EntityPlan| u16::try_from(plan.list_length(list)).unwrap_or(u16::MAX);
        let now = |at: u16| {
            let known = name(self.before.0, at)?;
            (0..length(self.after.0)).find(|to| name(self.after.0, *to).as_ref() == Some(&known))
        };
        if let Some(at) = now(action) {
            return Moved::To((list, at, on_fail));
        }
        let behind = action >= length(self.before.0);
        let rest = action..length(self.before.0);
        let place = rest.filter_map(now).min().unwrap_or_else(|| length(self.after.0));
        let place = (list, place, 0);
        if behind { Moved::To(place) } else { Moved::Gone(place) }
    }

    fn moved(&self, (condition, action, on_fail): Place) -> Moved {
        if is_own(condition) {
            return self.moved_own((condition, action, on_fail));
        }
        let (c, a, f) = (usize::from(condition), usize::from(action), usize::from(on_fail));
        let word = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        let left = |count: usize, stays: &dyn Fn(usize) -> bool| {
            word((0..count).filter(|place| stays(*place)).count())
        };
        let Some(now) = self.condition(c) else {
            let place = left(c, &|place| self.condition(place).is_some());
            // Behind the last one: the list is about to end.
            let behind = c >= self.before.0.conditions.len();
            return if behind { Moved::To((place, action, 0)) } else { Moved::Gone((place, 0, 0)) };
        };
        let Some(at) = self.action(c, a) else {
            let place = left(a, &|place| self.action(c, place).is_some());
            let behind = a >= actions(self.before.0, c).len();
            let place = (word(now), place, 0);
            return if behind { Moved::To(place) } else { Moved::Gone(place) };
        };
        if f == 0 {
            return Moved::To((word(now), word(at), 0));
        }
        match self.on_fail(c, a, f) {
            Some(item) => Moved::To((word(now), word(at), word(item))),
            None => {
                let place = left(f, &|item| item == 0 || self.on_fail(c, a, item).is_some());
                let listed = f <= actions(self.before.0, c).get(a).map_or(0, |a| a.on_fail.len());
                let place = (word(now), word(at), place);
                if listed { Moved::Gone(place) } else { Moved::To(place) }
            }
        }
    }

    fn marks(&self, marks: &Marks) -> Marks {
        let mut now = Marks::default();
        for (place, condition) in self.before.0.conditions.iter().enumerate() {
            let Some(at) = self.condition(place) else { continue };
            if marks.condition(place) {
                now.mark_condition(at);
            }
            for action in 0..condition.actions.len() {
                if marks.action(self.before.0.action_bit(place, action))
                    && let Some(to) = self.action(place, action)
                {
                    now.mark_action(self.after.0.action_bit(at, to));
                }
            }
        }
        now
    }
}

fn actions(plan: &EntityPlan, condition: usize) -> &[ActionPlan] {
    plan.conditions.get(condition).map(|condition| condition.actions.as_slice()).unwrap_or_default()
}

impl Monitor {
    /// What was changed of an entity is to be this; all that names its items
    /// by place follows.
    pub(super) fn lay(&mut self, id: EntityId, overlay: Overlay) {
        let before = (self.plan_of(id), self.overlay(id));
        self.put_overlay(id, overlay);
        if let (Some(plan), overlay) = before {
            self.follow(id, (&plan, &overlay.unwrap_or_default()));
        }
    }

    /// An entity was that before; all that names its items by place follows.
    pub(super) fn follow(&mut self, id: EntityId, before: (&EntityPlan, &Overlay)) {
        let Some(new) = self.plan_of(id) else { return };
        let is = self.overlay(id).unwrap_or_default();
        let shift = Shift { before, after: (&new, &is) };
        let mut entity = self.entity(id);
        let marks = shift.marks(&entity.removed);
        if marks != entity.removed {
            entity.removed = marks;
            self.put(id, entity);
        }
        for index in self.runs_of.get(&id).cloned().unwrap_or_default() {
            self.shift_run(index, &shift);
        }
        let commands = self.commands.values().filter(|command| command.entity == id);
        let moved: Vec<(u32, Place)> = commands
            .filter(|command| command.place != NOWHERE)
            .map(|command| match shift.moved(command.place) {
                Moved::To(place) => (command.slot.index, place),
                Moved::Gone(_) => (command.slot.index, NOWHERE),
            })
            .collect();
        for (slot, place) in moved {
            self.move_command(slot, place);
        }
        self.moved.insert(id);
    }

    fn shift_run(&mut self, index: u32, shift: &Shift<'_>) {
        let Some(run) = self.runs.get(&index) else { return };
        let place = (run.condition, run.action, run.on_fail);
        let (to, gone) = match shift.moved(place) {
            Moved::To(to) => (to, false),
            Moved::Gone(to) => (to, true),
        };
        let behind = !is_own(place.0) && usize::from(place.0) >= shift.before.0.conditions.len();
        let again = !gone && run.phase != Phase::Ready && shift.says_else(place, to);
        let holds = !gone && (!again || to.2 > 0);
        let (passed, to) = match run.is_single() || behind {
            true => (run.passed, to),
            false => run.goes_on((shift.before.0, shift.after.0), to, holds),
        };
        if gone || again {
            self.waits_no_more(index);
        }
        let Some(run) = self.runs.get_mut(&index) else { return };
        // By itself it is about that condition alone.
        let ends = run.class == Class::Independent
            && !is_own(place.0)
            && shift.condition(usize::from(place.0)).is_none()
            && !behind;
        let ended = ends || (gone && run.is_single());
        (run.condition, run.action, run.on_fail) = to;
        run.passed = passed;
        self.turn.dirty.insert(RecordId::Run(index));
        if ended {
            self.end_run(index);
        } else if gone || again {
            self.ready.push_back(index);
        }
    }

    /// What the current action of a list waits for is not waited for any more.
    fn waits_no_more(&mut self, index: u32) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        let reference = run.reference(index);
        let phase = std::mem::replace(&mut run.phase, Phase::Ready);
        run.due = None;
        match phase {
            Phase::Path => self.emit(Effect::Unwatch { wait: Wait::Run(reference) }),
            Phase::Command(slot) => {
                if let Some(command) = self.commands.get_mut(&slot.index) {
                    command.run = None;
                    self.turn.dirty.insert(RecordId::Command(slot.index));
                }
            }
            Phase::Ready
            | Phase::Log
            | Phase::Signal(_)
            | Phase::SignalProcess
            | Phase::Pause
            | Phase::Restart
            | Phase::Up => {}
        }
    }

    fn move_command(&mut self, slot: u32, place: Place) {
        let Some(command) = self.commands.get(&slot).filter(|command| command.place != place)
        else {
            return;
        };
        let command = Command { place, ..command.clone() };
        self.remove_command(command.slot);
        self.add_command(command);
        self.turn.dirty.insert(RecordId::Command(slot));
    }
}
