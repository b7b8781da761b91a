//! What was changed of an entity at run time, laid over what its unit says:
//! items that were added, flags that were changed, what is disarmed. All of it
//! by name, so that it holds when places shift or the unit is read anew.

use super::{ActionPlan, Gone, Part};
use super::{Class, ConditionPlan, EntityPlan, Flags, Item, Verb, check};
use crate::time::Mono;
use serde::{Deserialize, Serialize};

/// The changes of one entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The entity itself, where no unit has it. Its conditions stand below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<Box<EntityPlan>>,
    /// Conditions that come after those of the unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionPlan>,
    /// Actions that come after those of a condition of the unit, with its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<(String, ActionPlan)>,
    /// What comes after the on-fail list of an action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_fail: Vec<LateOnFail>,
    /// Items with other flags than they were made with, and all their flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<(Item, Flags)>,
    /// What is disarmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<Off>,
    /// Conditions that are armed although their unit says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Item>,
    /// What has gone by itself, the last ones of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
}

/// An item of an on-fail list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateOnFail {
    /// Where it hangs, and its own name.
    pub item: Item,
    /// What it does.
    pub verb: Verb,
}

/// Something that is disarmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// What.
    pub item: Item,
    /// Until then; `None`: until somebody arms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Mono>,
}

