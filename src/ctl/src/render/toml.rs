//! An entity as a unit file, with what was changed at run time told in
//! comments.

use ham_core::ids::EntityId;
use ham_core::plan::Item;
use ham_core::wire::Definition;
use ham_unit::{NeighbourNames, Writing, write_unit};

/// The text.
pub(crate) fn text(definition: &Definition) -> String {
    let Definition { plan, changes, requires, wants, after, conflicts, of } = definition;
    let neighbours = NeighbourNames {
        requires: requires.clone(),
        wants: wants.clone(),
        after: after.clone(),
        conflicts: conflicts.clone(),
    };
    let remark = |item: &Item| {
        let mut said = Vec::new();
        if *item == Item::Entity {
            said.push(match plan.source.as_str() {
                "" => plan.name.clone(),
                source => format!("{}: {source}", plan.name),
            });
        }
        if changes.made(item) {
            said.push("made at run time".to_owned());
        }
        for late in &changes.on_fail {
            if let Item::OnFail(condition, action, name) = &late.item
                && *item == Item::Action(condition.clone(), action.clone())
            {
                said.push(format!("made at run time: {name} in on-fail"));
            }
        }
        if changes.is_off(item) {
            said.push("disarmed at run time".to_owned());
        }
        if changes.on.contains(item) {
            said.push("armed at run time".to_owned());
        }
        if let Some(gone) = changes.gone.iter().find(|gone| gone.item == *item) {
            said.push(match gone.restart {
                Some(restart) => format!("gone: not re-armed after restart {restart}"),
                None => "gone: failed and not kept".to_owned(),
            });
        }
        if let Some((_, flags)) = changes.flags.iter().find(|(other, _)| other == item) {
            said.push(format!("flags changed at run time: {}", flags.words().join(" ")));
        }
        (!said.is_empty()).then(|| said.join("\n"))
    };
    let name = |id: EntityId| {
        let named = of.iter().find(|named| named.id == id.0);
        named.map_or_else(|| format!("entity-{}", id.0), |named| named.name.clone())
    };
    write_unit(plan, &Writing { neighbours: &neighbours, name: &name, remark: &remark })
}
