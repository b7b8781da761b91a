//! The plan in force, read by the loader from the file of the state while the
//! monitor goes on. Nobody writes that half before the loader has answered. Of
//! its entities those are decoded that may be about to change.

use super::messages::InForce;
use ham_core::ids::EntityId;
use ham_core::monitor::Base;
pub(crate) use ham_core::plan::Known;
use ham_core::plan::{
    EntityPlan, PLAN_HEAD, PlanBytesError, PlanIndex, PlanMark, encode, encode_over, length_in,
};
use ham_snapshot::plans::PLAN_BYTES;
use ham_unit::Loaded;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;

type Index = PlanIndex<Vec<u8>>;

/// The bytes of the plan, as many as it says that it has.
fn bytes(file: &File, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut head = [0u8; PLAN_HEAD];
    file.read_exact_at(&mut head, offset)?;
    let length = length_in(&head).filter(|length| (PLAN_HEAD..=PLAN_BYTES).contains(length));
    let mut bytes = vec![0u8; length.unwrap_or(PLAN_HEAD)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// The plan in force, of which the names are known.
#[derive(Debug)]
pub(super) struct Names {
    index: Index,
    base: Base,
    ids: HashMap<String, EntityId>,
    mark: Option<PlanMark>,
}

impl Names {
    /// Opens it in this file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(file: File, from: &InForce) -> Result<Names, String> {
        let bytes = bytes(&file, from.offset).map_err(|error| error.to_string())?;
        let mark = PlanMark::of(&bytes);
        let index = PlanIndex::open(bytes).map_err(|error| error.to_string())?;
        let base = from.base();
        let there = index.ids().filter(|id| !base.gone.contains(id));
        let ids = there.filter_map(|id| Some((index.name(id)?, id))).collect();
        Ok(Names { index, base, ids, mark })
    }

    /// By which it is known again.
    pub(super) fn mark(&self) -> Option<PlanMark> {
        self.mark
    }

    /// The entity of that name, unless nothing of it is left.
    pub(super) fn id(&self, name: &str) -> Option<EntityId> {
        self.ids.get(name).copied()
    }

    /// Whether the id has a meaning.
    pub(super) fn has(&self, id: EntityId) -> bool {
        self.index.has(id)
    }

    /// Whether these units are all there.
    pub(super) fn have(&self, units: &[String]) -> bool {
        let is_unit = |id: EntityId| !self.index.is_leaving(id);
        units.iter().all(|name| self.id(name).is_some_and(is_unit))
    }

    /// With its entities, but for those that were kept and are nothing else from
    /// their next start on. The others of these are put to those that were read.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn decode(self, loaded: &mut Loaded) -> Result<Old, PlanBytesError> {
        let Names { index, base, ids, mark } = self;
        let kept: BTreeSet<String> = std::mem::take(&mut loaded.kept).into_iter().collect();
        let renewed: BTreeSet<EntityId> = base.renewed.iter().copied().collect();
        let mut old = Old { mark, ids: index.ids().collect(), ..Old::default() };
        for (name, id) in ids {
            let is_kept = kept.contains(&name);
            if is_kept && !index.has_next(id) {
                old.unread.insert(id, name);
                continue;
            }
            let plan = index.entity(id)?;
            let is = plan.clone().in_force(renewed.contains(&id));
            if is_kept {
                loaded.entities.push(plan.configured().clone());
            }
            old.entities.insert(name, Known { plan, is });
        }
        loaded.entities.sort_by(|a, b| a.name.cmp(&b.name));
        old.index = Some(index);
        Ok(old)
    }
}

/// The entities of the plan in force.
#[derive(Debug, Default)]
pub(crate) struct Old {
    /// Of which something is there, by name.
    pub(crate) entities: BTreeMap<String, Known>,
    /// But for these: their units are as they were, and so is what they are to
    /// others.
    pub(crate) unread: BTreeMap<EntityId, String>,
    /// Every id that has a meaning.
    pub(crate) ids: BTreeSet<EntityId>,
    index: Option<Index>,
    mark: Option<PlanMark>,
}

impl Old {
    /// Those that units have, and that may be about to change.
    pub(crate) fn of_units(&self) -> impl Iterator<Item = &Known> {
        self.entities.values().filter(|known| !known.plan.leaving)
    }

    /// By which it is known again.
    pub(super) fn mark(&self) -> Option<PlanMark> {
        self.mark
    }

    /// Whether a plan of these, and of what was not read, is this one.
    pub(super) fn is(&self, entities: &[EntityPlan]) -> bool {
        let same = |entity: &EntityPlan| {
            self.entities.get(&entity.name).is_some_and(|known| known.plan == *entity)
        };
        entities.len().saturating_add(self.unread.len()) == self.ids.len()
            && entities.iter().all(same)
    }

    /// One that was not read.
    pub(super) fn unread(&self, id: EntityId) -> Option<EntityPlan> {
        self.unread.get(&id).and_then(|_| self.index.as_ref()?.entity(id).ok())
    }

    /// The plan of these, and of what was not read.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn encode(&self, entities: &[EntityPlan]) -> Result<Vec<u8>, PlanBytesError> {
        match &self.index {
            Some(index) => encode_over(entities, self.unread.keys().copied(), index),
            None => encode(entities),
        }
    }
}

#[cfg(test)]
impl Old {
    /// All of these, and nothing else.
    pub(super) fn of(entities: impl IntoIterator<Item = Known>) -> Old {
        let named = |known: Known| (known.plan.name.clone(), known);
        let entities: BTreeMap<String, Known> = entities.into_iter().map(named).collect();
        let ids = entities.values().map(|known| known.plan.id).collect();
        Old { entities, ids, ..Old::default() }
    }
}
