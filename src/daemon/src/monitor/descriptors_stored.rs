//! Descriptors that entities hand over (`FDSTORE=1`, sd_notify(3)): the reaper
//! keeps them, over restarts of the entity and of the manager's processes, until
//! the entity is down for good.

use super::Engine;
use super::keeper::Answer;
use crate::keep::{READY, Verb};
use ham_core::ids::EntityId;
use ham_core::memory::RecordId;
use ham_snapshot::header::Field;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::process::fingerprint;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

/// A message has fewer descriptors than 256 ([`ham_sys::datagrams`]).
const PLACE_BITS: u32 = 8;

/// Entities that something may be kept for.
#[derive(Debug, Default)]
pub(super) struct Stored(BTreeSet<EntityId>);

impl Stored {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Engine {
    /// All that is kept for an entity, with its names, in the order of the table.
    fn kept_for(&self, entity: EntityId) -> Vec<(Kept, Name)> {
        let all = self.state.all_kept().filter(|(_, kept)| kept.owner == Owner::Entity(entity.0));
        all.map(|(place, kept)| (kept, self.state.kept_name(place))).collect()
    }

    /// Asks the reaper to keep these; gives how many answers will come. What is
    /// kept already, and what is more than the unit allows, is closed.
    pub(super) fn store(
        &mut self,
        entity: EntityId,
        name: &str,
        most: u32,
        handed: Vec<OwnedFd>,
    ) -> usize {
        let before = self.kept_for(entity);
        let mut asked: Vec<Kept> = Vec::new();
        let mut refused = 0usize;
        let name = Name::new(name).unwrap_or(Name::NONE);
        // The datagram is the first that waits, so this says which one it is, also
        // to a successor that finds it again.
        let message = self.state.get(Field::HandoversTaken) << PLACE_BITS;
        for (place, fd) in (0..).zip(handed) {
            let tag = fingerprint(&fd).unwrap_or(message | place);
            let what = Kept { owner: Owner::Entity(entity.0), tag };
            // What may be about to be dropped is stored once more.
            let is_kept = || before.iter().any(|(kept, _)| *kept == what);
            if asked.contains(&what) || (self.keeper.is_sure(what) && is_kept()) {
                self.closer.close(fd);
                continue;
            }
            let stays = |kept: &Kept| {
                *kept != what && !asked.contains(kept) && !self.keeper.is_going(*kept)
            };
            let others = before.iter().filter(|(kept, _)| stays(kept)).count();
            let count = others.saturating_add(asked.len());
            if u32::try_from(count).is_ok_and(|count| count < most) {
                self.keeper.store(what, name, fd);
                asked.push(what);
            } else {
                self.closer.close(fd);
                refused += 1;
            }
        }
        if refused > 0 {
            let text = match most {
                0 => "it hands over descriptors, and its unit has no fd-store".to_owned(),
                most => format!("{refused} descriptors are not kept: its fd-store is {most}"),
            };
            self.trouble(entity, &text);
        }
        if !asked.is_empty() {
            self.stored.0.insert(entity);
        }
        asked.len()
    }

    /// Drops all of one name.
    pub(super) fn unstore(&mut self, entity: EntityId, name: &str) {
        for (kept, of) in self.kept_for(entity) {
            if of.text() == name {
                self.keeper.drop(kept);
            }
        }
    }

    /// For a start: asks for all that is kept; gives how many answers will come.
    pub(super) fn fetch_stored(&mut self, entity: EntityId, most: usize) -> usize {
        if !self.stored.0.contains(&entity) {
            return 0;
        }
        let mut kept: Vec<Kept> = self.kept_for(entity).into_iter().map(|(kept, _)| kept).collect();
        for kept_soon in self.keeper.being_stored(Owner::Entity(entity.0)) {
            if !kept.contains(&kept_soon) {
                kept.push(kept_soon);
            }
        }
        if kept.len() > most {
            let text = format!("of {} descriptors that are kept for it it gets {most}", kept.len());
            self.trouble(entity, &text);
        }
        let asked = kept.into_iter().take(most);
        asked.map(|kept| self.keeper.fetch(kept)).count()
    }

    /// The reaper has answered about what an entity has handed over.
    pub(super) fn stored_answered(&mut self, entity: EntityId, answer: Answer) {
        match answer.verb {
            Verb::Store => {
                if answer.errno.0 != 0 {
                    let text = format!("a descriptor could not be kept for it: {}", answer.errno);
                    self.trouble(entity, &text);
                }
                self.closer.close_all(answer.fd);
                // Meanwhile it may have come down for good.
                self.stored.0.insert(entity);
                self.drop_stored(Some(entity));
                self.stored_one();
            }
            Verb::Send => {
                let name = answer.name;
                self.stored_sent(entity, answer.errno, answer.fd.map(|fd| (fd, name)));
            }
            Verb::Drop
            | Verb::Adopt
            | Verb::Gone
            | Verb::Settle
            | Verb::Join
            | Verb::Release
            | Verb::Unknown => {}
        }
    }

    /// After a takeover: what is kept, and for whom. Looked at again when all
    /// is done that the monitor before had asked for.
    pub(super) fn recall_kept(&mut self) {
        if self.planless {
            return;
        }
        for (_, kept) in self.state.all_kept() {
            match kept.owner {
                Owner::Manager => {}
                Owner::Entity(id) => {
                    self.stored.0.insert(EntityId(id));
                }
                Owner::Slot { index, generation } if kept.tag == READY => {
                    self.recall_ready(ham_core::ids::SlotRef { index, generation });
                }
                // A pipe for output.
                Owner::Slot { .. } => {}
            }
        }
        self.drop_stored(None);
    }

    /// A turn has changed these records. Who is down for good by that gets
    /// nothing back.
    pub(super) fn stored_after(&mut self, changed: &[RecordId]) {
        // The end of a list may be the end of the hope for a restart.
        let lists = changed.iter().any(|id| matches!(id, RecordId::Run(_)));
        let entities = changed.iter().filter_map(|id| match id {
            RecordId::Entity(entity) => Some(*entity),
            _ => None,
        });
        if lists {
            self.drop_stored(None);
        } else {
            entities.for_each(|entity| self.drop_stored(Some(entity)));
        }
    }

    fn drop_stored(&mut self, only: Option<EntityId>) {
        let all: Vec<EntityId> = match only {
            Some(entity) => self.stored.0.get(&entity).copied().into_iter().collect(),
            None => self.stored.0.iter().copied().collect(),
        };
        for entity in all {
            let is_planned = self.core.definition(entity).is_some();
            let view = self.core.view(entity);
            let is_over = matches!(view.state, "stopped" | "failed" | "finished");
            if is_planned && (!is_over || self.core.slot_of(entity).is_some() || view.ready) {
                continue;
            }
            for (kept, _) in self.kept_for(entity) {
                self.keeper.drop(kept);
            }
            self.stored.0.remove(&entity);
        }
    }
}
