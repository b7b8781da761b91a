//! Action lists: which begin when something happens, and how each goes from
//! action to action. Inside a condition strictly first to last; the in-order
//! conditions of one occurrence one after the other, the no-wait ones
//! likewise, each independent one by itself (QNX HAM's three classes).

use super::entity::{Actual, Cause, Desired, Next};
use super::pool::Owner;
use super::run::{Command, CommandPhase, Occurrence, Phase, Run};
use super::text::Context;
use super::{ERROR_NO_SLOT, Monitor};
use crate::effect::{Effect, Fact, Failure, Process, Spawn};
use crate::event::Ask;
use crate::ids::{EntityId, MAX_RUNS, RunRef, SlotRef};
use crate::memory::RecordId;
use crate::plan::{Class, EntityPlan, ExecutePlan, SignalPlan, Verb, WaitPlan};
use crate::status::ExitStatus;
use crate::time::Mono;
use std::sync::Arc;

/// Commands of one action that may run at the same time (details 37): a
/// command that hangs must not fill the machine with its kind.
const COMMANDS_PER_ACTION: usize = 8;

/// What the beginning of an action has led to.
enum Begun {
    Done(Result<(), Failure>),
    Pending(Phase, Option<Mono>),
    /// A stop was asked for: the list ends.
    Cancelled,
}

impl Monitor {
    /// Begins the lists that an occurrence fires.
    pub(super) fn fire(&mut self, id: EntityId, occurrence: Occurrence) {
        let Some(plan) = self.plan_of(id) else { return };
        let removed = self.entity(id).removed;
        let mut in_order = false;
        let mut no_wait = false;
        for (place, condition) in plan.conditions.iter().enumerate() {
            let armed = condition.enabled && !removed.condition(place);
            if !armed || !occurrence.kinds.fires(condition.on) {
                continue;
            }
            let begins = match condition.class {
                Class::InOrder => !std::mem::replace(&mut in_order, true),
                Class::NoWait => !std::mem::replace(&mut no_wait, true),
                Class::Independent => true,
            };
            if begins {
                self.begin_run(id, condition.class, place, occurrence);
            }
        }
    }

    fn begin_run(&mut self, id: EntityId, class: Class, place: usize, occurrence: Occurrence) {
        let Some(index) = self.free_run() else {
            self.note(id, Fact::ListRefused);
            return;
        };
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let run = Run {
            entity: id,
            serial,
            class,
            occurrence,
            condition: u16::try_from(place).unwrap_or(u16::MAX),
            action: 0,
            on_fail: 0,
            phase: Phase::Ready,
            step: 0,
            due: None,
            prune: false,
        };
        self.runs.insert(index, run);
        self.runs_of.entry(id).or_default().push(index);
        self.turn.dirty.insert(RecordId::Run(index));
        self.ready.push_back(index);
    }

