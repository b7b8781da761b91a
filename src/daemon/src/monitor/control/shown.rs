//! What `Status` answers.

use super::calls::result;
use crate::monitor::Engine;
use crate::told::{self, exit_report, seconds};
use ham_core::ids::EntityId;
use ham_core::monitor::{Desired, View};
use ham_core::plan::Kind;
use ham_core::wire::{
    Answer, EntityStatus, Failures, ManagerStatus, Names, PlanStatus, RoleStatus, Status,
};
use ham_snapshot::header::Field;
use ham_sys::clock;
use ham_sys::process;
use ham_sys::spawn::Method;

impl Engine {
    pub(super) fn status(&self, names: &Names) -> Result<Answer, Answer> {
        let entities =
            if names.names.is_empty() { self.core.ids() } else { self.resolve(&names.names)? };
        let entities = entities.into_iter().map(|id| self.entity_status(id)).collect();
        let disarmed = self.disarmed();
        Ok(result(&Status { ham: self.manager_status(), entities, disarmed }))
    }

    fn manager_status(&self) -> ManagerStatus {
        let pid = |field| i32::try_from(self.state.get(field)).unwrap_or(0);
        let directories = &self.shared.options.directories;
        ManagerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reaper: RoleStatus { pid: pid(Field::ReaperPid) },
            monitor: RoleStatus { pid: process::pid() },
            guardian: RoleStatus { pid: pid(Field::GuardianPid) },
            takeovers: self.state.get(Field::Takeovers),
            last_takeover_us: Some(self.state.get(Field::TakeoverTook))
                .filter(|took| *took != 0)
                .map(|took| took / 1000),
            failures: Failures {
                monitor: self.state.get(Field::MonitorDeaths),
                guardian: self.state.get(Field::GuardianDeaths),
                hung: self.state.get(Field::HangKills),
                reaper: self.state.get(Field::ReaperFaults),
            },
            turns: self.state.get(Field::CommittedTurn),
            started_time: seconds(self.state.get(Field::StartedReal)),
            spawn: match self.abilities.method {
                Method::Clone3 => "clone3",
                Method::Clone => "clone",
            }
            .to_owned(),
            containment: self.holder.word().to_owned(),
            stopping: self.core.is_stopping(),
            heartbeats_suspended: self.core.all_heartbeats_suspended(),
            plan: PlanStatus {
                generation: self.state.plan_in_force().map_or(0, |(generation, _)| generation),
                directories: directories.iter().map(|dir| dir.display().to_string()).collect(),
                errors: self.loading.reports.clone(),
                refused: self.loading.refused.iter().map(|refused| refused.name.clone()).collect(),
                outdated: self.loading.held,
            },
            reaper_allocations: self.state.get(Field::ReaperAllocations),
            orphans: self.state.get(Field::OrphanTail),
            notifications_dropped: self.state.get(Field::NotificationsDropped),
            watchdog: self.watchdog_status(),
        }
    }

    pub(super) fn entity_status(&self, id: EntityId) -> EntityStatus {
        let view = self.core.view(id);
        let said = self.core.said(id);
        let plan = self.core.definition(id);
        let now = clock::monotonic();
        let age = view.since.map(|since| now.saturating_sub(since.0));
        let real = clock::realtime();
        EntityStatus {
            name: self.name(id),
            main: plan.as_ref().is_some_and(|plan| plan.main),
            description: plan.map(|plan| plan.description.clone()).unwrap_or_default(),
            state: view.state.to_owned(),
            desired: match view.desired {
                Desired::Running => "running",
                Desired::Stopped => "stopped",
            }
            .to_owned(),
            pid: view.pid,
            restarts: view.restarts,
            attempts: u64::from(view.attempts),
            since: age.map(|age| seconds(real.saturating_sub(age))),
            age_ns: age,
            ready: view.ready,
            status_text: said.status,
            errno: Some(said.errno).filter(|errno| *errno != 0),
            reported: self.reported(id, &view),
            heartbeat: self.heartbeat_status(id, &view),
            waits_for: self.waits_for(id),
            last_exit: view.last_exit.map(|status| exit_report(status, view.abnormal)),
            why: self.why(id, &view),
            cause: told::cause(view.why).to_owned(),
            next_attempt_ns: view.next_attempt.map(|due| due.0.saturating_sub(now)),
            outdated: self.is_outdated(id, &view),
        }
    }

    /// The state that an entity is in; 0, which it is in before it reports any,
    /// only where it has a name.
    fn reported(&self, id: EntityId, view: &View) -> Option<String> {
        let name = self.state_name(id, view.reported);
        let unnamed = name == "0" || view.pid.is_none() && view.reported == 0;
        (!unnamed).then_some(name)
    }
}

/// The word of the unit file for what stands behind an entity.
pub(super) fn kind_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Service => "service",
        Kind::Oneshot { .. } => "oneshot",
        Kind::Forking { .. } => "forking",
        Kind::Target => "target",
        Kind::Placeholder { .. } => "placeholder",
        Kind::Global => "global",
    }
}
