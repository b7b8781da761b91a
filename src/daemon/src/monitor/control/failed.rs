//! What a person is told of an action that has ended a list: which one, what it
//! does, and why.

use crate::facts;
use crate::monitor::Engine;
use ham_core::effect::Failed;
use ham_core::ids::EntityId;
use ham_core::plan::{RELOAD, SignalTarget, Verb};

impl Engine {
    /// `reload failed: action test (execute /usr/sbin/nginx -t): exit 1`
    pub(super) fn reload_failed(&self, entity: EntityId, failed: Failed) -> String {
        let plan = self.core.definition(entity);
        let why = facts::failure_text(failed.why);
        let named = plan.as_ref().and_then(|plan| {
            let name = plan.action_name(RELOAD, failed.action)?;
            Some((name, plan.verb(RELOAD, failed.action, 0)?))
        });
        match named {
            Some((name, verb)) => format!("reload failed: action {name} ({}): {why}", what(&verb)),
            None => format!("reload failed: {why}"),
        }
    }
}

/// A verb and what of it tells one from another.
fn what(verb: &Verb) -> String {
    let word = verb.word();
    match verb {
        Verb::Execute(execute) => format!("{word} {}", execute.command.join(" ")),
        Verb::NotifySignal(plan) => match &plan.target {
            SignalTarget::Own => format!("{word} {}", plan.signal),
            SignalTarget::Entity(entity) => format!("{word} {} to {entity}", plan.signal),
            SignalTarget::Process { pid, .. } => format!("{word} {} to {pid}", plan.signal),
        },
        Verb::NotifyPulse(plan) => format!("{word} {} to {}", plan.code, plan.channel),
        Verb::WaitFor(wait) => match &wait.path {
            Some(path) => format!("{word} {path}"),
            None if wait.ready => format!("{word} ready"),
            None => word.to_owned(),
        },
        Verb::Start(other) | Verb::Stop(other) => format!("{word} {other}"),
        Verb::Restart(_) | Verb::Log(_) | Verb::HeartbeatHealthy | Verb::Shutdown(_) => {
            word.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::plan::{ExecutePlan, WaitPlan};
    use ham_core::time::Span;

    #[test]
    fn a_verb_says_what_it_is_about() {
        let command = vec!["/usr/sbin/nginx".to_owned(), "-t".to_owned()];
        let timeout = Span::seconds(1);
        let execute = ExecutePlan { command, wait: true, timeout, identity: None };
        assert_eq!(what(&Verb::Execute(execute)), "execute /usr/sbin/nginx -t");
        let mut wait = WaitPlan { path: Some("/run/x".to_owned()), ready: false, timeout };
        assert_eq!(what(&Verb::WaitFor(wait.clone())), "waitfor /run/x");
        (wait.path, wait.ready) = (None, true);
        assert_eq!(what(&Verb::WaitFor(wait)), "waitfor ready");
        assert_eq!(what(&Verb::Stop("db".to_owned())), "stop db");
    }
}
