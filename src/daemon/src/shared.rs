//! What all processes of the manager have in common. The reaper makes it
//! before it forks anybody; the others inherit it, and so does a reaper that
//! has executed itself again: every descriptor has a number of its own.

use crate::options::Options;
use crate::signalled::Signals;
use ham_snapshot::State;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_snapshot::layout;
use ham_sys::poller::{EventFd, Timer};
use ham_sys::process;
use ham_sys::shm::Map;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

/// Slot of the loader.
pub(crate) const LOADER_SLOT: u32 = 0;
/// Slots of the path watcher. There is one at a time, in the first; one that
/// cannot end, since the kernel waits in it for a dead mount, keeps its slot.
pub(crate) const WATCHER_SLOTS: [u32; 4] = [1, 3, 4, 5];
/// Slots of the helper that writes to a file before the hardware watchdog is fed,
/// likewise.
pub(crate) const DISK_SLOTS: [u32; 1] = [6];
/// Slot of the helper for output.
pub(crate) const OUTPUT_SLOT: u32 = 2;
/// Slot of the helper for the last steps of a machine.
pub(crate) const LAST_SLOT: u32 = 7;

/// How long work may wait for a monitor that does nothing: an exit, a deadline,
/// a client (details 15).
pub(crate) const PATIENCE_NS: u64 = 5_000_000_000;
/// And then once more, before it is ended: one that was stopped with everybody
/// else (a frozen container) goes on by itself, and the clock went on meanwhile.
pub(crate) const LAST_CHANCE_NS: u64 = 1_000_000_000;

/// Where descriptors begin that are handed over to children: what they
/// become is below. So are those of entities, and nothing of ham's is.
pub(crate) const OWN_DESCRIPTORS: i32 = 64;

/// The numbers of what all have in common.
pub(crate) mod number {
    use super::OWN_DESCRIPTORS;

    pub(crate) const STATE: i32 = OWN_DESCRIPTORS;
    pub(crate) const PROGRAM: i32 = OWN_DESCRIPTORS + 1;
    pub(crate) const LOCK: i32 = OWN_DESCRIPTORS + 2;
    pub(crate) const WAKE_MONITOR: i32 = OWN_DESCRIPTORS + 3;
    pub(crate) const WAKE_REAPER: i32 = OWN_DESCRIPTORS + 4;
    pub(crate) const WAKE_GUARDIAN: i32 = OWN_DESCRIPTORS + 5;
    pub(crate) const GUARD_TIMER: i32 = OWN_DESCRIPTORS + 6;
    /// The reaper's ends of its channels to monitor and guardian.
    pub(crate) const CHANNELS: [i32; 2] = [OWN_DESCRIPTORS + 8, OWN_DESCRIPTORS + 9];
    /// What the reaper keeps for others, by place in the table.
    pub(crate) const KEPT: i32 = OWN_DESCRIPTORS + 16;
}

/// What all processes of the manager have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: State,
    /// The memory of the state: pages are reserved before their first use.
    pub(crate) map: Map,
    pub(crate) common: Common,
    /// Monitors and guardians that hang are replaced (details 15); not when
    /// somebody looks at them with a debugger.
    pub(crate) hang_check: bool,
    /// Whose signals it understands.
    pub(crate) signals: Signals,
    /// Whether it may end the machine, or what takes itself for one.
    pub(crate) reboots: bool,
    /// What the start found missing, for the report.
    pub(crate) remarks: Vec<String>,
}

/// Descriptors at the numbers of [`number`], open over exec in the reaper,
/// close-on-exec in the others.
#[derive(Debug)]
pub(crate) struct Common {
    state: OwnedFd,
    /// This program, whatever stands at its path by now.
    pub(crate) program: OwnedFd,
    /// Held, and inherited, for as long as any of the three lives.
    _lock: OwnedFd,
    /// The reaper has recorded something.
    pub(crate) wake_monitor: EventFd,
    /// The monitor wants to be done.
    pub(crate) wake_reaper: EventFd,
    /// There is another plan.
    pub(crate) wake_guardian: EventFd,
    /// Set by the monitor to a while after its next deadline; the guardian
    /// waits for it, so that it is woken by a deadline that nobody keeps, and
    /// by nothing else.
    pub(crate) guard_timer: Timer,
}

