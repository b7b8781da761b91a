//! Monitor and guardian as the reaper sees them: one process that decides, and
//! one behind it that waits for its end. Whoever dies is replaced by one that
//! waits for the survivor; with no survivor the new one decides at once. So
//! each waits for exactly one other, and two never decide (kernel.md §4).
//!
//! Only processes that die again and again without getting anything done are
//! slowed down, and nothing of that touches an entity (details 14).

use super::channels::Channels;
use crate::exit;
use crate::guardian;
use crate::monitor;
use crate::shared::Shared;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_sys::process::{self, Forked, PidFd};
use ham_sys::reap::{self, Exit};
use ham_sys::{allocation, clock};
use std::time::Duration;

/// Pauses before the next process, by how many in a row died at once without
/// getting anything done: the first two may have been killed by hand.
const PAUSES_NS: [u64; 4] = [0, 0, 100_000_000, 1_000_000_000];
const LONGEST_PAUSE_NS: u64 = 10_000_000_000;

/// A guardian that dies at once does not tell of anything but itself.
const LONGEST_GUARDIAN_PAUSE_NS: u64 = 1_000_000_000;

/// A monitor that lived longer did not die of what it found at its start: to
/// restore the state takes milliseconds. Were it a loop all the same, ten
/// forks in a second harm nobody; and who kills monitors by hand or by a
/// script, to see what happens, sees each replaced at once.
const AT_ONCE_NS: u64 = 100_000_000;

/// Signals by which a process ends over its own mistake (signal(7): ILL, TRAP,
/// ABRT, BUS, FPE, SEGV), and how many deaths in a row make them one.
const FAULTS: [i32; 6] = [4, 5, 6, 7, 8, 11];
const LONG_LOOP: u64 = 5;

/// When fork fails (EAGAIN, ENOMEM) it is tried again after this.
const FORK_AGAIN_NS: u64 = 100_000_000;

/// How long a guardian has to say that it is the monitor now (details 15); and
/// once more as long, for everybody may have been stopped (a frozen container).
const NAMED_WITHIN_NS: u64 = 1_000_000_000;

/// How long a new process sleeps between two looks at whether the reaper has
/// noted it, after having looked at once and a few times more.
const NOTED_PAUSE: Duration = Duration::from_micros(50);

pub(super) struct Roles {
    shared: &'static Shared,
    monitor: i32,
    guardian: i32,
    /// Which channel is the monitor's; the guardian's is the other.
    monitor_channel: usize,
    /// When the missing one is forked.
    start_at: Option<u64>,
    /// Until when the monitor must have named itself, and whether that is its
    /// last chance.
    named_by: Option<(u64, bool)>,
    guardian_since: u64,
    /// Guardians in a row that died at once.
    guardian_loop: u64,
    started_before: bool,
    /// Processes that were ended for hanging, when the monitor became it.
    hangs_before: u64,
}

impl Roles {
    pub(super) fn new(shared: &'static Shared) -> Roles {
        Roles {
            shared,
            monitor: 0,
            guardian: 0,
            monitor_channel: 0,
            start_at: Some(0),
            named_by: None,
            guardian_since: 0,
            guardian_loop: 0,
            started_before: false,
            hangs_before: shared.state.get(Field::HangKills),
        }
    }

    /// A reaper that has executed itself again: who is still there.
    pub(super) fn recall(shared: &'static Shared) -> Roles {
        let state = shared.state;
        let known = |field| {
            let pid = i32::try_from(state.get(field)).unwrap_or(0);
            if reap::is_child(pid) { pid } else { 0 }
        };
        let (mut monitor, mut guardian) = (known(Field::MonitorPid), known(Field::GuardianPid));
        if monitor == 0 || guardian == monitor {
            // The one ahead of it is gone: it is the monitor, noted or not.
            (monitor, guardian) = (guardian, 0);
        }
        // Of whom it was noted tells whose it is now.
        let noted = state.get(Field::MonitorChannel);
        let of_monitor = noted >> 1 == u64::from(monitor.unsigned_abs());
        let monitor_channel = usize::from((noted & 1 == 1) == of_monitor);
        let started_before = true;
        let mut roles =
            Roles { monitor, guardian, monitor_channel, started_before, ..Roles::new(shared) };
        roles.note();
        roles.expect_name(clock::monotonic());
        roles
    }

