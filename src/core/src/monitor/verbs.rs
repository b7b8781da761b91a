//! What each verb of an action does when its turn comes, and the life of the
//! commands that `execute` runs. Where a list goes from there is in `lists`.

use super::command::{Command, CommandPhase};
use super::down::KILL_AGAIN;
use super::entity::{Actual, Cause, Desired, Next};
use super::pool::Owner;
use super::run::{Phase, Run};
use super::text::Context;
use super::{ERROR_NO_SLOT, Monitor};
use crate::effect::{Effect, Fact, Failure, Process, Spawn};
use crate::event::{Ask, Wait};
use crate::ids::{EntityId, RunRef, SlotRef};
use crate::memory::RecordId;
use crate::plan::{
    Class, EntityPlan, ExecutePlan, RELOAD, SignalPlan, SignalTarget, Verb, WaitPlan, is_own,
};
use crate::status::ExitStatus;
use crate::time::{Mono, Span};
use std::sync::Arc;

/// Commands of one action that may run at the same time (details 37): a
/// command that hangs must not fill the machine with its kind.
const COMMANDS_PER_ACTION: usize = 8;

/// What the beginning of an action has led to.
pub(super) enum Begun {
    /// The action is over.
    Done(Result<(), Failure>),
    /// Something is to come, at the latest then.
    Pending(Phase, Option<Mono>),
    /// A stop was asked for: the list ends.
    Cancelled,
}

