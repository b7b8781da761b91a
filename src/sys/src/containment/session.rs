//! Finding and ending the processes of an entity without a cgroup: by process
//! group and session, by the token in their environment, and by descent from
//! those. Best effort by nature: a process that left the session, cleared its
//! environment and lost its parent is not found.
//!
//! Never signals the reaper, this process, what is not below the reaper, a
//! zombie, or a process of another entity.

use std::collections::HashMap;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use super::Cleared;
use super::members::session_holds;
use crate::process::{self, PidFd, Stat};
use crate::{Errno, clock};

/// Whose processes are to be ended.
#[derive(Clone, Copy, Debug)]
pub struct SessionTarget<'a> {
    /// Only processes below this one are looked at.
    pub reaper: i32,
    /// The first process of the entity, alive or not: the number of its
    /// process group and session.
    pub leader: i32,
    /// The process that has taken the place of that one (a daemon that its
    /// command has left behind), alive or not; 0: none has.
    pub heir: i32,
    /// The variable that the entity was started with, as it stands in its
    /// environment: "HAM_INVOCATION=...".
    pub token: &'a [u8],
}

/// Passes in a row that must find nobody new before the freeze counts as
/// complete. One is not enough: a process may be born behind the walk.
const QUIET_PASSES: u32 = 2;

/// How long passes may be repeated only because something could not be told:
/// a process went, or was between two programs, while it was looked at. Both
/// pass in less than a millisecond; but on a machine on which programs come
/// and go all the time there is always one, mostly not of ours.
const UNSETTLED_NS: u64 = 500_000_000;

/// The pause before such a repetition: the process in question may need this
/// processor to get on.
const SETTLE: Duration = Duration::from_millis(1);

/// How long to wait for one killed process before looking at all again. It
/// wakes at once when that one ends.
const WAIT_MS: u16 = 20;

/// Whether nobody is left in the process group of `leader`. Cheap, and no
/// proof: others of the entity may have left the group.
pub fn session_looks_empty(leader: i32) -> bool {
    if leader <= 1 {
        return true;
    }
    // SAFETY: signal 0 to a process group only asks.
    let result = unsafe { libc::kill(-leader, 0) };
    result != 0 && Errno::last() == Errno::ESRCH
}

/// Ends all processes of an entity: stops each as it is found, until passes
/// find no more (so that a fork bomb cannot run away), then kills them, and
/// looks again until nobody is left or `deadline_ns`
/// ([`crate::clock::monotonic`]) has come. Blocks: for a worker thread.
pub fn session_clear(target: &SessionTarget<'_>, deadline_ns: u64) -> Cleared {
    let mut hunt = Hunt::new(target);
    let mut settled_by = clock::monotonic().saturating_add(UNSETTLED_NS);
    loop {
        let mut quiet = 0;
        while quiet < QUIET_PASSES && clock::monotonic() < deadline_ns {
            quiet = match hunt.pass() {
                Pass::Found => {
                    settled_by = clock::monotonic().saturating_add(UNSETTLED_NS);
                    0
                }
                Pass::Unsettled if clock::monotonic() < settled_by => {
                    std::thread::sleep(SETTLE);
                    0
                }
                Pass::Unsettled | Pass::Quiet => quiet + 1,
            }
        }
        // Even at the deadline: nobody may be left stopped for ever.
        let survivors = hunt.kill();
        let Some(first) = survivors.first() else {
            return Cleared::Empty;
        };
        if clock::monotonic() >= deadline_ns {
            return Cleared::Left(survivors.len());
        }
        wait_for_end(*first);
    }
}

/// All live descendants of the reaper, less those in `spare`: what a shutdown
/// still has to end.
pub fn stragglers(reaper: i32, spare: &[i32]) -> Vec<i32> {
    live_descendants(reaper, spare).map(|(pid, _)| pid).collect()
}

