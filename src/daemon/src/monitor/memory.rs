//! The core's memory on the shared state: which record stands where, and the
//! commit of a turn.

use crate::shared::Shared;
use ham_core::ids::{
    EntityId, MAX_CHUNKS, MAX_CLIENTS, MAX_ENTITIES, MAX_MADE, MAX_OWN_CLIENTS, MAX_PLANNED,
    MAX_PULSES, MAX_RUNS, MAX_SLOTS, RESERVED_SLOTS, SlotRef,
};
use ham_core::memory::{Head, Memory, Record, RecordId, SlotState, SlotView};
use ham_core::plan::{PlanIndex, PlanSource};
use ham_core::time::Mono;
use ham_core::words::{Odd, Words};
use ham_snapshot::header::Field;
use ham_snapshot::history::Entry;
use ham_snapshot::plans::{PLAN_BYTES, PlanHalf};
use ham_snapshot::slots::Phase;
use ham_snapshot::{State, layout, records};
use ham_sys::SysError;
use ham_sys::shm::Map;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const ENTITIES_AT: usize = 1;
const RUNS_AT: usize = ENTITIES_AT + MAX_ENTITIES as usize;
const COMMANDS_AT: usize = RUNS_AT + MAX_RUNS as usize;
const CLIENTS_AT: usize = COMMANDS_AT + MAX_SLOTS as usize;
const SAID_AT: usize = CLIENTS_AT + MAX_CLIENTS as usize;
const BEATS_AT: usize = SAID_AT + MAX_ENTITIES as usize;
const OVERLAYS_AT: usize = BEATS_AT + MAX_ENTITIES as usize;
const CHUNKS_AT: usize = OVERLAYS_AT + MAX_ENTITIES as usize;
const PULSES_AT: usize = CHUNKS_AT + MAX_CHUNKS as usize;
const _: () = assert!(PULSES_AT + MAX_PULSES as usize == layout::RECORDS);

fn place(id: RecordId) -> usize {
    match id {
        RecordId::Global => 0,
        RecordId::Entity(entity) => ENTITIES_AT + entity.index(),
        RecordId::Run(index) => RUNS_AT + index as usize,
        RecordId::Command(slot) => COMMANDS_AT + slot as usize,
        RecordId::Client(at) => CLIENTS_AT + at as usize,
        RecordId::Said(entity) => SAID_AT + entity.index(),
        RecordId::Beat(entity) => BEATS_AT + entity.index(),
        RecordId::Overlay(entity) => OVERLAYS_AT + entity.index(),
        RecordId::Chunk(at) => CHUNKS_AT + at as usize,
        RecordId::Pulse(at) => PULSES_AT + at as usize,
    }
}

/// Reading: what the core sees.
#[derive(Debug)]
pub(super) struct SharedMemory {
    pub(super) state: State,
}

/// Records of one kind: where they begin, which of them may have been written,
/// and what each is called.
type Kind = (usize, Range<u32>, fn(u32) -> RecordId);

impl SharedMemory {
    /// A successor begins: what is damaged in the header is put right as far as
    /// the rest of the state tells, and a turn that was cut off must not count
    /// later. Here its history; its records as they are looked at.
    pub(super) fn mend(&self) {
        let all = self.used().into_iter().flat_map(|(from, used, _)| places(from, &used));
        self.state.records().mend(all);
        self.state.forget_uncommitted_history();
        self.state.settle_plan();
    }

