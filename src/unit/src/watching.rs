//! Conditions beside other units: `of`, which hangs one on what happens to
//! another entity, and names of states, which are those of the entity that the
//! condition is about.

use crate::codes;
use crate::draft::Draft;
use crate::names::Named;
use crate::on::Transition;
use crate::order::{Neighbour, Relation};
use crate::reader::{Field, Reader};
use crate::references::Reference;
use crate::states::Written;
use crate::suggest::quoted;
use ham_core::ids::EntityId;
use ham_core::plan::{ConditionKind, ConditionPlan, EntityPlan, Kind, Only, StateSet};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

/// What of a condition concerns other units.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// The condition's name.
    pub(crate) condition: String,
    pub(crate) on: ConditionKind,
    /// Where its `on` stands.
    pub(crate) span: Range<usize>,
    /// Whether it is armed from the beginning and does something.
    pub(crate) answers: bool,
    /// The other entity that it is about, and where that is said.
    pub(crate) of: Option<(String, Range<usize>)>,
    pub(crate) transition: Option<Transition>,
}

impl Reader<'_> {
    /// The key `of` of a condition in the unit `own`.
    pub(crate) fn of(&mut self, field: &Field<'_>, own: &str, kind: &Kind) -> Option<String> {
        let name = self.name(field, Named::Entity)?;
        if *kind == Kind::Global {
            self.error(codes::CONFLICT, field.key_span.clone(), "`of` in a unit with [global]")
                .help("its conditions are about any entity; write this one in another unit");
            return None;
        }
        if name == own {
            self.error(codes::CONFLICT, field.span(), "`of` names the unit itself")
                .help("its own conditions are written without `of`");
            return None;
        }
        let span = field.span();
        let reference = Reference { name: name.clone(), span: span.clone(), softer: None };
        self.references.push(reference);
        self.neighbours.push(Neighbour { name: name.clone(), relation: Relation::Of, span });
        Some(name)
    }
}

/// Gives names of states their meaning, and says which conditions can never
/// fire.
pub(crate) fn resolve(drafts: &mut [Draft<'_>]) {
    let places: HashMap<String, usize> =
        drafts.iter().enumerate().map(|(place, draft)| (draft.name.to_owned(), place)).collect();
    for place in 0..drafts.len() {
        let Some(draft) = drafts.get_mut(place) else { continue };
        let watches = std::mem::take(&mut draft.watches);
        for watch in &watches {
            let other = match &watch.of {
                Some((name, _)) => places.get(name).copied(),
                None => Some(place),
            };
            // One that nobody has read is judged when somebody does.
            if let Some(other) = other {
                judge(drafts, place, other, watch);
            }
        }
        if let Some(draft) = drafts.get_mut(place) {
            draft.watches = watches;
        }
    }
}

fn judge(drafts: &mut [Draft<'_>], place: usize, other: usize, watch: &Watch) {
    let Some(about) = drafts.get(other) else { return };
    let being = about.being;
    let is_global = being.is_some_and(|being| being.is_global);
    let names = about.states.clone();
    let other_name = about.name.to_owned();
    let Some(draft) = drafts.get_mut(place) else { return };
    if let Some((name, span)) = &watch.of
        && is_global
    {
        let message = format!("nothing happens to {}, which is a [global] unit", quoted(name));
        draft.report.error(codes::CONFLICT, span.clone(), message);
    }
    let Some(Transition { from, to }) = &watch.transition else { return };
    let whose = match &watch.of {
        Some(_) => Some(format!("[states] of {}", quoted(&other_name))),
        None if is_global => None,
        None => Some("[states]".to_owned()),
    };
    // What is wrong with a unit that is refused hides what its states are.
    if being.is_none() && names.is_empty() {
        return;
    }
    let mut set = |written: &Option<Written>| match written {
        Some(written) => written.resolve(&names, whose.as_deref(), &mut draft.report),
        None => Some(StateSet::Any),
    };
    let (from, to) = (set(from), set(to));
    let (Some(from), Some(to)) = (from, to) else { return };
    let plan = draft.plan.as_mut();
    let found = plan.and_then(|plan| {
        plan.conditions.iter_mut().find(|condition| condition.name == watch.condition)
    });
    if let Some(condition) = found {
        condition.only = transitions(from, to);
    }
}

/// Conditions that stand by themselves, beside no unit: their states are
/// numbers, and they are about the entity that they are added to.
pub(crate) fn settle(reader: &mut Reader<'_>, conditions: &mut [ConditionPlan]) {
    for watch in std::mem::take(&mut reader.watches) {
        if let Some((_, span)) = watch.of {
            reader
                .error(codes::CONFLICT, span, "`of` in a condition that is added")
                .help("only a unit can have conditions about another entity");
            continue;
        }
        let Some(Transition { from, to }) = watch.transition else { continue };
        let mut set = |written: Option<Written>| match written {
            Some(written) => {
                written.resolve(&[], Some("a condition by itself"), &mut reader.report)
            }
            None => Some(StateSet::Any),
        };
        let (from, to) = (set(from), set(to));
        let (Some(from), Some(to)) = (from, to) else { continue };
        let found = conditions.iter_mut().find(|condition| condition.name == watch.condition);
        if let Some(condition) = found {
            condition.only = transitions(from, to);
        }
    }
}

fn transitions(from: StateSet, to: StateSet) -> Only {
    match (&from, &to) {
        (StateSet::Any, StateSet::Any) => Only::All,
        _ => Only::State { from, to },
    }
}

/// Writes the ids of other entities into the conditions that are about them.
/// A condition is left out whose entity is not there: units that were not read
/// may have it.
pub(crate) fn link(
    entities: &mut [EntityPlan],
    drafts: &[Draft<'_>],
    known_ids: &dyn Fn(&str) -> Option<EntityId>,
) {
    let mut ids: HashMap<String, EntityId> =
        entities.iter().map(|entity| (entity.name.clone(), entity.id)).collect();
    let recalled = drafts.iter().filter(|draft| draft.is_recalled);
    ids.extend(recalled.filter_map(|draft| Some((draft.name.to_owned(), known_ids(draft.name)?))));
    let watches: HashMap<&str, &[Watch]> =
        drafts.iter().map(|draft| (draft.name, draft.watches.as_slice())).collect();
    for entity in entities {
        let Some(watches) = watches.get(entity.name.as_str()) else { continue };
        let of = |condition: &str| {
            let watch = watches.iter().find(|watch| watch.condition == condition);
            watch.and_then(|watch| watch.of.as_ref())
        };
        entity.conditions.retain_mut(|condition| {
            let Some((name, _)) = of(&condition.name) else { return true };
            condition.of = ids.get(name.as_str()).copied();
            condition.of.is_some()
        });
    }
}
