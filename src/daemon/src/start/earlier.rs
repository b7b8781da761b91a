//! What an earlier manager on the same runtime directory has left: while any of
//! its processes lives, none is started a second time beside it.

use super::{HEADER_BYTES, STATE_BYTES, STATE_FILE, halves};
use crate::exit;
use crate::runtime;
use crate::trouble::Trouble;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::shm::Map;
use ham_sys::{clock, containment, process};
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering;

/// The state that an earlier ham of this boot has left there.
fn earlier_state(runtime: &Path) -> Result<Option<State>, Trouble> {
    let refuse = |why: &dyn std::fmt::Display| {
        Trouble::new(
            exit::OCCUPIED,
            format!(
                "could not read the state that an earlier ham has left ({why}): its processes \
                 may still run, and none is started a second time; end them and remove {}",
                runtime.join("state").display()
            ),
        )
    };
    let path = runtime.join("state");
    let length = fs::symlink_metadata(&path).map(|metadata| metadata.len());
    let length = length.map_err(|error| Trouble::file("look at", &path, &error))?;
    if length < HEADER_BYTES as u64 {
        // It was cut off before anything was written.
        return Ok(None);
    }
    let directory =
        fs::File::open(runtime).map_err(|error| Trouble::file("open", runtime, &error))?;
    // The boot id stands in the same place in every version of the layout.
    let (header, _fd) = Map::file(directory.as_fd(), STATE_FILE, HEADER_BYTES, false)
        .map_err(|error| refuse(&error))?;
    let word = |field: Field| {
        header.words().get(field as usize).map_or(0, |word| word.load(Ordering::Relaxed))
    };
    let found = (word(Field::BootIdLow), word(Field::BootIdHigh));
    if clock::boot_id().is_some_and(|boot| halves(boot) != found) {
        return Ok(None);
    }
    if length < STATE_BYTES as u64 {
        return Err(refuse(&ham_snapshot::StateError::TooShort));
    }
    let (map, _fd) = Map::file(directory.as_fd(), STATE_FILE, STATE_BYTES, false)
        .map_err(|error| refuse(&error))?;
    State::open(map.words()).map(Some).map_err(|error| refuse(&error))
}

/// What an earlier ham has left in its cgroup, beside entities that its state
/// knows: nothing is started beside that either.
pub(super) fn refuse_left_in_cgroup(runtime: &Path) -> Result<(), Trouble> {
    let Ok(tree) = containment::find_tree(&runtime::label(runtime)) else { return Ok(()) };
    let left = tree.all_processes();
    // What is empty goes; the monitor makes the tree anew.
    tree.remove_tree();
    if left.is_empty() {
        return Ok(());
    }
    let name = |pid: &i32| format!("{} ({pid})", process::name_of(*pid).unwrap_or_default());
    let named: Vec<String> = left.iter().map(name).collect();
    Err(still_running(
        runtime,
        &named,
        &format!("write 1 to {}/cgroup.kill", tree.root().display()),
    ))
}

fn still_running(runtime: &Path, living: &[String], remedy: &str) -> Trouble {
    let shown = living.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = living.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Trouble::new(
        exit::OCCUPIED,
        format!(
            "an earlier ham on {} was killed and its processes still run: {shown}{more}; \
             none is started a second time: end them ({remedy})",
            runtime.display()
        ),
    )
}

/// The processes of a manager that was killed may still run; starting them a
/// second time beside themselves would be the one thing ham promises never to
/// do.
pub(super) fn refuse_living(runtime: &Path) -> Result<(), Trouble> {
    let Some(state) = earlier_state(runtime)? else { return Ok(()) };
    let used = u32::try_from(state.get(Field::SlotsUsed)).unwrap_or(0);
    let living: Vec<String> = (ham_core::ids::RESERVED_SLOTS..used)
        .filter_map(|index| state.slot(index))
        .filter(|slot| matches!(slot.word().1, Phase::Intent | Phase::Running))
        .filter_map(|slot| {
            let pid = slot.live_pid()?;
            let lives = process::lives(pid, slot.start_time());
            lives.then(|| format!("{} ({pid})", slot.name()))
        })
        .collect();
    if living.is_empty() {
        return Ok(());
    }
    let remedy = format!("or remove {}/state to disown them", runtime.display());
    Err(still_running(runtime, &living, &remedy))
}
