//! What another plan means for what runs: the loader knows what units say, and
//! here is known what there is. What is foreseen is what `hamctl plan` prints,
//! and what then happens (`ham_core::monitor`, reload).

use super::Engine;
use crate::load::{Answer, Follows};
use ham_core::monitor::{Desired, Why};
use ham_core::wire::{ChangeKind, Consequence, EntityChange};

impl Engine {
    /// The changes of an answer, as they will be.
    pub(super) fn foresee(&mut self, answer: &mut Answer) {
        for change in &mut answer.changes {
            self.foresee_change(change);
        }
        let (keeps, follows): (Vec<Follows>, Vec<Follows>) = std::mem::take(&mut answer.follows)
            .into_iter()
            .partition(|follows| follows.then == Consequence::Nothing);
        for keeps in keeps.into_iter().filter(|keeps| self.is_wanted(&keeps.from)) {
            let kept = answer.changes.iter_mut().find(|change| change.name == keeps.name);
            kept.into_iter().for_each(|change| change.then = keeps.then);
        }
        for follows in follows {
            if self.will_follow(&answer.changes, &follows) {
                follow(&mut answer.changes, follows);
            }
        }
        answer.changes.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn foresee_change(&mut self, change: &mut EntityChange) {
        if change.what != ChangeKind::Changed {
            return;
        }
        let Some(id) = self.core.find(&change.name) else { return };
        let meant = change.then;
        change.then = self.core.foresee(id, meant);
        if meant == Consequence::Restarts && change.then != meant {
            for key in change.keys.iter_mut().filter(|key| key.when == meant) {
                key.when = Consequence::NextStart;
            }
        }
    }

    /// Whether it is up, or is to be, so that what starts by itself does not
    /// start against it.
    fn is_wanted(&self, name: &str) -> bool {
        self.core.find(name).is_some_and(|id| {
            let view = self.core.view(id);
            view.desired == Desired::Running || view.pid.is_some()
        })
    }

    fn will_follow(&mut self, changes: &[EntityChange], follows: &Follows) -> bool {
        let known = self.core.find(&follows.name);
        let from = changes.iter().find(|change| change.name == follows.from);
        if follows.then == Consequence::Restarts {
            let restarts = from.is_some_and(|from| from.then == Consequence::Restarts);
            return restarts
                && known.is_some_and(|id| {
                    self.core.foresee(id, Consequence::Restarts) == Consequence::Restarts
                });
        }
        let begins = from.is_some_and(|from| from.what == ChangeKind::Added);
        let runs = match self.core.find(&follows.from) {
            _ if begins => from.is_some_and(|from| from.then == Consequence::Starts),
            Some(id) => self.core.view(id).desired == Desired::Running,
            None => false,
        };
        runs && known.is_none_or(|id| {
            self.core.is_out(id) && (!begins || self.core.view(id).why == Why::NeverStarted)
        })
    }
}

/// One whose unit has not changed, or not so that this follows from it.
fn follow(changes: &mut Vec<EntityChange>, follows: Follows) {
    let Follows { name, source, then, .. } = follows;
    match changes.iter_mut().find(|change| change.name == name) {
        Some(change) => change.then = change.then.max(then),
        None => {
            let what = ChangeKind::Changed;
            changes.push(EntityChange { name, source, what, then, keys: Vec::new() });
        }
    }
}
