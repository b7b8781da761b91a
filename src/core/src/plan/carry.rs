//! What an entity is after a reload, while a process may run by what it was
//! before. Conditions, actions, the heartbeat and the order hold at once. What
//! a process is made of, and what a start goes through, is for the next one:
//! until then a process is looked after, and ended, as it was begun.

use super::{EntityPlan, Kind, Links};
use serde::{Deserialize, Serialize};

/// What becomes of a process when what it was made of has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnChange {
    /// It goes on, and the next one is made by what the unit says then.
    #[default]
    NextStart,
    /// It is restarted.
    Restart,
}

/// What stands behind an entity, as far as one cannot become the other while
/// it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Process,
    Target,
    Placeholder,
    Global,
}

fn shape(kind: &Kind) -> Shape {
    match kind {
        Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } => Shape::Process,
        Kind::Target => Shape::Target,
        Kind::Placeholder { .. } => Shape::Placeholder,
        Kind::Global => Shape::Global,
    }
}

/// `old` with all of `new` that can hold while a process of `old` runs. Every
/// field is named here, so that a new one has to be thought of.
fn live(old: &EntityPlan, new: &EntityPlan) -> EntityPlan {
    let of_new = new.clone();
    let of_old = old.clone();
    EntityPlan {
        id: of_new.id,
        name: of_new.name,
        description: of_new.description,
        source: of_new.source,
        kind: of_old.kind,
        command: of_old.command,
        expand: of_old.expand,
        start: of_new.start,
        links: of_new.links,
        on_dependency_restart: of_new.on_dependency_restart,
        on_change: of_new.on_change,
        start_when: of_old.start_when,
        ready: of_old.ready,
        pre_start: of_old.pre_start,
        reload: of_new.reload,
        post_stop: of_new.post_stop,
        success_exit: of_new.success_exit,
        no_restart_exit: of_new.no_restart_exit,
        notify_access: of_old.notify_access,
        fd_store: of_new.fd_store,
        identity: of_old.identity,
        directory: of_old.directory,
        umask: of_old.umask,
        inherit_environment: of_old.inherit_environment,
        environment: of_old.environment,
        environment_files: of_old.environment_files,
        stdin: of_old.stdin,
        stdout: of_old.stdout,
        stderr: of_old.stderr,
        tty: of_old.tty,
        settings: of_old.settings,
        directories: of_old.directories,
        start_timeout: of_old.start_timeout,
        stop: of_new.stop,
        heartbeat: of_new.heartbeat,
        states: of_new.states,
        state_sets: of_new.state_sets,
        attach_by: of_new.attach_by,
        conditions: of_new.conditions,
        next: None,
        leaving: false,
    }
}

impl EntityPlan {
    /// Whether a process that was made by this one is as the other would have
    /// made it. What only its start has gone through does not count.
    #[must_use]
    pub fn makes_the_same(&self, other: &EntityPlan) -> bool {
        let mut made = live(self, other);
        made.start_when.clone_from(&other.start_when);
        made.ready.clone_from(&other.ready);
        made.pre_start.clone_from(&other.pre_start);
        made.start_timeout = other.start_timeout;
        made == EntityPlan { next: None, leaving: false, ..other.clone() }
    }

    /// What it is from its next start on; itself, if nothing waits for that.
    #[must_use]
    pub fn configured(&self) -> &EntityPlan {
        self.next.as_deref().unwrap_or(self)
    }

    /// Whether its process, if it has one, is not as its unit says any more.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.next.as_deref().is_some_and(|next| !self.makes_the_same(next))
    }

    /// What is in force: whether it has started since `next` came is in its
    /// record.
    #[must_use]
    pub fn in_force(mut self, renewed: bool) -> EntityPlan {
        match self.next.take() {
            Some(next) if renewed => *next,
            Some(_) | None => self,
        }
    }
}