/// Sends a signal to each of the [`stragglers`], and to nobody who has got the
/// number of one meanwhile. Returns how many they were: 0, nobody is left.
pub fn signal_stragglers(reaper: i32, spare: &[i32], signal: i32) -> usize {
    let all: Vec<_> = live_descendants(reaper, spare).collect();
    for (pid, stat) in &all {
        // One that has gone, or may not be signalled, is seen at the next look.
        let _ = signal_exactly(*pid, stat.start_time, signal);
    }
    all.len()
}

/// Kills every process but this one and its parent, which must be the init of the
/// machine or of the PID namespace, and does nothing where that is not so. In one
/// step: who forks faster than anybody looks does not get away.
pub fn kill_all_others() {
    if process::parent_pid() == 1 {
        // SAFETY: no pointers.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// A live descendant of the reaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Straggler {
    /// Its process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

impl Straggler {
    /// Sends it a signal, and to nobody who has got its number meanwhile.
    pub fn signal(self, signal: i32) {
        let _ = signal_exactly(self.pid, self.start_time, signal);
    }
}

/// The [`stragglers`], those of `targets` apart: first the others, then these.
/// One look: who is between two programs at this moment may be among the others.
pub fn stragglers_apart(
    reaper: i32,
    spare: &[i32],
    targets: &[SessionTarget<'_>],
) -> (Vec<Straggler>, Vec<Straggler>) {
    let all = live_descendants(reaper, spare);
    let all = all.map(|(pid, stat)| Straggler { pid, start_time: stat.start_time });
    let is_theirs = |one: &Straggler| {
        let mut targets = targets.iter();
        targets.any(|target| one.pid == target.leader || session_holds(target, one.pid))
    };
    let (theirs, others) = all.partition(is_theirs);
    (others, theirs)
}

fn live_descendants(reaper: i32, spare: &[i32]) -> impl Iterator<Item = (i32, Stat)> {
    let mut ancestry = Ancestry::new(reaper);
    process_numbers().filter(move |pid| *pid != reaper && !spare.contains(pid)).filter_map(
        move |pid| {
            let stat = Stat::of(pid)?;
            (!stat.is_dead() && ancestry.covers(&stat) == Some(true)).then_some((pid, stat))
        },
    )
}

/// What a walk over all processes has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Somebody new, who is stopped now.
    Found,
    /// Nobody new, but of somebody it could not be told, or it was gone, and
    /// may have left a child that the walk had passed already.
    Unsettled,
    /// Nobody new.
    Quiet,
}

/// A clearing in progress.
pub(super) struct Hunt<'a> {
    target: &'a SessionTarget<'a>,
    /// Those found so far, by pid with their start time.
    found: HashMap<i32, u64>,
    /// Zombies seen so far: each may have left a child, once.
    dead: HashMap<i32, u64>,
    /// Sessions that no entity has to itself: the reaper's and ours.
    kept: Vec<i32>,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(target: &'a SessionTarget<'a>) -> Hunt<'a> {
        let kept = [target.reaper, process::pid()];
        let kept = kept.into_iter().filter_map(Stat::of).map(|stat| stat.session).collect();
        Hunt { target, found: HashMap::new(), dead: HashMap::new(), kept }
    }

    /// Walks all processes, and stops those of the entity that are new.
    fn pass(&mut self) -> Pass {
        let own = process::pid();
        let mut ancestry = Ancestry::new(self.target.reaper);
        let numbers = self.numbers();
        let mut result = Pass::Quiet;
        let mut unsettled = false;
        for pid in process_numbers() {
            if pid == own || pid == self.target.reaper {
                continue;
            }
            let Some(stat) = Stat::of(pid) else {
                unsettled = true;
                continue;
            };
            if self.found.get(&pid) == Some(&stat.start_time) {
                continue;
            }
            match ancestry.covers(&stat) {
                Some(true) => (),
                Some(false) => continue,
                None => {
                    unsettled = true;
                    continue;
                }
            }
            if stat.is_dead() {
                unsettled |= self.dead.insert(pid, stat.start_time) != Some(stat.start_time);
                continue;
            }
            match self.belongs(pid, &stat, &numbers) {
                Some(true) if self.stop(pid, &stat) => result = Pass::Found,
                // It is gone now, or nobody can tell yet.
                Some(true) | None => unsettled = true,
                Some(false) => (),
            }
        }
        if unsettled && result == Pass::Quiet { Pass::Unsettled } else { result }
    }

    /// Stops a process of the entity; false when it is gone.
    fn stop(&mut self, pid: i32, stat: &Stat) -> bool {
        if signal_exactly(pid, stat.start_time, libc::SIGSTOP) == Sent::Gone {
            return false;
        }
        self.found.insert(pid, stat.start_time);
        // And its whole process group in one go, children that are just being
        // born included: processes that only ever start another and end would
        // be faster than any walk. A group lies within a session, and nobody
        // comes into the sessions of an entity from outside, so it is all of
        // the entity. Its number stays in use as long as this one is in it,
        // and this one is stopped.
        let is_its_own = |now: Stat| now.group == stat.group && !self.kept.contains(&now.session);
        if stat.group > 1 && Stat::of(pid).is_some_and(is_its_own) {
            // SAFETY: no pointers.
            unsafe { libc::kill(-stat.group, libc::SIGSTOP) };
        }
        true
    }

    /// Whether it is a process of the entity; `None`: it cannot be told now.
    pub(super) fn belongs(&self, pid: i32, stat: &Stat, numbers: &[i32]) -> Option<bool> {
        // Descent proves it whatever the environment says: an entity may be
        // a manager itself and mark its own.
        if self.is_found(stat.parent) {
            return Some(true);
        }
        match Mark::of(pid, self.target.token) {
            Mark::Ours => Some(true),
            Mark::Another => Some(false),
            Mark::None => Some([pid, stat.group, stat.session].iter().any(|n| numbers.contains(n))),
            Mark::Unsettled => None,
        }
    }

    /// Whether this number means, now, one that was found.
    fn is_found(&self, pid: i32) -> bool {
        self.found.get(&pid).is_some_and(|start| process::start_time(pid) == Some(*start))
    }

    /// The process groups and sessions that are this entity's.
    pub(super) fn numbers(&self) -> Vec<i32> {
        let SessionTarget { leader, heir, .. } = *self.target;
        let mut numbers: Vec<i32> =
            [leader, heir].into_iter().filter(|number| self.is_ours(*number)).collect();
        // A daemon need not lead the session that it was put into.
        if numbers.contains(&heir)
            && let Some(stat) = Stat::of(heir)
            && self.is_apart(&stat)
        {
            numbers.push(stat.session);
        }
        numbers
    }

    /// Whether its session is none of ham's own.
    pub(super) fn is_apart(&self, stat: &Stat) -> bool {
        stat.session > 1 && !self.kept.contains(&stat.session)
    }

    /// Whether this number, of its first process or of the heir, still means
    /// this entity. Once that was reaped and its group empty, the number may
    /// have been given to the first process of another entity.
    fn is_ours(&self, leader: i32) -> bool {
        if leader <= 1 || leader == self.target.reaper {
            return false;
        }
        let Some(stat) = Stat::of(leader) else {
            return true;
        };
        match Mark::of(leader, self.target.token) {
            Mark::Ours => true,
            Mark::Another => false,
            // A newcomer before exec shows no environment of its own yet. A
            // program may also have overwritten its environment: ours then.
            Mark::None | Mark::Unsettled => {
                stat.is_dead() || process::forked_not_execed(leader) != Some(true)
            }
        }
    }

    /// Kills all that were found; returns those that are still there.
    fn kill(&mut self) -> Vec<i32> {
        self.found.retain(|pid, start| signal_exactly(*pid, *start, libc::SIGKILL) != Sent::Gone);
        self.found.keys().copied().collect()
    }
}

