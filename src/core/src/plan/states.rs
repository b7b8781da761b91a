//! Names of states and of sets of them, as a unit gives them.

use super::{EntityPlan, StateSet};

impl EntityPlan {
    /// The name of a state; `None`: it has none.
    #[must_use]
    pub fn state_name(&self, state: u32) -> Option<&str> {
        self.states.iter().find(|(_, known)| *known == state).map(|(name, _)| name.as_str())
    }

    /// The name of just this set, be it of one state; `None`: it has none.
    #[must_use]
    pub fn set_name(&self, set: &StateSet) -> Option<&str> {
        let single = match set {
            StateSet::In(states) => match states.as_slice() {
                [state] => self.state_name(*state),
                _ => None,
            },
            StateSet::Any | StateSet::NotIn(_) => None,
        };
        let named = || self.state_sets.iter().find(|(_, known)| known == set);
        single.or_else(|| named().map(|(name, _)| name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EntityId;

    #[test]
    fn a_set_has_the_name_that_the_unit_gives_it() {
        let not = || StateSet::NotIn(vec![1]);
        let plan = EntityPlan {
            states: vec![("run".into(), 1), ("idle".into(), 2)],
            state_sets: vec![("both".into(), StateSet::In(vec![1, 2])), ("rest".into(), not())],
            ..EntityPlan::new(EntityId(0), "a", Vec::new())
        };
        assert_eq!(plan.state_name(2), Some("idle"));
        assert_eq!(plan.state_name(3), None);
        assert_eq!(plan.set_name(&StateSet::In(vec![1])), Some("run"));
        assert_eq!(plan.set_name(&StateSet::In(vec![1, 2])), Some("both"));
        assert_eq!(plan.set_name(&StateSet::In(vec![1, 3])), None);
        assert_eq!(plan.set_name(&not()), Some("rest"));
        assert_eq!(plan.set_name(&StateSet::Any), None);
    }
}
