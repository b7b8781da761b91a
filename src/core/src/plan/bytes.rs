//! A plan as bytes: an index that can be searched without decoding anything,
//! and one JSON text per entity, decoded when the entity is first needed.
//! A takeover with ten thousand entities touches only those that something
//! happens to (details 2). JSON, since a newer ham must read an older one's
//! plan, and since a person with a hex dump should be able to.
//!
//! ```text
//! word 0   magic            word 3   crc32 of the index
//! word 1   entities         word 4…  index, 4 words an entity, by name
//! word 2   bytes in all     then     names and texts
//! index entry: id, whether it has links, is global, changes, leaves or is main | name offset, length | text offset, length | crc32 of both
//! ```

use super::encoded::Written;
use super::{EntityPlan, Kind, MAX_ACTIONS, MAX_CONDITIONS, MAX_NAME, MAX_ON_FAIL};
use crate::ids::{EntityId, MAX_ENTITIES, MAX_PLANNED};
use serde::{Deserialize, Serialize};
use std::fmt;

pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"hamplan1");
pub(super) const HEADER_WORDS: usize = 4;
pub(super) const ENTRY_WORDS: usize = 4;
/// Beside the id in an entry: the entity has neighbours.
pub(super) const LINKED: u64 = 1 << 32;
/// Likewise: it has conditions on every entity, or has them from its next start on.
pub(super) const GLOBAL: u64 = 1 << 33;
/// Likewise: it is something else from its next start on.
pub(super) const NEXT: u64 = 1 << 34;
/// Likewise: no unit has it any more.
pub(super) const LEAVING: u64 = 1 << 35;
/// Likewise: its end is that of the manager.
pub(super) const MAIN: u64 = 1 << 36;
/// Texts are compared in pieces of so many bytes.
const PIECE: usize = 1024;

/// Where the bytes of a plan are read from; in the daemon shared memory.
pub trait PlanSource: fmt::Debug + Send {
    /// How many bytes there are at most.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `out` from `offset`; false when that lies outside.
    fn read(&self, offset: usize, out: &mut [u8]) -> bool;
}

impl PlanSource for Box<dyn PlanSource> {
    fn len(&self) -> usize {
        self.as_ref().len()
    }

    fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        self.as_ref().read(offset, out)
    }
}

impl PlanSource for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        let end = offset.saturating_add(out.len());
        self.get(offset..end).map(|bytes| out.copy_from_slice(bytes)).is_some()
    }
}

impl PlanSource for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        self.as_slice().read(offset, out)
    }
}

/// By this a plan is known again: how much there is of it, and the checksum of
/// its index, which holds that of each entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMark([u64; 3]);

impl PlanMark {
    /// Of these bytes; `None` when they are too few.
    #[must_use]
    pub fn of(source: &impl PlanSource) -> Option<PlanMark> {
        let mut bytes = [0u8; 24];
        source.read(8, &mut bytes).then(|| {
            let (words, _) = bytes.as_chunks::<8>();
            let mut mark = [0u64; 3];
            for (word, bytes) in mark.iter_mut().zip(words) {
                *word = u64::from_le_bytes(*bytes);
            }
            PlanMark(mark)
        })
    }
}

/// How many bytes a plan begins with that say how many there are.
pub const PLAN_HEAD: usize = HEADER_WORDS * 8;

/// How long a plan says that it is, by its head.
#[must_use]
pub fn length_in(head: &[u8; PLAN_HEAD]) -> Option<usize> {
    let (words, _) = head.as_chunks::<8>();
    words.get(2).and_then(|word| usize::try_from(u64::from_le_bytes(*word)).ok())
}

/// Why bytes are no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanBytesError {
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for PlanBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not read the plan: {}", self.what)
    }
}

impl std::error::Error for PlanBytesError {}

pub(super) fn wrong<T>(what: impl Into<String>) -> Result<T, PlanBytesError> {
    Err(PlanBytesError { what: what.into() })
}

/// CRC-32 (IEEE) of several texts as if they were one.
pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn unpack(word: u64) -> (usize, usize) {
    ((word >> 32) as usize, (word & 0xffff_ffff) as usize)
}

/// The bounds that the records of the core rely on.
///
/// # Errors
/// When an entity is out of them.
pub fn check(entity: &EntityPlan) -> Result<(), PlanBytesError> {
    let name = &entity.name;
    if name.is_empty() || name.len() > MAX_NAME {
        return wrong(format!("`{name}` is no name"));
    }
    if entity.id.0 >= MAX_ENTITIES {
        return wrong(format!("{name}: id {} is out of range", entity.id.0));
    }
    let has_command = match entity.kind {
        Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } => true,
        Kind::Target | Kind::Placeholder { .. } | Kind::Global => false,
    };
    if has_command && entity.command.is_empty() {
        return wrong(format!("{name}: no command"));
    }
    for list in [&entity.pre_start, &entity.reload, &entity.post_stop] {
        if list.len() > MAX_ACTIONS {
            return wrong(format!("{name}: more than {MAX_ACTIONS} actions in a list"));
        }
        if list.iter().any(|action| action.on_fail.len() > MAX_ON_FAIL) {
            return wrong(format!("{name}: more than {MAX_ON_FAIL} items in an on-fail list"));
        }
    }
    if entity.conditions.len() > MAX_CONDITIONS {
        return wrong(format!("{name}: more than {MAX_CONDITIONS} conditions"));
    }
    let actions = entity.conditions.iter().flat_map(|condition| &condition.actions);
    if actions.clone().count() > MAX_ACTIONS {
        return wrong(format!("{name}: more than {MAX_ACTIONS} actions"));
    }
    if actions.clone().any(|action| action.on_fail.len() > MAX_ON_FAIL) {
        return wrong(format!("{name}: more than {MAX_ON_FAIL} items in an on-fail list"));
    }
    Ok(())
}

