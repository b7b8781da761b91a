//! The monitor's side of the protocol: committed turns of the event loop, the
//! steps of the spawner threads, and the takeover by a successor. It may read
//! shared memory, committed records and its own memory; never the truth.

use crate::model::{Action, SlotProtocol};
use crate::state::*;

/// Lists every step that the monitor could take next.
pub(crate) fn actions(model: &SlotProtocol, state: &State, actions: &mut Vec<Action>) {
    match state.event_loop {
        EventLoop::Looking(entity) => actions.push(Action::Look(entity)),
        EventLoop::Waiting => waiting_actions(model, state, actions),
    }
    for &job in &state.jobs {
        match job.step {
            Step::Refused => {}
            Step::Clone => {
                clone_actions(model, state, job, actions);
                if state.clone_failures_left > 0 {
                    actions.push(Action::CloneFails(job));
                }
            }
            Step::ReadWord
            | Step::ReadPid
            | Step::ReadWordAgain
            | Step::ClearSlot
            | Step::WriteGeneration
            | Step::WriteIntent
            | Step::StorePid(_)
            | Step::SetRunning
            | Step::CommitUp
            | Step::CommitFailure => actions.push(Action::Spawner(job)),
        }
    }
    for &job in &state.late_clones {
        for pid in unused_pids(model, state) {
            actions.push(Action::LateClone { job, pid });
        }
    }
}

fn waiting_actions(model: &SlotProtocol, state: &State, actions: &mut Vec<Action>) {
    if state.bell {
        actions.push(Action::HearBell);
    }
    for slot in 0..model.slots {
        if may_free(model.variant, state, slot) {
            actions.push(Action::Free { slot });
        }
    }
    if state.jobs.len() >= SPAWNERS {
        return;
    }
    for entity in 0..model.entities {
        let due = state.owner(entity).is_none() && state.starts_left[usize::from(entity)] > 0;
        for slot in (0..model.slots).filter(|&slot| due && may_use(model.variant, state, slot)) {
            actions.push(Action::CommitStart { entity, slot });
        }
    }
}

fn clone_actions(model: &SlotProtocol, state: &State, job: Job, actions: &mut Vec<Action>) {
    for pid in unused_pids(model, state) {
        actions.push(Action::Clone { job, pid });
    }
}

/// The kernel may choose any number that no process and no zombie has. Those
/// that nothing remembers either are alike, so one of them stands for all.
fn unused_pids(model: &SlotProtocol, state: &State) -> impl Iterator<Item = u8> {
    let mut fresh_seen = false;
    (1..=model.pids).filter(|&pid| state.is_pid_unused(pid)).filter(move |&pid| {
        let first_fresh = !fresh_seen;
        let remembered = state.remembers_pid(pid);
        fresh_seen |= !remembered;
        remembered || first_fresh
    })
}

/// "Choose a slot with W = FREE and P = 0" that no committed record owns: from
/// the commit to M2 the words of an owned slot still say FREE.
fn may_use(variant: Variant, state: &State, slot: u8) -> bool {
    let words = state.slot(slot);
    words.word == Word::Free
        && (words.pid == NO_PID || variant == Variant::BlindFree)
        && (!state.is_owned(slot) || variant == Variant::ChosenByWordAlone)
}

/// F1: no record owns the slot, and it is EXITED with P = 0 (the reaper is
/// through with it), or INTENT with P = 0 (its clone failed).
fn may_free(variant: Variant, state: &State, slot: u8) -> bool {
    let words = state.slot(slot);
    let cleared = words.pid == NO_PID;
    !state.is_owned(slot)
        && match words.word {
            Word::Exited => cleared || variant == Variant::BlindFree,
            Word::Intent => cleared,
            Word::Free | Word::Running => false,
        }
}

