//! What holds for any words, texts and budgets: a record that is accepted is
//! the record of what was decoded, nothing panics, waits stay in their bounds.
//! Only tests.

use super::budget::Budget;
use super::clients::Client;
use super::command::Command;
use super::entity::Entity;
use super::heart::Heart;
use super::run::{Detail, Kinds, Occurrence, Run};
use super::said::Said;
use super::text::Context;
use super::{Global, Monitor};
use crate::ids::{EntityId, RESERVED_SLOTS, SlotRef};
use crate::memory::{Head, Memory, Record, RecordId, SlotState, SlotView};
use crate::plan::{LimitPlan, PlanIndex, PlanSource, RestartPlan, Spacing, encode};
use crate::status::ExitStatus;
use crate::time::{Mono, Span};
use crate::words::{Odd, RECORD_WORDS, Words};
use proptest::prelude::*;

/// A word as records have them: mostly small, or a slot, or a time.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..9,
        1 => (1u64..5, 8u64..20).prop_map(|(generation, index)| (generation << 32) | index),
        1 => (1u64..5, any::<u8>()).prop_map(|(tag, low)| (tag << 8) | u64::from(low)),
        1 => any::<u32>().prop_map(u64::from),
        1 => any::<u64>(),
    ]
}

/// Words of which only the first so many are not 0.
fn words() -> impl Strategy<Value = Words> {
    proptest::collection::vec(word(), 0..=RECORD_WORDS).prop_map(|used| {
        let mut words = [0; RECORD_WORDS];
        for (word, used) in words.iter_mut().zip(used) {
            *word = used;
        }
        words
    })
}

fn entity_words(words: &Words) -> Option<Words> {
    Entity::decode(words).ok().map(|entity| entity.record().words)
}

fn run_words(words: &Words) -> Option<Words> {
    Run::decode(words).ok().map(|run| run.record().words)
}

fn command_words(words: &Words) -> Option<Words> {
    Command::decode(words).ok().map(|command| command.record().words)
}

fn client_words(words: &Words) -> Option<Words> {
    Client::decode(words).ok().map(|client| client.record().words)
}

fn said_words(words: &Words) -> Option<Words> {
    Said::decode(words).ok().map(|said| said.record().words)
}

fn global_words(words: &Words) -> Option<Words> {
    Global::decode(words).ok().map(|global| global.record().words)
}

fn heart_words(words: &Words) -> Option<Words> {
    Heart::decode(words).ok().map(|heart| heart.record().words)
}

/// A memory in which every record holds the same odd words.
#[derive(Debug)]
struct OddMemory {
    words: Words,
    slot: Option<SlotRef>,
}

impl Memory for OddMemory {
    fn load(&self, _: RecordId) -> Result<Option<Words>, Odd> {
        Ok(Some(self.words))
    }

    fn heads(&self, visit: &mut dyn FnMut(RecordId, Head)) {
        let head = Head { due: Some(Mono(5)), slot: self.slot, open: true, active: true };
        let entity = RecordId::Entity(crate::ids::EntityId(0));
        for id in
            [RecordId::Global, entity, RecordId::Run(3), RecordId::Command(9), RecordId::Client(7)]
        {
            visit(id, head);
        }
        visit(RecordId::Said(crate::ids::EntityId(0)), Head::default());
        visit(RecordId::Client(8), Head { open: false, ..head });
        visit(RecordId::Beat(crate::ids::EntityId(0)), Head { due: None, slot: None, ..head });
    }

    fn slots_used(&self) -> u32 {
        RESERVED_SLOTS + 4
    }

    fn slot(&self, _: u32) -> SlotView {
        SlotView { generation: 2, state: SlotState::Exited, has_pid: false }
    }
}