/// A plan in its bytes: the index is read, the entities are not.
#[derive(Debug)]
pub struct PlanIndex<S> {
    source: S,
    entries: Vec<Entry>,
    /// id → place in `entries`, for the ids in use.
    places: Vec<u32>,
    /// Units of global conditions, by name.
    global: Vec<EntityId>,
    /// Those that are something else from their next start on, and those that
    /// leave, by name.
    pending: Vec<EntityId>,
    /// Those whose end is that of the manager, by name.
    mains: Vec<EntityId>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: EntityId,
    word: u64,
    linked: bool,
    next: bool,
    leaving: bool,
    name: (usize, usize),
    text: (usize, usize),
    crc: u32,
}

const NOWHERE: u32 = u32::MAX;

impl<S: PlanSource> PlanIndex<S> {
    /// Reads and checks header and index. The bytes are not trusted.
    ///
    /// # Errors
    /// When they are no plan.
    pub fn open(source: S) -> Result<PlanIndex<S>, PlanBytesError> {
        let word = |at: usize| -> Result<u64, PlanBytesError> {
            let mut bytes = [0u8; 8];
            if !source.read(at.saturating_mul(8), &mut bytes) {
                return wrong("it is cut short");
            }
            Ok(u64::from_le_bytes(bytes))
        };
        if word(0)? != MAGIC {
            return wrong("it does not begin as one");
        }
        let count = usize::try_from(word(1)?).unwrap_or(usize::MAX);
        let total = usize::try_from(word(2)?).unwrap_or(usize::MAX);
        if count > MAX_PLANNED as usize || total > source.len() {
            return wrong("its sizes are out of range");
        }
        let mut index = vec![0u8; count.saturating_mul(ENTRY_WORDS).saturating_mul(8)];
        if !source.read(HEADER_WORDS.saturating_mul(8), &mut index) {
            return wrong("its index is cut short");
        }
        if u64::from(crc32(&[&index])) != word(3)? {
            return wrong("its index fails its checksum");
        }
        let mut entries = Vec::with_capacity(count);
        let mut places: Vec<u32> = Vec::new();
        let (mut global, mut pending, mut mains) = (Vec::new(), Vec::new(), Vec::new());
        for (place, words) in index.chunks_exact(ENTRY_WORDS.saturating_mul(8)).enumerate() {
            let at = |n: usize| -> u64 {
                let start = n.saturating_mul(8);
                let mut bytes = [0u8; 8];
                if let Some(word) = words.get(start..start.saturating_add(8)) {
                    bytes.copy_from_slice(word);
                }
                u64::from_le_bytes(bytes)
            };
            let Ok(id) = u32::try_from(at(0) & !(LINKED | GLOBAL | NEXT | LEAVING | MAIN)) else {
                return wrong("an id is out of range");
            };
            if id >= MAX_PLANNED {
                return wrong("an id is out of range");
            }
            let entry = Entry {
                id: EntityId(id),
                word: at(0),
                linked: at(0) & LINKED != 0,
                next: at(0) & NEXT != 0,
                leaving: at(0) & LEAVING != 0,
                name: unpack(at(1)),
                text: unpack(at(2)),
                crc: u32::try_from(at(3)).unwrap_or(0),
            };
            let inside = |(offset, length): (usize, usize)| offset.saturating_add(length) <= total;
            if !inside(entry.name) || !inside(entry.text) || entry.name.1 > MAX_NAME {
                return wrong("an entry points outside");
            }
            let need = entry.id.index().saturating_add(1);
            if places.len() < need {
                places.resize(need, NOWHERE);
            }
            match places.get_mut(entry.id.index()) {
                Some(slot) if *slot == NOWHERE => *slot = u32::try_from(place).unwrap_or(NOWHERE),
                Some(_) | None => return wrong("an id stands twice"),
            }
            if at(0) & GLOBAL != 0 {
                global.push(entry.id);
            }
            if entry.next || entry.leaving {
                pending.push(entry.id);
            }
            if at(0) & MAIN != 0 {
                mains.push(entry.id);
            }
            entries.push(entry);
        }
        Ok(PlanIndex { source, entries, places, global, pending, mains })
    }