/// One committed turn: the owner record, the due start and the generation.
pub(crate) fn commit_start(state: &mut State, entity: u8, slot: u8) {
    let generation = state.slot(slot).generation + 1;
    state.owners[usize::from(entity)] = Some(Owner { slot, generation, phase: Phase::Starting });
    state.starts_left[usize::from(entity)] -= 1;
    state.add_job(Job { entity, slot, generation, step: Step::ClearSlot });
}

/// The monitor looks at one entity's slot. (g, EXITED) under O = (slot, g, _)
/// is consumed in one committed turn: the history line and O = None, which
/// with budget left is also the wish to start again.
pub(crate) fn look(model: &SlotProtocol, state: &mut State, entity: u8) {
    if let Some(owner) = state.owner(entity) {
        let words = state.slot(owner.slot);
        if words.word == Word::Exited && words.generation == owner.generation {
            state.history.push(Record {
                entity,
                slot: owner.slot,
                generation: owner.generation,
                status: words.status,
            });
            state.history.sort_unstable();
            state.owners[usize::from(entity)] = None;
        }
    }
    let next = entity + 1;
    state.event_loop =
        if next < model.entities { EventLoop::Looking(next) } else { EventLoop::Waiting };
}

/// M3, inside the kernel: attach the child, write P, make it runnable. One
/// step, because SIGKILL cannot cut in between (copy_process either fails on
/// the pending signal or goes through to the end).
pub(crate) fn attach_child(variant: Variant, state: &mut State, job: Job, pid: u8) {
    let life = if variant == Variant::ChildStoresPid { Life::Newborn } else { Life::Alive };
    let Job { entity, slot, generation, .. } = job;
    state.processes.push(Process { entity, slot, generation, pid, life });
    let kernel_writes_pid = !matches!(
        variant,
        Variant::RecordAfterClone | Variant::PidAfterClone | Variant::ChildStoresPid
    );
    if kernel_writes_pid {
        state.slot_mut(slot).pid = pid;
    }
}

/// M3 as the living monitor sees it: the child exists, clone returned.
pub(crate) fn clone_child(variant: Variant, state: &mut State, job: Job, pid: u8) {
    attach_child(variant, state, job, pid);
    let step = match variant {
        Variant::RecordAfterClone | Variant::PidAfterClone => Step::StorePid(pid),
        _ => Step::SetRunning,
    };
    state.remove_job(job);
    state.add_job(Job { step, ..job });
}

/// M3 with an error (EAGAIN, ENOMEM): no child, and P stays 0.
pub(crate) fn fail_clone(state: &mut State, job: Job) {
    state.clone_failures_left -= 1;
    state.remove_job(job);
    state.add_job(Job { step: Step::CommitFailure, ..job });
}

/// One step of a start or of a takeover decision.
pub(crate) fn advance(variant: Variant, state: &mut State, job: Job) {
    state.remove_job(job);
    if let Some(step) = take_step(variant, state, job) {
        state.add_job(Job { step, ..job });
    }
}