fn restart_plan() -> impl Strategy<Value = RestartPlan> {
    let growing = (any::<u32>(), any::<u32>(), 1000u32..5000, any::<u64>()).prop_map(
        |(first, delay, factor_permille, most)| Spacing::Growing {
            first: Span(u64::from(first)),
            delay: Span(u64::from(delay)),
            factor_permille,
            max_delay: Span(most),
        },
    );
    let list = proptest::collection::vec(any::<u64>().prop_map(Span), 1..5).prop_map(Spacing::List);
    let limit = proptest::option::of((1u32..20, any::<u64>()));
    (prop_oneof![growing, list], any::<u64>(), limit).prop_map(|(spacing, reset, limit)| {
        let limit = limit.map(|(count, within)| LimitPlan { count, within: Span(within) });
        RestartPlan { spacing, reset_after: Span(reset), limit }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_record_that_is_accepted_is_that_of_what_was_decoded(words in words()) {
        let all =
            [entity_words, run_words, command_words, client_words, global_words, said_words, heart_words];
        for read in all {
            if let Some(again) = read(&words) {
                prop_assert_eq!(again, words);
            }
        }
    }

    #[test]
    fn one_changed_word_is_refused_or_means_something_else(
        place in 0..RECORD_WORDS,
        wrong in word(),
    ) {
        let entity = Entity::default().record().words;
        let mut words = entity;
        words[place] = wrong;
        match Entity::decode(&words) {
            Ok(read) => prop_assert_eq!(read.record().words, words),
            Err(Odd) => prop_assert_ne!(words, entity),
        }
    }

    #[test]
    fn texts_are_filled_in_whatever_they_are(text in "[a-z{}ü ]{0,40}|\\PC{0,40}", status in word()) {
        let occurrence = Occurrence {
            about: EntityId(7),
            detail: Detail::None,
            kinds: Kinds::default(),
            slot: None,
            pid: 0,
            status: ExitStatus::from_word(status),
        };
        let context = Context { entity: "web@a", condition: "death", occurrence, states: &[] };
        let filled = context.fill(&text);
        if !text.contains(['{', '}']) {
            prop_assert_eq!(filled, text);
        }
    }

    #[test]
    fn waits_grow_to_their_bound_and_the_limit_holds(
        plan in restart_plan(),
        steps in proptest::collection::vec(any::<u32>(), 1..80),
    ) {
        let mut budget = Budget::default();
        let mut now = Mono(1);
        let mut before: Option<Span> = None;
        let mut granted: Vec<Mono> = Vec::new();
        for step in steps {
            now = now.after(Span(u64::from(step)));
            let Some(delay) = budget.next(&plan, now) else {
                let limit = plan.limit.unwrap();
                let window = granted.len() - limit.count as usize;
                prop_assert!(now.since(granted[window]) < limit.within);
                continue;
            };
            granted.push(now);
            match &plan.spacing {
                Spacing::Growing { first, max_delay, .. } => match before {
                    None => prop_assert_eq!(delay, *first),
                    Some(before) => {
                        prop_assert!(delay <= *max_delay);
                        prop_assert!(granted.len() == 2 || delay >= before);
                    }
                },
                Spacing::List(delays) => prop_assert!(delays.contains(&delay)),
            }
            before = Some(delay);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Whatever the records hold, a successor begins and goes on.
    #[test]
    fn a_successor_begins_on_any_memory(
        words in words(),
        owned in any::<bool>(),
        at in 1u64..1_000_000_000_000,
    ) {
        let bytes: Box<dyn PlanSource> = Box::new(encode(&[]).unwrap());
        let plan = PlanIndex::open(bytes).unwrap();
        let slot = owned.then_some(SlotRef { index: 9, generation: 2 });
        let (mut monitor, resume) =
            Monitor::restore(plan, Box::new(OddMemory { words, slot }), Mono(at));
        let mut turn = super::Turn::default();
        let status = ExitStatus::Code(1);
        let exited = |slot| crate::event::Event::Exited { slot, pid: 4, status, at: Mono(at) };
        let asked = crate::event::Event::Request {
            id: crate::ids::RequestId(1),
            entities: vec![crate::ids::EntityId(0)],
            ask: crate::event::Ask::Restart,
            wait: true,
            from: Some(crate::event::Caller {
                uid: 0,
                own: true,
                client: words[0],
                serial: words[1],
            }),
        };
        let exited = exited(SlotRef { index: 9, generation: 2 });
        let again = crate::event::Event::WatchAgain { entities: resume.beats };
        let entity = crate::ids::EntityId(0);
        let slot = SlotRef::from_word(words[4]).unwrap_or(SlotRef { index: 9, generation: 2 });
        let beats = crate::event::Event::Beats { entity, slot, count: 0 };
        for event in [crate::event::Event::Tick, beats.clone(), again, beats, exited, asked] {
            monitor.step(Mono(at), event, &mut turn);
        }
        let records: Vec<Option<Record>> = turn.dirty.iter().map(|id| monitor.record(*id)).collect();
        prop_assert_eq!(records.len(), turn.dirty.len());
        prop_assert!(monitor.deadline().is_none_or(|due| due > Mono(at)));
    }
}
