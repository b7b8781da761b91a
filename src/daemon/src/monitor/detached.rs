//! Processes that ham has let go of. They and what descends from them outlive
//! the manager, as they would one that had never started them; but not an init,
//! whose end is that of all: there they are asked to end first.

use super::Engine;
use crate::facts::Weight;
use ham_core::ids::SlotRef;
use ham_snapshot::detached::Detached;
use ham_snapshot::header::Field;
use ham_sys::containment::{SessionTarget, Straggler, kill_all_others, stragglers_apart};
use ham_sys::process;
use ham_sys::signals;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long what is left at the very end has to disappear.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long those that ham has let go of have to end, when they must.
const GRACE: Duration = Duration::from_secs(2);

/// Looks that have to find nobody, when there was somebody.
const QUIET_LOOKS: u32 = 5;

const PAUSE: Duration = Duration::from_millis(5);

/// Parents that are asked for the reaper.
const MOST_PARENTS: usize = 32;

impl Engine {
    /// The process of this slot is about to be nobody's. One that is not below
    /// the reaper is never taken for what the manager has left.
    pub(super) fn note_detached(&mut self, slot: SlotRef) {
        let Some(place) = self.state.slot(slot.index) else { return };
        let Some(pid) = place.live_pid().filter(|_| place.word().0 == slot.generation) else {
            return;
        };
        let start = process::start_time(pid);
        let known = place.start_time();
        let Some(start_time) = start.filter(|start| known == 0 || *start == known) else { return };
        if !is_below(self.reaper_pid(), pid) {
            return;
        }
        let one = Detached { index: slot.index, generation: slot.generation, pid, start_time };
        // Of one that has ended others may be left, but somebody has to go.
        let is_over = |known: &Detached| !process::lives(known.pid, known.start_time);
        if !self.state.note_detached(one, is_over) {
            let text = format!(
                "process {pid} is one too many of those that were detached and live: it ends \
                 with this manager"
            );
            self.remark(Weight::Always, &text);
        }
    }

    fn reaper_pid(&self) -> i32 {
        i32::try_from(self.state.get(Field::ReaperPid)).unwrap_or(0)
    }

    /// At the very end: whatever is left of what was started is ended. `asks`:
    /// nobody has asked it to yet.
    pub(super) fn end_stragglers(&self, asks: bool) {
        let reaper = self.reaper_pid();
        let detached: Vec<(Detached, String)> =
            self.state.all_detached().map(|one| (one, self.token_of(&one))).collect();
        // With an init all ends.
        let is_init = reaper == 1;
        let begun = Instant::now();
        let grace = |is: bool| if is { GRACE } else { Duration::ZERO };
        let asked_until = begun + if asks { PATIENCE } else { Duration::ZERO };
        let ended_by = asked_until + grace(is_init && !detached.is_empty());
        // On a machine nobody gets away, and all that is not ham's is to end.
        let of_machine = self.shared.options.place.is_board() && is_init;
        let mut all_at = ended_by;
        let mut quiet = 0;
        let (mut seen, mut asked) = (HashSet::new(), HashSet::new());
        loop {
            // One that is killed meanwhile has a successor.
            let guardian = i32::try_from(self.state.get(Field::GuardianPid)).unwrap_or(0);
            let spare = [process::pid(), guardian];
            let targets: Vec<SessionTarget<'_>> =
                detached.iter().map(|(one, token)| target(reaper, one, token)).collect();
            let (others, theirs) = stragglers_apart(reaper, &spare, &targets);
            let now = Instant::now();
            for one in &others {
                // Whoever was between two programs is known at the second look.
                if detached.is_empty() || seen.contains(one) {
                    end(*one, now >= asked_until, &mut asked);
                }
            }
            for one in theirs.iter().filter(|_| is_init) {
                end(*one, now >= ended_by, &mut asked);
            }
            let nobody = others.is_empty() && (!is_init || theirs.is_empty());
            // The guardian ends with them, and another is forked.
            if of_machine && !nobody && now >= all_at {
                all_at = now + PATIENCE / 2;
                kill_all_others();
            }
            // One look may miss who forks another and ends.
            quiet = if nobody { quiet + 1 } else { 0 };
            let is_done = quiet >= if asked.is_empty() { 1 } else { QUIET_LOOKS };
            if is_done || now > ended_by + PATIENCE {
                return;
            }
            seen = others.into_iter().collect();
            self.still_lives();
            std::thread::sleep(PAUSE);
        }
    }

    fn token_of(&self, one: &Detached) -> String {
        self.holder.token(SlotRef { index: one.index, generation: one.generation })
    }
}

/// Asked once, or killed.
fn end(one: Straggler, kills: bool, asked: &mut HashSet<Straggler>) {
    if kills {
        one.signal(signals::SIGKILL);
    } else if asked.insert(one) {
        one.signal(signals::SIGTERM);
    }
}

/// By what it and what descends from it is known. The number of one that has
/// ended may be another's by now.
fn target<'a>(reaper: i32, one: &Detached, token: &'a str) -> SessionTarget<'a> {
    let is_it = process::start_time(one.pid).is_none_or(|start| start == one.start_time);
    let leader = if is_it { one.pid } else { 0 };
    SessionTarget { reaper, leader, heir: 0, token: token.as_bytes() }
}

/// Whether a process descends from the reaper.
fn is_below(reaper: i32, pid: i32) -> bool {
    let mut at = pid;
    for _ in 0..MOST_PARENTS {
        match process::parent_of(at) {
            Some(parent) if parent == reaper => return true,
            Some(parent) if parent > 1 => at = parent,
            Some(_) | None => return false,
        }
    }
    false
}
