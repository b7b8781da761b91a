//! What must hold: in every state, and in every quiet one. The only part of
//! the model that may compare what ham believes with the truth.

use crate::model::{Action, SlotProtocol};
use crate::state::*;
use stateright::{Model, Property};

/// Never two live processes of one entity.
pub(crate) const ONE_LIVE: &str = "one live process per entity";
/// A generation of a slot is started at most once.
pub(crate) const STARTED_ONCE: &str = "each generation starts at most once";
/// Each history line names a process that ended, and its true status.
pub(crate) const TRUE_EXIT: &str = "each recorded exit is true";
/// No two history lines for one generation, and none of ham's own processes
/// in the ring of those that nobody owns.
pub(crate) const RECORDED_ONCE: &str = "no exit is recorded twice or as an orphan's";
/// In a quiet state each process that ended has its history line.
pub(crate) const NOT_LOST: &str = "no exit is lost";
/// In a quiet state each entity is up with a live process or has used its
/// starts, each due start happened, and every slot that is not owned is free.
pub(crate) const NOT_STUCK: &str = "nothing is stuck";
/// No takeover reads words that no rule covers.
pub(crate) const DECIDED: &str = "each takeover decides";
/// The properties that must hold, as against the situations below.
pub(crate) const SAFETY: [&str; 7] =
    [ONE_LIVE, STARTED_ONCE, TRUE_EXIT, RECORDED_ONCE, NOT_LOST, NOT_STUCK, DECIDED];

/// Situations that the model must be able to reach: a run that never adopts
/// or never sees a pid again would prove nothing about them.
pub(crate) const ADOPTED: &str = "a successor adopts an intent with a pid";
/// See [`ADOPTED`].
pub(crate) const REISSUED: &str = "a successor re-issues a generation";
/// See [`ADOPTED`].
pub(crate) const VANISHED: &str = "an intent turns EXITED between two reads of a takeover";
/// See [`ADOPTED`].
pub(crate) const PID_REUSED: &str = "a pid stands in a recorded slot and lives again";
/// See [`ADOPTED`].
pub(crate) const FAST_EXIT: &str = "an exit overtakes the store of RUNNING";
/// See [`ADOPTED`].
pub(crate) const DONE: &str = "all starts are used and all exits recorded";

/// All properties, safety and reachability.
pub(crate) fn all() -> Vec<Property<SlotProtocol>> {
    vec![
        Property::always(ONE_LIVE, |_, state| one_live(state)),
        Property::always(STARTED_ONCE, |_, state| started_once(state)),
        Property::always(TRUE_EXIT, |_, state| true_exits(state)),
        Property::always(RECORDED_ONCE, |_, state| recorded_once(state)),
        Property::always(NOT_LOST, |model, state| none_lost(state) || !is_quiet(model, state)),
        Property::always(NOT_STUCK, |model, state| {
            settled(model, state) || !is_quiet(model, state)
        }),
        Property::always(DECIDED, |_, state: &State| {
            state.jobs.iter().all(|job| job.step != Step::Refused)
        }),
        Property::sometimes(ADOPTED, |_, state| {
            at_step(state, Step::ReadPid, |slot| slot.pid != NO_PID)
        }),
        Property::sometimes(REISSUED, |_, state| {
            at_step(state, Step::ReadWordAgain, |slot| slot.word == Word::Intent)
        }),
        Property::sometimes(VANISHED, |_, state| {
            at_step(state, Step::ReadWordAgain, |slot| slot.word == Word::Exited)
        }),
        Property::sometimes(PID_REUSED, |_, state| pid_reused(state)),
        Property::sometimes(FAST_EXIT, |_, state| {
            at_step(state, Step::SetRunning, |slot| slot.word == Word::Exited)
        }),
        Property::sometimes(DONE, |model, state: &State| {
            state.starts_left == [0; MOST_ENTITIES]
                && state.processes.iter().all(|process| process.life == Life::Reaped)
                && none_lost(state)
                && settled(model, state)
        }),
    ]
}

