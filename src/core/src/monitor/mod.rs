//! One turn: an event and the time go in, everything that follows from them
//! settles, and effects come out, together with the names of the records that
//! have changed. The daemon stores the records, commits the turn and only
//! then carries out the effects; a successor restores the last committed turn
//! and asks again for what may not have been carried out.
//!
//! - `entity`: one entity's state; `record`: as words; `budget`: its attempts
//! - `order`, `neighbours`: who waits for whom; `along`: who starts, and who
//!   ends, with another; `start`, `up`, `attempts`: the
//!   way up; `life`: the ends of processes; `heir`: who goes on after them;
//!   `down`: the way down; `shortage`: of memory; `said`: what it says of itself
//! - `run`: action lists in progress; `lists`: how they move on; `passed`: when
//!   their order changes; `verbs`: what their actions do, `command`: their processes; `own`: those of the entity's own life, and
//!   `failed`: what has ended one
//! - `global`: the manager itself; `ask`: requests and shutdown; `directives`: what is said of entities;
//!   `changes`, `made`: what is changed at run time, `overlays`: where that is kept,
//!   `places`: what names items by place follows; `clients`, `client_record`, `repeat`: requests
//!   that come again; `endings`: what comes after all; `restore`: taking over;
//!   `view`: reports
//! - `alone`: when it ends without having been asked to
//! - `reload`: another plan takes the place of the one in force; `renewal`: what that means
//!   for an entity as it is
//! - `attach`: processes that ham did not start
//! - `beats`: heartbeats; `heart`: how they are counted; `heart_record`: as words
//! - `pulses`: what waits for receivers
//! - `pool`: slots; `timers`: deadlines

mod alone;
mod along;
mod ask;
mod aspect;
mod attach;
mod attachers;
mod attempts;
mod beats;
mod budget;
mod changes;
mod channels;
mod client_record;
mod clients;
mod command;
mod directives;
mod down;
mod endings;
mod entity;
mod failed;
mod global;
mod gone;
mod heart;
mod heart_record;
mod heir;
mod life;
mod lists;
mod made;
mod marks;
mod members;
mod neighbours;
mod order;
mod overlays;
mod own;
mod passed;
mod places;
mod pool;
#[cfg(test)]
mod properties;
mod pulses;
mod record;
mod reload;
mod renewal;
mod repeat;
mod reread;
mod restore;
mod run;
mod said;
mod shortage;
mod start;
mod text;
mod timers;
mod up;
mod verbs;
mod view;

pub use beats::HeartView;
pub use budget::Budget;
pub use channels::{MOST_GUEST_PULSES, MOST_OF_GUEST, MOST_OF_GUESTS};
pub use command::{Command, CommandPhase};
pub use endings::Host;
pub use entity::{Actual, Cause, Desired, Entity, NEVER, Next, StartTimes, Why};
pub use heart::{Heart, Level, Reached, Watch};
pub use marks::Marks;
pub use pulses::{ChannelView, MOST_CHANNELS, MOST_WAITING, Pulse};
pub use reload::{Base, NotTaken};
pub use restore::Resume;
pub use run::{Detail, Kinds, Occurrence, Phase, Place, Run};
pub use said::{STATUS_BYTES, Said};
pub use view::View;

use crate::effect::{Effect, Fact, Notice};
use crate::event::{Event, Wait};
use crate::ids::{EntityId, SlotRef};
use crate::memory::{Memory, Record, RecordId};
use crate::plan::{EntityPlan, PlanIndex, PlanSource};
use crate::time::Mono;
use crate::words::Odd;
use ask::{Goal, Waiter};
use attachers::Attacher;
use clients::Client;
use global::{Global, Shutdown};
use members::Members;
use overlays::Overlays;
use pool::{Owner, Pool};
use pulses::Pulses;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use timers::Timers;

/// Decoded definitions that are kept: one costs about 1 kB and 3 µs, so a
/// storm over many entities decodes again rather than growing for ever.
const CACHED_PLANS: usize = 256;

/// The error word for a process that got no slot: stage 255 belongs to the
/// core, EAGAIN is what fork(2) says when there are too many processes.
pub const ERROR_NO_SLOT: u64 = (255 << 32) | 11;

/// The error word for a process whose definition cannot be read: ENOENT.
pub const ERROR_NO_PLAN: u64 = (255 << 32) | 2;

