//! Who the processes of an entity are without a cgroup: one look, by which
//! nobody is stopped, so that one that is born meanwhile may be missed.

use super::session::{Ancestry, Hunt, Mark, SessionTarget, process_numbers, signal_exactly};
use crate::process::Stat;

/// Parents that are asked whether they belong to the entity: what has left its
/// session and cleared its environment is still somebody's child.
const MOST_PARENTS: usize = 32;

/// Whether this is a live process of the entity. Not for certain of one that
/// is between two programs at this moment, and then false.
pub fn session_holds(target: &SessionTarget<'_>, pid: i32) -> bool {
    let hunt = Hunt::new(target);
    let numbers = hunt.numbers();
    let Some(stat) = Stat::of(pid).filter(|stat| !stat.is_dead()) else { return false };
    if pid == target.reaper || Ancestry::new(target.reaper).covers(&stat) != Some(true) {
        return false;
    }
    let (mut at, mut stat) = (pid, stat);
    for _ in 0..MOST_PARENTS {
        match hunt.belongs(at, &stat, &numbers) {
            Some(true) => return true,
            Some(false) if stat.parent != target.reaper => {}
            Some(false) | None => return false,
        }
        at = stat.parent;
        match Stat::of(at) {
            Some(parent) => stat = parent,
            None => return false,
        }
    }
    false
}

/// What is known of a process that nothing ties to any entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

/// A live child of the reaper itself, in a session apart from ham's, that has
/// no mark: its environment is overwritten or cleared. `None`: it is none, or
/// that cannot be told now.
pub fn session_stray(target: &SessionTarget<'_>, pid: i32) -> Option<Stray> {
    let stat = Stat::of(pid).filter(|stat| !stat.is_dead() && stat.parent == target.reaper)?;
    let is_unmarked = matches!(Mark::of(pid, target.token), Mark::None);
    let Stat { group, session, start_time, .. } = stat;
    (is_unmarked && Hunt::new(target).is_apart(&stat)).then_some(Stray {
        group,
        session,
        start_time,
    })
}

/// Sends a signal to every process of the entity that one look finds.
pub fn session_signal(target: &SessionTarget<'_>, signal: i32) {
    for pid in process_numbers().filter(|pid| session_holds(target, *pid)) {
        if let Some(stat) = Stat::of(pid) {
            signal_exactly(pid, stat.start_time, signal);
        }
    }
}