    pub(super) fn monitor(&self) -> i32 {
        self.monitor
    }

    /// The place of its channel.
    pub(super) fn monitor_channel(&self) -> usize {
        self.monitor_channel
    }

    /// The place of the channel that is only of who was there before.
    pub(super) fn channel_of_nobody(&self) -> Option<usize> {
        (self.guardian == 0).then(|| self.other_channel())
    }

    pub(super) fn is_any(&self, pid: i32) -> bool {
        pid != 0 && (self.monitor == pid || self.guardian == pid)
    }

    pub(super) fn both_live(&self) -> bool {
        self.monitor != 0 && self.guardian != 0
    }

    pub(super) fn none_lives(&self) -> bool {
        self.monitor == 0 && self.guardian == 0
    }

    pub(super) fn due(&self) -> Option<u64> {
        let start = self.start_at.filter(|_| self.monitor == 0 || self.guardian == 0);
        [start, self.named_by.map(|(by, _)| by)].into_iter().flatten().min()
    }

    /// A shutdown was asked for: it does not wait for the end of a pause.
    pub(super) fn hurry(&mut self) {
        if let Some(at) = &mut self.start_at {
            *at = (*at).min(clock::monotonic());
        }
    }

    /// The manager is done: nobody is to take over any more. Who acts ends by
    /// itself, unless it is late.
    pub(super) fn dismiss(&self, late: bool) {
        process::kill_child(self.guardian);
        if late || !self.is_named() {
            process::kill_child(self.monitor);
        }
    }

    /// Forks who is missing, and replaces who should have named itself.
    pub(super) fn look(&mut self, now: u64, channels: &mut Channels) {
        if let Some((_, last)) = self.named_by.filter(|(by, _)| *by <= now) {
            self.named_by = None;
            if self.monitor == 0 || self.is_named() || !self.shared.hang_check {
                // It has, or it need not.
            } else if last {
                self.shared.state.bump(Field::HangKills);
                process::kill_child(self.monitor);
            } else {
                self.named_by = Some((now.saturating_add(NAMED_WITHIN_NS), true));
            }
        }
        // One at a time, the monitor first: the guardian waits for it.
        while self.start_at.is_some_and(|at| at <= now) && (self.monitor == 0 || self.guardian == 0)
        {
            if !self.start(now, channels) {
                self.start_at = Some(now.saturating_add(FORK_AGAIN_NS));
            }
        }
    }

    /// Forked and not executed: an upgrade may have replaced the file (details
    /// 16). False when that is not possible now.
    fn start(&mut self, now: u64, channels: &mut Channels) -> bool {
        let shared = self.shared;
        let ahead = match self.monitor {
            0 => None,
            // Opened before the fork, while the number is certainly its own.
            pid => match PidFd::of_child(pid) {
                Ok(process) => Some(process),
                Err(_) => return false,
            },
        };
        let channel = if self.monitor == 0 { self.monitor_channel } else { self.other_channel() };
        let Ok(theirs) = channels.open(channel) else { return false };
        let faults = shared.state.get(Field::ReaperFaults);
        match process::fork() {
            Ok(Forked::Child) => {
                allocation::unseal();
                channels.forget();
                wait_until_noted(shared.state, faults);
                match ahead {
                    Some(ahead) => guardian::main(shared, ahead, theirs),
                    None => monitor::main(shared, self.started_before, theirs),
                }
            }
            Ok(Forked::Parent(pid)) => {
                if self.monitor == 0 {
                    self.monitor = pid;
                    self.begins(now);
                } else {
                    self.guardian = pid;
                    self.guardian_since = now;
                }
                self.started_before = true;
                self.note();
                true
            }
            Err(_) => false,
        }
    }

    fn other_channel(&self) -> usize {
        1 - self.monitor_channel
    }

