//! Bytes of plans: what was written is read again, and bytes that are no plan,
//! or were one until a bit flipped, end in an error and in nothing else.
#![forbid(unsafe_code)]

use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, Only, PlanIndex, StartMode,
    StopPlan, Stream, Verb, encode,
};
use ham_core::time::Span;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn entity(id: u32, name: String, text: String, actions: u8, seconds: u64) -> EntityPlan {
    let action = |place: u8| ActionPlan {
        name: format!("a{place}"),
        verb: Verb::Log(text.clone()),
        break_on_fail: place.is_multiple_of(2),
        keep_on_fail: true,
        rearm: place.is_multiple_of(3),
        on_fail: vec![Verb::Stop(text.clone())],
    };
    let plain = EntityPlan::new(EntityId(id), &name, vec![text.clone()]);
    EntityPlan {
        description: text.clone(),
        source: text.clone(),
        start: StartMode::Manual,
        directory: Some(text.clone()),
        umask: 0o077,
        environment: vec![(text.clone(), text.clone())],
        stdout: Stream::File(text.clone()),
        stderr: Stream::Same,
        start_timeout: Span::seconds(seconds),
        stop: StopPlan { timeout: Span::INFINITE, ..plain.stop },
        conditions: vec![ConditionPlan {
            name: "death".to_owned(),
            on: ConditionKind::Death,
            only: Only::All,
            of: None,
            class: Class::NoWait,
            rearm: true,
            enabled: true,
            actions: (0..actions).map(action).collect(),
        }],
        ..plain
    }
}

/// Plans of up to eight entities with ids in no order of their names.
fn plans() -> impl Strategy<Value = Vec<EntityPlan>> {
    let one = (".{1,12}", 0u8..4, any::<u64>(), any::<u16>());
    btree_map("[a-z@._-]{1,9}", one, 0..8).prop_map(|entities| {
        let mut order: Vec<(u16, String)> =
            entities.iter().map(|(name, (_, _, _, key))| (*key, name.clone())).collect();
        order.sort();
        let id = |name: &str| order.iter().position(|(_, other)| other == name).unwrap_or(0);
        entities
            .into_iter()
            .map(|(name, (text, actions, seconds, _))| {
                let id = u32::try_from(id(&name)).unwrap_or(0);
                entity(id, name, text, actions, seconds)
            })
            .collect()
    })
}

/// Everything that can be asked of a plan.
fn read_all(index: &PlanIndex<Vec<u8>>) {
    for id in index.ids() {
        let _ = (index.name(id), index.entity(id), index.contains(id));
    }
    let _ = (index.find("web"), index.find(""), index.len(), index.entity(EntityId(u32::MAX)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_was_written_is_read_again(plans in plans()) {
        let index = PlanIndex::open(encode(&plans).unwrap()).unwrap();
        prop_assert_eq!(index.len(), plans.len());
        for plan in &plans {
            prop_assert_eq!(index.find(&plan.name), Some(plan.id));
            let name = index.name(plan.id);
            prop_assert_eq!(name.as_deref(), Some(plan.name.as_str()));
            prop_assert_eq!(&index.entity(plan.id).unwrap(), plan);
        }
    }

    #[test]
    fn a_plan_with_changed_bytes_does_no_harm(
        plans in plans(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&plans).unwrap();
        let whole = bytes.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(index) = PlanIndex::open(bytes.clone()) {
            read_all(&index);
            // An entity that is still read at all is one that was written.
            for plan in &plans {
                if let Ok(read) = index.entity(plan.id) {
                    prop_assert_eq!(&read, plan);
                }
            }
        }
        bytes.truncate(cut.index(bytes.len()));
        if let Ok(index) = PlanIndex::open(bytes) {
            read_all(&index);
        }
        let mut short = whole;
        short.pop();
        prop_assert!(PlanIndex::open(short).is_err());
    }

    #[test]
    fn bytes_that_were_never_a_plan_do_no_harm(mut bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(index) = PlanIndex::open(bytes.clone()) {
            read_all(&index);
        }
        // With the right beginning the rest is looked at too.
        for (place, byte) in b"hamplan1".iter().enumerate() {
            if let Some(slot) = bytes.get_mut(place) {
                *slot = *byte;
            }
        }
        if let Ok(index) = PlanIndex::open(bytes) {
            read_all(&index);
        }
    }
}
