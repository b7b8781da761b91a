//! Changes of what is supervised, while it is (QNX HAM §3, §7): arm and
//! disarm, flags, items added and removed. A change is made whole or refused
//! whole, and a refusal says what stands against it.

use crate::ids::EntityId;
use crate::plan::{ActionPlan, ConditionPlan, EntityPlan, Flags, Item, Verb};
use crate::time::Span;
use serde::Serialize;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// What happens to an item counts again.
    Arm {
        /// Whose.
        entity: EntityId,
        /// Which.
        item: Item,
        /// And all below it.
        recursive: bool,
    },
    /// What happens to an item does not count.
    Disarm {
        /// Whose.
        entity: EntityId,
        /// Which.
        item: Item,
        /// And all below it.
        recursive: bool,
        /// For so long; `None`: until it is armed.
        within: Option<Span>,
    },
    /// An item has other flags.
    Flags {
        /// Whose.
        entity: EntityId,
        /// Which.
        item: Item,
        /// These in place of those that it has; `None`: those.
        set: Option<Flags>,
        /// With these, too.
        add: Flags,
        /// And without these.
        remove: Flags,
    },
    /// An item that was made at run time goes, with all below it.
    Remove {
        /// Whose.
        entity: EntityId,
        /// Which.
        item: Item,
    },
    /// A condition more.
    Condition {
        /// Whose.
        entity: EntityId,
        /// What it is.
        condition: Box<ConditionPlan>,
        /// It stays when its last action goes.
        keep_on_empty: bool,
    },
    /// An action more, at the end of a condition.
    Action {
        /// Whose.
        entity: EntityId,
        /// Of which condition.
        condition: String,
        /// What it is.
        action: Box<ActionPlan>,
        /// It is also done at once, if it is a command.
        now: bool,
    },
    /// An item more, at the end of an on-fail list.
    OnFail {
        /// Whose.
        entity: EntityId,
        /// Where, and what it is called.
        item: Item,
        /// What it does.
        verb: Box<Verb>,
    },
    /// An entity that no unit has.
    Entity {
        /// What it is; its id does not count.
        plan: Box<EntityPlan>,
        /// It stays when it has died and is not restarted.
        keep_on_death: bool,
    },
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// There is no such item.
    Missing,
    /// There is one of that name already.
    Exists,
    /// It is of the unit's file: only what was made at run time can go.
    OfUnit,
    /// Something of it still runs.
    Busy,
    /// An item of that kind has no such flag.
    NoSuchFlag,
    /// `do-now` is said when an action is added, not later.
    NotLater,
    /// A condition is either independent or does not wait.
    BothClasses,
    /// A condition that does not wait holds no `waitfor`.
    NoWait,
    /// A restart stands only on conditions of death.
    NoDeath,
    /// An entity has one restart action, and has it.
    SecondRestart,
    /// It has no process that could be restarted.
    NoProcess,
    /// `do-now` is for commands.
    NotNow,
    /// It is about another entity: only units have such conditions.
    OfAnother,
    /// It cannot be one: it is out of the bounds of a plan.
    Unsound,
    /// There is no room for it.
    Full,
    /// The manager is shutting down.
    ShuttingDown,
    /// An action names an entity that does not exist.
    NoEntity,
    /// An item of an on-fail list has neither arming nor flags of its own.
    WithItsAction,
}

impl Objection {
    /// All of them, in the order of their numbers in records, from 0.
    pub const ALL: [Objection; 18] = [
        Objection::Missing,
        Objection::Exists,
        Objection::OfUnit,
        Objection::Busy,
        Objection::NoSuchFlag,
        Objection::NotLater,
        Objection::BothClasses,
        Objection::NoWait,
        Objection::NoDeath,
        Objection::SecondRestart,
        Objection::NoProcess,
        Objection::NotNow,
        Objection::OfAnother,
        Objection::Unsound,
        Objection::Full,
        Objection::ShuttingDown,
        Objection::NoEntity,
        Objection::WithItsAction,
    ];

    /// In one word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Objection::Missing => "missing",
            Objection::Exists => "exists",
            Objection::OfUnit => "of-unit",
            Objection::Busy => "busy",
            Objection::NoSuchFlag => "no-such-flag",
            Objection::NotLater => "not-later",
            Objection::BothClasses => "both-classes",
            Objection::NoWait => "no-wait",
            Objection::NoDeath => "no-death",
            Objection::SecondRestart => "second-restart",
            Objection::NoProcess => "no-process",
            Objection::NotNow => "not-now",
            Objection::OfAnother => "of-another",
            Objection::Unsound => "unsound",
            Objection::Full => "full",
            Objection::ShuttingDown => "shutting-down",
            Objection::NoEntity => "no-entity",
            Objection::WithItsAction => "with-its-action",
        }
    }

    /// In words, and how to mend it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Objection::Missing => "there is no such item",
            Objection::Exists => {
                "there is one of that name already: give it another, or remove that, if it was \
                 added at run time"
            }
            Objection::OfUnit => {
                "it is of the unit's file; disarm it, or change the file: only what was added \
                 at run time can be removed"
            }
            Objection::Busy => "a process of it still runs; stop it first",
            Objection::NoSuchFlag => "an item of that kind has no such flag",
            Objection::NotLater => "do-now is said when an action is added, not later",
            Objection::BothClasses => "a condition is either independent or no-wait",
            Objection::NoWait => {
                "a no-wait condition holds no waitfor; make the condition in-order or independent"
            }
            Objection::NoDeath => {
                "restart stands only on conditions of death: death, abnormal-death, failure"
            }
            Objection::SecondRestart => "the entity has a restart action already, and only one",
            Objection::NoProcess => "it has no command that could be started again",
            Objection::NotNow => "do-now is for execute only",
            Objection::OfAnother => {
                "a condition about another entity (of) stands in a unit's file only"
            }
            Objection::Unsound => "it is out of the bounds of a unit",
            Objection::Full => "there is no room for it: too much was added at run time",
            Objection::ShuttingDown => "the manager is shutting down",
            Objection::NoEntity => "an action names an entity that does not exist",
            Objection::WithItsAction => {
                "an item of an on-fail list has no flags, and is armed with its action: name \
                 that, NAME/CONDITION/ACTION"
            }
        }
    }
}