/// Quiet: nothing happens any more unless a child exits or something is
/// killed. The graph has no cycle (a test of its own), so every path on which
/// each process goes on leads to a quiet state, and what holds in all quiet
/// states is what eventually holds.
pub(crate) fn is_quiet(model: &SlotProtocol, state: &State) -> bool {
    // What most states have open, asked first because it is cheap.
    let busy = state.bell
        || state.reaper != Reaper::Waiting
        || state.event_loop != EventLoop::Waiting
        || state.jobs.iter().any(|job| job.step != Step::Refused)
        || state.processes.iter().any(|process| process.life == Life::Zombie);
    if busy {
        return false;
    }
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions
        .iter()
        .all(|action| matches!(action, Action::ChildExits(_) | Action::Kill | Action::Reexecute))
}

fn one_live(state: &State) -> bool {
    let live = |entity: usize| {
        let of_entity = |process: &&Process| usize::from(process.entity) == entity;
        state.processes.iter().filter(of_entity).filter(|process| process.is_live()).count()
    };
    (0..MOST_ENTITIES).all(|entity| live(entity) <= 1)
}

fn started_once(state: &State) -> bool {
    state.processes.iter().enumerate().all(|(index, process)| {
        let same =
            |other: &Process| other.slot == process.slot && other.generation == process.generation;
        !state.processes[..index].iter().any(same)
    })
}

fn matches_truth(record: &Record, process: &Process, status: u8) -> bool {
    record.entity == process.entity
        && record.slot == process.slot
        && record.generation == process.generation
        && record.status == status
        && !process.is_live()
}

fn true_exits(state: &State) -> bool {
    state.history.iter().all(|record| {
        (1..).zip(&state.processes).any(|(status, process)| matches_truth(record, process, status))
    })
}

fn recorded_once(state: &State) -> bool {
    // The history is sorted, so two lines for one generation are neighbours
    // unless they disagree about the entity, which TRUE_EXIT would report.
    let twice = |pair: &[Record]| {
        pair[0].slot == pair[1].slot
            && pair[0].generation == pair[1].generation
            && pair[0].entity == pair[1].entity
    };
    state.ring == 0 && !state.history.windows(2).any(twice)
}

fn none_lost(state: &State) -> bool {
    (1..).zip(&state.processes).all(|(status, process)| {
        process.is_live()
            || state.history.iter().any(|record| matches_truth(record, process, status))
    })
}

fn settled(model: &SlotProtocol, state: &State) -> bool {
    (0..model.entities).all(|entity| entity_settled(model, state, entity))
        && (0..model.slots).all(|slot| {
            let words = state.slot(slot);
            state.is_owned(slot) || (words.word == Word::Free && words.pid == NO_PID)
        })
}

fn entity_settled(model: &SlotProtocol, state: &State, entity: u8) -> bool {
    let of_entity = |process: &&Process| process.entity == entity;
    let started = state.processes.iter().filter(of_entity).count();
    let starts_left = state.starts_left[usize::from(entity)];
    if started + usize::from(starts_left) != usize::from(model.starts) {
        return false;
    }
    let live = state.processes.iter().filter(of_entity).find(|process| process.is_live());
    match (state.owner(entity), live) {
        (None, None) => starts_left == 0,
        (Some(owner), Some(process)) => {
            let words = state.slot(owner.slot);
            owner.phase == Phase::Up
                && (process.slot, process.generation) == (owner.slot, owner.generation)
                && words.word == Word::Running
                && words.generation == owner.generation
                && words.pid == process.pid
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn at_step(state: &State, step: Step, holds: fn(Slot) -> bool) -> bool {
    state.jobs.iter().any(|job| {
        let words = state.slot(job.slot);
        job.step == step && words.generation == job.generation && holds(words)
    })
}

fn pid_reused(state: &State) -> bool {
    state.slots.iter().any(|slot| {
        slot.word == Word::Exited
            && slot.pid != NO_PID
            && state.processes.iter().any(|process| process.is_live() && process.pid == slot.pid)
    })
}
