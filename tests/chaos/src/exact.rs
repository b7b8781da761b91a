//! Kills between two chosen instructions: a thread of the monitor is traced, a
//! hardware watchpoint of the processor stops it at its next store to a word of
//! the shared state, it is led on by single steps, and killed there. Only on
//! x86-64, only with the right to trace. Where watchpoints do not work, the
//! single steps begin at a random point.

use crate::state::State;
use crate::targets::strike;
use ham_snapshot::header::Field;
use ham_snapshot::layout::{
    HEAD_WORDS, HEADS_AT, HISTORY, HISTORY_AT, HISTORY_WORDS, SLOT_WORDS, SLOTS_AT, VERSIONS, WORD,
};
use ham_tests::fake::Random;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// How long the watched store may take to come; most come within 5 ms.
const WATCH: Duration = Duration::from_millis(50);
/// How long one step may take: longer is a system call that waits.
const STEP: Duration = Duration::from_millis(5);
/// How long the end of a process that was killed may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What became of a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was stopped at the watched store, led on and killed.
    Hit,
    /// It was killed, but the store did not come.
    Missed,
    /// It could not be traced: gone already, or not allowed.
    Refused,
}

/// Whether this machine and user can do this at all; else why not.
pub(crate) fn possible() -> Result<(), &'static str> {
    if !cfg!(target_arch = "x86_64") {
        return Err("only on x86-64");
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("not root");
    }
    Ok(())
}

/// Kills the monitor at an exact place; returns when it is dead or running
/// on without us.
pub(crate) fn strike_at(monitor: i32, state: &State, random: &mut Random) -> Outcome {
    let (task, word) = choose(monitor, state, random);
    trace(task, monitor, word, state, random, || ())
}

/// Kills the monitor, and then its successor at an exact place of its takeover.
pub(crate) fn strike_successor(
    monitor: i32,
    guardian: i32,
    state: &State,
    random: &mut Random,
) -> Outcome {
    let word = match random.below(4) {
        0 => Field::Takeovers as usize,
        1 => Field::ActingPid as usize,
        _ => choose(guardian, state, random).1,
    };
    trace(guardian, guardian, word, state, random, || {
        strike(monitor, Signal::SIGKILL);
    })
}

/// `task` is a thread of `process`, which is killed when it has stored to
/// `word` and gone some steps further; `begin` lets it all begin.
fn trace(
    task: i32,
    process: i32,
    word: usize,
    state: &State,
    random: &mut Random,
    begin: impl FnOnce(),
) -> Outcome {
    let Some(base) = state.mapped_at(process) else { return Outcome::Refused };
    let task = Pid::from_raw(task);
    if ptrace::seize(task, ptrace::Options::empty()).is_err() {
        return Outcome::Refused;
    }
    if ptrace::interrupt(task).is_err() || !stopped(task, WATCH) {
        begin();
        return finish(task, process, Outcome::Missed);
    }
    let watching = watch(task, base + (word * WORD) as u64);
    let mut outcome = Outcome::Missed;
    if ptrace::cont(task, None).is_ok() {
        begin();
        let hit = stopped(task, if watching { WATCH } else { pause(random) });
        // Without watchpoints it is stopped wherever it is.
        let caught = hit || (ptrace::interrupt(task).is_ok() && stopped(task, STEP));
        if caught {
            if hit && watching {
                outcome = Outcome::Hit;
            }
            // Mostly few: a commit writes a record in some hundred.
            let most = if random.chance(30) { 600 } else { 60 };
            for _ in 0..random.below(most + 1) {
                if ptrace::step(task, None).is_err() || !stopped(task, STEP) {
                    break;
                }
            }
        }
    }
    finish(task, process, outcome)
}

fn pause(random: &mut Random) -> Duration {
    Duration::from_micros(random.below(5_000))
}

/// Which thread, and at which word of the state: the event loop at what it
/// commits, now and then a spawner at the slots.
fn choose(monitor: i32, state: &State, random: &mut Random) -> (i32, usize) {
    let used = |field| usize::try_from(state.get(field)).unwrap_or(0).clamp(1, 4_096);
    let below = |random: &mut Random, bound: usize| {
        usize::try_from(random.below(bound as u64)).unwrap_or(0)
    };
    let slot = |random: &mut Random| {
        // Slots 0 to 7 are those of ham's own helpers.
        let index = 8 + below(random, used(Field::SlotsUsed).saturating_sub(8).max(1));
        SLOTS_AT + index * SLOT_WORDS
    };
    if random.chance(20) {
        let tasks = others(monitor);
        if !tasks.is_empty() {
            let task = *random.pick(&tasks);
            return (task, slot(random));
        }
    }
    let word = match random.below(10) {
        0..3 => Field::CommittedTurn as usize,
        3..5 => Field::HistoryNext as usize,
        // The turn of the next entry of the history.
        5 => {
            let next = state.get(Field::HistoryNext) % HISTORY as u64;
            HISTORY_AT + usize::try_from(next).unwrap_or(0) * HISTORY_WORDS + 1
        }
        6 => slot(random),
        _ => {
            // The stamp of a version of an entity's record.
            let record = 1 + below(random, used(Field::EntitiesUsed));
            HEADS_AT + (record * VERSIONS + below(random, VERSIONS)) * HEAD_WORDS
        }
    };
    (monitor, word)
}

/// The threads of a process beside its first.
fn others(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let tasks = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    tasks.filter(|task| *task != pid).collect()
}

/// Waits until the traced thread has stopped; false: it has not, or is gone.
/// Signals on their way to it are swallowed: none of ham's threads takes any.
fn stopped(task: Pid, time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        match waitpid(task, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return false,
            Ok(_) => return true,
        }
        if Instant::now() >= end {
            return false;
        }
        std::hint::spin_loop();
    }
}

/// Kills and waits until the death was told to us, since only then it is told
/// to the reaper.
fn finish(task: Pid, monitor: i32, outcome: Outcome) -> Outcome {
    strike(monitor, Signal::SIGKILL);
    let end = Instant::now() + ANSWER;
    while Instant::now() < end {
        match waitpid(task, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => break,
            Ok(_) => {}
        }
        std::hint::spin_loop();
    }
    outcome
}

/// Sets the first debug register of a stopped thread to stores to 8 bytes.
#[cfg(target_arch = "x86_64")]
fn watch(task: Pid, address: u64) -> bool {
    use nix::libc;
    use std::mem::{offset_of, size_of};
    /// Local, register 0: on; on stores; 8 bytes.
    const STORES: i64 = 1 | 0b01 << 16 | 0b10 << 18;
    let register = |number: usize| {
        let at = offset_of!(libc::user, u_debugreg) + number * size_of::<u64>();
        std::ptr::without_provenance_mut(at)
    };
    let Ok(address) = i64::try_from(address) else { return false };
    ptrace::write_user(task, register(0), address).is_ok()
        && ptrace::write_user(task, register(7), STORES).is_ok()
}

#[cfg(not(target_arch = "x86_64"))]
fn watch(_: Pid, _: u64) -> bool {
    false
}