impl Monitor {
    pub(super) fn begin(&mut self, index: u32, plan: &Arc<EntityPlan>, verb: &Verb) -> Begun {
        let Some(run) = self.runs.get(&index) else { return Begun::Cancelled };
        let (id, about) = (run.entity, run.occurrence.about);
        let reference = run.reference(index);
        match verb {
            Verb::Restart(_) => self.begin_restart(index, id),
            Verb::Execute(execute) => self.begin_execute(index, plan, execute),
            Verb::NotifySignal(signal) => self.begin_signal(about, reference, signal),
            Verb::WaitFor(wait) => self.begin_wait(index, plan, wait),
            Verb::Log(text) => {
                let text = self.fill(index, plan, text);
                self.emit(Effect::Log { run: reference, entity: id, text });
                Begun::Pending(Phase::Log, None)
            }
            Verb::Start(name) => self.begin_other(name, Ask::Start),
            Verb::Stop(name) => self.begin_other(name, Ask::Stop),
            Verb::HeartbeatHealthy => {
                self.heal(about);
                Begun::Done(Ok(()))
            }
            Verb::NotifyPulse(pulse) => Begun::Done(self.send_pulse(id, about, pulse)),
            Verb::Shutdown(ending) => Begun::Done(self.begin_ending(index, ending)),
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
        let condition = plan.list_name(run.condition)?;
        let occurrence = run.occurrence;
        if occurrence.about == run.entity {
            let states = &plan.states;
            return Some(get(&Context { entity: &plan.name, condition, occurrence, states }));
        }
        let entity = self.name(occurrence.about).unwrap_or_default();
        let about = self.definition(occurrence.about);
        let states = about.as_ref().map(|plan| plan.states.as_slice()).unwrap_or_default();
        Some(get(&Context { entity: &entity, condition, occurrence, states }))
    }

    /// `restart` is done when a later process of the entity runs. If somebody
    /// has brought it back already there is nothing to do; if an attempt is
    /// planned or under way, this joins it.
    fn begin_restart(&mut self, index: u32, id: EntityId) -> Begun {
        let entity = self.entity(id);
        if entity.desired == Desired::Stopped || self.is_shutting_down() {
            return Begun::Cancelled;
        }
        let status = self.runs.get(&index).and_then(|run| run.occurrence.status);
        let joins = match entity.actual {
            Actual::Up { .. } | Actual::Readying { .. } | Actual::Reached => {
                return Begun::Done(Ok(()));
            }
            Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Joining { .. }
            | Actual::Clearing { next: Next::Start(..), .. }
            | Actual::Tidying { next: Next::Start(..) } => true,
            Actual::Down
            | Actual::Clearing { next: Next::Rest, .. }
            | Actual::Tidying { next: Next::Rest }
            | Actual::Left { .. } => false,
        };
        // Such an end says that nothing would be gained.
        if let (false, Some(status)) = (joins, status)
            && self.plan_of(id).is_some_and(|plan| plan.no_restart_exit.hold(status))
        {
            self.note(id, Fact::NotRestarted { status });
            return Begun::Done(Ok(()));
        }
        if let Some(run) = self.runs.get_mut(&index) {
            run.phase = Phase::Restart;
        }
        let planned = joins || self.try_again(id, Cause::Restart, Span::ZERO);
        match self.runs.get(&index).map(|run| run.phase) {
            Some(Phase::Restart) if planned => Begun::Pending(Phase::Restart, None),
            // The plan has lost its restart action meanwhile.
            Some(Phase::Restart) => Begun::Done(Err(Failure::Limit)),
            // What came of it at once (the limit was reached, no slot was
            // free) has concluded this action already.
            Some(phase) => Begun::Pending(phase, None),
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

    /// The manager goes down: lists that were waiting for a path or for time
    /// to pass end, since nobody would thank ham for a slower shutdown. Those
    /// that the stops fire come later, and have the time of the shutdown.
    pub(super) fn cancel_waits(&mut self) {
        let waits = |run: &Run| matches!(run.phase, Phase::Path | Phase::Pause | Phase::Up);
        let waiting: Vec<(u32, EntityId)> = self
            .runs
            .iter()
            .filter(|(_, run)| waits(run))
            .map(|(index, run)| (*index, run.entity))
            .collect();
        for (index, id) in waiting {
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
        if self.alike.get(&(id, place)).is_some_and(|count| *count >= COMMANDS_PER_ACTION) {
            return Begun::Done(Err(Failure::Full));
        }
        let Some(slot) = self.pool.take(Owner::Command, self.memory.as_ref()) else {
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
        self.add_command(command);
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
        let own = self.runs.get(&index).is_some_and(|run| is_own(run.condition));
        let identity = match &execute.identity {
            None if own => plan.identity.clone(),
            given => given.clone(),
        };
        let what = Process::Command { argv, identity, own, variables };
        let spawn = Spawn { slot, entity: plan.id, plan: Arc::clone(plan), what };
        self.emit(Effect::Spawn(Box::new(spawn)));
    }

    fn begin_signal(&mut self, about: EntityId, run: RunRef, plan: &SignalPlan) -> Begun {
        let target = match &plan.target {
            SignalTarget::Own => about,
            SignalTarget::Entity(name) => match self.find(name) {
                Some(target) => target,
                None => return Begun::Done(Err(Failure::NoEntity)),
            },
            SignalTarget::Process { .. } => {
                self.signal_process(run, plan);
                return Begun::Pending(Phase::SignalProcess, None);
            }
        };
        let mut entity = self.entity(target);
        let Some(slot) = entity.running_slot() else {
            return Begun::Done(Err(Failure::NoProcess));
        };
        entity.told = Some(plan.signal);
        self.put(target, entity);
        let (signal, code, value) = (plan.signal, plan.si_code(), plan.value);
        self.emit(Effect::Signal { slot, signal, code, value, run: Some(run) });
        Begun::Pending(Phase::Signal(slot), None)
    }

    /// To a process that need not be an entity's.
    pub(super) fn signal_process(&mut self, run: RunRef, plan: &SignalPlan) {
        if let SignalTarget::Process { pid, start } = plan.target {
            let (signal, code, value) = (plan.signal, plan.si_code(), plan.value);
            self.emit(Effect::SignalProcess { pid, start, signal, code, value, run });
        }
    }

    fn begin_wait(&mut self, index: u32, plan: &EntityPlan, wait: &WaitPlan) -> Begun {
        let due = wait.timeout.deadline(self.now);
        if wait.ready {
            let run = self.runs.get(&index);
            let Some((id, reload)) = run.map(|run| (run.entity, run.condition == RELOAD)) else {
                return Begun::Cancelled;
            };
            if !reload && self.entity(id).is_up() {
                return Begun::Done(Ok(()));
            }
            let began = self.runs.get(&index).map(|run| run.began);
            if reload && self.entity(id).reloaded.is_some_and(|at| Some(at) >= began) {
                return Begun::Done(Ok(()));
            }
            return Begun::Pending(Phase::Up, due);
        }
        let Some(path) = &wait.path else { return Begun::Pending(Phase::Pause, due) };
        let path = self.fill(index, plan, path);
        let Some(run) = self.runs.get(&index) else { return Begun::Cancelled };
        let reference = run.reference(index);
        self.emit(Effect::Watch { wait: Wait::Run(reference), path, not_before: None });
        Begun::Pending(Phase::Path, due)
    }

    /// `start` and `stop` of another entity are done when they are asked for.
    fn begin_other(&mut self, name: &str, ask: Ask) -> Begun {
        let Some(other) = self.find(name) else {
            return Begun::Done(Err(Failure::NoEntity));
        };
        // What no unit has any more does not come back.
        if ask == Ask::Start && self.plan.is_leaving(other) {
            return Begun::Done(Err(Failure::NoEntity));
        }
        if self.is_shutting_down() && ask == Ask::Start {
            return Begun::Done(Err(Failure::Refused));
        }
        if ask == Ask::Start {
            if self.clash_of_start(&[other]).is_some() {
                return Begun::Done(Err(Failure::Conflict));
            }
            self.bring_along(&[other]);
        }
        self.apply(other, ask);
        Begun::Done(Ok(()))
    }

    pub(super) fn command_spawned(&mut self, slot: SlotRef) {
        let Some(command) = self.commands.get_mut(&slot.index) else { return };
        match command.phase {
            CommandPhase::Starting => command.phase = CommandPhase::Running,
            CommandPhase::Running => {}
            CommandPhase::Killing => {
                // It may have been made after it was killed.
                let clear = Effect::Clear { slot, entity: command.entity, command: true };
                self.turn.effects.push(clear);
            }
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
        let Some(command) = self.commands.get(&slot.index) else {
            // Its record could not be read: the slot is all that is left of it.
            self.release(slot);
            return;
        };
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
        let Some(command) = self.remove_command(slot) else {
            self.release(slot);
            return;
        };
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

    pub(super) fn add_command(&mut self, command: Command) {
        let alike = self.alike.entry((command.entity, command.place)).or_default();
        *alike = alike.saturating_add(1);
        self.commands.insert(command.slot.index, command);
    }

    pub(super) fn remove_command(&mut self, slot: SlotRef) -> Option<Command> {
        let command = self.commands.remove(&slot.index)?;
        let action = (command.entity, command.place);
        if let Some(alike) = self.alike.get_mut(&action) {
            *alike = alike.saturating_sub(1);
            if *alike == 0 {
                self.alike.remove(&action);
            }
        }
        Some(command)
    }

    pub(super) fn command_due(&mut self, slot: u32) {
        let now = self.now;
        let Some(command) = self.commands.get_mut(&slot) else { return };
        command.phase = CommandPhase::Killing;
        command.due = Some(now.after(KILL_AGAIN));
        self.turn.dirty.insert(RecordId::Command(slot));
        let (slot, entity) = (command.slot, command.entity);
        self.emit(Effect::Clear { slot, entity, command: true });
    }
}
