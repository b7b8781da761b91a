//! A list in progress goes on from its place. Where a change has moved its actions
//! about, the place does not tell any more what of them was done: then that is
//! marked, and the list takes what is left in the order that holds.

use super::marks::Marks;
use super::run::{Place, Run};
use crate::plan::{Class, EntityPlan, is_own};

/// The bit of an action in the marks of a list.
pub(super) fn bit(plan: &EntityPlan, list: u16, action: u16) -> usize {
    let action = usize::from(action);
    if is_own(list) { action } else { plan.action_bit(usize::from(list), action) }
}

fn word(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

impl Run {
    /// Where it would begin.
    pub(super) fn first(&self) -> Place {
        let alone = is_own(self.condition) || self.class == Class::Independent;
        (if alone { self.condition } else { 0 }, 0, 0)
    }

    /// Whether it has its current action behind it.
    pub(super) fn has_passed(&self, plan: &EntityPlan) -> bool {
        self.passed.has_actions() && self.passed.action(bit(plan, self.condition, self.action))
    }

    /// All actions that it comes by if it is in this list, in order.
    fn way(&self, plan: &EntityPlan, list: u16) -> Vec<(u16, u16)> {
        let of = |list: u16| (0..word(plan.list_length(list))).map(move |action| (list, action));
        if is_own(list) || self.class == Class::Independent {
            return of(list).collect();
        }
        (0..word(plan.conditions.len())).flat_map(of).collect()
    }

    /// Its entity was `before` and is `after`, and it is at `to`; if it `holds`,
    /// in the middle of the action there. Gives what it has behind it, if that
    /// must be marked, and where it goes on.
    pub(super) fn goes_on(
        &self,
        (before, after): (&EntityPlan, &EntityPlan),
        to: Place,
        holds: bool,
    ) -> (Marks, Place) {
        let (from, here) = ((self.condition, self.action), (to.0, to.1));
        let old = self.way(before, self.condition);
        let same = |(l, a): (u16, u16), (list, action): (u16, u16)| {
            before.list_name(l) == after.list_name(list)
                && before.action_name(l, a) == after.action_name(list, action)
        };
        let was_passed = |at: (u16, u16)| match self.passed.has_actions() {
            true => self.passed.action(bit(before, at.0, at.1)),
            false => at < from,
        };
        let mut passed = Marks::default();
        let mut by_place = true;
        for at in self.way(after, to.0) {
            if holds && at == here {
                continue;
            }
            let is_passed = match old.iter().copied().find(|known| same(*known, at)) {
                // It is to be begun anew.
                Some(known) if known == from => false,
                Some(known) => was_passed(known),
                None => at < here,
            };
            if is_passed {
                passed.mark_action(bit(after, at.0, at.1));
            }
            by_place &= is_passed == (at < here);
        }
        if by_place {
            return (Marks::default(), to);
        }
        if holds {
            passed.mark_action(bit(after, to.0, to.1));
            return (passed, to);
        }
        let moved = Run { condition: to.0, ..self.clone() };
        (passed, moved.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EntityId;
    use crate::monitor::run::{Detail, Kinds, Occurrence, Phase};
    use crate::plan::{ActionPlan, ConditionKind, ConditionPlan, Only, Verb};
    use crate::time::Mono;

    /// Conditions by their actions, a letter each.
    fn plan(conditions: &[(&str, &str)]) -> EntityPlan {
        let action = |name: char| ActionPlan {
            name: name.to_string(),
            verb: Verb::Log(String::new()),
            break_on_fail: false,
            keep_on_fail: true,
            rearm: true,
            on_fail: Vec::new(),
        };
        let condition = |(name, actions): &(&str, &str)| ConditionPlan {
            name: (*name).to_owned(),
            on: ConditionKind::Death,
            only: Only::All,
            of: None,
            class: Class::InOrder,
            rearm: true,
            enabled: true,
            actions: actions.chars().map(action).collect(),
        };
        let conditions = conditions.iter().map(condition).collect();
        EntityPlan { conditions, ..EntityPlan::new(EntityId(1), "a", vec!["/bin/a".to_owned()]) }
    }

    fn run((condition, action): (u16, u16)) -> Run {
        Run {
            entity: EntityId(1),
            serial: 0,
            class: Class::InOrder,
            occurrence: Occurrence {
                about: EntityId(1),
                kinds: Kinds::of(&[ConditionKind::Death]),
                detail: Detail::None,
                slot: None,
                pid: 0,
                status: None,
            },
            condition,
            action,
            on_fail: 0,
            phase: Phase::Pause,
            step: 1,
            due: None,
            prune: false,
            began: Mono(0),
            failed: None,
            passed: Marks::default(),
        }
    }

    /// What is done from there on, the current action included if it holds.
    fn rest(plan: &EntityPlan, passed: Marks, to: Place, holds: bool) -> String {
        let mut all = String::new();
        let names = |(list, action)| plan.action_name(list, action).unwrap_or("?").to_owned();
        if holds {
            all.push_str(&names((to.0, to.1)));
        }
        let from = if passed.has_actions() { (0, 0) } else { (to.0, to.1 + u16::from(holds)) };
        for at in run((0, 0)).way(plan, 0).into_iter().filter(|at| *at >= from) {
            if !passed.action(bit(plan, at.0, at.1)) {
                all.push_str(&names(at));
            }
        }
        all
    }

    #[test]
    fn what_was_done_is_behind_it_in_any_order() {
        let old = plan(&[("c", "abcd"), ("d", "ef")]);
        for (new, to, holds, left) in [
            // At `b`: `a` is done, `c` to `f` are due.
            (plan(&[("c", "abcd"), ("d", "ef")]), (0, 1), true, "bcdef"),
            (plan(&[("c", "xbcd"), ("d", "ef")]), (0, 1), true, "bcdef"),
            (plan(&[("c", "dcba"), ("d", "ef")]), (0, 2), true, "bdcef"),
            (plan(&[("d", "ef"), ("c", "abcd")]), (1, 1), true, "befcd"),
            (plan(&[("c", "bxa"), ("d", "e")]), (0, 0), true, "bxe"),
            // `b` is gone, or begins anew.
            (plan(&[("c", "acd"), ("d", "ef")]), (0, 1), false, "cdef"),
            (plan(&[("c", "xacd"), ("d", "ef")]), (0, 1), false, "cdef"),
            (plan(&[("c", "dcab"), ("d", "ef")]), (0, 3), false, "dcbef"),
            (plan(&[("d", "fe")]), (0, 0), false, "fe"),
        ] {
            let (passed, at) = run((0, 1)).goes_on((&old, &new), (to.0, to.1, 0), holds);
            assert_eq!(rest(&new, passed, at, holds), left, "{:?}", new.conditions);
            // And once more the other way round.
            if holds {
                let moved = Run { condition: at.0, action: at.1, passed, ..run((0, 1)) };
                let (again, back) = moved.goes_on((&new, &new), at, true);
                assert_eq!((again, back), (passed, at));
            }
        }
    }
}
