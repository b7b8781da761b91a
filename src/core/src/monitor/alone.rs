//! When the manager ends without having been asked to: an entity that is `main`
//! has ended for good, or, in a container, all have. What it comes to is decided
//! in the turn in which the last of it happens, and is part of that turn, so a
//! takeover changes nothing.
//!
//! For good: it has ended by itself (or could not be started), nothing is left of
//! it, and nothing that ham does will bring it back: no attempt is planned, and
//! no list about it is in progress. One that somebody has stopped is not at its
//! end: who has stopped it may start it again.

use super::entity::{Actual, Desired, Entity, Why};
use super::view::LONG_CHAIN;
use super::{ERROR_NO_PLAN, ERROR_NO_SLOT, Monitor};
use crate::effect::Fact;
use crate::ids::EntityId;
use crate::plan::{Kind, StartMode};
use crate::status::ExitStatus;
use crate::time::Mono;
use crate::way::Way;

/// What shells add to the number of a signal.
const BY_SIGNAL: u8 = 128;
/// What shells say when a program cannot be executed, and when there is none.
const NOT_EXECUTED: u8 = 126;
const NO_PROGRAM: u8 = 127;
/// Nothing that could be told by a number.
const FAILED: u8 = 1;
/// errno of a program that is not there.
const ENOENT: u64 = 2;

impl Monitor {
    /// Begins the end of the manager, if it has come. True when it has.
    pub(super) fn ends_alone(&mut self) -> bool {
        if self.is_shutting_down() || !self.global.booted {
            return false;
        }
        let Some((id, code, main)) = self.main_has_ended().or_else(|| self.all_have_ended()) else {
            return false;
        };
        self.note(id, Fact::EndsManager { code, main });
        self.shut_down(Way::Exit(code), self.host.stop_deadline, 0);
        true
    }

    /// Whether the manager is on its way down because an entity that is `main` has
    /// ended, and nobody need have asked.
    pub fn ends_with_main(&mut self) -> bool {
        self.is_shutting_down() && self.main_has_ended().is_some()
    }

    fn main_has_ended(&mut self) -> Option<(EntityId, u8, bool)> {
        let mut place: usize = 0;
        while let Some(id) = self.plan.mains().get(place).copied() {
            place = place.saturating_add(1);
            if !self.plan.is_leaving(id) && self.has_ended(id) {
                let code = code_of(&self.entity(id));
                return Some((id, code, true));
            }
        }
        None
    }

    /// Whether it has ended for good, or one without which it cannot be has.
    fn has_ended(&mut self, id: EntityId) -> bool {
        let mut at = id;
        // A damaged state could lead in a circle.
        for _ in 0..LONG_CHAIN {
            let entity = self.entity(at);
            let about = |id| self.runs.values().any(|run| run.occurrence.about == id);
            if entity.desired == Desired::Stopped || self.has_lists(at) || about(at) {
                return false;
            }
            match entity.actual {
                Actual::Down | Actual::Left { .. } => {}
                // A one-shot that remains.
                Actual::Reached if entity.finished => {}
                Actual::Waiting(..)
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
                | Actual::Joining { .. } => return false,
            }
            match entity.why {
                Why::Died(_)
                | Why::Finished(_)
                | Why::StartFailed(_)
                | Why::PreStartFailed
                | Why::StartTimeout
                | Why::Limit => return true,
                Why::Dependency(on) => at = on,
                Why::NeverStarted
                | Why::Boot
                | Why::AskedStart
                | Why::Restarted(_)
                | Why::AskedStop
                | Why::Shutdown
                | Why::CameBack(_)
                | Why::Wanted(_)
                | Why::Conflict(_)
                | Why::RecordLost
                | Why::Attached
                | Why::Detached
                | Why::Changed
                | Why::Gone => return false,
            }
        }
        false
    }

