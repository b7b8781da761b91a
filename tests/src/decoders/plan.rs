//! Bytes of plans: some that were good, changed here and there, and some whose
//! checksums are right although their offsets or texts are not.

use super::choices::Choices;
use crate::fake::{Random, random_plan};
use ham_core::ids::EntityId;
use ham_core::plan::{PlanIndex, encode};

/// Words of the head, and of an entry of the index.
const HEAD: usize = 4;
const ENTRY: usize = 4;
/// Bytes in a word.
const WORD: usize = 8;

/// Opens the bytes as a plan, and asks for all that is in it.
///
/// # Panics
/// When a rule is broken.
pub fn plan(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    if choices.byte().is_multiple_of(4) {
        read(choices.rest().to_vec());
        return;
    }
    let good = random_plan(&mut Random::new(u64::from(choices.byte())));
    let mut bytes = encode(&good).expect("a plan inside the rules");
    let sealed = choices.byte().is_multiple_of(2);
    while choices.are_left() {
        let index = (HEAD + good.len() * ENTRY) * WORD;
        if choices.byte().is_multiple_of(2) {
            let at = choices.below(index / WORD) * WORD;
            let word = word_at(&bytes, at);
            bytes[at..at + WORD].copy_from_slice(&choices.odd(word).to_le_bytes());
        } else {
            let byte = choices.pick_mut(&mut bytes);
            *byte = choices.byte();
        }
    }
    if sealed {
        seal(&mut bytes, good.len());
        read(bytes);
    } else {
        let read = read(bytes);
        assert!(read.iter().all(|plan| good.contains(plan)), "half a definition");
    }
}

fn read(bytes: Vec<u8>) -> Vec<ham_core::plan::EntityPlan> {
    let Ok(index) = PlanIndex::open(bytes) else { return Vec::new() };
    let ids: Vec<EntityId> = index.ids().chain([EntityId(u32::MAX)]).collect();
    let mut all = Vec::new();
    for id in ids {
        let found = index.name(id).and_then(|name| index.find(&name));
        assert!(found.is_none_or(|found| index.contains(found)));
        if let Ok(plan) = index.entity(id) {
            assert_eq!(plan.id, id);
            assert_eq!(index.name(id).as_ref(), Some(&plan.name));
            encode(std::slice::from_ref(&plan)).expect("what was read is inside the rules");
            all.push(plan);
        }
    }
    all
}

fn word_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(&bytes[at..at + WORD]);
    u64::from_le_bytes(word)
}

/// Makes the checksums right again: of each entry, where it points to
/// something, and of the index.
fn seal(bytes: &mut [u8], entities: usize) {
    let index = HEAD * WORD..(HEAD + entities * ENTRY) * WORD;
    for at in index.clone().step_by(ENTRY * WORD) {
        let part = |place: usize| {
            let word = word_at(bytes, at + place * WORD);
            let (from, length) = ((word >> 32) as usize, (word & 0xffff_ffff) as usize);
            bytes.get(from..from.saturating_add(length)).map(<[u8]>::to_vec)
        };
        if let (Some(mut name), Some(text)) = (part(1), part(2)) {
            name.extend(text);
            let check = u64::from(crc32(&name));
            bytes[at + 3 * WORD..at + 4 * WORD].copy_from_slice(&check.to_le_bytes());
        }
    }
    let check = u64::from(crc32(&bytes[index]));
    bytes[3 * WORD..4 * WORD].copy_from_slice(&check.to_le_bytes());
}

/// CRC-32 (IEEE), as the plan has it; bit by bit, for some hundred bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
