//! The reaper: PID 1 or child subreaper. It records how every process ended,
//! tells the monitor, and only then lets the process go; it keeps a monitor
//! and a guardian there, and descriptors that must outlive them. That is all
//! it does: no parsing, no decisions about entities, and after its start no
//! heap, so that nothing can end it. Should it fault all the same, it executes
//! itself again in place.
//!
//! The order on a death (details 11): record status and EXITED, notify, reap,
//! clear the pid. Whoever dies in between, somebody meets the zombie again or
//! finds the record.
//!
//! - `roles`: monitor and guardian; `hang`: whether the monitor takes exits
//! - `ending`: what comes when all is down; `watchdog`: of hardware
//! - `channels`: kept descriptors; `adopt`: processes that others have made;
//!   `again`: after a fault of its own

mod adopt;
mod again;
mod channels;
mod ending;
mod hang;
mod roles;
mod watchdog;

use crate::exit;
use crate::say::say;
use crate::shared::Shared;
use crate::signalled::Wanted;
pub(crate) use again::note_fault;
use channels::Channels;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::rings::Orphan;
use ham_sys::poller::{Interest, Poller, Ready, Timer};
use ham_sys::reap::{self, Exit};
use ham_sys::signals::{Received, SignalFd};
use ham_sys::{allocation, clock, signals};
use hang::HangWatch;
use roles::Roles;
use watchdog::Watchdog;

const SIGNALS: u64 = 0;
const WAKE: u64 = 1;
const TIMER: u64 = 2;
const GUARD_TIMER: u64 = 3;
/// Tokens of the channels begin here.
const CHANNELS: u64 = 4;

/// Above this many children a sweep over all of them is put off and done at
/// most this often: it costs 0.4 ms at 10,000 (kernel.md §5).
const MANY_CHILDREN: u64 = 1_000;
const SWEEP_PAUSE_NS: u64 = 10_000_000;

/// How long a monitor that is done has to end by itself, and then to be gone: one
/// of whom a thread hangs in the kernel (a disk that does not answer, a server that
/// is dead) never is, and nobody is to wait for that.
const LEAVES_WITHIN_NS: u64 = 2_000_000_000;

/// The word on the command line by which a reaper is executed again.
pub(crate) const AGAIN: &str = "resume";

/// Runs until the monitor says that it is done; gives the exit code.
pub(crate) fn run(shared: &'static Shared) -> u8 {
    let (roles, channels) = (Roles::new(shared), Channels::new(shared));
    match Reaper::new(shared, roles, channels, Watchdog::new(shared)) {
        Ok(mut reaper) => reaper.run(),
        Err(error) => {
            say(error);
            exit::SYSTEM
        }
    }
}

/// The same after a fault that was noted: children, state and descriptors are
/// there.
pub(crate) fn resume(shared: &'static Shared) -> ham_sys::Result<u8> {
    say("the reaper had a fault and was executed again; nothing was lost");
    let (roles, mut channels) = (Roles::recall(shared), Channels::recall(shared));
    if let Some(left) = roles.channel_of_nobody() {
        // By a monitor that was reaped before the fault.
        channels.finish(left);
    }
    let mut reaper = Reaper::new(shared, roles, channels, Watchdog::recall(shared))?;
    again::tidy(shared);
    reaper.sweep_at = Some(0);
    reaper.hang.handed_over(clock::monotonic());
    // Whoever was to be woken may not have been.
    shared.common.wake_monitor.post();
    Ok(reaper.run())
}

struct Reaper {
    shared: &'static Shared,
    state: State,
    poller: Poller,
    signals: SignalFd,
    timer: Timer,
    timer_set: Option<u64>,
    roles: Roles,
    channels: Channels,
    hang: HangWatch,
    watchdog: Watchdog,
    /// When all children are to be looked at; a signal can stand for several
    /// deaths.
    sweep_at: Option<u64>,
    last_sweep: u64,
    /// When the monitor was seen to be done.
    done_since: Option<u64>,
}

impl Reaper {
    fn new(
        shared: &'static Shared,
        roles: Roles,
        channels: Channels,
        watchdog: Watchdog,
    ) -> ham_sys::Result<Reaper> {
        let poller = Poller::new()?;
        let signals = SignalFd::new(&shared.signals.numbers())?;
        let timer = Timer::new()?;
        poller.add(&signals, SIGNALS, Interest::READ)?;
        poller.add(&shared.common.wake_reaper, WAKE, Interest::READ)?;
        poller.add(&timer, TIMER, Interest::READ)?;
        if shared.hang_check {
            poller.add(&shared.common.guard_timer, GUARD_TIMER, Interest::ARRIVALS)?;
        }
        Ok(Reaper {
            shared,
            state: shared.state,
            poller,
            signals,
            timer,
            timer_set: None,
            roles,
            channels,
            hang: HangWatch::new(shared),
            watchdog,
            sweep_at: None,
            last_sweep: 0,
            done_since: None,
        })
    }