impl Common {
    /// At the start of the manager.
    pub(crate) fn new(state: OwnedFd, lock: OwnedFd) -> ham_sys::Result<Common> {
        let place = |fd: OwnedFd, number: i32| process::place_at(fd, number);
        Ok(Common {
            state: place(state, number::STATE)?,
            program: place(process::open_own_program()?, number::PROGRAM)?,
            _lock: place(lock, number::LOCK)?,
            wake_monitor: EventFd::from_fd(place(EventFd::new()?.into(), number::WAKE_MONITOR)?),
            wake_reaper: EventFd::from_fd(place(EventFd::new()?.into(), number::WAKE_REAPER)?),
            wake_guardian: EventFd::from_fd(place(EventFd::new()?.into(), number::WAKE_GUARDIAN)?),
            guard_timer: Timer::from_fd(place(Timer::new()?.into(), number::GUARD_TIMER)?),
        })
    }

    /// In a reaper that has executed itself again; `state` was needed before
    /// the others.
    pub(crate) fn inherited(state: OwnedFd) -> ham_sys::Result<Common> {
        Ok(Common {
            state,
            program: process::take(number::PROGRAM)?,
            _lock: process::take(number::LOCK)?,
            wake_monitor: EventFd::from_fd(process::take(number::WAKE_MONITOR)?),
            wake_reaper: EventFd::from_fd(process::take(number::WAKE_REAPER)?),
            wake_guardian: EventFd::from_fd(process::take(number::WAKE_GUARDIAN)?),
            guard_timer: Timer::from_fd(process::take(number::GUARD_TIMER)?),
        })
    }

    pub(crate) fn state(&self) -> BorrowedFd<'_> {
        self.state.as_fd()
    }
}

/// At the start, before there is anybody to ask: these are kept.
pub(crate) fn keep_first<const N: usize>(
    state: State,
    first: [(Kept, OwnedFd); N],
) -> ham_sys::Result<()> {
    for (place, (what, fd)) in first.into_iter().enumerate() {
        // Its owner is who keeps the table: the reaper takes it from there.
        let _ = process::place_at(fd, kept_number(place))?.into_raw_fd();
        state.keep(place, what, &Name::NONE);
    }
    Ok(())
}

/// In a process that was forked from the reaper: a copy of what the manager has
/// of its own, as it was then. `None`: there is none any more.
pub(crate) fn inherit_kept(state: State, what: Kept) -> Option<OwnedFd> {
    let place = state.find_kept(what)?;
    process::inherited(kept_number(place)).ok()
}

/// In a process that was forked from the reaper: what that keeps is not its
/// own, and what is dropped there must not stay open here.
pub(crate) fn close_kept(state: State) {
    let mut foreign = Vec::new();
    let mut next = kept_number(0);
    for (place, kept) in state.all_kept() {
        let number = kept_number(place);
        if matches!(kept.owner, Owner::Entity(_)) && process::is_open(number) {
            foreign.push(number);
            process::close_range(next, number - 1);
            next = number + 1;
        }
    }
    process::close_range(next, kept_number(layout::KEPT - 1));
    // Somebody else's may be behind a file system that hangs. Those that
    // cannot be closed so stay open, which does less harm.
    if !foreign.is_empty() {
        let _ = process::close_by_sibling(&foreign);
    }
}

/// The number of the descriptor that is kept at a place.
pub(crate) fn kept_number(place: usize) -> i32 {
    number::KEPT + i32::try_from(place).unwrap_or(0)
}
