//! Why an entity is as it is, in words: of one that waits or has failed for
//! want of another, the whole chain down to the one at fault.

use super::Engine;
use crate::facts::spawn_error;
use ham_core::ids::EntityId;
use ham_core::monitor::{View, Why};
use ham_core::plan::Kind;

/// A chain is as deep as the order of the units; what is damaged may go round
/// in circles.
const DEEPEST: usize = 16;

/// Of a placeholder: what it waits for, unless more is to be told.
fn nothing_attached(kind: &Kind, view: &View) -> Option<String> {
    let Kind::Placeholder { pid_file } = kind else { return None };
    let file = pid_file.as_ref().filter(|_| view.gated || view.next_attempt.is_some());
    match (file, view.why) {
        (Some(path), Why::Died(status)) => {
            Some(format!("died: {status}; waits for the process that {path} names"))
        }
        (Some(path), _) => Some(format!("waits for the process that {path} names")),
        (None, Why::NeverStarted | Why::Wanted(_)) => Some("nothing is attached".to_owned()),
        (None, _) => None,
    }
}

impl Engine {
    /// Whether it has a process that is not as its unit says any more.
    pub(super) fn is_outdated(&self, id: EntityId, view: &View) -> bool {
        view.pid.is_some() && self.core.is_outdated(id)
    }

    /// One phrase for `status`.
    pub(super) fn why(&self, id: EntityId, view: &View) -> String {
        let why = self.why_so(id, view);
        match self.is_outdated(id, view) {
            true => format!("{why}; its unit has changed: used from its next start on"),
            false => why,
        }
    }

    fn why_so(&self, id: EntityId, view: &View) -> String {
        let plan = self.core.definition(id);
        let path = plan.as_ref().and_then(|plan| plan.start_when.as_ref());
        if let Some(path) = path.filter(|_| view.gated) {
            return format!("waits for the path {path}");
        }
        if view.state == "placeholder"
            && let Some(why) = plan.and_then(|plan| nothing_attached(&plan.kind, view))
        {
            return why;
        }
        let others: Vec<String> = self.core.waits_for(id).iter().map(|id| self.name(*id)).collect();
        if !others.is_empty() {
            return format!("waits for {}", others.join(", "));
        }
        let last_exit = view.last_exit;
        match view.why {
            Why::NeverStarted => "not started yet".to_owned(),
            Why::Boot => "started with the manager".to_owned(),
            Why::AskedStart => "started on request".to_owned(),
            Why::Restarted(Some(status)) => format!("restarted after {status}"),
            Why::Restarted(None) => "started after failed attempts".to_owned(),
            Why::Died(status) => format!("died: {status}"),
            Why::Finished(status) => format!("finished: {status}"),
            Why::AskedStop => match last_exit {
                Some(status) => format!("stopped on request ({status})"),
                None => "stopped on request".to_owned(),
            },
            Why::Shutdown => "the manager is shutting down".to_owned(),
            Why::StartFailed(error) => format!("could not start: {}", spawn_error(error)),
            Why::PreStartFailed => "not started: its pre-start list failed".to_owned(),
            Why::StartTimeout => "did not start within start-timeout".to_owned(),
            Why::Limit => match last_exit {
                Some(status) => format!("restart limit reached, last: {status}"),
                None => "restart limit reached".to_owned(),
            },
            Why::Dependency(on) if view.times.up.is_some() => {
                format!("stopped: {}", self.blame(on))
            }
            Why::Dependency(on) => format!("not started: {}", self.blame(on)),
            Why::CameBack(on) => format!("started again with {}", self.name(on)),
            Why::Wanted(by) => format!("started for {}", self.name(by)),
            Why::Conflict(with) => format!("stopped, since {} was started", self.name(with)),
            Why::RecordLost => "its record was lost in a takeover".to_owned(),
            Why::Attached => "attached to a process that runs".to_owned(),
            Why::Detached => "detached: its process is its own".to_owned(),
            Why::Changed if view.pid.is_some() => "started, since its unit has changed".to_owned(),
            Why::Changed => "its unit has changed".to_owned(),
            Why::Gone => "stopped, since its unit was removed".to_owned(),
        }
    }

    /// Why an entity is not up, as those that need it are told.
    pub(super) fn blame(&self, id: EntityId) -> String {
        let mut chain = Vec::new();
        let mut at = id;
        for _ in 0..DEEPEST {
            let view = self.core.view(at);
            let name = self.name(at);
            let what = match view.why {
                Why::Dependency(on) => {
                    let what = if view.times.up.is_some() { "stopped" } else { "not started" };
                    chain.push(format!("{name} {what}"));
                    at = on;
                    continue;
                }
                Why::Died(status) => format!("{name} failed: {status}"),
                Why::StartFailed(error) => {
                    format!("{name} could not start: {}", spawn_error(error))
                }
                Why::StartTimeout => format!("{name} did not start within start-timeout"),
                Why::PreStartFailed => format!("the pre-start list of {name} failed"),
                Why::Limit => match view.last_exit {
                    Some(status) => format!("{name} failed: restart limit reached, last: {status}"),
                    None => format!("{name} failed: restart limit reached"),
                },
                Why::AskedStop | Why::Shutdown => format!("{name} was stopped"),
                Why::Conflict(with) => {
                    format!("{name} was stopped, since {} was started", self.name(with))
                }
                Why::Detached => format!("{name} was detached"),
                Why::Gone => format!("the unit of {name} was removed"),
                Why::NeverStarted if view.state == "placeholder" => {
                    format!("nothing is attached to {name}")
                }
                Why::NeverStarted => format!("{name} was not started"),
                Why::Boot
                | Why::AskedStart
                | Why::Restarted(_)
                | Why::Finished(_)
                | Why::CameBack(_)
                | Why::Wanted(_)
                | Why::Attached
                | Why::Changed
                | Why::RecordLost => format!("{name} is {}", view.state),
            };
            chain.push(what);
            break;
        }
        chain.join(": ")
    }
}
