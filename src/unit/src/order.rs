//! The names that a unit gives in `requires`, `wants`, `after`, `before` and
//! `conflicts`. What they make of the units together is for `graph`.

use crate::codes;
use crate::names::Named;
use crate::reader::{Reader, Table};
use crate::references::Reference;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What another unit is to the one that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Relation {
    Requires,
    Wants,
    After,
    Before,
    Conflicts,
    /// A condition hangs on it; no key of the table.
    Of,
}

impl Relation {
    const ALL: [Relation; 5] = [
        Relation::Requires,
        Relation::Wants,
        Relation::After,
        Relation::Before,
        Relation::Conflicts,
    ];

    /// The key of the unit file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Relation::Requires => "requires",
            Relation::Wants => "wants",
            Relation::After => "after",
            Relation::Before => "before",
            Relation::Conflicts => "conflicts",
            Relation::Of => "of",
        }
    }
}

/// A unit that is named in one of the five lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Neighbour {
    pub(crate) name: String,
    pub(crate) relation: Relation,
    pub(crate) span: Range<usize>,
}

impl Reader<'_> {
    /// Collects the neighbours that a table names. `own` is the unit's name.
    pub(crate) fn order(&mut self, table: &Table<'_>, own: &str) {
        for relation in Relation::ALL {
            let Some(field) = self.find(table, relation.word()) else { continue };
            for item in field.one_or_more() {
                let Some(text) = self.string(&item) else { continue };
                let (plain, may_be_absent) = match text.strip_suffix('?') {
                    Some(plain) => (plain, true),
                    None => (text, false),
                };
                let Some(name) = self.name_in(&item, plain, Named::Entity) else { continue };
                if may_be_absent && relation == Relation::Requires {
                    let message = "what is required cannot be absent";
                    self.error(codes::BAD_NAME, item.span(), message)
                        .label("leave the `?` out")
                        .help(format!("or write it in `wants`: wants = [\"{name}?\"]"));
                    continue;
                }
                if name == own {
                    let message = format!("`{}` names the unit itself", field.name);
                    self.error(codes::CONFLICT, item.span(), message);
                    continue;
                }
                let span = item.span();
                if !may_be_absent {
                    let softer = (relation != Relation::Requires).then(|| {
                        format!("write \"{name}?\" in `{}` if it may be absent", field.name)
                    });
                    let name = name.clone();
                    self.references.push(Reference { name, span: span.clone(), softer });
                }
                self.neighbours.push(Neighbour { name, relation, span });
            }
        }
    }
}
