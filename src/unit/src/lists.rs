//! The lists of an entity's own: `pre-start`, `reload` and `post-stop`.

use crate::codes;
use crate::condition::ActionContext;
use crate::reader::{Reader, Table};
use ham_core::plan::{ActionPlan, MAX_ACTIONS};

/// Where a list of actions stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Condition,
    PreStart,
    Reload,
    PostStop,
}

impl Place {
    /// The key of the list, or the table that it stands in.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Condition => "[[condition]]",
            Place::PreStart => "pre-start",
            Place::Reload => "reload",
            Place::PostStop => "post-stop",
        }
    }
}

impl Reader<'_> {
    /// `pre-start`, `reload` and `post-stop`, in this order.
    pub(crate) fn own_lists(&mut self, table: &Table<'_>) -> [Vec<ActionPlan>; 3] {
        [Place::PreStart, Place::Reload, Place::PostStop].map(|place| self.own_list(table, place))
    }

    fn own_list(&mut self, table: &Table<'_>, place: Place) -> Vec<ActionPlan> {
        let Some(field) = self.find(table, place.word()) else { return Vec::new() };
        let mut context = ActionContext::of(place);
        let (actions, _) = self.actions(&field, &mut context);
        if actions.len() > MAX_ACTIONS {
            let message = format!("more than {MAX_ACTIONS} actions in `{}`", field.name);
            self.error(codes::TOO_MANY, field.key_span, message);
        }
        actions
    }
}
