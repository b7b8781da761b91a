//! Deadlines: one at most for each record, found by time and by record.

use crate::memory::RecordId;
use crate::time::Mono;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Mono, RecordId)>,
    by_record: BTreeMap<RecordId, Mono>,
}

impl Timers {
    pub(super) fn set(&mut self, id: RecordId, due: Option<Mono>) {
        if self.by_record.get(&id).copied() == due {
            return;
        }
        if let Some(old) = self.by_record.remove(&id) {
            self.by_time.remove(&(old, id));
        }
        if let Some(due) = due {
            self.by_record.insert(id, due);
            self.by_time.insert((due, id));
        }
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Takes one that is due.
    pub(super) fn due(&mut self, now: Mono) -> Option<RecordId> {
        let (due, id) = *self.by_time.first()?;
        if due > now {
            return None;
        }
        self.set(id, None);
        Some(id)
    }
}
