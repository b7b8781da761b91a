//! Action lists: which begin when something happens, and how each goes from
//! action to action. Inside a condition strictly first to last; the in-order
//! conditions of one occurrence one after the other, the no-wait ones
//! likewise, each independent one by itself (QNX HAM's three classes).

use super::Monitor;
use super::marks::Marks;
use super::passed::bit;
use super::run::{Occurrence, Phase, Run};
use super::verbs::Begun;
use crate::effect::{Effect, Fact, Failed, Failure};
use crate::event::Wait;
use crate::ids::{EntityId, MAX_RUNS, RunRef};
use crate::memory::RecordId;
use crate::plan::{Class, EntityPlan, Item, Kind, Verb, is_own};

/// Where a list that is one action goes from there: to its end.
const NO_LIST: u16 = 0xfe00;

impl Monitor {
    /// Begins the lists that an occurrence fires: those of its entity first,
    /// then those of others about it, then those about any. What becomes of a
    /// unit of such conditions itself concerns nobody.
    pub(super) fn fire(&mut self, id: EntityId, occurrence: Occurrence) {
        if self.is_off(id) || self.is_global(id) {
            return;
        }
        self.fire_of(id, occurrence);
        if self.plan.is_linked(id)
            && let Some(plan) = self.plan_of(id)
        {
            for watcher in &plan.links.watched_by {
                self.fire_of(*watcher, occurrence);
            }
        }
        for place in 0..self.plan.global().len() {
            if let Some(unit) = self.plan.global().get(place).copied()
                && self.is_global(unit)
            {
                self.fire_of(unit, occurrence);
            }
        }
    }

    /// Whether it is a unit of conditions on any entity, at present.
    fn is_global(&mut self, id: EntityId) -> bool {
        self.plan.global().contains(&id)
            && self.plan_of(id).is_some_and(|plan| plan.kind == Kind::Global)
    }

    /// Begins those of one unit.
    fn fire_of(&mut self, id: EntityId, occurrence: Occurrence) {
        let Some(plan) = self.plan_of(id).filter(|_| !self.is_off(id)) else { return };
        let global = plan.kind == Kind::Global;
        // Such a unit is up from the start until somebody stops it.
        if global && !self.entity(id).is_up() {
            return;
        }
        let removed = self.entity(id).removed;
        let mut in_order = false;
        let mut no_wait = false;
        for (place, condition) in plan.conditions.iter().enumerate() {
            let armed = condition.enabled && !removed.condition(place);
            if !armed || !occurrence.fires(condition, id, global) {
                continue;
            }
            let at = u16::try_from(place).unwrap_or(u16::MAX);
            self.note(id, Fact::Fired { condition: at });
            let begins = match condition.class {
                Class::InOrder => !std::mem::replace(&mut in_order, true),
                Class::NoWait => !std::mem::replace(&mut no_wait, true),
                Class::Independent => true,
            };
            if begins {
                self.begin_run(id, condition.class, at, occurrence);
            }
        }
    }

    /// False when there are too many.
    pub(super) fn begin_run(
        &mut self,
        id: EntityId,
        class: Class,
        place: u16,
        occurrence: Occurrence,
    ) -> bool {
        self.begin_at(id, class, (place, 0), occurrence)
    }

    /// One action of a condition, and no more.
    pub(super) fn begin_single(
        &mut self,
        id: EntityId,
        class: Class,
        at: (u16, u16),
        occurrence: Occurrence,
    ) {
        self.begin_at(id, class, at, occurrence);
    }

    fn begin_at(
        &mut self,
        id: EntityId,
        class: Class,
        (place, action): (u16, u16),
        occurrence: Occurrence,
    ) -> bool {
        let Some(index) = self.free_run() else {
            self.note(id, Fact::ListRefused);
            return false;
        };
        let serial = self.global.next_serial;
        self.global.next_serial = serial.wrapping_add(1);
        self.turn.dirty.insert(RecordId::Global);
        let run = Run {
            entity: id,
            serial,
            class,
            occurrence,
            condition: place,
            action,
            on_fail: 0,
            phase: Phase::Ready,
            step: 0,
            due: None,
            prune: false,
            began: self.now,
            failed: None,
            passed: Marks::default(),
        };
        self.runs.insert(index, run);
        self.runs_of.entry(id).or_default().push(index);
        self.turn.dirty.insert(RecordId::Run(index));
        self.ready.push_back(index);
        self.moved.insert(id);
        true
    }