    fn note(&self) {
        let word = |pid: i32| u64::from(pid.unsigned_abs());
        let state = &self.shared.state;
        state.set(Field::MonitorPid, word(self.monitor));
        state.set(Field::GuardianPid, word(self.guardian));
        state.set(Field::MonitorChannel, word(self.monitor) << 1 | self.monitor_channel as u64);
    }

    /// Somebody is the monitor from now on.
    fn begins(&mut self, now: u64) {
        let state = &self.shared.state;
        self.hangs_before = state.get(Field::HangKills);
        state.set(Field::ProgressAtStart, state.get(Field::Progress));
        state.set(Field::MonitorSince, now);
        self.expect_name(now);
    }

    fn expect_name(&mut self, now: u64) {
        self.named_by = (self.monitor != 0 && !self.is_named())
            .then(|| (now.saturating_add(NAMED_WITHIN_NS), false));
    }

    fn is_named(&self) -> bool {
        self.shared.state.get(Field::ActingPid) == u64::from(self.monitor.unsigned_abs())
    }

    /// One of the two is dead and reaped.
    pub(super) fn died(&mut self, exit: Exit) {
        let now = clock::monotonic();
        let state = self.shared.state;
        let pause = if exit.pid == self.monitor {
            state.bump(Field::MonitorDeaths);
            state.set(Field::MonitorDied, now);
            let in_a_row = self.count_monitor(exit, now);
            self.monitor = self.guardian;
            self.guardian = 0;
            self.monitor_channel = self.other_channel();
            self.note();
            self.begins(now);
            pause(in_a_row)
        } else {
            state.bump(Field::GuardianDeaths);
            let at_once = now.saturating_sub(self.guardian_since) < AT_ONCE_NS;
            self.guardian_loop = if at_once { self.guardian_loop.saturating_add(1) } else { 0 };
            self.guardian = 0;
            self.note();
            pause(self.guardian_loop).min(LONGEST_GUARDIAN_PAUSE_NS)
        };
        self.start_at = Some(now.saturating_add(pause));
    }

    /// One that got something done, or lived for a while, is no part of a
    /// loop, whatever ended it. Gives how many in a row are.
    fn count_monitor(&self, exit: Exit, now: u64) -> u64 {
        let state = &self.shared.state;
        let idle = state.get(Field::Progress) == state.get(Field::ProgressAtStart);
        let at_once = now.saturating_sub(state.get(Field::MonitorSince)) < AT_ONCE_NS;
        let in_a_row =
            if idle && at_once { state.get(Field::CrashLoop).saturating_add(1) } else { 0 };
        state.set(Field::CrashLoop, in_a_row);
        let own_mistake = exit.code == Exit::EXITED && exit.status == i32::from(exit::MISTAKE);
        // A kill from outside cannot be told from a fault of its own; but who
        // is at it for so long is none, or all is lost anyway.
        let by_itself = in_a_row >= LONG_LOOP && FAULTS.contains(&exit.status);
        let hung = state.get(Field::HangKills) != self.hangs_before;
        if !idle {
            state.set(Field::Faults, 0);
        } else if own_mistake || hung || (by_itself && exit.code != Exit::EXITED) {
            state.bump(Field::Faults);
        }
        in_a_row
    }
}

fn pause(in_a_row: u64) -> u64 {
    let place = usize::try_from(in_a_row).unwrap_or(usize::MAX);
    PAUSES_NS.get(place).copied().unwrap_or(LONGEST_PAUSE_NS)
}

/// In the new process: until the reaper has noted it. A reaper that faults
/// between fork and note does not know of it and forks another; then there
/// must not be two.
fn wait_until_noted(state: State, faults: u64) {
    let own = u64::from(process::pid().unsigned_abs());
    let mut looks = 0u32;
    while state.get(Field::MonitorPid) != own && state.get(Field::GuardianPid) != own {
        if state.get(Field::ReaperFaults) != faults {
            process::exit_now(0);
        }
        looks += 1;
        if looks > 20 {
            std::thread::sleep(NOTED_PAUSE);
        } else {
            std::hint::spin_loop();
        }
    }
}