impl Overlay {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Overlay::default()
    }

    /// The channels of pulses that its items name; one may come more than once.
    pub fn channels(&self) -> impl Iterator<Item = &String> {
        let entity = self.entity.iter().flat_map(|entity| {
            let lists = [&entity.pre_start, &entity.reload, &entity.post_stop];
            let listed = lists.into_iter().flatten();
            listed.chain(entity.conditions.iter().flat_map(|condition| &condition.actions))
        });
        let added = self.conditions.iter().flat_map(|condition| &condition.actions);
        let actions = entity.chain(added).chain(self.actions.iter().map(|(_, action)| action));
        let verbs = actions.flat_map(|action| std::iter::once(&action.verb).chain(&action.on_fail));
        verbs.chain(self.on_fail.iter().map(|late| &late.verb)).filter_map(Verb::channel)
    }

    /// Whether just this item is disarmed, whatever it belongs to.
    #[must_use]
    pub fn is_off(&self, item: &Item) -> bool {
        self.off.iter().any(|off| off.item == *item)
    }

    /// Whether an action is disarmed; by name, without making an item of it.
    #[must_use]
    pub fn is_action_off(&self, condition: &str, action: &str) -> bool {
        self.off
            .iter()
            .any(|off| matches!(&off.item, Item::Action(c, a) if c == condition && a == action))
    }

    /// When the first of what is disarmed for a time is armed again.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        self.off.iter().filter_map(|off| off.until).min()
    }

    /// Whether an item was made at run time.
    #[must_use]
    pub fn made(&self, item: &Item) -> bool {
        let of_condition = |name: &str| self.conditions.iter().find(|made| made.name == *name);
        match item {
            Item::Entity => self.entity.is_some(),
            Item::Condition(condition) => of_condition(condition).is_some(),
            Item::Action(condition, action) => {
                of_condition(condition)
                    .is_some_and(|made| made.actions.iter().any(|made| made.name == *action))
                    || self.actions.iter().any(|(at, made)| at == condition && made.name == *action)
            }
            Item::OnFail(..) => self.on_fail.iter().any(|made| made.item == *item),
        }
    }

    /// Puts an action at the end of a condition.
    pub fn add_action(&mut self, condition: &str, action: ActionPlan) {
        match self.conditions.iter_mut().find(|made| made.name == condition) {
            Some(made) => made.actions.push(action),
            None => self.actions.push((condition.to_owned(), action)),
        }
    }

    /// Takes out an item that was made at run time, with all that hangs on it.
    pub fn remove(&mut self, item: &Item) {
        let goes = |other: &Item| item.holds(other);
        self.conditions.retain(|made| !goes(&Item::Condition(made.name.clone())));
        for made in &mut self.conditions {
            let name = made.name.clone();
            made.actions.retain(|action| !goes(&Item::Action(name.clone(), action.name.clone())));
        }
        self.actions.retain(|(at, made)| !goes(&Item::Action(at.clone(), made.name.clone())));
        self.on_fail.retain(|made| !goes(&made.item));
        self.flags.retain(|(other, _)| !goes(other));
        self.off.retain(|off| !goes(&off.item));
        self.on.retain(|other| !goes(other));
    }

    /// Puts down the flags of an item.
    pub fn set_flags(&mut self, item: &Item, flags: Flags) {
        match self.flags.iter_mut().find(|(other, _)| other == item) {
            Some((_, known)) => *known = flags,
            None => self.flags.push((item.clone(), flags)),
        }
    }

    /// The flags of an item of the effective plan; `None`: there is no such
    /// item, or one that has none.
    #[must_use]
    pub fn flags_of(&self, plan: &EntityPlan, item: &Item) -> Option<Flags> {
        let said = || self.flags.iter().find(|(other, _)| other == item).map(|(_, flags)| *flags);
        match item.part(plan)? {
            Part::Entity => Some(said().unwrap_or_default()),
            Part::Condition(condition) => {
                let kept = said().unwrap_or_default().has(Flags::KEEP_ON_EMPTY);
                let kept = kept || !self.made(item);
                Some(
                    Flags::REARM
                        .when(condition.rearm)
                        .with(Flags::INDEPENDENT.when(condition.class == Class::Independent))
                        .with(Flags::NO_WAIT.when(condition.class == Class::NoWait))
                        .with(Flags::KEEP_ON_EMPTY.when(kept)),
                )
            }
            Part::Action(action) => Some(
                Flags::REARM
                    .when(action.rearm)
                    .with(Flags::BREAK_ON_FAIL.when(action.break_on_fail))
                    .with(Flags::KEEP_ON_FAIL.when(action.keep_on_fail)),
            ),
            Part::OnFail => None,
        }
    }

    /// What of it still means something when the unit says that; `None`: all
    /// of it. Where the unit has got an item of the same name, that counts.
    #[must_use]
    pub fn fit_to(&self, plan: &EntityPlan) -> Option<Overlay> {
        let mut left = self.clone();
        let has = |item: &Item| item.part(plan).is_some();
        for item in self.added().filter(has) {
            left.remove(&item);
        }
        let unit = |name: &str| plan.conditions.iter().any(|known| known.name == name);
        let late = left.conditions.iter().map(|made| made.name.clone()).collect::<Vec<_>>();
        left.actions.retain(|(at, _)| unit(at) || late.contains(at));
        if check(&left.over(plan.clone())).is_err() {
            left.conditions.clear();
            left.actions.clear();
            left.on_fail.clear();
        }
        let whole = left.over(plan.clone());
        let is_there = |item: &Item| item.part(&whole).is_some();
        left.on_fail.retain(|made| is_there(&made.item));
        left.flags.retain(|(item, _)| is_there(item));
        left.off.retain(|off| is_there(&off.item));
        left.on.retain(is_there);
        left.gone.retain(|gone| is_there(&gone.item));
        (left != *self).then_some(left)
    }

    /// Conditions and actions that were added.
    fn added(&self) -> impl Iterator<Item = Item> + '_ {
        let conditions = self.conditions.iter().map(|made| Item::Condition(made.name.clone()));
        let actions = self.actions.iter();
        conditions.chain(actions.map(|(at, made)| Item::Action(at.clone(), made.name.clone())))
    }

    /// The entity as it is: what its unit says, and what was changed.
    #[must_use]
    pub fn over(&self, mut plan: EntityPlan) -> EntityPlan {
        plan.conditions.extend(self.conditions.iter().cloned());
        for (condition, action) in &self.actions {
            if let Some(condition) = plan.conditions.iter_mut().find(|c| c.name == *condition) {
                condition.actions.push(action.clone());
            }
        }
        for late in &self.on_fail {
            let Item::OnFail(condition, action, _) = &late.item else { continue };
            let condition = plan.conditions.iter_mut().find(|c| c.name == *condition);
            let actions = condition.map(|condition| &mut condition.actions);
            if let Some(action) = actions.and_then(|a| a.iter_mut().find(|a| a.name == *action)) {
                action.on_fail.push(late.verb.clone());
            }
        }
        for (item, flags) in &self.flags {
            wear(&mut plan, item, *flags);
        }
        for condition in &mut plan.conditions {
            let item = Item::Condition(condition.name.clone());
            condition.enabled =
                (condition.enabled || self.on.contains(&item)) && !self.is_off(&item);
        }
        plan
    }
}

fn wear(plan: &mut EntityPlan, item: &Item, flags: Flags) {
    let (Item::Condition(name) | Item::Action(name, _)) = item else { return };
    let Some(condition) = plan.conditions.iter_mut().find(|c| c.name == *name) else { return };
    if let Item::Action(_, name) = item {
        if let Some(action) = condition.actions.iter_mut().find(|a| a.name == *name) {
            action.rearm = flags.has(Flags::REARM);
            action.break_on_fail = flags.has(Flags::BREAK_ON_FAIL);
            action.keep_on_fail = flags.has(Flags::KEEP_ON_FAIL);
        }
        return;
    }
    condition.rearm = flags.has(Flags::REARM);
    condition.class = if flags.has(Flags::NO_WAIT) {
        Class::NoWait
    } else if flags.has(Flags::INDEPENDENT) {
        Class::Independent
    } else {
        Class::InOrder
    };
}
