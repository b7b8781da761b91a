//! `on` of a condition: the word of what fires it, or a table that says which
//! transitions or events do.

use crate::codes;
use crate::reader::{Field, Reader, Table};
use crate::states::Written;
use ham_core::plan::{ConditionKind, Only};
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

/// What fires a condition, as far as its own text tells.
#[derive(Clone, Debug)]
pub(crate) struct On {
    pub(crate) kind: ConditionKind,
    /// Without states: what their names mean is known later.
    pub(crate) only: Only,
    /// Which transitions.
    pub(crate) transition: Option<Transition>,
}

/// From where to where; `None`: any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transition {
    pub(crate) from: Option<Written>,
    pub(crate) to: Option<Written>,
}

impl Reader<'_> {
    /// Reads `on`.
    pub(crate) fn on(&mut self, field: &Field<'_>) -> Option<On> {
        let Some(entries) = field.as_table() else {
            let kind = match field.value.get_ref() {
                DeValue::String(_) => self.word(field, &ConditionKind::ALL),
                DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => self.wrong_type(field),
            };
            return Some(On { kind: kind?, only: Only::All, transition: None });
        };
        let table = self.table("condition.on", "in `on`", entries, field.span());
        match (self.find(&table, "state"), self.find(&table, "raise")) {
            (Some(state), None) => self.on_state(&state),
            (None, Some(raise)) => self.on_raise(&raise),
            (Some(_), Some(raise)) => {
                self.error(codes::CONFLICT, raise.key_span, "`raise` beside `state` in `on`")
                    .help("make it two conditions");
                None
            }
            (None, None) => {
                if !table.has_misspelt(&["state", "raise"]) {
                    let message = "neither `state` nor `raise` in `on`";
                    self.error(codes::MISSING_KEY, field.span(), message)
                        .help("other conditions are words: on = \"death\"");
                }
                None
            }
        }
    }

    fn on_state(&mut self, field: &Field<'_>) -> Option<On> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("condition.on.state", "in `state`", entries, field.span());
        let from = self.end_of_transition(&table, "from");
        let to = self.end_of_transition(&table, "to");
        let transition = Some(Transition { from: from?, to: to? });
        Some(On { kind: ConditionKind::State, only: Only::All, transition })
    }

    /// `Some(None)`: not given; `None`: wrong.
    fn end_of_transition(&mut self, table: &Table<'_>, name: &str) -> Option<Option<Written>> {
        match self.find(table, name) {
            Some(field) => self.state_set(&field).map(Some),
            None => Some(None),
        }
    }

    fn on_raise(&mut self, field: &Field<'_>) -> Option<On> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("condition.on.raise", "in `raise`", entries, field.span());
        let kind = self.number_of_event(&table, "type");
        let class = self.number_of_event(&table, "class");
        let severity = self.number_of_event(&table, "severity");
        let (kind, class, severity) = (kind?, class?, severity?);
        let only = match (kind, class, severity) {
            (None, None, None) => Only::All,
            _ => Only::Raise { kind, class, severity },
        };
        Some(On { kind: ConditionKind::Raise, only, transition: None })
    }

    /// QNX: 0 stands for any, so no event is published with it.
    fn number_of_event(&mut self, table: &Table<'_>, name: &str) -> Option<Option<u32>> {
        let Some(field) = self.find(table, name) else { return Some(None) };
        let number = self.integer(&field, 1..=i64::from(u32::MAX))?;
        u32::try_from(number).ok().map(Some)
    }
}