/// What the environment of a process says about whose it is.
pub(super) enum Mark {
    Ours,
    Another,
    /// Nothing: cleared, overwritten, or not ours to read.
    None,
    /// Nothing yet, or no more: it is between two programs, or on its way out.
    Unsettled,
}

impl Mark {
    pub(super) fn of(pid: i32, token: &[u8]) -> Mark {
        let read = || match std::fs::read(format!("/proc/{pid}/environ")) {
            Ok(environment) => Some(environment),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Vec::new()),
            Err(_) => None,
        };
        let Some(mut environment) = read() else { return Mark::Unsettled };
        if environment.is_empty() {
            // Looked at in this order, what is laid out is what is read.
            let Some(stat) = Stat::of(pid) else { return Mark::Unsettled };
            match read() {
                Some(again) if stat.has_environment || !again.is_empty() => environment = again,
                Some(_) if may_not_look(pid) => (),
                Some(_) | None => return Mark::Unsettled,
            }
        }
        let name_end = token.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
        let name = token.get(..name_end).unwrap_or_default();
        if name.is_empty() {
            return Mark::None;
        }
        let mut variables = environment.split(|byte| *byte == 0);
        match variables.find(|variable| variable.starts_with(name)) {
            Some(variable) if variable == token => Mark::Ours,
            Some(_) => Mark::Another,
            None => Mark::None,
        }
    }
}

