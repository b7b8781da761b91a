//! What was changed at run time, as it is kept: for each entity that has any a
//! record that says where its text stands, and the text in parts. Read when
//! its entity is first needed; a takeover looks at heads only (details 2).

use super::members::Members;
use super::{CACHED_PLANS, Monitor};
use crate::effect::Fact;
use crate::ids::{EntityId, MAX_CHUNKS, MAX_ENTITIES};
use crate::memory::{Head, Memory, Record, RecordId};
use crate::plan::{EntityPlan, Item, Overlay, PlanBytesError};
use crate::words::{Odd, RECORD_WORDS, Reader, Words, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes in one part of a text.
const PART_BYTES: usize = RECORD_WORDS * 8;
/// Words of the record that name parts, four in each.
const PLACE_WORDS: usize = RECORD_WORDS - 3;
/// Parts of one text: with 256 bytes each it is less than 30 kB long.
const MOST_PARTS: usize = PLACE_WORDS * 4;

/// The changes of one entity, and where they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) overlay: Arc<Overlay>,
    text: Vec<u8>,
    places: Vec<u32>,
}

/// All that was changed at run time.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    /// Those that were needed.
    kept: BTreeMap<EntityId, Kept>,
    /// Entities that have any.
    pub(super) present: Members,
    /// Of these, those that no unit has, and their names as far as known.
    pub(super) made: BTreeMap<EntityId, Option<String>>,
    /// Parts in use, below `parts_end`, are not in it.
    free_parts: BTreeSet<u32>,
    parts_end: u32,
    /// Parts of those in `kept`: whose, and which.
    parts: BTreeMap<u32, (EntityId, usize)>,
    /// Entities whose items may have to go at the end of what happens.
    pub(super) sweeps: BTreeSet<EntityId>,
    /// Entities that have gone in the last turn, for those who tell of it.
    pub(super) gone: BTreeMap<EntityId, Arc<EntityPlan>>,
}

impl Kept {
    fn record(&self) -> Record {
        let due = self.overlay.due();
        let made = self.overlay.entity.is_some();
        let mut words = Writer::new();
        words.put(self.text.len() as u64).put(self.places.len() as u64).put_due(due);
        for four in self.places.chunks(4) {
            let pack = |word: u64, place: &u32| (word << 16) | u64::from(*place & 0xffff);
            words.put(four.iter().rev().fold(0, pack));
        }
        Record { head: Head { due, slot: None, open: false, active: made }, words: words.finish() }
    }

    fn decode(words: &Words, memory: &dyn Memory) -> Result<Kept, Odd> {
        let (length, places) = places_of(words)?;
        let mut text = Vec::with_capacity(places.len().saturating_mul(PART_BYTES));
        for place in &places {
            let part = memory.load(RecordId::Chunk(*place))?.ok_or(Odd)?;
            text.extend(part.iter().flat_map(|word| word.to_le_bytes()));
        }
        text.truncate(length);
        let overlay: Overlay = serde_json::from_slice(&text).map_err(|_| Odd)?;
        let kept = Kept { overlay: Arc::new(overlay), text, places };
        if kept.record().words == *words { Ok(kept) } else { Err(Odd) }
    }

    fn part(&self, number: usize) -> Words {
        let mut words = [0; RECORD_WORDS];
        let from = number.saturating_mul(PART_BYTES);
        let bytes = self.text.get(from..).unwrap_or_default();
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut eight = [0u8; 8];
            for (to, byte) in eight.iter_mut().zip(bytes) {
                *to = *byte;
            }
            *word = u64::from_le_bytes(eight);
        }
        words
    }
}

/// How long the text is that a record tells of, and where its parts stand.
fn places_of(words: &Words) -> Result<(usize, Vec<u32>), Odd> {
    let mut from = Reader::new(words);
    let (length, count) = (from.get_u32()? as usize, from.get_u32()? as usize);
    from.get_due()?;
    if count > MOST_PARTS || length.div_ceil(PART_BYTES) != count {
        return Err(Odd);
    }
    let mut places: Vec<u32> = Vec::with_capacity(count);
    while places.len() < count {
        let word = from.get()?;
        for shift in [0u32, 16, 32, 48] {
            if places.len() < count {
                let place = word.checked_shr(shift).unwrap_or(0) & 0xffff;
                places.push(u32::try_from(place).map_err(|_| Odd)?);
            }
        }
    }
    Ok((length, places))
}

impl Overlays {
    /// A head that is found at a takeover.
    pub(super) fn seen(&mut self, id: RecordId, head: &Head) {
        match id {
            RecordId::Overlay(entity) => {
                self.present.set(entity, true);
                if head.active {
                    self.made.insert(entity, None);
                }
            }
            RecordId::Chunk(place) if place < MAX_CHUNKS => {
                self.free_parts.extend(self.parts_end..place);
                self.free_parts.remove(&place);
                self.parts_end = self.parts_end.max(place.saturating_add(1));
            }
            RecordId::Global
            | RecordId::Entity(_)
            | RecordId::Run(_)
            | RecordId::Command(_)
            | RecordId::Client(_)
            | RecordId::Said(_)
            | RecordId::Beat(_)
            | RecordId::Chunk(_)
            | RecordId::Pulse(_) => {}
        }
    }

