//! Where everything stands, in words of 8 bytes. Areas are sized for the
//! maximum from the start and sparse: a page that nobody has used costs
//! nothing (details 4).

/// `ham-stat`, little endian: the first word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ham-stat");
/// Counted up at every change of the layout.
pub const VERSION: u64 = 5;

/// Bytes in a word.
pub const WORD: usize = 8;

/// Slots (design §2).
pub const SLOTS: usize = 65_536;
/// Words in a slot: two cache lines of 64 bytes, so that neighbours do not
/// disturb each other. Its phase and its process id stand apart, in tables of
/// one word each: a takeover looks at all phases, and the reaper, when a hint
/// fails, at all process ids.
pub const SLOT_WORDS: usize = 16;

/// Places in the table from process id to slot: a power of two. Two ids that
/// fall on the same place cost the reaper a search, nothing else.
pub const HINTS: usize = 65_536;

/// Places in the queue of exits: every slot can be in it once, and a second
/// generation before the first was consumed cannot be.
pub const EXIT_QUEUE: usize = 65_536;

/// Exits of processes that no slot owns; older ones are overwritten.
pub const ORPHANS: usize = 1_024;
/// Words in one of them.
pub const ORPHAN_WORDS: usize = 4;

/// Descriptors that the reaper keeps for others: one for each of 10,000
/// entities that tell when they are ready, and thousands that are handed over
/// a restart. Searches go as far as places were used.
pub const KEPT: usize = 16_384;
/// Words in the entry of one.
pub const KEPT_WORDS: usize = 4;
/// Words in the name of one, up to 255 bytes as systemd has it. Names stand
/// apart: searches do not touch them.
pub const NAME_WORDS: usize = 32;

/// Entries in the history; older ones are overwritten. 1 MiB in all: a restart
/// is four of them, so that the last thousand can be told.
pub const HISTORY: usize = 4_096;
/// Words in one of them: 8 of facts, 24 of text (192 bytes).
pub const HISTORY_WORDS: usize = 32;

/// Heartbeats: one place for each entity.
pub const BEATS: usize = 65_536;
/// Words in one: a cache line, so that what is written for one entity disturbs
/// no other.
pub const BEAT_WORDS: usize = 8;

/// Records: one for the manager; one per entity, run and slot; one per client
/// whose last request is kept; per entity what it says of itself, its heartbeat
/// and what was changed of it at run time; texts of those changes; pulses.
pub const RECORDS: usize = 1 + 7 * 65_536 + 512 + 4_096;
/// Words in one version of a record's body.
pub const BODY_WORDS: usize = 32;
/// Words in one version of a record's head.
pub const HEAD_WORDS: usize = 4;
/// Versions of each record (details 1).
pub const VERSIONS: usize = 2;

/// Words in one half of the plan: 64 MiB, 10,000 units of 6 KiB each.
pub const PLAN_WORDS: usize = 64 * 1024 * 1024 / WORD;

/// The header: one page.
pub const HEADER_AT: usize = 0;
/// Words in the header.
pub const HEADER_WORDS: usize = 512;
/// In the header: the command that may take the place of the reaper at the end,
/// a word for its length and then its text.
pub const RECOVERY_AT: usize = HEADER_AT + 128;
/// Bytes of that text.
pub const RECOVERY_BYTES: usize = 2_048;
/// In the header: processes that ham has let go of, as many as there is room for.
pub const DETACHED_AT: usize = RECOVERY_AT + 1 + RECOVERY_BYTES / WORD;
/// Words in the entry of one.
pub const DETACHED_WORDS: usize = 2;
/// Entries.
pub const DETACHED: usize = 63;
const _: () = assert!(DETACHED_AT + DETACHED * DETACHED_WORDS <= HEADER_AT + HEADER_WORDS);
/// The slots.
pub const SLOTS_AT: usize = HEADER_AT + HEADER_WORDS;
/// The phases of the slots.
pub const PHASES_AT: usize = SLOTS_AT + SLOTS * SLOT_WORDS;
/// The process ids of the slots.
pub const PIDS_AT: usize = PHASES_AT + SLOTS;
/// The table from process id to slot.
pub const HINTS_AT: usize = PIDS_AT + SLOTS;
/// The queue of exits.
pub const EXIT_QUEUE_AT: usize = HINTS_AT + HINTS;
/// The ring of orphans.
pub const ORPHANS_AT: usize = EXIT_QUEUE_AT + EXIT_QUEUE;
/// The ring of the history.
pub const HISTORY_AT: usize = ORPHANS_AT + ORPHANS * ORPHAN_WORDS;
/// The table of kept descriptors.
pub const KEPT_AT: usize = HISTORY_AT + HISTORY * HISTORY_WORDS;
/// The names of kept descriptors.
pub const KEPT_NAMES_AT: usize = KEPT_AT + KEPT * KEPT_WORDS;
/// What was seen of heartbeats.
pub const BEATS_AT: usize = KEPT_NAMES_AT + KEPT * NAME_WORDS;
/// Heads of records.
pub const HEADS_AT: usize = BEATS_AT + BEATS * BEAT_WORDS;
/// Bodies of records.
pub const BODIES_AT: usize = HEADS_AT + RECORDS.next_multiple_of(64) * VERSIONS * HEAD_WORDS;
/// The two halves of the plan.
pub const PLANS_AT: usize = BODIES_AT + RECORDS.next_multiple_of(64) * VERSIONS * BODY_WORDS;
/// Words in all.
pub const TOTAL: usize = PLANS_AT + 2 * PLAN_WORDS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_begin_on_pages_and_do_not_overlap() {
        let areas = [
            (HEADER_AT, HEADER_WORDS),
            (SLOTS_AT, SLOTS * SLOT_WORDS),
            (PHASES_AT, SLOTS),
            (PIDS_AT, SLOTS),
            (HINTS_AT, HINTS),
            (EXIT_QUEUE_AT, EXIT_QUEUE),
            (ORPHANS_AT, ORPHANS * ORPHAN_WORDS),
            (HISTORY_AT, HISTORY * HISTORY_WORDS),
            (KEPT_AT, KEPT * KEPT_WORDS),
            (KEPT_NAMES_AT, KEPT * NAME_WORDS),
            (BEATS_AT, BEATS * BEAT_WORDS),
            (HEADS_AT, RECORDS * VERSIONS * HEAD_WORDS),
            (BODIES_AT, RECORDS * VERSIONS * BODY_WORDS),
            (PLANS_AT, 2 * PLAN_WORDS),
        ];
        for pair in areas.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0);
        }
        for (at, _) in areas {
            assert_eq!(at * WORD % 4096, 0, "area at word {at}");
        }
        let (at, length) = areas[areas.len() - 1];
        assert_eq!(at + length, TOTAL);
    }
}
