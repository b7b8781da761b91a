//! What can be seen from outside, without changing anything.

use super::Monitor;
use super::beats::HeartView;
use super::entity::{Actual, Cause, Desired, Entity, Next, StartTimes, Why};
use super::pool::Owner;
use super::run::Run;
use crate::ids::{EntityId, SlotRef};
use crate::memory::{Memory, RecordId};
use crate::plan::{EntityPlan, Kind};
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::way::Way;
use std::sync::Arc;

/// No chain of entities that need each other is longer in practice.
pub(super) const LONG_CHAIN: usize = 100;

/// One entity as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The word for its state (design §7).
    pub state: &'static str,
    /// What it should be.
    pub desired: Desired,
    /// Its main process.
    pub pid: Option<i32>,
    /// Restarts by its restart action.
    pub restarts: u64,
    /// Attempts to bring it back since its waits began anew.
    pub attempts: u32,
    /// Since when it is in this state.
    pub since: Option<Mono>,
    /// How its last process ended.
    pub last_exit: Option<ExitStatus>,
    /// Whether that was an abnormal death.
    pub abnormal: bool,
    /// Why it is in this state.
    pub why: Why,
    /// The stages of its last start.
    pub times: StartTimes,
    /// When the next attempt is due.
    pub next_attempt: Option<Mono>,
    /// Whether it waits for the path of `start-when`.
    pub gated: bool,
    /// Whether it is up: its process runs and is ready, or it is a one-shot or
    /// a target that stands for its group.
    pub ready: bool,
    /// Its heartbeat, while it is supervised.
    pub heartbeat: Option<HeartView>,
    /// The state that it has reported last; 0: its process has reported none.
    pub reported: u32,
}