    /// Every record that may have been written.
    fn used(&self) -> [Kind; 14] {
        let used = |field| u32::try_from(self.state.get(field)).unwrap_or(u32::MAX);
        let entity = |index| RecordId::Entity(EntityId(index));
        let said = |index| RecordId::Said(EntityId(index));
        let beat = |index| RecordId::Beat(EntityId(index));
        let overlay = |index| RecordId::Overlay(EntityId(index));
        let to = |field, most| 0..used(field).min(most);
        let planned = |field| to(field, MAX_PLANNED);
        let made = || made_used(self.state);
        [
            (0, 0..1, |_| RecordId::Global),
            (ENTITIES_AT, planned(Field::EntitiesUsed), entity),
            (ENTITIES_AT, made(), entity),
            (RUNS_AT, to(Field::RunsUsed, MAX_RUNS), RecordId::Run),
            (COMMANDS_AT, to(Field::CommandsUsed, MAX_SLOTS), RecordId::Command),
            // All of them: they are few.
            (CLIENTS_AT, 0..MAX_CLIENTS, RecordId::Client),
            (SAID_AT, planned(Field::SaidUsed), said),
            (SAID_AT, made(), said),
            (BEATS_AT, planned(Field::BeatsUsed), beat),
            (BEATS_AT, made(), beat),
            (OVERLAYS_AT, planned(Field::OverlaysUsed), overlay),
            (OVERLAYS_AT, made(), overlay),
            (CHUNKS_AT, to(Field::ChunksUsed, MAX_CHUNKS), RecordId::Chunk),
            (PULSES_AT, to(Field::PulsesUsed, MAX_PULSES), RecordId::Pulse),
        ]
    }
}

/// Where these of the records that begin there stand.
fn places(from: usize, used: &Range<u32>) -> Range<usize> {
    from + used.start as usize..from + used.end as usize
}

/// The ids that entities made at run time may have had.
fn made_used(state: State) -> Range<u32> {
    let used = u32::try_from(state.get(Field::MadeUsed)).unwrap_or(u32::MAX).min(MAX_MADE);
    MAX_ENTITIES - used..MAX_ENTITIES
}

impl Memory for SharedMemory {
    fn load(&self, id: RecordId) -> Result<Option<Words>, Odd> {
        self.state.records().load(place(id)).map_err(|_| Odd)
    }

    fn heads(&self, visit: &mut dyn FnMut(RecordId, Head)) {
        let records = self.state.records();
        for (from, used, name) in self.used() {
            records.settle(places(from, &used), |place, head| {
                let Ok(index) = u32::try_from(place - from) else { return };
                let due = Some(head.due).filter(|due| *due != 0).map(Mono);
                let slot = SlotRef::from_word(head.slot);
                visit(name(index), Head { due, slot, open: head.open, active: head.active });
            });
        }
    }

    fn slots_used(&self) -> u32 {
        self.state.slots_used()
    }

    fn slot(&self, index: u32) -> SlotView {
        let Some(slot) = self.state.slot(index) else {
            return SlotView { generation: 0, state: SlotState::Free, has_pid: false };
        };
        loop {
            let before = slot.word();
            let (generation, phase) = before;
            let state = match phase {
                Phase::Free => SlotState::Free,
                Phase::Intent => SlotState::Intent,
                Phase::Running => SlotState::Running,
                Phase::Exited => SlotState::Exited,
            };
            if phase != Phase::Intent {
                return SlotView { generation, state, has_pid: false };
            }
            // The pid between two looks at the word: a reaper that clears it in
            // between has changed the word first (kernel.md §4).
            let has_pid = slot.pid() != 0;
            if slot.word() == before {
                return SlotView { generation, state, has_pid };
            }
        }
    }
}

/// A plan in one half of the plan area.
#[derive(Debug)]
pub(super) struct PlanMemory(pub(super) PlanHalf);

impl PlanSource for PlanMemory {
    fn len(&self) -> usize {
        PLAN_BYTES
    }

    fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        self.0.read(offset, out)
    }
}

/// Writing: commits turns, and sees to it that the pages are there.
#[derive(Debug)]
pub(super) struct Store {
    shared: &'static Shared,
    /// What is reserved, in chunks of [`RESERVE_BYTES`].
    reserved: BTreeSet<usize>,
}

/// Pages are reserved this many bytes at a time: a system call for every page
/// would show in the start of many entities.
const RESERVE_BYTES: usize = 64 * 1024;

impl Store {
    pub(super) fn new(shared: &'static Shared) -> Store {
        Store { shared, reserved: BTreeSet::new() }
    }

