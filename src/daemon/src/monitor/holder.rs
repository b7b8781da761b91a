//! Where the processes of entities and commands are held, so that all of them
//! can be found again: a cgroup for each generation, or, without a writable
//! cgroup, session and invocation id.

use super::target;
use crate::shared::Shared;
use ham_core::ids::SlotRef;
use ham_core::signal::Signal;
use ham_snapshot::header::Field;
use ham_sys::containment::{
    CgroupTree, Cleared, Kind, SessionTarget, find_tree, session_clear, session_holds,
    session_looks_empty, session_signal, session_stray,
};
use ham_sys::{clock, process};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Looks at the list of children before the long look is taken instead: where
/// they come and go that fast there is something to be found anyway.
const MOST_LOOKS: u32 = 4;

/// How long a cgroup may stay busy after the last process in it has ended; it
/// takes less than a millisecond where the machine has time.
const BUSY_AT_MOST: Duration = Duration::from_millis(200);
/// File systems take their time from a clock that is behind by up to a tick.
const COARSE_NS: u64 = 20_000_000;

const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Whose processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: SlotRef,
    pub(super) name: String,
    pub(super) command: bool,
}

impl Held {
    fn kind(&self) -> Kind {
        if self.command { Kind::Action } else { Kind::Unit }
    }

    fn id(&self) -> String {
        format!("{}-{}", self.slot.index, self.slot.generation)
    }
}

#[derive(Debug)]
pub(super) struct Holder {
    shared: &'static Shared,
    tree: Option<CgroupTree>,
    /// Cgroups that could not be removed yet.
    busy: Mutex<VecDeque<Held>>,
    /// Slots whose memory is to be counted, until they have their cgroups.
    counted: Mutex<BTreeMap<u32, SlotRef>>,
}

impl Holder {
    /// Looks for a cgroup; the text says why there is none.
    pub(super) fn new(shared: &'static Shared) -> (Holder, Option<String>) {
        let (tree, why) = match find_tree(&crate::runtime::label(&shared.options.runtime)) {
            Ok(tree) => (Some(tree), None),
            Err(why) => (None, Some(why)),
        };
        (Holder { shared, tree, busy: Mutex::default(), counted: Mutex::default() }, why)
    }

