//! Taking over: the heads of all records are looked at, and only what is in
//! the middle of something is decoded (details 2). Effects that the monitor
//! before may not have carried out are asked for again; each names slot and
//! generation (or run and step), so what was done is not done twice.

use super::command::{Command, CommandPhase};
use super::entity::{Actual, Entity};
use super::members::Members;
use super::overlays::Overlays;
use super::pool::{Owner, Pool, is_unused};
use super::pulses::Pulses;
use super::run::{Phase, Run};
use super::timers::Timers;
use super::{Global, Host, Monitor, Turn};
use crate::effect::{Effect, Failure, Process, Spawn};
use crate::event::Wait;
use crate::ids::{EntityId, RESERVED_SLOTS, RunRef, SlotRef};
use crate::memory::{Head, Memory, RecordId, SlotState};
use crate::plan::{PlanIndex, PlanSource, STOP_COMMAND, Verb};
use crate::time::Mono;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a successor has to do first.
#[derive(Debug, Default)]
pub struct Resume {
    /// Effects that may not have been carried out, and records that were
    /// mended, to be committed.
    pub turn: Turn,
    /// Processes that exist, of which the core does not know yet that they
    /// run: each wants a `Spawned` (or `SpawnFailed`, `Exited`) event.
    pub adopt: Vec<SlotRef>,
    /// Slots whose process has ended: each wants its event, in case that the
    /// one before has not come to it.
    pub exited: Vec<u32>,
    /// Those whose heartbeats are supervised: each wants to be named in a
    /// `WatchAgain` event, which can wait until more urgent things are done.
    pub beats: Vec<EntityId>,
}

impl Monitor {
    /// A monitor on a plan and a memory: empty memory, a first monitor.
    #[must_use]
    pub fn restore(
        plan: PlanIndex<Box<dyn PlanSource>>,
        memory: Box<dyn Memory>,
        now: Mono,
    ) -> (Monitor, Resume) {
        Monitor::restore_on(Host::default(), plan, memory, now)
    }

    /// The same, where something is known of the machine.
    #[must_use]
    pub fn restore_on(
        host: Host,
        plan: PlanIndex<Box<dyn PlanSource>>,
        memory: Box<dyn Memory>,
        now: Mono,
    ) -> (Monitor, Resume) {
        let mut monitor = Monitor {
            host,
            plan,
            memory,
            entities: BTreeMap::new(),
            plans: BTreeMap::new(),
            runs: BTreeMap::new(),
            runs_of: BTreeMap::new(),
            free_runs: BTreeSet::new(),
            runs_end: 0,
            alike: BTreeMap::new(),
            commands: BTreeMap::new(),
            pool: Pool::new(),
            timers: Timers::default(),
            active: Members::default(),
            global: Global::default(),
            waiters: BTreeSet::new(),
            clients: BTreeMap::new(),
            unread_clients: Vec::new(),
            now,
            turn: Turn::default(),
            ready: VecDeque::new(),
            moved: BTreeSet::new(),
            unclear: Vec::new(),
            said: BTreeMap::new(),
            hearts: BTreeMap::new(),
            beating: Members::default(),
            overlays: Overlays::default(),
            attachers: BTreeMap::new(),
            pulses: Pulses::default(),
            renewals: BTreeSet::new(),
            holder: None,
        };
        let mut resume = Resume::default();
        let (open, mut denied) = monitor.read_heads();
        monitor.read_lists(&open);
        resume.beats = monitor.beating.all();
        resume.exited = monitor.read_slots(&mut denied);
        for id in denied {
            monitor.lose(id);
        }
        for id in open {
            match id {
                RecordId::Entity(entity) => monitor.resume_entity(entity, &mut resume),
                RecordId::Run(index) => monitor.resume_run(index),
                RecordId::Command(slot) => monitor.resume_command(slot, &mut resume),
                RecordId::Global => monitor.resume_global(),
                RecordId::Client(_)
                | RecordId::Said(_)
                | RecordId::Beat(_)
                | RecordId::Overlay(_)
                | RecordId::Chunk(_)
                | RecordId::Pulse(_) => {}
            }
        }
        monitor.work_off();
        monitor.settle();
        // Where lists were lost, one that could have brought something back.
        if monitor.ends_alone() {
            monitor.work_off();
            monitor.settle();
        }
        std::mem::swap(&mut monitor.turn, &mut resume.turn);
        (monitor, resume)
    }