    pub(super) fn record(&self, id: EntityId) -> Option<Record> {
        self.kept.get(&id).map(Kept::record)
    }

    pub(super) fn part_record(&self, place: u32) -> Option<Record> {
        let (entity, number) = self.parts.get(&place)?;
        let words = self.kept.get(entity)?.part(*number);
        Some(Record { head: Head::default(), words })
    }

    fn take_part(&mut self) -> Option<u32> {
        if let Some(place) = self.free_parts.pop_first() {
            return Some(place);
        }
        let place = self.parts_end;
        (place < MAX_CHUNKS).then(|| {
            self.parts_end = place.saturating_add(1);
            place
        })
    }

    fn keep(&mut self, id: EntityId, kept: Kept) {
        for (number, place) in kept.places.iter().enumerate() {
            self.parts.insert(*place, (id, number));
        }
        if let Some(entity) = &kept.overlay.entity {
            self.made.insert(id, Some(entity.name.clone()));
        }
        self.present.set(id, true);
        self.kept.insert(id, kept);
    }

    fn room(&self) -> usize {
        let beyond = MAX_CHUNKS.saturating_sub(self.parts_end) as usize;
        beyond.saturating_add(self.free_parts.len())
    }
}

impl Monitor {
    /// What was changed of an entity; nothing was, of most.
    pub(super) fn overlay(&mut self, id: EntityId) -> Option<Arc<Overlay>> {
        if !self.overlays.present.has(id) {
            return None;
        }
        if let Some(kept) = self.overlays.kept.get(&id) {
            return Some(Arc::clone(&kept.overlay));
        }
        match self.read_overlay(id) {
            Ok(kept) => {
                let overlay = Arc::clone(&kept.overlay);
                self.overlays.keep(id, kept);
                Some(overlay)
            }
            Err(Odd) => {
                // It goes on with what its unit says.
                self.overlays.present.set(id, false);
                self.overlays.made.remove(&id);
                self.plans.remove(&id);
                self.turn.dirty.insert(RecordId::Overlay(id));
                self.give_back_parts();
                self.note(id, Fact::OverlayLost);
                None
            }
        }
    }

    fn read_overlay(&self, id: EntityId) -> Result<Kept, Odd> {
        let words = self.memory.load(RecordId::Overlay(id))?.ok_or(Odd)?;
        Kept::decode(&words, self.memory.as_ref())
    }

    /// The same from outside, where nothing can be kept.
    #[must_use]
    pub fn overlay_of(&self, id: EntityId) -> Option<Arc<Overlay>> {
        if !self.overlays.present.has(id) {
            return None;
        }
        match self.overlays.kept.get(&id) {
            Some(kept) => Some(Arc::clone(&kept.overlay)),
            None => self.read_overlay(id).ok().map(|kept| kept.overlay),
        }
    }

    /// Parts that belong to nothing that can be read are free again. Whose a part
    /// was nobody can tell when the record that said so is damaged, so those of all
    /// others are looked for; not at a takeover, which looks at heads only.
    fn give_back_parts(&mut self) {
        let mut lost: BTreeSet<u32> = (0..self.overlays.parts_end).collect();
        lost.retain(|place| !self.overlays.free_parts.contains(place));
        for id in self.overlays.present.all() {
            let unread = || {
                let words = self.memory.load(RecordId::Overlay(id)).ok().flatten()?;
                places_of(&words).ok().map(|(_, places)| places)
            };
            let kept = self.overlays.kept.get(&id).map(|kept| kept.places.clone());
            for place in kept.or_else(unread).unwrap_or_default() {
                lost.remove(&place);
            }
        }
        self.turn.dirty.extend(lost.iter().map(|place| RecordId::Chunk(*place)));
        self.overlays.free_parts.extend(lost);
    }

    /// Whether there is room for this text in place of the one before.
    pub(super) fn has_room(&mut self, id: EntityId, overlay: &Overlay) -> bool {
        if !self.fits_into_parts(id, overlay) {
            // Of what was damaged in its head alone nobody has told.
            self.give_back_parts();
        }
        self.fits_into_parts(id, overlay)
    }

    fn fits_into_parts(&self, id: EntityId, overlay: &Overlay) -> bool {
        let needed = serde_json::to_vec(overlay).map_or(usize::MAX, |text| text.len());
        let parts = needed.div_ceil(PART_BYTES);
        let held = self.overlays.kept.get(&id).map_or(0, |kept| kept.places.len());
        parts <= MOST_PARTS && parts <= held.saturating_add(self.overlays.room())
    }

