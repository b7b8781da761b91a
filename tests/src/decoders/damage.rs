//! What can become of a state: stores that went astray, in one word or in
//! several, and records that are whole and say what no monitor would.

use super::bed::Bed;
use super::choices::Choices;
use super::life::Good;
use ham_core::words::Words;
use ham_snapshot::header::Field;
use ham_snapshot::layout::*;
use std::collections::BTreeSet;

/// Those that decide how much is read, and what of it counts.
const COUNTS: [Field; 16] = [
    Field::SlotsUsed,
    Field::EntitiesUsed,
    Field::RunsUsed,
    Field::CommandsUsed,
    Field::SaidUsed,
    Field::BeatsUsed,
    Field::OverlaysUsed,
    Field::ChunksUsed,
    Field::PulsesUsed,
    Field::MadeUsed,
    Field::ExitQueueTail,
    Field::HistoryNext,
    Field::HistoryLogged,
    Field::OrphanTail,
    Field::Plan,
    Field::CommittedTurn,
];

pub(super) fn damage(
    bed: &Bed,
    good: &Good,
    known: &mut BTreeSet<Words>,
    choices: &mut Choices<'_>,
) {
    let place = match choices.below(13) {
        0 | 1 => *choices.pick(&COUNTS) as usize,
        2 => choices.below(HEADER_WORDS),
        3 => head_word(good, choices),
        4 => body_word(good, choices),
        5 => {
            swap(bed, good, choices);
            return;
        }
        6 => {
            stamp(bed, good, choices);
            return;
        }
        7 => SLOTS_AT + slot(good, choices) * SLOT_WORDS + choices.below(SLOT_WORDS),
        8 => PHASES_AT + slot(good, choices),
        9 => PIDS_AT + slot(good, choices),
        10 => HISTORY_AT + choices.below(64) * HISTORY_WORDS + choices.below(HISTORY_WORDS),
        11 => elsewhere(choices),
        _ => {
            rewrite(bed, good, known, choices);
            return;
        }
    };
    bed.set(place, choices.odd(bed.get(place)));
}

fn head_word(good: &Good, choices: &mut Choices<'_>) -> usize {
    let record = *choices.pick(&good.records);
    HEADS_AT + record * VERSIONS * HEAD_WORDS + choices.below(VERSIONS * HEAD_WORDS)
}

fn body_word(good: &Good, choices: &mut Choices<'_>) -> usize {
    let record = *choices.pick(&good.records);
    BODIES_AT + record * VERSIONS * BODY_WORDS + choices.below(VERSIONS * BODY_WORDS)
}

/// One that is used, mostly.
fn slot(good: &Good, choices: &mut Choices<'_>) -> usize {
    match choices.byte() {
        byte @ 0..=31 => usize::from(byte),
        32 => SLOTS - 1,
        _ if good.slots.is_empty() => 8,
        _ => *choices.pick(&good.slots) as usize,
    }
}

fn elsewhere(choices: &mut Choices<'_>) -> usize {
    let areas = [
        (HINTS_AT, 2_048),
        (EXIT_QUEUE_AT, 64),
        (ORPHANS_AT, 8 * ORPHAN_WORDS),
        (KEPT_AT, KEPT * KEPT_WORDS),
        (KEPT_NAMES_AT, KEPT * NAME_WORDS),
        (PLANS_AT, 512),
        (PLANS_AT, 8),
    ];
    let (at, words) = *choices.pick(&areas);
    at + choices.below(words)
}

/// Two words change places, or one is written where another belongs.
fn swap(bed: &Bed, good: &Good, choices: &mut Choices<'_>) {
    let places = [(); 2].map(|()| match choices.byte() % 4 {
        0 => head_word(good, choices),
        1 => body_word(good, choices),
        2 => PHASES_AT + slot(good, choices),
        _ => PIDS_AT + slot(good, choices),
    });
    let [first, second] = places.map(|place| bed.get(place));
    bed.set(places[0], second);
    if choices.byte().is_multiple_of(2) {
        bed.set(places[1], first);
    }
}

/// A version that is torn: its stamp says something else than its contents.
fn stamp(bed: &Bed, good: &Good, choices: &mut Choices<'_>) {
    let record = *choices.pick(&good.records);
    let version = choices.below(VERSIONS);
    let at = |version| HEADS_AT + (record * VERSIONS + version) * HEAD_WORDS;
    let committed = bed.get(Field::CommittedTurn as usize);
    let stamp = match choices.byte() % 5 {
        0 => 0,
        1 => committed,
        2 => committed.wrapping_add(1),
        3 => bed.get(at(1 - version)),
        _ => choices.odd(committed),
    };
    bed.set(at(version), stamp);
}

/// A record whose checksum is right and whose words are not.
fn rewrite(bed: &Bed, good: &Good, known: &mut BTreeSet<Words>, choices: &mut Choices<'_>) {
    let records = bed.state().records();
    let record = *choices.pick(&good.records);
    let (Ok(Some(mut body)), Some(mut head)) = (records.load(record), records.head(record)) else {
        return;
    };
    for _ in 0..choices.below(3) {
        let word = choices.pick_mut(&mut body);
        let near = *word;
        *word = choices.odd(near);
    }
    match choices.byte() % 6 {
        0 => head.slot = choices.odd(head.slot),
        1 => head.due = choices.odd(head.due),
        2 => head.open = !head.open,
        3 => head.active = !head.active,
        _ => {}
    }
    let turn = records.committed().wrapping_add(1);
    records.write(record, turn, Some((&head, &body)));
    records.commit(turn);
    known.insert(body);
}
