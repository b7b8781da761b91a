//! The reaper: PID 1 or child subreaper. It records how every process ended,
//! tells the monitor, and only then lets the process go; it starts a monitor
//! when there is none. That is all it does: no parsing, no decisions about
//! entities, and after its start no heap, so that nothing can end it.
//!
//! The order on a death (details 11): record status and EXITED, notify, reap,
//! clear the pid. Whoever dies in between, somebody meets the zombie again or
//! finds the record.

mod role;

use crate::exit;
use crate::say::say;
use crate::shared::Shared;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::rings::Orphan;
use ham_sys::poller::{Interest, Poller, Ready, Timer};
use ham_sys::reap::{self, Exit};
use ham_sys::signals::{Received, SignalFd};
use ham_sys::{allocation, clock, signals};
use role::MonitorRole;

const SIGNALS: u64 = 0;
const WAKE: u64 = 1;
const TIMER: u64 = 2;

/// Above this many children a sweep over all of them is put off and done at
/// most this often: it costs 0.4 ms at 10,000 (kernel.md §5).
const MANY_CHILDREN: u64 = 1_000;
const SWEEP_PAUSE_NS: u64 = 10_000_000;

/// Runs until the monitor says that it is done; gives the exit code.
pub(crate) fn run(shared: &'static Shared) -> u8 {
    match Reaper::new(shared) {
        Ok(mut reaper) => reaper.run(),
        Err(error) => {
            say(error);
            exit::SYSTEM
        }
    }
}

struct Reaper {
    shared: &'static Shared,
    state: State,
    poller: Poller,
    signals: SignalFd,
    timer: Timer,
    monitor: MonitorRole,
    /// When all children are to be looked at; a signal can stand for several
    /// deaths.
    sweep_at: Option<u64>,
    last_sweep: u64,
}

impl Reaper {
    fn new(shared: &'static Shared) -> ham_sys::Result<Reaper> {
        let poller = Poller::new()?;
        let signals = SignalFd::new(&[
            signals::SIGCHLD,
            signals::SIGTERM,
            signals::SIGINT,
            signals::SIGPWR,
            signals::rtmin() + 3,
        ])?;
        let timer = Timer::new()?;
        poller.add(&signals, SIGNALS, Interest::READ)?;
        poller.add(&shared.wake_reaper, WAKE, Interest::READ)?;
        poller.add(&timer, TIMER, Interest::READ)?;
        let monitor = MonitorRole::new(shared);
        Ok(Reaper {
            shared,
            state: shared.state,
            poller,
            signals,
            timer,
            monitor,
            sweep_at: None,
            last_sweep: 0,
        })
    }

    fn run(&mut self) -> u8 {
        let mut ready = [Ready::default(); 4];
        allocation::seal();
        self.monitor.start();
        loop {
            self.set_timer();
            let count = self.poller.wait(&mut ready, None).unwrap_or(0);
            for event in ready.iter().take(count) {
                match event.token {
                    SIGNALS => self.read_signals(),
                    WAKE => {
                        self.shared.wake_reaper.drain();
                    }
                    _ => self.timer.drain(),
                }
            }
            self.sweep_if_due();
            if self.monitor.wants_start(clock::monotonic()) && self.done().is_none() {
                self.monitor.start();
            }
            self.state.set(Field::ReaperAllocations, allocation::after_seal());
            if let Some(code) = self.done().filter(|_| !self.monitor.lives()) {
                return code;
            }
        }
    }

    /// The exit code, once the monitor has said that all is down.
    fn done(&self) -> Option<u8> {
        match self.state.get(Field::Done) {
            0 => None,
            word => u8::try_from(word & 0xff).ok(),
        }
    }

    fn set_timer(&mut self) {
        let due = [self.sweep_at, self.monitor.start_at()].into_iter().flatten().min();
        // A timer that cannot be set costs a delay until the next signal.
        let _ = self.timer.set(due);
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
                } else {
                    self.state.bump(Field::ShutdownRequests);
                    self.monitor.hurry();
                    self.shared.wake_monitor.post();
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

    fn want_sweep(&mut self) {
        let many = self.state.get(Field::SlotsUsed) > MANY_CHILDREN;
        let now = clock::monotonic();
        let earliest = if many { self.last_sweep.saturating_add(SWEEP_PAUSE_NS) } else { now };
        self.sweep_at = Some(self.sweep_at.unwrap_or(u64::MAX).min(earliest.max(now)));
    }

    fn sweep_if_due(&mut self) {
        let now = clock::monotonic();
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
        if self.monitor.is(exit.pid) {
            reap::collect(exit.pid);
            self.monitor.died();
            return;
        }
        let now = clock::monotonic();
        let slot = self.state.slot_of_pid(exit.pid);
        if let Some(slot) = slot {
            if slot.exit(exit.code, exit.status, now) {
                self.state.push_exit(slot.index());
            }
            self.shared.wake_monitor.post();
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