    /// How many entities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The ids in order of name.
    pub fn ids(&self) -> impl Iterator<Item = EntityId> + '_ {
        self.entries.iter().map(|entry| entry.id)
    }

    /// Whether the plan holds this entity.
    #[must_use]
    pub fn contains(&self, id: EntityId) -> bool {
        self.entry(id).is_some()
    }

    /// Whether an entity has neighbours; known without decoding it.
    #[must_use]
    pub fn is_linked(&self, id: EntityId) -> bool {
        self.entry(id).is_some_and(|entry| entry.linked)
    }

    /// The units whose conditions are about every entity, at once or from their
    /// next start on, in order of name.
    #[must_use]
    pub fn global(&self) -> &[EntityId] {
        &self.global
    }

    /// Those whose end is that of the manager, in order of name.
    #[must_use]
    pub fn mains(&self) -> &[EntityId] {
        &self.mains
    }

    fn entry(&self, id: EntityId) -> Option<&Entry> {
        let place = *self.places.get(id.index())?;
        self.entries.get(place as usize)
    }

    fn bytes(&self, (offset, length): (usize, usize)) -> Vec<u8> {
        let mut out = vec![0u8; length];
        if !self.source.read(offset, &mut out) {
            out.clear();
        }
        out
    }

    /// Those that are something else from their next start on, and those that
    /// leave, in order of name.
    #[must_use]
    pub fn pending(&self) -> &[EntityId] {
        &self.pending
    }

    /// Whether there is such an entity.
    #[must_use]
    pub fn has(&self, id: EntityId) -> bool {
        self.entry(id).is_some()
    }

    /// Whether an entity is something else from its next start on.
    #[must_use]
    pub fn has_next(&self, id: EntityId) -> bool {
        self.entry(id).is_some_and(|entry| entry.next)
    }

    /// Whether no unit has it any more.
    #[must_use]
    pub fn is_leaving(&self, id: EntityId) -> bool {
        self.entry(id).is_some_and(|entry| entry.leaving)
    }

    /// Whether an entity is the same in another plan, to the letter.
    #[must_use]
    pub fn has_same<T: PlanSource>(&self, id: EntityId, other: &PlanIndex<T>) -> bool {
        let (Some(one), Some(two)) = (self.entry(id), other.entry(id)) else { return false };
        let length = one.text.1;
        if one.crc != two.crc || length != two.text.1 || one.name.1 != two.name.1 {
            return false;
        }
        let (mut a, mut b) = ([0u8; PIECE], [0u8; PIECE]);
        (0..length).step_by(PIECE).all(|at| {
            let piece = length.saturating_sub(at).min(PIECE);
            let (Some(a), Some(b)) = (a.get_mut(..piece), b.get_mut(..piece)) else {
                return false;
            };
            self.source.read(one.text.0.saturating_add(at), a)
                && other.source.read(two.text.0.saturating_add(at), b)
                && a == b
        })
    }

    /// The name of an entity.
    #[must_use]
    pub fn name(&self, id: EntityId) -> Option<String> {
        String::from_utf8(self.bytes(self.entry(id)?.name)).ok()
    }

    /// The entity of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<EntityId> {
        let place = self
            .entries
            .binary_search_by(|entry| self.bytes(entry.name).as_slice().cmp(name.as_bytes()))
            .ok()?;
        self.entries.get(place).map(|entry| entry.id)
    }

    /// One entity as it stands here.
    pub(super) fn written(&self, id: EntityId) -> Result<Written, PlanBytesError> {
        let Some(entry) = self.entry(id) else { return wrong(format!("no entity {}", id.0)) };
        let (name, text) = (self.bytes(entry.name), self.bytes(entry.text));
        if crc32(&[&name, &text]) != entry.crc {
            return wrong(format!("entity {} fails its checksum", id.0));
        }
        Ok(Written { name, id, word: entry.word, text, crc: entry.crc })
    }

    /// Decodes one entity.
    ///
    /// # Errors
    /// When it is not in the plan, fails its checksum, or is out of bounds.
    pub fn entity(&self, id: EntityId) -> Result<EntityPlan, PlanBytesError> {
        let Some(entry) = self.entry(id) else { return wrong(format!("no entity {}", id.0)) };
        let name = self.bytes(entry.name);
        let text = self.bytes(entry.text);
        if crc32(&[&name, &text]) != entry.crc {
            return wrong(format!("entity {} fails its checksum", id.0));
        }
        let entity: EntityPlan = serde_json::from_slice(&text)
            .map_err(|error| PlanBytesError { what: format!("entity {}: {error}", id.0) })?;
        if entity.id != id || entity.name.as_bytes() != name.as_slice() {
            return wrong(format!("entity {} is not where its index says", id.0));
        }
        check(&entity)?;
        if let Some(next) = &entity.next {
            check(next)?;
            if next.id != id || next.name != entity.name || next.next.is_some() || next.leaving {
                return wrong(format!("entity {} is to be something that it cannot be", id.0));
            }
        }
        Ok(entity)
    }
}