    fn run(&mut self) -> u8 {
        let mut ready = [Ready::default(); 8];
        allocation::seal();
        loop {
            let now = clock::monotonic();
            self.sweep_if_due(now);
            self.state.set(Field::ReaperAllocations, allocation::after_seal());
            match self.state.done() {
                Some((code, ending)) => {
                    let since = *self.done_since.get_or_insert(now);
                    let late = now.saturating_sub(since) / LEAVES_WITHIN_NS;
                    if self.roles.none_lives() || (late > 1 && ending::leaves_behind(ending)) {
                        return ending::carry_out(self.shared, code, ending);
                    }
                    self.roles.dismiss(late > 0);
                    let due = since.saturating_add((late + 1).saturating_mul(LEAVES_WITHIN_NS));
                    self.set_timer_to(Some(due));
                }
                None => {
                    self.roles.look(now, &mut self.channels);
                    self.tell_recorded();
                    self.channels.watch(&self.poller, CHANNELS);
                    self.watchdog.look(now, &self.roles, &mut self.hang);
                    self.hang.look(now, self.roles.monitor());
                    self.set_timer();
                }
            }
            let count = self.poller.wait(&mut ready, None).unwrap_or(0);
            for event in ready.iter().take(count) {
                match event.token {
                    SIGNALS => self.read_signals(),
                    WAKE => {
                        self.shared.common.wake_reaper.drain();
                    }
                    TIMER => {
                        self.timer.drain();
                        self.timer_set = None;
                    }
                    GUARD_TIMER => self.hang.deadline_over(clock::monotonic()),
                    channel => {
                        let place = channel.saturating_sub(CHANNELS);
                        let place = usize::try_from(place).unwrap_or(usize::MAX);
                        self.channels.serve(place, self.roles.monitor_channel());
                        self.tell_recorded();
                    }
                }
            }
        }
    }

    /// The monitor may have told of an end itself: it has to take it as others.
    fn tell_recorded(&mut self) {
        if self.channels.take_recorded() {
            self.shared.common.wake_monitor.post();
            self.hang.handed_over(clock::monotonic());
        }
    }

    fn set_timer(&mut self) {
        let due = [self.sweep_at, self.roles.due(), self.hang.due(), self.watchdog.due()];
        self.set_timer_to(due.into_iter().flatten().min());
    }

    fn set_timer_to(&mut self, due: Option<u64>) {
        if due != self.timer_set {
            // A timer that cannot be set costs a delay until the next signal.
            let _ = self.timer.set(due);
            self.timer_set = due;
        }
    }

    fn read_signals(&mut self) {
        let mut received = [Received::default(); 64];
        loop {
            let count = self.signals.read(&mut received).unwrap_or(0);
            let mut deaths = false;
            for signal in received.iter().take(count) {
                if signal.signal == signals::SIGCHLD {
                    deaths = true;
                    if let Some(exit) = reap::peek(signal.pid) {
                        self.take(exit);
                    }
                } else if let Some(wanted) = self.shared.signals.wanted(signal.signal) {
                    self.wanted(wanted);
                }
            }
            if deaths {
                self.want_sweep();
            }
            if count < received.len() {
                return;
            }
        }
    }

    /// Somebody asks by a signal; the monitor does it.
    fn wanted(&mut self, wanted: Wanted) {
        match wanted {
            Wanted::Apply => {
                self.state.bump(Field::ApplyRequests);
            }
            Wanted::End(ending) => {
                self.state.ask_for_shutdown(ending);
                self.roles.hurry();
                self.hang.handed_over(clock::monotonic());
            }
        }
        self.shared.common.wake_monitor.post();
    }

    fn want_sweep(&mut self) {
        let many = self.state.get(Field::SlotsUsed) > MANY_CHILDREN;
        let now = clock::monotonic();
        let earliest = if many { self.last_sweep.saturating_add(SWEEP_PAUSE_NS) } else { now };
        self.sweep_at = Some(self.sweep_at.unwrap_or(u64::MAX).min(earliest.max(now)));
    }

    fn sweep_if_due(&mut self, now: u64) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.sweep_at = None;
        self.last_sweep = now;
        while let Some(exit) = reap::peek_any() {
            self.take(exit);
        }
    }

    /// One zombie.
    fn take(&mut self, exit: Exit) {
        if self.roles.is_any(exit.pid) {
            reap::collect(exit.pid);
            if exit.pid == self.roles.monitor() {
                self.channels.finish(self.roles.monitor_channel());
                self.tell_recorded();
            }
            self.roles.died(exit);
            self.hang.begin_anew(clock::monotonic());
            return;
        }
        if self.channels.was_closer(exit.pid) {
            reap::collect(exit.pid);
            return;
        }
        let now = clock::monotonic();
        let slot = adopt::owner_of(self.state, exit.pid);
        if let Some(slot) = slot {
            // False: recorded before a fault of the reaper, which may have
            // come before it was told, too.
            slot.exit(exit.code, exit.status, now);
            self.state.push_exit(slot.index());
            self.shared.common.wake_monitor.post();
            self.hang.handed_over(now);
        } else {
            let Exit { pid, code, status } = exit;
            self.state.push_orphan(Orphan { pid, code, status, at: now });
        }
        reap::collect(exit.pid);
        if let Some(slot) = slot {
            slot.forget_pid(exit.pid);
        }
    }
}