    /// The lowest place in the run table that is free.
    fn free_run(&self) -> Option<u32> {
        let taken = self.runs.keys().zip(0u32..).take_while(|(taken, place)| *taken == place);
        u32::try_from(taken.count()).ok().filter(|index| *index < MAX_RUNS)
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
            let run = self.runs.get(&index)?;
            let place = usize::from(run.condition);
            let condition = plan.conditions.get(place)?;
            let armed = condition.enabled && !removed.condition(place);
            let at = usize::from(run.action);
            let step_over = if !armed || !run.takes(place, condition) {
                Step::Condition
            } else if let Some(action) = condition.actions.get(at) {
                if run.on_fail > 0 {
                    match action.on_fail.get(usize::from(run.on_fail).saturating_sub(1)) {
                        Some(verb) => return Some(verb.clone()),
                        None => Step::AfterFailure,
                    }
                } else if removed.action(plan.action_bit(place, at)) {
                    Step::Action
                } else {
                    return Some(action.verb.clone());
                }
            } else {
                Step::Condition
            };
            match step_over {
                Step::Action => self.go_to(index, false),
                Step::Condition => {
                    if run.class == Class::Independent {
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
            if next_condition {
                run.condition = run.condition.saturating_add(1);
                run.action = 0;
            } else {
                run.action = run.action.saturating_add(1);
            }
            self.turn.dirty.insert(RecordId::Run(index));
        }
    }

    /// A failed action has had its on-fail list: it goes unless it is kept,
    /// and the rest of the condition goes on unless it breaks. False: the run
    /// is at its end.
    fn after_failure(&mut self, index: u32, plan: &EntityPlan) -> bool {
        let Some(run) = self.runs.get(&index) else { return false };
        let (id, class) = (run.entity, run.class);
        let (place, at) = (usize::from(run.condition), usize::from(run.action));
        let Some(action) = plan.conditions.get(place).and_then(|c| c.actions.get(at)) else {
            return false;
        };
        if !action.keep_on_fail {
            let mut entity = self.entity(id);
            entity.removed.mark_action(plan.action_bit(place, at));
            self.put(id, entity);
        }
        if action.break_on_fail && class == Class::Independent {
            return false;
        }
        self.go_to(index, action.break_on_fail);
        true
    }

    /// The current action of a run is over.
    fn conclude(&mut self, index: u32, result: Result<(), Failure>) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        run.phase = Phase::Ready;
        run.due = None;
        self.turn.dirty.insert(RecordId::Run(index));
        let (id, condition, action, on_fail) = (run.entity, run.condition, run.action, run.on_fail);
        if let Err(why) = result {
            self.note(id, Fact::ActionFailed { condition, action, on_fail, why });
        }
        if on_fail > 0 || result.is_err() {
            // Into the on-fail list, or to its next item, whatever became of
            // this one; the end of the list is found by `next_verb`.
            if let Some(run) = self.runs.get_mut(&index) {
                run.on_fail = on_fail.saturating_add(1);
            }
        } else {
            self.go_to(index, false);
        }
    }

    /// As `conclude`, from outside of `advance`.
    pub(super) fn concluded(&mut self, index: u32, result: Result<(), Failure>) {
        self.conclude(index, result);
        self.ready.push_back(index);
    }

    fn end_run(&mut self, index: u32) {
        let Some(run) = self.runs.remove(&index) else { return };
        if let Some(indexes) = self.runs_of.get_mut(&run.entity) {
            indexes.retain(|other| *other != index);
            if indexes.is_empty() {
                self.runs_of.remove(&run.entity);
            }
        }
        self.turn.dirty.insert(RecordId::Run(index));
        if run.phase == Phase::Path {
            self.emit(Effect::Unwatch { run: run.reference(index) });
        }
        if run.prune {
            self.prune(run.entity);
        }
    }

    fn begin(&mut self, index: u32, plan: &Arc<EntityPlan>, verb: &Verb) -> Begun {
        let Some(run) = self.runs.get(&index) else { return Begun::Cancelled };
        let (id, reference) = (run.entity, run.reference(index));
        match verb {
            Verb::Restart(_) => self.begin_restart(index, id),
            Verb::Execute(execute) => self.begin_execute(index, plan, execute),
            Verb::NotifySignal(signal) => self.begin_signal(id, reference, signal),
            Verb::WaitFor(wait) => self.begin_wait(index, plan, wait),
            Verb::Log(text) => {
                let text = self.fill(index, plan, text);
                self.emit(Effect::Log { run: reference, entity: id, text });
                Begun::Pending(Phase::Log, None)
            }
            Verb::Start(name) => self.begin_other(name, Ask::Start),
            Verb::Stop(name) => self.begin_other(name, Ask::Stop),
        }
    }

    pub(super) fn fill(&self, index: u32, plan: &EntityPlan, text: &str) -> String {
        self.with_context(index, plan, |context| context.fill(text)).unwrap_or_default()
    }

    fn with_context<T>(
        &self,
        index: u32,
        plan: &EntityPlan,
        get: impl FnOnce(&Context<'_>) -> T,
    ) -> Option<T> {
        let run = self.runs.get(&index)?;
        let condition = plan.conditions.get(usize::from(run.condition))?;
        Some(get(&Context {
            entity: &plan.name,
            condition: &condition.name,
            occurrence: run.occurrence,
        }))
    }

    /// `restart` is done when a later process of the entity runs. If somebody
    /// has brought it back already there is nothing to do; if an attempt is
    /// planned or under way, this joins it.
    fn begin_restart(&mut self, index: u32, id: EntityId) -> Begun {
        let entity = self.entity(id);
        if entity.desired == Desired::Stopped || self.is_shutting_down() {
            return Begun::Cancelled;
        }
        let joins = match entity.actual {
            Actual::Up { .. } => return Begun::Done(Ok(())),
            Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { next: Next::Start(..), .. } => true,
            Actual::Down | Actual::Clearing { next: Next::Rest, .. } => false,
        };
        if let Some(run) = self.runs.get_mut(&index) {
            run.phase = Phase::Restart;
        }
        if joins || self.try_again(id, Cause::Restart) {
            return Begun::Pending(Phase::Restart, None);
        }
        // The limit was reached, which has concluded this action already; or
        // the plan has lost its restart action meanwhile.
        match self.runs.get(&index) {
            Some(run) if run.phase == Phase::Restart => Begun::Done(Err(Failure::Limit)),
            Some(run) => Begun::Pending(run.phase, None),
            None => Begun::Cancelled,
        }
    }

    /// All restart actions of an entity that wait for its next process.
    /// True when there were any.
    pub(super) fn restart_done(&mut self, id: EntityId, result: Result<(), Failure>) -> bool {
        let waiting = self.runs_waiting_for_restart(id);
        for index in &waiting {
            if let Some(run) = self.runs.get_mut(index) {
                run.prune = result.is_ok();
            }
            self.concluded(*index, result);
        }
        !waiting.is_empty()
    }

    fn runs_waiting_for_restart(&self, id: EntityId) -> Vec<u32> {
        let indexes = self.runs_of.get(&id).map(Vec::as_slice).unwrap_or_default();
        let waits =
            |index: &&u32| self.runs.get(index).is_some_and(|run| run.phase == Phase::Restart);
        indexes.iter().filter(waits).copied().collect()
    }

    /// A stop was asked for: what waits for a restart ends.
    pub(super) fn cancel_restarts(&mut self, id: EntityId) {
        for index in self.runs_waiting_for_restart(id) {
            self.note(id, Fact::ListCancelled);
            self.end_run(index);
        }
    }

    fn begin_execute(
        &mut self,
        index: u32,
        plan: &Arc<EntityPlan>,
        execute: &ExecutePlan,
    ) -> Begun {
        let Some(run) = self.runs.get(&index) else { return Begun::Cancelled };
        let id = run.entity;
        let place = (run.condition, run.action, run.on_fail);
        let reference = run.reference(index);
        let wait = execute.wait && run.class != Class::NoWait;
        let alike = |command: &&Command| command.entity == id && command.place == place;
        if self.commands.values().filter(alike).count() >= COMMANDS_PER_ACTION {
            return Begun::Done(Err(Failure::Full));
        }
        let Some(slot) = self.pool.take(Owner::Command) else {
            return Begun::Done(Err(Failure::Spawn(ERROR_NO_SLOT)));
        };
        let command = Command {
            entity: id,
            slot,
            run: Some(reference),
            place,
            wait,
            phase: CommandPhase::Starting,
            due: execute.timeout.deadline(self.now),
        };
        self.commands.insert(slot.index, command);
        self.turn.dirty.insert(RecordId::Command(slot.index));
        self.spawn_command(index, slot, plan, execute);
        Begun::Pending(Phase::Command(slot), None)
    }

    pub(super) fn spawn_command(
        &mut self,
        index: u32,
        slot: SlotRef,
        plan: &Arc<EntityPlan>,
        execute: &ExecutePlan,
    ) {
        let filled = self.with_context(index, plan, |context| {
            let argv: Vec<String> = execute.command.iter().map(|word| context.fill(word)).collect();
            (argv, context.variables())
        });
        let (argv, variables) = filled.unwrap_or_default();
        let what = Process::Command { argv, identity: execute.identity.clone(), variables };
        let spawn = Spawn { slot, entity: plan.id, plan: Arc::clone(plan), what };
        self.emit(Effect::Spawn(Box::new(spawn)));
    }

    fn begin_signal(&mut self, id: EntityId, run: RunRef, plan: &SignalPlan) -> Begun {
        let target = match &plan.entity {
            None => id,
            Some(name) => match self.plan.find(name) {
                Some(target) => target,
                None => return Begun::Done(Err(Failure::NoEntity)),
            },
        };
        let mut entity = self.entity(target);
        let slot = match entity.actual {
            Actual::Up { slot, .. } => slot,
            Actual::Stopping { slot, pid, .. } if pid != 0 => slot,
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Starting { .. }
            | Actual::Aborting { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. } => return Begun::Done(Err(Failure::NoProcess)),
        };
        entity.told = Some(plan.signal);
        self.put(target, entity);
        self.emit(Effect::Signal { slot, signal: plan.signal, value: plan.value, run: Some(run) });
        Begun::Pending(Phase::Signal(slot), None)
    }

    fn begin_wait(&mut self, index: u32, plan: &EntityPlan, wait: &WaitPlan) -> Begun {
        let due = wait.timeout.deadline(self.now);
        let Some(path) = &wait.path else { return Begun::Pending(Phase::Pause, due) };
        let path = self.fill(index, plan, path);
        let Some(run) = self.runs.get(&index) else { return Begun::Cancelled };
        let reference = run.reference(index);
        self.emit(Effect::Watch { run: reference, path });
        Begun::Pending(Phase::Path, due)
    }

    /// `start` and `stop` of another entity are done when they are asked for.
    fn begin_other(&mut self, name: &str, ask: Ask) -> Begun {
        let Some(other) = self.plan.find(name) else {
            return Begun::Done(Err(Failure::NoEntity));
        };
        if self.is_shutting_down() && ask == Ask::Start {
            return Begun::Done(Err(Failure::Refused));
        }
        self.apply(other, ask);
        Begun::Done(Ok(()))
    }

    /// The daemon has carried out the effect that an action waited for.
    pub(super) fn action_done(&mut self, reference: RunRef, ok: bool) {
        let Some(run) = self.runs.get(&reference.index) else { return };
        if run.reference(reference.index) != reference {
            return;
        }
        match run.phase {
            Phase::Log | Phase::Signal(_) | Phase::Path => {
                let result = if ok { Ok(()) } else { Err(Failure::Refused) };
                self.concluded(reference.index, result);
            }
            Phase::Ready | Phase::Pause | Phase::Restart | Phase::Command(_) => {}
        }
    }

    pub(super) fn run_due(&mut self, index: u32) {
        let Some(run) = self.runs.get(&index) else { return };
        match run.phase {
            Phase::Pause => self.concluded(index, Ok(())),
            Phase::Path => {
                let run = run.reference(index);
                self.emit(Effect::Unwatch { run });
                self.concluded(index, Err(Failure::Timeout));
            }
            Phase::Ready | Phase::Log | Phase::Signal(_) | Phase::Restart | Phase::Command(_) => {}
        }
    }

    pub(super) fn command_spawned(&mut self, slot: SlotRef) {
        let Some(command) = self.commands.get_mut(&slot.index) else { return };
        if command.phase == CommandPhase::Starting {
            command.phase = CommandPhase::Running;
        }
        self.turn.dirty.insert(RecordId::Command(slot.index));
        if !command.wait
            && let Some(run) = command.run.take()
        {
            self.command_concludes(run, slot, Ok(()));
        }
    }

    pub(super) fn command_failed(&mut self, slot: SlotRef, error: u64) {
        self.end_command(slot, Err(Failure::Spawn(error)));
    }

    pub(super) fn command_exited(&mut self, slot: SlotRef, status: ExitStatus) {
        let Some(command) = self.commands.get(&slot.index) else { return };
        let result = match command.phase {
            CommandPhase::Killing => Err(Failure::Timeout),
            CommandPhase::Starting | CommandPhase::Running
                if status.is_success() || !command.wait =>
            {
                Ok(())
            }
            CommandPhase::Starting | CommandPhase::Running => Err(Failure::Exit(status)),
        };
        self.end_command(slot, result);
    }

    fn end_command(&mut self, slot: SlotRef, result: Result<(), Failure>) {
        let Some(command) = self.commands.remove(&slot.index) else { return };
        self.turn.dirty.insert(RecordId::Command(slot.index));
        self.release(slot);
        if let Some(run) = command.run {
            self.command_concludes(run, slot, result);
        }
    }

    fn command_concludes(&mut self, run: RunRef, slot: SlotRef, result: Result<(), Failure>) {
        let current = self.runs.get(&run.index);
        if current.is_some_and(|now| {
            now.serial == run.serial && now.step == run.step && now.phase == Phase::Command(slot)
        }) {
            self.concluded(run.index, result);
        }
    }

    pub(super) fn command_due(&mut self, slot: u32) {
        let Some(command) = self.commands.get_mut(&slot) else { return };
        command.phase = CommandPhase::Killing;
        command.due = None;
        let (slot, entity) = (command.slot, command.entity);
        self.emit(Effect::Clear { slot, entity, command: true });
    }
}

/// What `next_verb` steps over.
enum Step {
    Action,
    Condition,
    AfterFailure,
}