    /// Gives those that are in the middle of something, and entities that
    /// cannot own the slot that they name.
    fn read_heads(&mut self) -> (Vec<RecordId>, Vec<EntityId>) {
        let Monitor {
            memory, timers, pool, active, unread_clients, beating, overlays, pulses, ..
        } = self;
        pool.expect(memory.slots_used());
        let (mut open, mut denied) = (Vec::new(), Vec::new());
        memory.heads(&mut |id, head: Head| {
            overlays.seen(id, &head);
            // Most have none, and there are many.
            if head.due.is_some() {
                timers.set(id, head.due);
            }
            if let Some(slot) = head.slot {
                let owner = match id {
                    RecordId::Entity(entity) => Owner::Main(entity),
                    RecordId::Command(index) if index == slot.index => Owner::Command,
                    RecordId::Global
                    | RecordId::Run(_)
                    | RecordId::Command(_)
                    | RecordId::Client(_)
                    | RecordId::Said(_)
                    | RecordId::Beat(_)
                    | RecordId::Overlay(_)
                    | RecordId::Chunk(_)
                    | RecordId::Pulse(_) => Owner::None,
                };
                if owner != Owner::None
                    && let Some(other) = pool.own(slot, owner)
                {
                    // One of two heads is damaged: that of the record which
                    // fails its checksum.
                    let loser = match other {
                        Owner::Main(entity) if memory.load(RecordId::Entity(entity)).is_err() => {
                            pool.deny(slot.index);
                            let _ = pool.own(slot, owner);
                            other
                        }
                        Owner::Main(_) | Owner::Command | Owner::None => owner,
                    };
                    if let Owner::Main(entity) = loser {
                        denied.push(entity);
                    }
                }
            }
            match id {
                RecordId::Entity(entity) => {
                    if head.active {
                        active.set(entity, true);
                    }
                    if head.open {
                        open.push(id);
                    }
                }
                RecordId::Client(place) if !head.open => unread_clients.push(place),
                RecordId::Pulse(place) => pulses.found(place),
                RecordId::Global
                | RecordId::Run(_)
                | RecordId::Command(_)
                | RecordId::Client(_) => open.push(id),
                RecordId::Beat(entity) => {
                    if head.active {
                        beating.set(entity, true);
                    }
                }
                RecordId::Said(_) | RecordId::Overlay(_) | RecordId::Chunk(_) => {}
            }
        });
        (open, denied)
    }

    /// Action lists, commands and requests in progress, and the manager's own
    /// record.
    /// One that cannot be read is dropped: its entity goes on.
    fn read_lists(&mut self, open: &[RecordId]) {
        // Should the manager's own record be lost: beyond all that are in use.
        let mut unused = 0;
        for id in open {
            if let RecordId::Entity(_) = id {
                continue;
            }
            // What cannot be read is forgotten at the end of this turn.
            self.turn.dirty.insert(*id);
            let Ok(Some(words)) = self.memory.load(*id) else { continue };
            match *id {
                RecordId::Global => self.global = Global::decode(&words).unwrap_or_default(),
                RecordId::Run(index) => {
                    if let Ok(run) = Run::decode(&words) {
                        unused = unused.max(run.serial.wrapping_add(1));
                        self.runs_of.entry(run.entity).or_default().push(index);
                        self.runs.insert(index, run);
                    }
                }
                RecordId::Command(slot) => {
                    if let Ok(command) = Command::decode(&words)
                        && command.slot.index == slot
                    {
                        self.add_command(command);
                    }
                }
                RecordId::Client(place) => self.keep_client(place, &words),
                RecordId::Entity(_)
                | RecordId::Said(_)
                | RecordId::Beat(_)
                | RecordId::Overlay(_)
                | RecordId::Chunk(_)
                | RecordId::Pulse(_) => {}
            }
        }
        if self.global == Global::default() {
            self.global.next_serial = unused;
        }
        self.runs_end = self.runs.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.free_runs = (0..self.runs_end).filter(|at| !self.runs.contains_key(at)).collect();
        // In the order in which they began, as `restart_done` goes on.
        for indexes in self.runs_of.values_mut() {
            indexes.sort_by_key(|index| self.runs.get(index).map(|run| run.serial));
        }
    }