impl Monitor {
    /// An entity as it is now.
    #[must_use]
    pub fn view(&self, id: EntityId) -> View {
        let entity = self.peek(id);
        let next_attempt = match entity.actual {
            Actual::Waiting(due, _) => Some(due),
            Actual::Down
            | Actual::Queued(_)
            | Actual::Gated(_)
            | Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. }
            | Actual::Up { .. }
            | Actual::Reached
            | Actual::Retiring { .. }
            | Actual::Stopping { .. }
            | Actual::Clearing { .. }
            | Actual::Tidying { .. }
            | Actual::Left { .. }
            | Actual::Joining { .. } => None,
        };
        View {
            state: self.state_word(id, &entity),
            desired: entity.desired,
            pid: entity.running().map(|(_, pid)| pid).filter(|pid| *pid > 0),
            restarts: entity.restarts,
            attempts: entity.budget.attempts,
            since: entity.since,
            last_exit: entity.last_exit,
            abnormal: entity.abnormal,
            why: entity.why,
            next_attempt,
            times: entity.times,
            gated: matches!(entity.actual, Actual::Gated(_)),
            ready: entity.is_up(),
            heartbeat: self.heart_view(id),
            reported: entity.state,
        }
    }

    /// The definition of an entity: the one that the turn has just used, if it
    /// has. `None`: it cannot be read.
    #[must_use]
    pub fn definition(&self, id: EntityId) -> Option<Arc<EntityPlan>> {
        let cached = self.plans.get(&id).map(Arc::clone);
        let gone = || self.overlays.gone.get(&id).map(Arc::clone);
        cached.or_else(|| self.effective(id).map(Arc::new)).or_else(gone)
    }

    pub(super) fn peek(&self, id: EntityId) -> Entity {
        if let Some(entity) = self.entities.get(&id) {
            return *entity;
        }
        let words = self.memory.load(RecordId::Entity(id)).ok().flatten();
        words.and_then(|words| Entity::decode(&words).ok()).unwrap_or_default()
    }

    fn state_word(&self, id: EntityId, entity: &Entity) -> &'static str {
        let wanted = entity.desired == Desired::Running;
        match entity.actual {
            Actual::Up { .. } => "running",
            Actual::Handover { .. } if entity.moving => "running",
            Actual::Reached if entity.finished => "finished",
            Actual::Reached => "running",
            Actual::Preparing { .. }
            | Actual::Starting { .. }
            | Actual::Readying { .. }
            | Actual::Handover { .. }
            | Actual::Aborting { .. } => "starting",
            Actual::Retiring { .. } | Actual::Stopping { .. } => "stopping",
            Actual::Waiting(_, Cause::PidFile) | Actual::Gated(Cause::PidFile) => "placeholder",
            Actual::Joining { .. } => "starting",
            Actual::Waiting(..) => "backoff",
            Actual::Queued(_) | Actual::Gated(_) => "waiting",
            Actual::Clearing { .. } | Actual::Tidying { .. } if entity.finished => "finished",
            Actual::Clearing { next: Next::Rest, .. } | Actual::Tidying { next: Next::Rest }
                if !wanted || matches!(entity.why, Why::Dependency(_)) =>
            {
                "stopping"
            }
            Actual::Clearing { .. } | Actual::Tidying { .. } => "waiting",
            Actual::Down if entity.finished => "finished",
            // An action list is not through yet, and may bring it back.
            Actual::Down | Actual::Left { .. } if wanted && self.has_lists(id) => "waiting",
            Actual::Down if self.is_placeholder(id) => "placeholder",
            Actual::Down | Actual::Left { .. } => match entity.why {
                Why::NeverStarted
                | Why::AskedStop
                | Why::Shutdown
                | Why::Conflict(_)
                | Why::Changed
                | Why::Gone => "stopped",
                Why::Died(_) if entity.good => "finished",
                // As the one that it cannot be without.
                Why::Dependency(on) if self.is_stopped_for(on) => "stopped",
                Why::Died(_)
                | Why::StartFailed(_)
                | Why::PreStartFailed
                | Why::StartTimeout
                | Why::Limit
                | Why::Dependency(_)
                | Why::RecordLost => "failed",
                Why::Boot
                | Why::AskedStart
                | Why::Restarted(_)
                | Why::Finished(_)
                | Why::CameBack(_)
                | Why::Wanted(_)
                | Why::Attached
                | Why::Detached => "stopped",
            },
        }
    }

    /// Whether ham does not start it.
    fn is_placeholder(&self, id: EntityId) -> bool {
        let plan = self.definition(id);
        plan.is_some_and(|plan| matches!(plan.kind, Kind::Placeholder { .. }))
    }

    /// Whether somebody has stopped it, or another that it is down for want of.
    fn is_stopped_for(&self, id: EntityId) -> bool {
        let mut at = id;
        // A damaged state could lead in a circle.
        for _ in 0..LONG_CHAIN {
            let entity = self.peek(at);
            if entity.desired == Desired::Stopped {
                return true;
            }
            let Why::Dependency(on) = entity.why else { return false };
            at = on;
        }
        false
    }

    /// Whether the heartbeats of all are suspended.
    #[must_use]
    pub const fn all_heartbeats_suspended(&self) -> bool {
        self.global.beats_suspended
    }

    pub(super) fn has_lists(&self, id: EntityId) -> bool {
        self.runs_of.contains_key(&id)
    }

    /// Whose process a slot holds, and whether it is a command of an action of
    /// that entity; `None`: nobody's.
    #[must_use]
    pub fn owner_of(&self, slot: SlotRef) -> Option<(EntityId, bool)> {
        match self.pool.owner(slot) {
            Owner::Main(entity) => Some((entity, false)),
            Owner::Command => self.commands.get(&slot.index).map(|command| (command.entity, true)),
            Owner::None => None,
        }
    }

    /// The slot of an entity's main process; `None`: it has none.
    #[must_use]
    pub fn slot_of(&self, id: EntityId) -> Option<SlotRef> {
        self.peek(id).slot()
    }

    /// The action lists of an entity that are in progress.
    pub fn lists(&self, id: EntityId) -> impl Iterator<Item = &Run> + '_ {
        let indexes = self.runs_of.get(&id).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.runs.get(index))
    }

    /// Whether a condition, by its place, is armed.
    #[must_use]
    pub fn is_armed(&self, id: EntityId, condition: usize, action_bit: Option<usize>) -> bool {
        let removed = self.peek(id).removed;
        !removed.condition(condition) && !action_bit.is_some_and(|bit| removed.action(bit))
    }

    /// Whether the manager is on its way down.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.global.shutdown.is_some()
    }

    /// What the way down ends in, as far as no command of an action takes the
    /// manager's place; `None`: it is not on it.
    #[must_use]
    pub fn ends_in(&self) -> Option<Way> {
        self.global.shutdown.map(|shutdown| shutdown.way)
    }

    /// Signals that have asked for a shutdown, as committed.
    #[must_use]
    pub fn signals_taken(&self) -> u64 {
        self.global.signals
    }

    /// The memory under it.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        self.memory.as_ref()
    }
}