    /// Stores records and history of one turn, and makes them count.
    pub(super) fn commit(
        &mut self,
        changed: &[(RecordId, Option<Record>)],
        history: &[Entry],
    ) -> Result<(), SysError> {
        let state = self.shared.state;
        for (id, _) in changed {
            self.reserve_record(*id)?;
        }
        let records = state.records();
        let turn = records.committed().wrapping_add(1);
        for (id, record) in changed {
            let contents = record.as_ref().map(|record| {
                let head = records::Head {
                    due: record.head.due.map_or(0, |due| due.0),
                    slot: record.head.slot.map_or(0, SlotRef::to_word),
                    open: record.head.open,
                    active: record.head.active,
                };
                (head, &record.words)
            });
            records.write(place(*id), turn, contents.as_ref().map(|(head, body)| (head, *body)));
        }
        for entry in history {
            state.push_history(turn, entry);
        }
        records.commit(turn);
        Ok(())
    }

    fn reserve_record(&mut self, id: RecordId) -> Result<(), SysError> {
        let state = self.shared.state;
        for (at, bytes) in bytes_of(id) {
            self.reserve(at, bytes)?;
        }
        // Only then does it count as used: others read up to there.
        match id {
            RecordId::Global | RecordId::Client(_) => {}
            RecordId::Entity(entity) => raise_entity(state, Field::EntitiesUsed, entity),
            RecordId::Said(entity) => raise_entity(state, Field::SaidUsed, entity),
            RecordId::Beat(entity) => raise_entity(state, Field::BeatsUsed, entity),
            RecordId::Overlay(entity) => raise_entity(state, Field::OverlaysUsed, entity),
            RecordId::Chunk(at) => state.raise(Field::ChunksUsed, u64::from(at) + 1),
            RecordId::Pulse(at) => state.raise(Field::PulsesUsed, u64::from(at) + 1),
            RecordId::Run(index) => state.raise(Field::RunsUsed, u64::from(index) + 1),
            RecordId::Command(slot) => {
                self.reserve_slot(slot)?;
                state.raise(Field::CommandsUsed, u64::from(slot) + 1);
            }
        }
        Ok(())
    }

    /// Before the first use of a slot. The next one too: the core looks at its
    /// word before it takes it.
    pub(super) fn reserve_slot(&mut self, index: u32) -> Result<(), SysError> {
        let next = index.saturating_add(1).min(MAX_SLOTS - 1);
        for (at, bytes) in [index, next].into_iter().flat_map(bytes_of_slot) {
            self.reserve(at, bytes)?;
        }
        Ok(())
    }

    /// Before a plan is written that has so many entities: where there is no
    /// room for it, or for their records, that plan is refused. Were it found
    /// out in the middle of a turn, this monitor would have to end.
    pub(super) fn reserve_plan<S: PlanSource>(
        &mut self,
        half: PlanHalf,
        plan: &PlanIndex<S>,
        bytes: usize,
    ) -> Result<(), SysError> {
        self.shared.map.reserve(self.shared.common.state(), half.byte_offset(), bytes)?;
        let entities = plan.ids().map(|id| id.0.saturating_add(1)).max().unwrap_or(0);
        for id in (0..entities).map(|index| RecordId::Entity(EntityId(index))) {
            for (at, bytes) in bytes_of(id) {
                self.reserve(at, bytes)?;
            }
        }
        // Each has a process, as a rule.
        let slots = entities.saturating_add(RESERVED_SLOTS).min(MAX_SLOTS);
        (0..slots).try_for_each(|index| self.reserve_slot(index))
    }

    /// Before the first heartbeat of an entity.
    pub(super) fn reserve_beat(&mut self, entity: EntityId) -> Result<(), SysError> {
        let size = layout::BEAT_WORDS * layout::WORD;
        self.reserve(layout::BEATS_AT * layout::WORD + entity.index() * size, size)
    }

    fn reserve(&mut self, at: usize, bytes: usize) -> Result<(), SysError> {
        for chunk in chunks(at, bytes) {
            if !self.reserved.contains(&chunk) {
                reserve_chunk(self.shared.map, self.shared.common.state(), chunk)?;
                self.reserved.insert(chunk);
            }
        }
        Ok(())
    }
}