/// What came of one step.
#[derive(Debug, Default)]
pub struct Turn {
    /// To be carried out, in order, after the commit.
    pub effects: Vec<Effect>,
    /// To be stored before it.
    pub dirty: BTreeSet<RecordId>,
}

impl Turn {
    /// Whether there is nothing to commit and nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.dirty.is_empty()
    }

    /// Makes it empty, keeping its memory.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.dirty.clear();
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Monitor {
    host: Host,
    plan: PlanIndex<Box<dyn PlanSource>>,
    memory: Box<dyn Memory>,
    /// Those that something has happened to; the others are as the memory has
    /// them.
    entities: BTreeMap<EntityId, Entity>,
    plans: BTreeMap<EntityId, Arc<EntityPlan>>,
    runs: BTreeMap<u32, Run>,
    runs_of: BTreeMap<EntityId, Vec<u32>>,
    /// Places in the run table that are free, below `runs_end`.
    free_runs: BTreeSet<u32>,
    runs_end: u32,
    commands: BTreeMap<u32, Command>,
    /// How many commands of each action there are.
    alike: BTreeMap<(EntityId, Place), usize>,
    pool: Pool,
    timers: Timers,
    active: Members,
    global: Global,
    waiters: BTreeSet<Waiter>,
    /// By place.
    clients: BTreeMap<u32, Client>,
    /// Places of which nothing is in progress and nobody has asked yet.
    unread_clients: Vec<u32>,
    now: Mono,
    turn: Turn,
    /// Runs whose next action is to begin in this turn.
    ready: VecDeque<u32>,
    /// Entities that something has happened to in this turn, for whose
    /// neighbours that may matter.
    moved: BTreeSet<EntityId>,
    /// Slots whose process is gone in this turn, and nothing else need be.
    unclear: Vec<SlotRef>,
    said: BTreeMap<EntityId, Said>,
    /// Heartbeats of those that something has happened to.
    hearts: BTreeMap<EntityId, Heart>,
    /// Those that are supervised.
    beating: Members,
    overlays: Overlays,
    /// Who waits until a process is attached to an entity, or is let go of. In no
    /// record: who is cut off asks again.
    attachers: BTreeMap<EntityId, Vec<Attacher>>,
    pulses: Pulses,
    /// Those at rest that begin to be what the plan has for their next start.
    renewals: BTreeSet<EntityId>,
    /// One for whose sake a manager of a container goes on, as far as is known.
    holder: Option<EntityId>,
}

impl Monitor {
    /// One turn. `now` never goes back. What `turn` held is gone.
    pub fn step(&mut self, now: Mono, event: Event, turn: &mut Turn) {
        self.in_turn(now, turn, |monitor| monitor.take(event));
    }

    /// What is done first in a turn, and all that follows from it.
    fn in_turn(&mut self, now: Mono, turn: &mut Turn, first: impl FnOnce(&mut Monitor)) {
        turn.clear();
        std::mem::swap(&mut self.turn, turn);
        self.now = self.now.max(now);
        self.overlays.gone.clear();
        self.pulses.usage.gone.clear();
        first(self);
        loop {
            self.work_off();
            self.settle();
            // What falls due can set a deadline that is past already (a timeout of
            // no time): that is worked off in the same turn.
            while self.timers.next().is_some_and(|due| due <= self.now) {
                while let Some(id) = self.timers.due(self.now) {
                    self.fall_due(id);
                    self.work_off();
                }
                self.settle();
            }
            if !self.ends_alone() {
                break;
            }
        }
        self.finish_when_down();
        self.settle();
        std::mem::swap(&mut self.turn, turn);
    }

    /// All that follows in this turn from what has happened.
    fn work_off(&mut self) {
        loop {
            self.advance_ready();
            if let Some(slot) = self.unclear.pop() {
                if let Owner::Main(id) = self.pool.owner(slot) {
                    self.cleared(id, slot, 0);
                }
                continue;
            }
            if let Some(id) = self.renewals.pop_first() {
                self.renew(id);
                continue;
            }
            self.settle_order();
            if let Some(id) = self.overlays.sweeps.pop_first() {
                self.sweep(id);
                continue;
            }
            if self.ready.is_empty() && self.unclear.is_empty() && self.renewals.is_empty() {
                return;
            }
        }
    }

