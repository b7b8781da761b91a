//! Items by path: an entity, a condition of it, an action of that, an item of
//! the on-fail list of that (QNX HAM: entities are folders, conditions are
//! folders in them, actions are files).

use super::{ActionPlan, ConditionPlan, EntityPlan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of them, below the entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Item {
    /// The entity.
    Entity,
    /// A condition.
    Condition(String),
    /// An action of a condition.
    Action(String, String),
    /// An item of its on-fail list.
    OnFail(String, String, String),
}

/// An item as a plan has it.
#[derive(Debug)]
pub enum Part<'a> {
    /// The entity.
    Entity,
    /// A condition.
    Condition(&'a ConditionPlan),
    /// An action.
    Action(&'a ActionPlan),
    /// An item of an on-fail list; its action is there.
    OnFail,
}

impl Item {
    /// A path, `entity/condition/action/item`, cut into the name of the entity
    /// and the rest; `None`: it has too many parts, or an empty one.
    #[must_use]
    pub fn parse(path: &str) -> Option<(&str, Item)> {
        let mut parts = path.split('/');
        let entity = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        if entity.is_empty() || rest.iter().any(|part| part.is_empty()) {
            return None;
        }
        let item = match rest.as_slice() {
            [] => Item::Entity,
            [condition] => Item::Condition((*condition).to_owned()),
            [condition, action] => Item::Action((*condition).to_owned(), (*action).to_owned()),
            [condition, action, name] => {
                let own = |part: &str| part.to_owned();
                Item::OnFail(own(condition), own(action), own(name))
            }
            _ => return None,
        };
        Some((entity, item))
    }

    /// Its path below an entity.
    #[must_use]
    pub fn path(&self, entity: &str) -> String {
        match self {
            Item::Entity => entity.to_owned(),
            Item::Condition(_) | Item::Action(..) | Item::OnFail(..) => format!("{entity}/{self}"),
        }
    }

    /// Whether this is the other, or what the other belongs to.
    #[must_use]
    pub fn holds(&self, other: &Item) -> bool {
        let mine = self.names();
        other.names().starts_with(&mine)
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Item::Entity => Vec::new(),
            Item::Condition(condition) => vec![condition],
            Item::Action(condition, action) => vec![condition, action],
            Item::OnFail(condition, action, name) => vec![condition, action, name],
        }
    }

    /// What a plan has of that name; of an on-fail item whether it has the
    /// action that it hangs on.
    #[must_use]
    pub fn part<'a>(&self, plan: &'a EntityPlan) -> Option<Part<'a>> {
        let condition = |name: &str| plan.conditions.iter().find(|c| c.name == *name);
        let action = |c: &str, a: &str| condition(c)?.actions.iter().find(|x| x.name == *a);
        match self {
            Item::Entity => Some(Part::Entity),
            Item::Condition(name) => condition(name).map(Part::Condition),
            Item::Action(c, a) => action(c, a).map(Part::Action),
            Item::OnFail(c, a, _) => action(c, a).map(|_| Part::OnFail),
        }
    }

    /// The place of a condition in a plan; of an action also its own in that.
    /// `None`: there is none, or it is neither.
    #[must_use]
    pub fn places(&self, plan: &EntityPlan) -> Option<(usize, Option<usize>)> {
        let (name, action) = match self {
            Item::Condition(name) => (name, None),
            Item::Action(name, action) => (name, Some(action)),
            Item::Entity | Item::OnFail(..) => return None,
        };
        let place = plan.conditions.iter().position(|condition| condition.name == *name)?;
        let Some(action) = action else { return Some((place, None)) };
        let condition = plan.conditions.get(place)?;
        let at = condition.actions.iter().position(|known| known.name == *action)?;
        Some((place, Some(at)))
    }

    /// The conditions and actions of a plan that it holds, without itself.
    #[must_use]
    pub fn below(&self, plan: &EntityPlan) -> Vec<Item> {
        let mut all = Vec::new();
        for condition in &plan.conditions {
            all.push(Item::Condition(condition.name.clone()));
            let action = |name: &String| Item::Action(condition.name.clone(), name.clone());
            all.extend(condition.actions.iter().map(|each| action(&each.name)));
        }
        all.retain(|other| other != self && self.holds(other));
        all
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_items_and_back() {
        for path in ["audio", "audio/death", "audio/death/restart", "audio/death/restart/page"] {
            let (entity, item) = Item::parse(path).unwrap();
            assert_eq!(item.path(entity), path);
        }
        for path in ["", "/", "audio/", "/death", "audio//restart", "a/b/c/d/e"] {
            assert_eq!(Item::parse(path), None, "{path}");
        }
    }

    #[test]
    fn an_item_holds_what_is_below_it() {
        let item = |path: &str| Item::parse(path).unwrap().1;
        assert!(item("a").holds(&item("a/b/c")));
        assert!(item("a/b").holds(&item("a/b")));
        assert!(!item("a/b").holds(&item("a/bb/c")));
        assert!(!item("a/b/c").holds(&item("a/b")));
    }
}