    /// The lowest place in the run table that is free.
    fn free_run(&mut self) -> Option<u32> {
        if let Some(index) = self.free_runs.pop_first() {
            return Some(index);
        }
        let index = self.runs_end;
        (index < MAX_RUNS).then(|| {
            self.runs_end = index.saturating_add(1);
            index
        })
    }

    /// Works off what can go on in this turn.
    pub(super) fn advance_ready(&mut self) {
        while let Some(index) = self.ready.pop_front() {
            self.advance(index);
        }
    }

    fn advance(&mut self, index: u32) {
        while let Some(run) = self.runs.get(&index).filter(|run| run.phase == Phase::Ready) {
            let id = run.entity;
            let Some(plan) = self.plan_of(id) else {
                self.end_run(index);
                return;
            };
            let Some(verb) = self.next_verb(index, &plan) else {
                if self.runs.get(&index).is_some_and(|run| run.phase == Phase::Ready) {
                    self.end_run(index);
                }
                return;
            };
            self.turn.dirty.insert(RecordId::Run(index));
            if let Some(run) = self.runs.get_mut(&index) {
                run.step = run.step.wrapping_add(1);
                run.due = None;
            }
            match self.begin(index, &plan, &verb) {
                Begun::Done(result) => self.conclude(index, result),
                Begun::Pending(phase, due) => {
                    if let Some(run) = self.runs.get_mut(&index) {
                        run.phase = phase;
                        run.due = due;
                    }
                }
                Begun::Cancelled => {
                    self.note(id, Fact::ListCancelled);
                    self.end_run(index);
                }
            }
        }
    }

    /// Moves the run to the next action that is armed; `None`: there is none.
    fn next_verb(&mut self, index: u32, plan: &EntityPlan) -> Option<Verb> {
        loop {
            let id = self.runs.get(&index)?.entity;
            let removed = self.entity(id).removed;
            let overlay = self.overlay(id);
            let off = overlay.as_ref().is_some_and(|overlay| overlay.is_off(&Item::Entity));
            let run = self.runs.get(&index)?;
            let place = usize::from(run.condition);
            let own = is_own(run.condition);
            let takes = own
                || plan.conditions.get(place).is_some_and(|condition| {
                    let armed = condition.enabled && !removed.condition(place);
                    !off && armed && run.takes(place, condition, plan.kind == Kind::Global)
                });
            let at = usize::from(run.action);
            let is_removed = || {
                let disarmed = || {
                    let names = (
                        plan.list_name(run.condition),
                        plan.action_name(run.condition, run.action),
                    );
                    match (&overlay, names) {
                        (Some(overlay), (Some(condition), Some(action))) => {
                            overlay.is_action_off(condition, action)
                        }
                        (_, _) => false,
                    }
                };
                !own && (removed.action(plan.action_bit(place, at)) || disarmed())
            };
            let step_over = if !takes || at >= plan.list_length(run.condition) {
                if !own && plan.conditions.get(place).is_none() {
                    return None;
                }
                Step::Condition
            } else if run.on_fail == 0 && (is_removed() || run.has_passed(plan)) {
                Step::Action
            } else if let Some(verb) = plan.verb(run.condition, run.action, run.on_fail) {
                return Some(verb);
            } else {
                Step::AfterFailure
            };
            match step_over {
                Step::Action => self.go_to(index, false),
                Step::Condition => {
                    if run.class == Class::Independent || run.is_single() {
                        return None;
                    }
                    self.go_to(index, true);
                }
                Step::AfterFailure => {
                    if !self.after_failure(index, plan) {
                        return None;
                    }
                }
            }
        }
    }

    fn go_to(&mut self, index: u32, next_condition: bool) {
        if let Some(run) = self.runs.get_mut(&index) {
            run.on_fail = 0;
            if run.is_single() {
                run.condition = NO_LIST;
            } else if next_condition {
                run.condition = run.condition.saturating_add(1);
                run.action = 0;
            } else {
                run.action = run.action.saturating_add(1);
            }
            self.turn.dirty.insert(RecordId::Run(index));
        }
    }