    /// Gives those whose process has ended; entities whose slot says that it
    /// is not theirs are added to `denied`.
    fn read_slots(&mut self, denied: &mut Vec<EntityId>) -> Vec<u32> {
        let mut exited = Vec::new();
        for index in (RESERVED_SLOTS..self.pool.len()).rev() {
            let view = self.memory.slot(index);
            if view.state == SlotState::Exited {
                exited.push(index);
            }
            match self.pool.seen(index, view) {
                (Owner::None, _) => {}
                (Owner::Main(entity), false) => denied.push(entity),
                (Owner::Command, false) => {}
                (Owner::Main(_) | Owner::Command, true) => continue,
            }
            if is_unused(view) {
                self.pool.is_free(index);
            }
            if view.generation == 0 {
                continue;
            }
            let slot = SlotRef { index, generation: view.generation };
            match (view.state, view.has_pid) {
                // Consumed, committed, and not given back in time; or a clone
                // that failed and was told.
                (SlotState::Exited, _) | (SlotState::Intent, false) => {
                    self.emit(Effect::Free { slot });
                }
                // A process that no record owns cannot be by the protocol;
                // its slot stays as it is until the process ends.
                (SlotState::Intent, true) | (SlotState::Running | SlotState::Free, _) => {}
            }
        }
        exited.reverse();
        exited
    }

    /// Whether the process of a slot was made, by what its word says.
    pub(super) fn was_made(&self, slot: SlotRef) -> bool {
        let view = self.memory.slot(slot.index);
        if view.generation != slot.generation {
            return false;
        }
        match view.state {
            SlotState::Running | SlotState::Exited => true,
            SlotState::Intent => view.has_pid,
            SlotState::Free => false,
        }
    }

    fn resume_entity(&mut self, id: EntityId, resume: &mut Resume) {
        let entity: Entity = self.entity(id);
        match entity.actual {
            Actual::Starting { slot, .. } => {
                if self.was_made(slot) {
                    resume.adopt.push(slot);
                } else if let Some(plan) = self.plan_of(id) {
                    let spawn = Spawn { slot, entity: id, plan, what: Process::Main };
                    self.emit(Effect::Spawn(Box::new(spawn)));
                }
            }
            Actual::Stopping { slot, pid, killed, .. } => {
                if entity.moving {
                    self.resume_unfound(id, slot);
                    return;
                }
                // First who it is, and then what it is told.
                self.resume_adopted(id, &entity);
                if pid == 0 {
                    if self.was_made(slot) {
                        resume.adopt.push(slot);
                    } else {
                        // Never made, and not wanted any more.
                        self.spawn_failed(id, slot, 0);
                        return;
                    }
                }
                if killed {
                    let scope = self.kill_scope(id);
                    self.emit_kill(id, slot, pid, scope);
                } else if pid != 0 && !self.has_own_list(id, STOP_COMMAND) {
                    self.ask_to_end(id, slot);
                }
            }
            Actual::Aborting { slot, killed, .. } => {
                if self.was_made(slot) && !killed {
                    self.ask_to_end(id, slot);
                } else if self.was_made(slot) {
                    resume.adopt.push(slot);
                    self.emit(Effect::Clear { slot, entity: id, command: false });
                } else {
                    self.spawn_failed(id, slot, 0);
                }
            }
            Actual::Clearing { slot, .. } if entity.letting => {
                self.emit(Effect::Release { slot });
            }
            Actual::Clearing { slot, next } => self.clear_all(id, slot, next),
            Actual::Gated(cause) => self.go(id, cause),
            Actual::Joining { slot, pid, start } => {
                self.emit(Effect::Attach { slot, entity: id, pid, start });
            }
            Actual::Readying { slot, .. } => {
                self.watch_readiness(id, slot);
                self.resume_adopted(id, &entity);
            }
            Actual::Handover { slot, .. } => self.find_main(id, slot),
            Actual::Preparing { .. } | Actual::Tidying { .. } => self.resume_own_list(id),
            Actual::Up { .. } | Actual::Retiring { .. } => self.resume_adopted(id, &entity),
            Actual::Down
            | Actual::Waiting(..)
            | Actual::Queued(_)
            | Actual::Reached
            | Actual::Left { .. } => {}
        }
    }

