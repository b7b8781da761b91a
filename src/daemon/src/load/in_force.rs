//! The plan in force, read by the loader from the file of the state while the
//! monitor goes on. Nobody writes that half before the loader has answered.

use super::messages::InForce;
use ham_core::ids::EntityId;
pub(crate) use ham_core::plan::Known;
use ham_core::plan::{EntityPlan, PlanIndex, PlanMark, PlanSource};
use ham_snapshot::plans::PLAN_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;

#[derive(Debug)]
struct FileSource {
    file: File,
    offset: u64,
}

impl PlanSource for FileSource {
    fn len(&self) -> usize {
        PLAN_BYTES
    }

    fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        offset.checked_add(out.len()).is_some_and(|end| end <= PLAN_BYTES)
            && self.file.read_exact_at(out, self.offset.saturating_add(offset as u64)).is_ok()
    }
}

/// The entities of the plan in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Old {
    /// All of which something is there, by name.
    pub(crate) entities: BTreeMap<String, Known>,
    /// Every id that has a meaning.
    pub(crate) ids: BTreeSet<EntityId>,
    pub(super) mark: Option<PlanMark>,
}

impl Old {
    /// Reads it from this file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(file: File, from: &InForce) -> Result<Old, String> {
        let source = FileSource { file, offset: from.offset };
        let mark = PlanMark::of(&source);
        let index = PlanIndex::open(source).map_err(|error| error.to_string())?;
        let base = from.base();
        let entities = base.known(&index).map_err(|error| error.to_string())?;
        Ok(Old { entities, ids: index.ids().collect(), mark })
    }

    /// As its unit says.
    pub(super) fn configured(&self, name: &str) -> Option<EntityPlan> {
        let known = self.entities.get(name).filter(|known| !known.plan.leaving)?;
        Some(known.plan.configured().clone())
    }

    /// Those that units have.
    pub(crate) fn of_units(&self) -> impl Iterator<Item = &Known> {
        self.entities.values().filter(|known| !known.plan.leaving)
    }
}