    /// The current action is over, or all of its condition. Where what was done is
    /// marked, what is left of it is looked for from the beginning.
    fn leave_action(&mut self, index: u32, plan: &EntityPlan, condition: bool) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        if run.is_single() || !run.passed.has_actions() {
            self.go_to(index, condition);
            return;
        }
        let length = u16::try_from(plan.list_length(run.condition)).unwrap_or(u16::MAX);
        for action in if condition { 0..length } else { run.action..run.action.saturating_add(1) } {
            run.passed.mark_action(bit(plan, run.condition, action));
        }
        (run.condition, run.action, run.on_fail) = run.first();
        self.turn.dirty.insert(RecordId::Run(index));
    }

    /// A failed action has had its on-fail list: it goes unless it is kept,
    /// and the rest of the condition goes on unless it breaks. False: the run
    /// is at its end.
    fn after_failure(&mut self, index: u32, plan: &EntityPlan) -> bool {
        let Some(run) = self.runs.get_mut(&index) else { return false };
        let (id, class) = (run.entity, run.class);
        let (place, at) = (usize::from(run.condition), usize::from(run.action));
        let Some(on_fail) = plan.on_fail(run.condition, run.action) else { return false };
        run.failed = run.failed.filter(|_| on_fail.breaks);
        self.turn.dirty.insert(RecordId::Run(index));
        if !on_fail.keeps {
            self.fail_for_good(id, plan, (place, at));
        }
        if on_fail.breaks && class == Class::Independent {
            return false;
        }
        self.leave_action(index, plan, on_fail.breaks);
        true
    }

    /// The current action of a run is over.
    fn conclude(&mut self, index: u32, result: Result<(), Failure>) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        run.phase = Phase::Ready;
        run.due = None;
        if let Err(why) = result
            && run.on_fail == 0
            && is_own(run.condition)
        {
            run.failed = Some(Failed { action: run.action, why });
        }
        self.turn.dirty.insert(RecordId::Run(index));
        let (id, condition, action, on_fail) = (run.entity, run.condition, run.action, run.on_fail);
        self.note(
            id,
            match result {
                Ok(()) => Fact::ActionDone { condition, action, on_fail },
                Err(why) => Fact::ActionFailed { condition, action, on_fail, why },
            },
        );
        if on_fail > 0 || result.is_err() {
            // Into the on-fail list, or to its next item, whatever became of
            // this one; the end of the list is found by `next_verb`.
            if let Some(run) = self.runs.get_mut(&index) {
                run.on_fail = on_fail.saturating_add(1);
            }
        } else if let Some(plan) = self.plan_of(id) {
            self.leave_action(index, &plan, false);
        } else {
            self.go_to(index, false);
        }
    }

    /// As `conclude`, from outside of `advance`.
    pub(super) fn concluded(&mut self, index: u32, result: Result<(), Failure>) {
        self.conclude(index, result);
        self.ready.push_back(index);
    }

    pub(super) fn end_run(&mut self, index: u32) {
        let Some(run) = self.runs.remove(&index) else { return };
        self.free_runs.insert(index);
        if let Some(indexes) = self.runs_of.get_mut(&run.entity) {
            indexes.retain(|other| *other != index);
            if indexes.is_empty() {
                self.runs_of.remove(&run.entity);
            }
        }
        self.turn.dirty.insert(RecordId::Run(index));
        if run.phase == Phase::Path {
            self.emit(Effect::Unwatch { wait: Wait::Run(run.reference(index)) });
        }
        if run.prune {
            self.prune(run.entity);
        }
        self.moved.insert(run.entity);
        self.overlays.sweeps.insert(run.entity);
        if is_own(run.condition) {
            self.own_list_over(run.entity, run.condition, run.failed.map_or(Ok(()), Err));
        }
    }

    /// The daemon has carried out the effect that an action waited for.
    pub(super) fn action_done(&mut self, reference: RunRef, ok: bool) {
        let Some(run) = self.runs.get(&reference.index) else { return };
        if run.reference(reference.index) != reference {
            return;
        }
        match run.phase {
            Phase::Log | Phase::Signal(_) | Phase::SignalProcess | Phase::Path => {
                let result = if ok { Ok(()) } else { Err(Failure::Refused) };
                self.concluded(reference.index, result);
            }
            Phase::Ready | Phase::Pause | Phase::Restart | Phase::Command(_) | Phase::Up => {}
        }
    }

    pub(super) fn run_due(&mut self, index: u32) {
        let Some(run) = self.runs.get(&index) else { return };
        match run.phase {
            Phase::Pause => self.concluded(index, Ok(())),
            Phase::Path => {
                let wait = Wait::Run(run.reference(index));
                self.emit(Effect::Unwatch { wait });
                self.concluded(index, Err(Failure::Timeout));
            }
            Phase::Up => self.concluded(index, Err(Failure::Timeout)),
            Phase::Ready
            | Phase::Log
            | Phase::Signal(_)
            | Phase::SignalProcess
            | Phase::Restart
            | Phase::Command(_) => {}
        }
    }
}

/// What `next_verb` steps over.
enum Step {
    Action,
    Condition,
    AfterFailure,
}