    /// When the next step is due without any event; `None`: never.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// A record as it is to be stored; `None`: it is to be forgotten.
    #[must_use]
    pub fn record(&self, id: RecordId) -> Option<Record> {
        match id {
            RecordId::Global => Some(self.global.record()),
            RecordId::Entity(entity) => self.entities.get(&entity).map(Entity::record),
            RecordId::Run(index) => self.runs.get(&index).map(Run::record),
            RecordId::Command(slot) => self.commands.get(&slot).map(Command::record),
            RecordId::Client(place) => self.clients.get(&place).map(Client::record),
            RecordId::Said(entity) => self.said.get(&entity).map(Said::record),
            RecordId::Beat(entity) => {
                let heart = self.hearts.get(&entity);
                heart.filter(|heart| **heart != Heart::default()).map(Heart::record)
            }
            RecordId::Overlay(entity) => self.overlays.record(entity),
            RecordId::Chunk(place) => self.overlays.part_record(place),
            RecordId::Pulse(place) => self.pulses.record(place),
        }
    }

    /// The plan that is in force.
    #[must_use]
    pub fn plan(&self) -> &PlanIndex<Box<dyn PlanSource>> {
        &self.plan
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Boot => self.boot(),
            Event::Tick => {}
            Event::Spawned { slot, pid } => match self.pool.owner(slot) {
                Owner::Main(entity) => self.spawned(entity, slot, pid),
                Owner::Command => self.command_spawned(slot),
                Owner::None => {}
            },
            Event::SpawnFailed { slot, error } => match self.pool.owner(slot) {
                Owner::Main(entity) => self.spawn_failed(entity, slot, error),
                Owner::Command => self.command_failed(slot, error),
                Owner::None => self.ended_unowned(slot),
            },
            Event::Exited { slot, pid, status, at } => match self.pool.owner(slot) {
                Owner::Main(entity) => self.exited(entity, slot, pid, status, at),
                Owner::Command => self.command_exited(slot, status),
                Owner::None => self.ended_unowned(slot),
            },
            Event::Cleared { slot, left } => {
                if let Owner::Main(entity) = self.pool.owner(slot) {
                    self.cleared(entity, slot, left);
                }
            }
            Event::SlotFreed { slot } => self.pool.freed(slot),
            Event::ActionDone { run, ok } => self.action_done(run, ok),
            Event::PathSeen { wait: Wait::Run(run), ok } => self.action_done(run, ok),
            Event::PathSeen { wait: Wait::Start(id), ok } => self.gate_opens(id, ok),
            Event::PathSeen { wait: Wait::Ready(slot), ok } => self.ready_path_seen(slot, ok),
            Event::Ready { slot } => {
                if let Owner::Main(entity) = self.pool.owner(slot) {
                    self.process_ready(entity, slot);
                }
            }
            Event::Told { slot, told } => self.told(slot, &told),
            Event::MainFound { slot, pid } => self.main_found(slot, pid),
            Event::MainMissing { slot, left } => self.main_missing(slot, left),
            Event::Beats { entity, slot, count } => self.beats(entity, slot, count),
            Event::WatchAgain { entities } => self.watch_again(&entities),
            Event::PidRead { entity, process } => self.pid_read(entity, process),
            Event::Tidied { entity } => self.tidied(entity),
            Event::Request { id, entities, ask, wait, from } => {
                self.request(id, &entities, ask, wait, from);
            }
            Event::Directive { id, directive, from } => self.directive(id, &directive, from),
            Event::OomKilled { slot, kills, ended } => self.oom_killed(slot, kills, ended),
            Event::Received { channel, upto } => self.received(&channel, upto),
            Event::Receivers { channels } => self.receivers(&channels),
            Event::Shutdown { way, within, signals } => self.shut_down(way, within, signals),
        }
    }

    fn fall_due(&mut self, id: RecordId) {
        // What fell due before it in this turn may have moved its deadline.
        let due = match id {
            RecordId::Entity(entity) => self.entity(entity).due(),
            RecordId::Overlay(entity) => self.overlay(entity).and_then(|overlay| overlay.due()),
            RecordId::Global
            | RecordId::Run(_)
            | RecordId::Command(_)
            | RecordId::Client(_)
            | RecordId::Said(_)
            | RecordId::Beat(_)
            | RecordId::Chunk(_)
            | RecordId::Pulse(_) => self.record(id).and_then(|record| record.head.due),
        };
        self.turn.dirty.insert(id);
        if due.is_none_or(|due| due > self.now) {
            return;
        }
        match id {
            RecordId::Global => self.shutdown_due(),
            RecordId::Entity(entity) => self.entity_due(entity),
            RecordId::Run(index) => self.run_due(index),
            RecordId::Command(slot) => self.command_due(slot),
            RecordId::Overlay(entity) => self.overlay_due(entity),
            RecordId::Client(_)
            | RecordId::Said(_)
            | RecordId::Beat(_)
            | RecordId::Chunk(_)
            | RecordId::Pulse(_) => {}
        }
    }

    /// The end of a turn: indexes follow the records that have changed.
    fn settle(&mut self) {
        let dirty = std::mem::take(&mut self.turn.dirty);
        for id in &dirty {
            let head = self.record(*id).map(|record| record.head);
            self.timers.set(*id, head.and_then(|head| head.due));
            if let RecordId::Entity(entity) = id {
                self.active.set(*entity, head.is_some_and(|head| head.active));
            }
        }
        self.turn.dirty = dirty;
    }

    fn entity(&mut self, id: EntityId) -> Entity {
        if let Some(entity) = self.entities.get(&id) {
            return *entity;
        }
        let read = match self.memory.load(RecordId::Entity(id)) {
            Ok(None) => Ok(Entity::default()),
            Ok(Some(words)) => Entity::decode(&words),
            Err(Odd) => Err(Odd),
        };
        let owns = |slot: SlotRef| self.pool.owner(slot) == Owner::Main(id);
        match read {
            Ok(entity) if entity.slot().is_none_or(owns) => {
                self.entities.insert(id, entity);
                entity
            }
            Ok(_) | Err(Odd) => self.lose(id),
        }
    }

    /// No attempt that a list could wait for is known any more, and nothing of
    /// what was asked for.
    fn lose(&mut self, id: EntityId) -> Entity {
        let entity = self.lost(id);
        self.entities.insert(id, entity);
        self.moved.insert(id);
        self.follow_beats(id, &entity);
        self.cancel_restarts(id);
        self.answer_lost(id, entity.actual);
        self.entities.get(&id).copied().unwrap_or(entity)
    }

    /// The record of an entity cannot be read. Its process, if its slot is
    /// known, is kept and supervised; budgets and marks begin anew.
    fn lost(&mut self, id: EntityId) -> Entity {
        self.note(id, Fact::RecordLost);
        self.turn.dirty.insert(RecordId::Entity(id));
        let actual = match self.pool.slot_of(id) {
            Some(slot) if self.was_made(slot) => Actual::Up { slot, pid: 0, since: self.now },
            Some(slot) => {
                self.release(slot);
                Actual::Down
            }
            None => Actual::Down,
        };
        let desired = if actual == Actual::Down { Desired::Stopped } else { Desired::Running };
        let since = Some(self.now);
        Entity { desired, actual, since, why: Why::RecordLost, ..Entity::default() }
    }

    fn put(&mut self, id: EntityId, entity: Entity) {
        let _ = self.entity(id);
        self.entities.insert(id, entity);
        self.turn.dirty.insert(RecordId::Entity(id));
        self.moved.insert(id);
        self.follow_beats(id, &entity);
        if self.overlays.made.contains_key(&id) {
            self.overlays.sweeps.insert(id);
        }
        if self.plan.has_next(id) && !entity.renewed && entity.may_be_renewed() {
            self.renewals.insert(id);
        }
    }

    fn emit(&mut self, effect: Effect) {
        self.turn.effects.push(effect);
    }

    fn note(&mut self, entity: EntityId, fact: Fact) {
        self.emit(Effect::Notice(Notice { entity, fact }));
    }

    /// The entity's process is gone for good: its slot is given back.
    fn release(&mut self, slot: SlotRef) {
        self.pool.disown(slot);
        self.emit(Effect::Free { slot });
    }

    /// The process of a slot that nobody owns has ended: one whose failure was
    /// told and committed before the reaper had recorded its end, and whose
    /// monitor was killed in between. To give a slot back twice does no harm.
    fn ended_unowned(&mut self, slot: SlotRef) {
        self.emit(Effect::Free { slot });
    }

    fn is_shutting_down(&self) -> bool {
        self.global.shutdown.is_some()
    }
}