/// The record of an entity is about to be written. Those of entities made at
/// run time stand at the end, so that a takeover need not go over all that
/// lies between.
fn raise_entity(state: State, field: Field, id: EntityId) {
    if id.0 < MAX_PLANNED {
        state.raise(field, u64::from(id.0) + 1);
    } else {
        state.raise(Field::MadeUsed, u64::from(MAX_ENTITIES.saturating_sub(id.0)));
    }
}

/// Where head and body of a record stand, and how long they are, in bytes.
fn bytes_of(id: RecordId) -> [(usize, usize); 2] {
    let head = layout::VERSIONS * layout::HEAD_WORDS * layout::WORD;
    let body = layout::VERSIONS * layout::BODY_WORDS * layout::WORD;
    [
        (layout::HEADS_AT * layout::WORD + place(id) * head, head),
        (layout::BODIES_AT * layout::WORD + place(id) * body, body),
    ]
}

/// Where the parts of a slot stand, and how long they are, in bytes.
fn bytes_of_slot(index: u32) -> [(usize, usize); 3] {
    let part = |at: usize, words: usize| {
        let size = words * layout::WORD;
        (at * layout::WORD + index as usize * size, size)
    };
    [
        part(layout::SLOTS_AT, layout::SLOT_WORDS),
        part(layout::PHASES_AT, 1),
        part(layout::PIDS_AT, 1),
    ]
}

/// The entities that have a process, with their names as its slot has them (cut
/// at 72 bytes).
pub(super) fn entities_with_processes(state: State) -> Vec<(EntityId, String)> {
    let used = u32::try_from(state.get(Field::EntitiesUsed)).unwrap_or(0).min(MAX_PLANNED);
    (0..used)
        .chain(made_used(state))
        .map(EntityId)
        .filter_map(|id| {
            let head = state.records().head(place(RecordId::Entity(id)))?;
            let owned = SlotRef::from_word(head.slot)?;
            let slot = state.slot(owned.index)?;
            (slot.word().0 == owned.generation).then(|| (id, slot.name()))
        })
        .collect()
}

/// What a takeover goes over with so many entities: touched beforehand by who
/// will take over, so that it need not wait for its page tables then. All of
/// it is reserved.
pub(super) fn touch(shared: &Shared, entities: usize) {
    let entities = entities.min(MAX_ENTITIES as usize);
    let slots = entities.saturating_add(RESERVED_SLOTS as usize).min(layout::SLOTS);
    let heads = ENTITIES_AT + entities;
    for (at, words) in [
        (layout::PHASES_AT, slots),
        (layout::PIDS_AT, slots),
        (layout::HEADS_AT, heads * layout::VERSIONS * layout::HEAD_WORDS),
    ] {
        shared.map.touch(at * layout::WORD, words * layout::WORD);
    }
}

fn chunks(at: usize, bytes: usize) -> RangeInclusive<usize> {
    at / RESERVE_BYTES..=(at + bytes - 1) / RESERVE_BYTES
}

fn reserve_chunk(map: Map, fd: BorrowedFd<'_>, chunk: usize) -> Result<(), SysError> {
    let from = chunk * RESERVE_BYTES;
    let length = RESERVE_BYTES.min(layout::TOTAL * layout::WORD - from);
    map.reserve(fd, from, length)
}

/// At the start: the first records of each kind, and all of clients of root and
/// of the manager's own user. A monitor
/// that cannot commit even those can do nothing, not even what somebody asks
/// for to make room; so a tmpfs without room for them is an error then.
pub(crate) fn reserve_first_records(map: Map, fd: &OwnedFd) -> Result<(), SysError> {
    let first =
        [RecordId::Global, RecordId::Entity(EntityId(0)), RecordId::Run(0), RecordId::Command(0)];
    let clients = (0..MAX_OWN_CLIENTS).map(RecordId::Client);
    let places = first.into_iter().chain(clients).flat_map(bytes_of).chain(bytes_of_slot(0));
    let all: BTreeSet<usize> = places.flat_map(|(at, bytes)| chunks(at, bytes)).collect();
    all.into_iter().try_for_each(|chunk| reserve_chunk(map, fd.as_fd(), chunk))
}