    /// In a container: nothing runs, nothing is planned, and all that have begun
    /// have ended by themselves, one at least of those that start by themselves.
    /// The code is that of the first that has failed.
    fn all_have_ended(&mut self) -> Option<(EntityId, u8, bool)> {
        if !self.host.container || !self.runs.is_empty() || self.somebody_is_there() {
            return None;
        }
        let mut last: Option<(Mono, EntityId)> = None;
        let mut first_failed: Option<(Mono, EntityId)> = None;
        let mut any = false;
        let ids: Vec<EntityId> = self.plan.ids().collect();
        for id in ids {
            let entity = self.entity(id);
            if entity.why == Why::NeverStarted || self.plan.is_leaving(id) {
                continue;
            }
            let plan = self.plan_of(id)?;
            match plan.kind {
                Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } => {}
                Kind::Target | Kind::Placeholder { .. } | Kind::Global => continue,
            }
            // One that has made way for another tells nothing.
            if matches!(entity.why, Why::Conflict(_)) {
                continue;
            }
            if !self.has_ended(id) {
                return None;
            }
            any |= plan.start == StartMode::Auto;
            let at = entity.since.unwrap_or(self.now);
            let well = entity.finished || (entity.good && matches!(entity.why, Why::Died(_)));
            if !well && first_failed.is_none_or(|(before, _)| at < before) {
                first_failed = Some((at, id));
            }
            if last.is_none_or(|(before, _)| at >= before) {
                last = Some((at, id));
            }
        }
        let (_, id) = first_failed.or(last).filter(|_| any)?;
        let code = if first_failed.is_some() { code_of(&self.entity(id)) } else { 0 };
        Some((id, code, false))
    }

    /// Whether there is an entity with a process, or one that is to have one.
    fn somebody_is_there(&mut self) -> bool {
        let holds = |monitor: &mut Monitor, id| {
            monitor.active.has(id) && monitor.entity(id).actual != Actual::Reached
        };
        if self.holder.is_some_and(|id| holds(self, id)) {
            return true;
        }
        self.holder = self.active.all().into_iter().find(|id| holds(self, *id));
        self.holder.is_some()
    }

    /// With what exit code the manager ends that was to end with this one. Who is
    /// `main` has been asked to end when a signal has begun it: how it took that is
    /// what the signal's sender wants to know.
    pub(super) fn code_at_end(&mut self, code: u8) -> u8 {
        if code != 0 || self.global.signals == 0 {
            return code;
        }
        let mains = self.plan.mains().to_vec();
        let codes = mains.into_iter().map(|id| {
            let entity = self.entity(id);
            let signal = self.plan_of(id).map(|plan| plan.stop.signal);
            match (entity.why, entity.last_exit) {
                (Why::Shutdown, Some(ExitStatus::Signal { signal: by, .. }))
                    if Some(by) == signal =>
                {
                    0
                }
                (Why::Shutdown, Some(status)) => code_of_status(status),
                (_, _) => 0,
            }
        });
        codes.into_iter().find(|code| *code != 0).unwrap_or(0)
    }
}

/// An end as the exit code of the manager.
fn code_of(entity: &Entity) -> u8 {
    let status = entity.last_exit.filter(|_| entity.last_pid > 0);
    match entity.why {
        Why::Died(status) | Why::Finished(status) => code_of_status(status),
        Why::Limit => status.map_or(FAILED, code_of_status),
        Why::StartFailed(ERROR_NO_SLOT | ERROR_NO_PLAN) => FAILED,
        Why::StartFailed(error) if error & u64::from(u32::MAX) == ENOENT => NO_PROGRAM,
        Why::StartFailed(_) => NOT_EXECUTED,
        Why::NeverStarted
        | Why::Boot
        | Why::AskedStart
        | Why::Restarted(_)
        | Why::AskedStop
        | Why::Shutdown
        | Why::PreStartFailed
        | Why::StartTimeout
        | Why::Dependency(_)
        | Why::CameBack(_)
        | Why::Wanted(_)
        | Why::Conflict(_)
        | Why::RecordLost
        | Why::Attached
        | Why::Detached
        | Why::Changed
        | Why::Gone => FAILED,
    }
}

fn code_of_status(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal { signal, .. } => BY_SIGNAL.saturating_add(signal.0),
        ExitStatus::Unknown => FAILED,
    }
}