fn take_step(variant: Variant, state: &mut State, job: Job) -> Option<Step> {
    let Job { entity, slot, generation, step } = job;
    match step {
        Step::ReadWord => decide(state, job),
        // T2: a pid means adopt; P = 0 must be confirmed, since the reaper may
        // have recorded and cleared since T1.
        Step::ReadPid if state.slot(slot).pid != NO_PID => Some(Step::SetRunning),
        Step::ReadPid if variant == Variant::NoSecondLook => Some(Step::ClearSlot),
        Step::ReadPid => Some(Step::ReadWordAgain),
        // T3: still (g, INTENT), so it was never created: the SAME generation
        // again. The whole word must be the same: since T1 the event loop may
        // have consumed the exit, freed the slot and begun its next generation.
        Step::ReadWordAgain => {
            let words = state.slot(slot);
            let same = words.generation == generation || variant == Variant::SecondLookAtState;
            (words.word == Word::Intent && same).then_some(Step::ClearSlot)
        }
        // M1.
        Step::ClearSlot => {
            state.slot_mut(slot).pid = NO_PID;
            state.slot_mut(slot).status = NO_STATUS;
            match variant {
                Variant::RecordAfterClone => Some(Step::Clone),
                Variant::TwoWords => Some(Step::WriteGeneration),
                _ => Some(Step::WriteIntent),
            }
        }
        Step::WriteGeneration => {
            state.slot_mut(slot).generation = generation;
            Some(Step::WriteIntent)
        }
        // M2.
        Step::WriteIntent => {
            state.slot_mut(slot).generation = generation;
            state.slot_mut(slot).word = Word::Intent;
            Some(Step::Clone)
        }
        Step::StorePid(pid) => {
            state.slot_mut(slot).pid = pid;
            Some(Step::SetRunning)
        }
        // M4: fails when the reaper has written EXITED since; then the look
        // that its notice causes does the rest.
        Step::SetRunning => {
            let plain = matches!(variant, Variant::PlainRunning | Variant::RecordAfterClone);
            let words = state.slot_mut(slot);
            let same = words.generation == generation || variant == Variant::TwoWords;
            if plain {
                words.generation = generation;
            }
            if plain || (words.word == Word::Intent && same) {
                words.word = Word::Running;
                return Some(Step::CommitUp);
            }
            None
        }
        // M5: dropped when the record has moved on to a later incarnation.
        Step::CommitUp => {
            if is_current(state, job) {
                state.owners[usize::from(entity)] =
                    Some(Owner { slot, generation, phase: Phase::Up });
            }
            None
        }
        // A failed clone is no death: no history line, the start stays due.
        Step::CommitFailure => {
            if is_current(state, job) {
                state.owners[usize::from(entity)] = None;
                state.starts_left[usize::from(entity)] += 1;
            }
            None
        }
        // Clone is an action of its own, because the kernel chooses the pid.
        Step::Clone | Step::Refused => Some(step),
    }
}

/// Whether the job's incarnation is still the one that the entity owns.
fn is_current(state: &State, job: Job) -> bool {
    state
        .owner(job.entity)
        .is_some_and(|owner| (owner.slot, owner.generation) == (job.slot, job.generation))
}

/// T1: what a successor does about an entity with O = (slot, g, phase).
fn decide(state: &State, job: Job) -> Option<Step> {
    if !is_current(state, job) {
        // The event loop consumed the exit before this decision came up; the
        // slot may be free by now, or another's.
        return None;
    }
    let words = state.slot(job.slot);
    if words.generation < job.generation {
        // INTENT was never written: go on at M1 with the same generation.
        return Some(Step::ClearSlot);
    }
    match (words.generation == job.generation, words.word) {
        (true, Word::Intent) => Some(Step::ReadPid),
        // RUNNING: adopt; what may be missing is the commit of Up.
        (true, Word::Running) => Some(Step::CommitUp),
        // EXITED: consumed by the look that every takeover begins with.
        (true, Word::Exited) => None,
        (true, Word::Free) | (false, _) => Some(Step::Refused),
    }
}

/// SIGKILL, and the successor's beginning. One step, since the successor's
/// first look comes only after the old monitor's last thread is gone (its
/// pidfd is readable then), and since a successor that does not act yet is
/// the gap between the two.
pub(crate) fn kill(model: &SlotProtocol, state: &mut State) {
    state.kills_left -= 1;
    if model.variant == Variant::EarlySuccessor {
        let cloning = state.jobs.iter().filter(|job| job.step == Step::Clone);
        state.late_clones.extend(cloning);
        state.late_clones.sort_unstable();
    }
    state.event_loop = EventLoop::Looking(0);
    state.jobs.clear();
    for entity in 0..model.entities {
        if let Some(Owner { slot, generation, .. }) = state.owner(entity) {
            state.add_job(Job { entity, slot, generation, step: Step::ReadWord });
        }
    }
}
