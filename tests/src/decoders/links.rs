//! Plans whose links make no sense: circles, edges that only one end knows of,
//! an entity that needs itself. No loader writes such; a monitor that reads one
//! must go on all the same.

use super::choices::Choices;
use super::life;
use crate::fake::{Kernel, Random, SharedMemory, Temper, plain};
use ham_core::event::{Ask, Event};
use ham_core::ids::{EntityId, RequestId};
use ham_core::memory::RecordId;
use ham_core::monitor::{Monitor, Turn};
use ham_core::plan::{EntityPlan, Kind, Links, OnDependencyRestart, encode};
use ham_core::time::Span;
use ham_core::way::Way;

/// More effects in one turn than this would be a circle that is gone round.
const MANY_EFFECTS: usize = 500;

/// Steps that the machine goes on between two things that are chosen.
const STEPS: usize = 6;

/// Runs a few entities whose links are what the bytes say.
///
/// # Panics
/// When a turn has no end, or what is due is not worked off.
pub fn links(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let count = 1 + choices.below(6);
    let plans: Vec<EntityPlan> = (0..count).map(|id| entity(&mut choices, id, count)).collect();
    let bytes = encode(&plans).expect("a plan that can be written");
    let memory = SharedMemory::default();
    let temper = if choices.byte().is_multiple_of(2) { Temper::calm() } else { Temper::wild() };
    let random = Random::new(u64::from(choices.byte()));
    let mut kernel = Kernel::new(memory.clone(), random, temper);
    let boxed = Box::new(memory.clone());
    let (mut monitor, _) = Monitor::restore(life::open(bytes.clone()), boxed, kernel.now);
    step(&mut monitor, &mut kernel, Event::Boot);
    while choices.are_left() {
        let entities = vec![EntityId(u32::try_from(choices.below(count)).unwrap_or(0))];
        let ask = *choices.pick(&[Ask::Start, Ask::Stop, Ask::Restart, Ask::Start]);
        match choices.below(8) {
            0 => {
                // What a record says is lost: its neighbours do not expect it.
                memory.store().broken.push(RecordId::Entity(entities[0]));
                let boxed = Box::new(memory.clone());
                let (next, resume) = Monitor::restore(life::open(bytes.clone()), boxed, kernel.now);
                kernel.monitor_dies();
                monitor = next;
                finish(&monitor, &mut kernel, &resume.turn);
            }
            1 if choices.byte().is_multiple_of(8) => {
                let within = Span::millis(u64::from(choices.byte()));
                step(
                    &mut monitor,
                    &mut kernel,
                    Event::Shutdown { way: Way::Exit(0), within, signals: 1 },
                );
            }
            _ => {
                let id = RequestId(1);
                let event = Event::Request { id, entities, ask, wait: true, from: None };
                step(&mut monitor, &mut kernel, event);
            }
        }
        for _ in 0..STEPS {
            go_on(&mut monitor, &mut kernel);
        }
        let all: Vec<EntityId> = plans.iter().map(|plan| plan.id).collect();
        assert!(monitor.would_stop(&all).len() <= count, "one stops twice");
        for id in all {
            let _ = (monitor.waits_for(id), monitor.view(id));
        }
    }
}

fn entity(choices: &mut Choices<'_>, place: usize, count: usize) -> EntityPlan {
    let id = EntityId(u32::try_from(place).unwrap_or(0));
    let mut some = || -> Vec<EntityId> {
        let bits = usize::from(choices.byte());
        let ids = (0..count).filter(|other| bits & (1 << other) != 0);
        ids.map(|other| EntityId(u32::try_from(other).unwrap_or(0))).collect()
    };
    let links = Links {
        requires: some(),
        required_by: some(),
        wants: some(),
        after: some(),
        before: some(),
        conflicts: some(),
        watched_by: Vec::new(),
    };
    let kind = *choices.pick(&[0, 0, 1, 2, 3]);
    EntityPlan {
        links,
        kind: match kind {
            0 => Kind::Service,
            3 => Kind::Target,
            remain => Kind::Oneshot { remain: remain == 2 },
        },
        on_dependency_restart: *choices
            .pick(&[OnDependencyRestart::Keep, OnDependencyRestart::Restart]),
        ..plain(id, format!("e{place}"), "/bin/entity")
    }
}

/// Lets the next thing happen, of the machine or of the clock.
fn go_on(monitor: &mut Monitor, kernel: &mut Kernel) {
    match (monitor.deadline(), kernel.next()) {
        (Some(due), next) if next.is_none_or(|next| due <= next) => {
            kernel.now = kernel.now.max(due);
            step(monitor, kernel, Event::Tick);
        }
        (_, None) => {}
        (_, Some(_)) => {
            if let Some(event) = kernel.turn() {
                step(monitor, kernel, event);
            }
        }
    }
}

fn step(monitor: &mut Monitor, kernel: &mut Kernel, event: Event) {
    let mut turn = Turn::default();
    monitor.step(kernel.now, event, &mut turn);
    let due = monitor.deadline();
    assert!(due.is_none_or(|due| due > kernel.now), "{due:?} is not after {:?}", kernel.now);
    finish(monitor, kernel, &turn);
}

fn finish(monitor: &Monitor, kernel: &mut Kernel, turn: &Turn) {
    assert!(turn.effects.len() < MANY_EFFECTS, "{} effects", turn.effects.len());
    kernel.memory.commit(monitor, turn);
    for effect in &turn.effects {
        kernel.carry(effect);
    }
}