/// An entity whose unit says `new`, and that is `old` in a manager that runs:
/// what it is at once, and with it what waits for its next start.
#[must_use]
pub fn carry(old: &EntityPlan, new: EntityPlan) -> EntityPlan {
    let new = EntityPlan { next: None, leaving: false, ..new };
    let mut current = live(old, &new);
    if shape(&old.kind) != shape(&new.kind) {
        // Nothing of what it will be means the same as long as it is what it is.
        current =
            EntityPlan { links: new.links.clone(), next: None, leaving: false, ..old.clone() };
    } else if current == new {
        return new;
    } else if !old.makes_the_same(&new) {
        // The end of a process is part of what it was begun as.
        current.stop.clone_from(&old.stop);
        current.post_stop.clone_from(&old.post_stop);
        current.reload.clone_from(&old.reload);
        current.success_exit.clone_from(&old.success_exit);
        current.no_restart_exit.clone_from(&old.no_restart_exit);
    }
    current.next = Some(Box::new(new));
    current
}

/// An entity that no unit has any more: it is stopped as it was begun, and is
/// then nothing. `others`: its neighbours that go as well, for the order.
#[must_use]
pub fn leave(old: &EntityPlan, others: Links) -> EntityPlan {
    EntityPlan { links: others, next: None, leaving: true, ..old.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EntityId;
    use crate::plan::{ActionPlan, Class, ConditionKind, ConditionPlan, Only, Readiness, Verb};
    use crate::time::Span;

    fn plan() -> EntityPlan {
        EntityPlan::new(EntityId(1), "a", vec!["/bin/a".to_owned()])
    }

    fn logs(name: &str, text: &str) -> ConditionPlan {
        let action = ActionPlan {
            name: "log".to_owned(),
            verb: Verb::Log(text.to_owned()),
            break_on_fail: false,
            keep_on_fail: true,
            rearm: true,
            on_fail: Vec::new(),
        };
        ConditionPlan {
            name: name.to_owned(),
            on: ConditionKind::Death,
            only: Only::All,
            of: None,
            class: Class::InOrder,
            rearm: true,
            enabled: true,
            actions: vec![action],
        }
    }

    #[test]
    fn what_can_hold_at_once_does_and_nothing_waits() {
        let mut new = plan();
        new.description = "other".to_owned();
        new.conditions.push(logs("death", "x"));
        new.stop.timeout = Span::seconds(9);
        let carried = carry(&plan(), new.clone());
        assert_eq!(carried, new);
        assert!(!carried.is_outdated());
    }

    #[test]
    fn another_command_waits_and_the_end_stays_as_it_was() {
        let mut new = plan();
        new.command = vec!["/bin/b".to_owned()];
        new.stop.timeout = Span::seconds(9);
        new.conditions.push(logs("death", "x"));
        let carried = carry(&plan(), new.clone());
        assert_eq!(carried.command, plan().command);
        assert_eq!(carried.stop, plan().stop);
        assert_eq!(carried.conditions, new.conditions);
        assert_eq!(carried.configured(), &new);
        assert!(carried.is_outdated());
        assert_eq!(carried.clone().in_force(true), new);
        // It comes to the same however often it is read again.
        let again = carry(&carried.clone().in_force(false), new.clone());
        assert_eq!(again, carried);
        assert_eq!(carry(&carried.in_force(true), new.clone()), new);
    }

    #[test]
    fn what_a_start_goes_through_outdates_no_process() {
        let mut new = plan();
        new.ready = Readiness::Path("/x".to_owned());
        let carried = carry(&plan(), new.clone());
        assert_eq!(carried.ready, Readiness::Exec);
        assert!(carried.next.is_some() && !carried.is_outdated());
    }

    #[test]
    fn a_service_that_becomes_a_target_is_one_when_its_process_has_gone() {
        let mut new = plan();
        new.kind = Kind::Target;
        new.command = Vec::new();
        new.conditions.push(logs("death", "x"));
        let carried = carry(&plan(), new.clone());
        assert_eq!((carried.kind.clone(), carried.conditions.len()), (Kind::Service, 0));
        assert_eq!(carried.in_force(true), new);
    }
}
