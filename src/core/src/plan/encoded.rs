//! Writes a plan as `bytes` reads it: entities anew, or as they stand in another.

use super::bytes::{
    ENTRY_WORDS, GLOBAL, HEADER_WORDS, LEAVING, LINKED, MAGIC, MAIN, NEXT, check, crc32, wrong,
};
use super::{EntityPlan, Kind, PlanBytesError, PlanIndex, PlanSource};
use crate::ids::{EntityId, MAX_PLANNED};

/// An entity as it stands in a plan.
pub(super) struct Written {
    pub(super) name: Vec<u8>,
    pub(super) id: EntityId,
    /// The first word of its entry.
    pub(super) word: u64,
    pub(super) text: Vec<u8>,
    pub(super) crc: u32,
}

impl Written {
    fn new(entity: &EntityPlan) -> Result<Written, PlanBytesError> {
        check(entity)?;
        if entity.id.0 >= MAX_PLANNED {
            return wrong(format!("{}: id {} is out of range", entity.name, entity.id.0));
        }
        let text = serde_json::to_vec(entity)
            .map_err(|error| PlanBytesError { what: format!("{}: {error}", entity.name) })?;
        let word = u64::from(entity.id.0)
            | if entity.links.is_empty() { 0 } else { LINKED }
            | if may_be_global(entity) { GLOBAL } else { 0 }
            | if entity.next.is_some() { NEXT } else { 0 }
            | if entity.leaving { LEAVING } else { 0 }
            | if entity.main { MAIN } else { 0 };
        let name = entity.name.clone().into_bytes();
        Ok(Written { crc: crc32(&[&name, &text]), name, id: entity.id, word, text })
    }
}

/// Writes a plan. Entities are put in order of name.
///
/// # Errors
/// When a name stands twice, an id is out of range or stands twice, an entity
/// is out of its bounds, or an entity cannot be written as JSON.
pub fn encode(entities: &[EntityPlan]) -> Result<Vec<u8>, PlanBytesError> {
    write(entities.iter().map(Written::new).collect::<Result<_, _>>()?)
}

/// Likewise; the entities of `kept` are as they are in another plan, and are
/// not decoded.
///
/// # Errors
/// As for [`encode`]; when one of `kept` is not there, or fails its checksum.
pub fn encode_over<S: PlanSource>(
    entities: &[EntityPlan],
    kept: impl IntoIterator<Item = EntityId>,
    plan: &PlanIndex<S>,
) -> Result<Vec<u8>, PlanBytesError> {
    let mut all = entities.iter().map(Written::new).collect::<Result<Vec<Written>, _>>()?;
    for id in kept {
        all.push(plan.written(id)?);
    }
    write(all)
}

fn write(mut entities: Vec<Written>) -> Result<Vec<u8>, PlanBytesError> {
    entities.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ids: Vec<EntityId> = entities.iter().map(|entity| entity.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair.first() == pair.get(1)) {
        return wrong("two entities have the same id");
    }
    if entities.windows(2).any(|w| w.first().map(|e| &e.name) == w.get(1).map(|e| &e.name)) {
        return wrong("two entities have the same name");
    }
    let index_bytes = entities.len().saturating_mul(ENTRY_WORDS).saturating_mul(8);
    let texts_start = HEADER_WORDS.saturating_mul(8).saturating_add(index_bytes);
    let mut index: Vec<u8> = Vec::with_capacity(index_bytes);
    let mut total = texts_start;
    for entity in &entities {
        let text_at = total.saturating_add(entity.name.len());
        for word in [
            entity.word,
            pack(total, entity.name.len()),
            pack(text_at, entity.text.len()),
            u64::from(entity.crc),
        ] {
            index.extend_from_slice(&word.to_le_bytes());
        }
        total = text_at.saturating_add(entity.text.len());
    }
    if u32::try_from(total).is_err() {
        return wrong("it is larger than 4 GiB");
    }
    let mut out = Vec::with_capacity(total);
    for word in [MAGIC, entities.len() as u64, total as u64, u64::from(crc32(&[&index]))] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&index);
    for entity in &entities {
        out.extend_from_slice(&entity.name);
        out.extend_from_slice(&entity.text);
    }
    Ok(out)
}

fn may_be_global(entity: &EntityPlan) -> bool {
    entity.kind == Kind::Global || entity.configured().kind == Kind::Global
}

fn pack(offset: usize, length: usize) -> u64 {
    ((offset as u64) << 32) | (length as u64)
}