/// Whether the memory of a process is closed to us: another user's, or one
/// that has made itself undumpable.
fn may_not_look(pid: i32) -> bool {
    std::fs::File::open(format!("/proc/{pid}/environ"))
        .is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Who is below the reaper; remembers the answers of one pass.
pub(super) struct Ancestry {
    reaper: i32,
    known: HashMap<i32, bool>,
}

impl Ancestry {
    pub(super) fn new(reaper: i32) -> Ancestry {
        Ancestry { reaper, known: HashMap::new() }
    }

    /// `None` when that cannot be told now.
    pub(super) fn covers(&mut self, stat: &Stat) -> Option<bool> {
        let mut chain = Vec::new();
        let mut next = stat.parent;
        let below = loop {
            if next == self.reaper {
                break true;
            }
            if let Some(known) = self.known.get(&next) {
                break *known;
            }
            // A number twice in one chain: it was reused while we walked.
            if next <= 1 || chain.contains(&next) {
                break false;
            }
            chain.push(next);
            match Stat::of(next) {
                Some(parent) => next = parent.parent,
                // The parent went while we walked: the next pass sees the
                // new one, so this is no answer to remember.
                None => return None,
            }
        };
        self.known.extend(chain.into_iter().map(|pid| (pid, below)));
        Some(below)
    }
}

pub(super) fn process_numbers() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What has become of a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Delivered,
    /// It lives, and may not be signalled: it counts as left over.
    Refused,
    /// Nobody lives any more to whom it could go.
    Gone,
}

/// Sends a signal to the process that has this number and this start time,
/// and to no other one.
pub(super) fn signal_exactly(pid: i32, start_time: u64, signal: i32) -> Sent {
    let process = match PidFd::open(pid) {
        Ok(process) => process,
        Err(error) if error.errno == Errno::ESRCH => return Sent::Gone,
        // No descriptor to be had: still there, as far as we know.
        Err(_) => return Sent::Refused,
    };
    // Looked at after it was opened: if the number means this one now, then
    // the descriptor does.
    match Stat::of(pid) {
        Some(stat) if stat.start_time == start_time && !stat.is_dead() => (),
        _ => return Sent::Gone,
    }
    match process.send(signal) {
        Ok(()) => Sent::Delivered,
        Err(error) if error.errno == Errno::ESRCH => Sent::Gone,
        Err(_) => Sent::Refused,
    }
}

fn wait_for_end(pid: i32) {
    if let Ok(process) = PidFd::open(pid) {
        let mut watched = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        // An interruption only makes the caller look earlier.
        let _ = poll(&mut watched, PollTimeout::from(WAIT_MS));
    }
}