    /// Puts down what is changed of an entity from now on. There is room.
    pub(super) fn put_overlay(&mut self, id: EntityId, overlay: Overlay) {
        let before = self.overlay(id);
        let named: Vec<String> =
            before.iter().flat_map(|before| before.channels().cloned()).collect();
        self.plans.remove(&id);
        let mut places = self.overlays.kept.remove(&id).map_or_else(Vec::new, |kept| kept.places);
        for place in &places {
            self.overlays.parts.remove(place);
        }
        let text = match overlay.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&overlay).unwrap_or_default(),
        };
        self.turn.dirty.extend(places.iter().map(|place| RecordId::Chunk(*place)));
        let needed = text.len().div_ceil(PART_BYTES);
        while places.len() > needed {
            self.overlays.free_parts.extend(places.pop());
        }
        while places.len() < needed {
            let Some(place) = self.overlays.take_part() else { break };
            places.push(place);
        }
        self.turn.dirty.extend(places.iter().map(|place| RecordId::Chunk(*place)));
        self.turn.dirty.insert(RecordId::Overlay(id));
        self.overlays.present.set(id, false);
        self.overlays.made.remove(&id);
        if !overlay.is_empty() {
            self.overlays.keep(id, Kept { overlay: Arc::new(overlay), text, places });
        }
        if !named.is_empty() {
            self.give_back(named);
        }
    }

    /// What an entity is: what its unit says with what was changed. `None`: no
    /// unit has it, and it was not made, or it cannot be read.
    pub(super) fn effective(&self, id: EntityId) -> Option<EntityPlan> {
        let overlay = self.overlay_of(id);
        let made = overlay.as_ref().and_then(|overlay| overlay.entity.as_deref().cloned());
        let plan = match made {
            Some(made) => made,
            None => self.planned(id).ok()?,
        };
        Some(match overlay {
            Some(overlay) => overlay.over(plan),
            None => plan,
        })
    }

    /// What its unit says that it is now.
    pub(super) fn planned(&self, id: EntityId) -> Result<EntityPlan, PlanBytesError> {
        let plan = self.plan.entity(id)?;
        // Most have nothing that waits, and their records need not be read.
        let renewed = plan.next.is_some() && self.peek(id).renewed;
        Ok(plan.in_force(renewed))
    }

    pub(super) fn plan_of(&mut self, id: EntityId) -> Option<Arc<EntityPlan>> {
        if let Some(plan) = self.plans.get(&id) {
            return Some(Arc::clone(plan));
        }
        let _ = self.overlay(id);
        let plan = Arc::new(self.effective(id)?);
        if self.plans.len() >= CACHED_PLANS {
            self.plans.clear();
        }
        self.plans.insert(id, Arc::clone(&plan));
        Some(plan)
    }

    /// Whether nothing that happens to it counts.
    pub(super) fn is_off(&mut self, id: EntityId) -> bool {
        self.overlay(id).is_some_and(|overlay| overlay.is_off(&Item::Entity))
    }

    /// Every entity, in order of name.
    #[must_use]
    pub fn ids(&self) -> Vec<EntityId> {
        let mut all: Vec<EntityId> = self.plan.ids().filter(|id| !self.has_left(*id)).collect();
        for id in self.overlays.made.keys() {
            let Some(name) = self.name(*id) else { continue };
            let place = all.partition_point(|other| self.name(*other).is_some_and(|n| n < name));
            all.insert(place, *id);
        }
        all
    }

    /// The name of an entity.
    #[must_use]
    pub fn name(&self, id: EntityId) -> Option<String> {
        match self.overlays.made.get(&id) {
            Some(Some(name)) => Some(name.clone()),
            Some(None) => Some(self.overlay_of(id)?.entity.as_ref()?.name.clone()),
            None => {
                let gone = || self.overlays.gone.get(&id).map(|plan| plan.name.clone());
                self.plan.name(id).or_else(gone)
            }
        }
    }

    /// The entity of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<EntityId> {
        let made = || {
            let mut ids = self.overlays.made.keys();
            ids.find(|id| self.name(**id).as_deref() == Some(name)).copied()
        };
        self.plan.find(name).filter(|id| !self.has_left(*id)).or_else(made)
    }

    /// Whether no unit has it.
    #[must_use]
    pub fn is_made(&self, id: EntityId) -> bool {
        self.overlays.made.contains_key(&id)
    }

    /// Whether something of it was changed at run time.
    #[must_use]
    pub fn is_changed(&self, id: EntityId) -> bool {
        self.overlays.present.has(id)
    }

    /// Entities of which something was changed at run time.
    #[must_use]
    pub fn changed(&self) -> Vec<EntityId> {
        self.overlays.present.all()
    }

    /// An id that nothing of an earlier entity carries; `None`: all are in use.
    pub(super) fn free_id(&self) -> Option<EntityId> {
        let in_use = |id: &EntityId| {
            self.overlays.made.contains_key(id)
                // One whose changes could not be read any more, and that runs.
                || self.active.has(*id)
                || self.runs_of.contains_key(id)
                || self.commands.values().any(|command| command.entity == *id)
        };
        let ids = (crate::ids::MAX_PLANNED..MAX_ENTITIES).rev().map(EntityId);
        ids.into_iter().find(|id| !in_use(id))
    }
}
