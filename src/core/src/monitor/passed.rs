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