    pub(super) fn word(&self) -> &'static str {
        if self.tree.is_some() { "cgroup" } else { "session" }
    }

    /// A fresh empty cgroup, to find out whether children can be born in one.
    pub(super) fn probe_cgroup(&self) -> Option<OwnedFd> {
        self.tree.as_ref()?.create(Kind::Action, "probe", "0").ok()
    }

    /// The child that was born there is dead; it keeps the cgroup busy until
    /// the reaper has let go of it. Only the first monitor comes here.
    pub(super) fn probe_done(&self) {
        let Some(tree) = &self.tree else { return };
        let deadline = Instant::now() + BUSY_AT_MOST;
        while !tree.remove(Kind::Action, "probe", "0") && Instant::now() < deadline {
            std::thread::sleep(BUSY_PAUSE);
        }
    }

    /// The next cgroup for this slot is one for which the kernel counts memory.
    pub(super) fn want_memory_counted(&self, slot: SlotRef) {
        if self.tree.is_some() {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.insert(slot.index, slot);
        }
    }

    /// A cgroup for a process that is about to be made. Blocks.
    pub(super) fn cgroup(&self, held: &Held) -> ham_sys::Result<Option<OwnedFd>> {
        let Some(tree) = &self.tree else { return Ok(None) };
        let directory = tree.create(held.kind(), &held.name, &held.id())?;
        let wanted = {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.remove(&held.slot.index)
        };
        if wanted == Some(held.slot) {
            tree.count_memory(held.kind(), &held.name);
        }
        Ok(Some(directory))
    }

    /// Whether somebody has set a limit of memory on the cgroup of what is about to
    /// be made, and so its processes may be killed before they execute anything.
    pub(super) fn limits_memory(&self, held: &Held) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.limits_memory(held.kind(), &held.name))
    }

    /// Whether the kernel counts memory for some entities.
    pub(super) fn counts_memory(&self) -> bool {
        self.tree.as_ref().is_some_and(CgroupTree::counts_memory)
    }

    /// The cgroup of a process, existing or not.
    pub(super) fn cgroup_path(&self, held: &Held) -> Option<PathBuf> {
        self.tree.as_ref().map(|tree| tree.path(held.kind(), &held.name, &held.id()))
    }

    /// Processes of it that the kernel has ended because memory was short;
    /// `None`: it does not count them.
    pub(super) fn oom_kills(&self, held: &Held) -> Option<u64> {
        self.tree.as_ref()?.oom_kills(held.kind(), &held.name, &held.id())
    }

    /// The variable by which processes that left their session are found. It
    /// is different for every process that any ham has ever made.
    pub(super) fn token(&self, slot: SlotRef) -> String {
        let instance = self.shared.state.get(Field::Instance);
        format!("HAM_INVOCATION={instance:016x}-{}-{}", slot.index, slot.generation)
    }

    /// A quick look whether anything is left. Never true by mistake.
    pub(super) fn is_empty(&self, held: &Held) -> bool {
        match &self.tree {
            Some(tree) => tree.is_empty(held.kind(), &held.name, &held.id()),
            None => {
                let (leader, heir) = self.leaders(held);
                session_looks_empty(leader) && session_looks_empty(heir) && !self.strangers()
            }
        }
    }

    /// The first process of its slot, and the one that has taken its place; 0:
    /// there was none.
    fn leaders(&self, held: &Held) -> (i32, i32) {
        let slot = self.shared.state.slot(held.slot.index);
        let Some(slot) = slot.filter(|slot| slot.word().0 == held.slot.generation) else {
            return (0, 0);
        };
        let (leader, last) = (slot.leader(), slot.live_pid().unwrap_or_else(|| slot.ended()));
        (leader, if last == leader { 0 } else { last })
    }

    /// Whether a process that nothing ties to any entity may be what this one
    /// has left behind: some daemons leave the session, lose their parent, and
    /// overwrite their environment with their title (nginx). It is of this
    /// user, and started after the process of the slot and not after `named`
    /// (nanoseconds since 1970), when it was named as that.
    pub(super) fn may_be_left_by(&self, held: &Held, pid: i32, uid: u32, named: u64) -> bool {
        let state = self.shared.state;
        let role = |field| i32::try_from(state.get(field)).unwrap_or(0);
        let roles = [role(Field::MonitorPid), role(Field::GuardianPid)];
        let Some(slot) = state.slot(held.slot.index).filter(|_| self.tree.is_none()) else {
            return false;
        };
        let Some(stray) = self.in_session(held, |target| session_stray(target, pid)) else {
            return false;
        };
        // Of a session or a group that another has begun, it is that one's.
        let of_another = |index| {
            let other = state.slot(index).filter(|_| index != held.slot.index);
            let leader = other.map_or(0, |other| other.leader());
            leader > 1 && (leader == stray.session || leader == stray.group)
        };
        !roles.contains(&pid)
            && slot.word().0 == held.slot.generation
            && stray.start_time >= slot.start_time()
            && clock::realtime_of_ticks(stray.start_time) <= named.saturating_add(COARSE_NS)
            && process::uid_of(pid) == Some(uid)
            && state.slot_of_pid(pid).is_none()
            && !(0..state.slots_used()).any(of_another)
    }

    /// Whether the reaper has a child that no slot owns: what an entity left
    /// behind outside of its process group is one, or hangs below one.
    fn strangers(&self) -> bool {
        let reaper = self.reaper();
        let role = |field| i32::try_from(self.shared.state.get(field)).unwrap_or(0);
        let roles = [role(Field::MonitorPid), role(Field::GuardianPid)];
        let path = format!("/proc/{reaper}/task/{reaper}/children");
        // Without CONFIG_PROC_CHILDREN: the long look.
        let read = || std::fs::read_to_string(&path).ok();
        // The kernel passes over a child when one that it has told already is
        // reaped meanwhile (fs/proc/array.c, get_children_pid). That one is
        // then missing from the next list, so two that are equal are whole.
        let Some(mut children) = read() else { return true };
        let mut looks = 1;
        loop {
            let Some(again) = read() else { return true };
            let same = again == children;
            children = again;
            looks += 1;
            if same {
                break;
            }
            if looks >= MOST_LOOKS {
                return true;
            }
        }
        children
            .split_ascii_whitespace()
            .filter_map(|word| word.parse::<i32>().ok())
            .any(|pid| !roles.contains(&pid) && self.shared.state.slot_of_pid(pid).is_none())
    }

    fn reaper(&self) -> i32 {
        i32::try_from(self.shared.state.get(Field::ReaperPid)).unwrap_or(0)
    }

    /// Ends everything of it; blocks until nothing is left or the deadline.
    pub(super) fn clear(&self, held: &Held, deadline_ns: u64) -> u32 {
        let cleared = match &self.tree {
            Some(tree) => tree.clear(held.kind(), &held.name, &held.id(), deadline_ns),
            None => {
                // What hangs before its exec is in no session of its own yet
                // and has no token; but its slot knows it.
                target::signal(self.shared.state, held.slot, Signal::KILL, None);
                self.in_session(held, |target| session_clear(target, deadline_ns))
            }
        };
        match cleared {
            Cleared::Empty => 0,
            Cleared::Left(count) => u32::try_from(count).unwrap_or(u32::MAX),
        }
    }

    /// Whether this is one of its processes, and none of ham's own.
    pub(super) fn holds(&self, held: &Held, pid: i32) -> bool {
        let role = |field| i32::try_from(self.shared.state.get(field)).unwrap_or(0);
        let own = [role(Field::MonitorPid), role(Field::GuardianPid), self.reaper()];
        if pid <= 1 || own.contains(&pid) {
            return false;
        }
        match &self.tree {
            Some(tree) => tree.processes(held.kind(), &held.name, &held.id()).contains(&pid),
            None => self.in_session(held, |target| session_holds(target, pid)),
        }
    }

    /// Whose cgroup a process is in; `None`: in none, or there are none.
    pub(super) fn slot_of(&self, pid: i32) -> Option<SlotRef> {
        let (_, id) = self.tree.as_ref()?.place_of(pid)?;
        let (index, generation) = id.split_once('-')?;
        Some(SlotRef { index: index.parse().ok()?, generation: generation.parse().ok()? })
    }

    /// Sends a signal to each of its processes.
    pub(super) fn signal(&self, held: &Held, signal: Signal) {
        let number = i32::from(signal.0);
        match &self.tree {
            Some(tree) => tree.signal(held.kind(), &held.name, &held.id(), number),
            None => self.in_session(held, |target| session_signal(target, number)),
        }
    }

    fn in_session<T>(&self, held: &Held, look: impl FnOnce(&SessionTarget<'_>) -> T) -> T {
        let token = self.token(held.slot);
        let (reaper, (leader, heir)) = (self.reaper(), self.leaders(held));
        look(&SessionTarget { reaper, leader, heir, token: token.as_bytes() })
    }

    /// Whether a cgroup was made for it.
    pub(super) fn has_cgroup(&self, held: &Held) -> bool {
        self.cgroup_path(held).is_some_and(|path| path.exists())
    }

    /// All of it goes on and is nobody's: what holds it is to hold it no more.
    /// Blocks: for a worker thread.
    pub(super) fn let_go(&self, held: &Held) {
        if let Some(tree) = &self.tree {
            // What could not be moved stays until it ends by itself.
            tree.let_go(held.kind(), &held.name, &held.id());
        }
    }

    /// The slot is given back: its cgroup goes, unless something lives there.
    /// False when it is busy: a process that has ended can keep it so for a
    /// moment longer. Given up, it is tried again with others.
    pub(super) fn forget(&self, held: &Held, give_up: bool) -> bool {
        let Some(tree) = &self.tree else { return true };
        let remove = |held: &Held| tree.remove(held.kind(), &held.name, &held.id());
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = busy.pop_front().filter(|earlier| !remove(earlier)) {
            busy.push_back(earlier);
        }
        let gone = remove(held);
        if !gone && give_up {
            busy.push_back(held.clone());
        }
        gone || give_up
    }

    /// At the very end: nothing lives there any more, but what has just ended
    /// can keep it busy for a moment.
    pub(super) fn remove_tree(&self) {
        let Some(tree) = &self.tree else { return };
        let deadline = Instant::now() + BUSY_AT_MOST;
        tree.remove_tree();
        while tree.root().exists() && Instant::now() < deadline {
            std::thread::sleep(BUSY_PAUSE);
            tree.remove_tree();
        }
    }

    /// All is as it was found, as far as nobody else is concerned: the tree goes,
    /// and ham is where it was started.
    pub(super) fn undo(&self) {
        self.remove_tree();
        if let Some(tree) = &self.tree {
            // Should it fail, a cgroup without processes stays.
            let _ = tree.leave_leaf(self.reaper());
        }
    }
}