    fn resume_adopted(&mut self, id: EntityId, entity: &Entity) {
        if let Some((slot, pid)) = entity.running()
            && entity.adopted
        {
            self.emit(Effect::Adopt { slot, entity: id, pid });
        }
    }

    fn resume_run(&mut self, index: u32) {
        let Some(run) = self.runs.get(&index) else { return };
        let (id, phase) = (run.entity, run.phase);
        let reference = run.reference(index);
        match phase {
            Phase::Ready => self.ready.push_back(index),
            Phase::Pause | Phase::Restart | Phase::Up => {}
            Phase::Log | Phase::Path | Phase::Signal(_) | Phase::SignalProcess => {
                match (phase, self.current_verb(index)) {
                    (Phase::Log, Some(Verb::Log(text))) => {
                        let Some(plan) = self.plan_of(id) else { return };
                        let text = self.fill(index, &plan, &text);
                        self.emit(Effect::Log { run: reference, entity: id, text });
                    }
                    (Phase::Path, Some(Verb::WaitFor(wait))) => {
                        let Some(plan) = self.plan_of(id) else { return };
                        let path = self.fill(index, &plan, wait.path.as_deref().unwrap_or("/"));
                        let wait = Wait::Run(reference);
                        self.emit(Effect::Watch { wait, path, not_before: None });
                    }
                    (Phase::Signal(slot), Some(Verb::NotifySignal(signal))) => {
                        let (code, value) = (signal.si_code(), signal.value);
                        let (signal, run) = (signal.signal, Some(reference));
                        self.emit(Effect::Signal { slot, signal, code, value, run });
                    }
                    (Phase::SignalProcess, Some(Verb::NotifySignal(signal))) => {
                        self.signal_process(reference, &signal);
                    }
                    // The plan says something else now: the list ends here.
                    (_, _) => self.action_done(reference, false),
                }
            }
            Phase::Command(slot) => {
                let its =
                    |command: &Command| command.slot == slot && command.run == Some(reference);
                if !self.commands.get(&slot.index).is_some_and(its) {
                    self.concluded(index, Err(Failure::Refused));
                }
            }
        }
    }

    fn resume_command(&mut self, slot: u32, resume: &mut Resume) {
        let Some(command) = self.commands.get(&slot) else { return };
        let (slot, entity, phase, run) = (command.slot, command.entity, command.phase, command.run);
        if phase == CommandPhase::Killing {
            self.emit(Effect::Clear { slot, entity, command: true });
        }
        if self.was_made(slot) {
            if phase == CommandPhase::Starting {
                resume.adopt.push(slot);
            }
            return;
        }
        // Its run still waits for just this one, and the slot is its own.
        let waits = |run: &RunRef| {
            let current = self.runs.get(&run.index);
            current.is_some_and(|now| {
                now.reference(run.index) == *run && now.phase == Phase::Command(slot)
            })
        };
        let owned = self.pool.owner(slot) == Owner::Command;
        let again = run.filter(|run| owned && waits(run)).and_then(|run| {
            let plan = self.plan_of(entity)?;
            match self.current_verb(run.index)? {
                Verb::Execute(execute) => Some((run.index, plan, execute)),
                Verb::Restart(_)
                | Verb::NotifySignal(_)
                | Verb::NotifyPulse(_)
                | Verb::WaitFor(_)
                | Verb::Log(_)
                | Verb::HeartbeatHealthy
                | Verb::Start(_)
                | Verb::Stop(_)
                | Verb::Shutdown(_) => None,
            }
        });
        match again {
            Some((index, plan, execute)) if phase == CommandPhase::Starting => {
                self.spawn_command(index, slot, &plan, &execute);
            }
            Some(_) | None => self.command_failed(slot, 0),
        }
    }

    fn resume_global(&mut self) {
        if let Some(shutdown) = self.global.shutdown
            && shutdown.finished
        {
            self.emit_finish();
        }
    }

    fn current_verb(&mut self, index: u32) -> Option<Verb> {
        let run = self.runs.get(&index)?;
        let (id, place) = (run.entity, (run.condition, run.action, run.on_fail));
        self.plan_of(id)?.verb(place.0, place.1, place.2)
    }
}
