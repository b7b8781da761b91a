//! Lists of actions by place: those of conditions by the place of their
//! condition, and behind them those of the entity's own life, which are worked
//! off in the same way.

use super::{EntityPlan, Verb};

/// `pre-start`: done before the process is made.
pub const PRE_START: u16 = 0xff00;
/// `reload`
pub const RELOAD: u16 = 0xff01;
/// `post-stop`
pub const POST_STOP: u16 = 0xff02;
/// The command of `stop`.
pub const STOP_COMMAND: u16 = 0xff03;

/// Whether a list belongs to the entity's own life.
#[must_use]
pub fn is_own(place: u16) -> bool {
    place >= PRE_START
}

/// What of an action is not its verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnFail {
    /// If it fails, the rest of the list is skipped.
    pub breaks: bool,
    /// It stays in the list when it has failed.
    pub keeps: bool,
}

impl EntityPlan {
    /// The name of a list: its condition's, or its key.
    #[must_use]
    pub fn list_name(&self, place: u16) -> Option<&str> {
        match place {
            PRE_START => Some("pre-start"),
            RELOAD => Some("reload"),
            POST_STOP => Some("post-stop"),
            STOP_COMMAND => Some("stop"),
            _ => self.conditions.get(usize::from(place)).map(|condition| condition.name.as_str()),
        }
    }

    fn list(&self, place: u16) -> &[super::ActionPlan] {
        match place {
            PRE_START => &self.pre_start,
            RELOAD => &self.reload,
            POST_STOP => &self.post_stop,
            _ => match self.conditions.get(usize::from(place)) {
                Some(condition) => &condition.actions,
                None => &[],
            },
        }
    }

    /// How many actions a list has.
    #[must_use]
    pub fn list_length(&self, place: u16) -> usize {
        if place == STOP_COMMAND {
            return usize::from(self.stop.command.is_some());
        }
        self.list(place).len()
    }

    /// The name of an action in a list.
    #[must_use]
    pub fn action_name(&self, place: u16, action: u16) -> Option<&str> {
        if place == STOP_COMMAND {
            return Some("command").filter(|_| self.stop.command.is_some());
        }
        self.list(place).get(usize::from(action)).map(|action| action.name.as_str())
    }

    /// What an action in a list does, or an item (from 1) of its on-fail list;
    /// `None`: there is no such thing.
    #[must_use]
    pub fn verb(&self, place: u16, action: u16, on_fail: u16) -> Option<Verb> {
        if place == STOP_COMMAND {
            let command = self.stop.command.clone().filter(|_| action == 0 && on_fail == 0);
            return command.map(Verb::Execute);
        }
        let action = self.list(place).get(usize::from(action))?;
        match usize::from(on_fail).checked_sub(1) {
            None => Some(action.verb.clone()),
            Some(item) => action.on_fail.get(item).cloned(),
        }
    }

    /// What becomes of a list and of an action in it when that fails.
    #[must_use]
    pub fn on_fail(&self, place: u16, action: u16) -> Option<OnFail> {
        if place == STOP_COMMAND {
            return Some(OnFail { breaks: false, keeps: true });
        }
        let action = self.list(place).get(usize::from(action))?;
        let keeps = action.keep_on_fail || is_own(place);
        Some(OnFail { breaks: action.break_on_fail, keeps })
    }
}
