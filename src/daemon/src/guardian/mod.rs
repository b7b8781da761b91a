//! The guardian: the next monitor, ready. It has mapped the state, made its
//! threads and read the index of the plan, and waits for the end of the process
//! before it; then it goes on from the last committed turn. While all is well
//! it is woken by nothing but another plan.
//!
//! It also looks whether the monitor still works (details 15): through a timer
//! that the monitor keeps ahead of its own deadlines, and by connections that
//! nobody takes. It ends a monitor that hangs, and takes over only once that is
//! dead.

use crate::monitor::{self, Standby};
use crate::say::{end_on_panic, say};
use crate::shared::{LAST_CHANCE_NS, PATIENCE_NS, Shared};
use ham_snapshot::header::Field;
use ham_sys::poller::{Interest, Poller, Ready, Timer};
use ham_sys::process::{self, PidFd};
use ham_sys::socket::Listener;
use ham_sys::{clock, signals};
use std::os::fd::OwnedFd;

const AHEAD: u64 = 0;
const GUARD_TIMER: u64 = 1;
const PLAN: u64 = 2;
const CLIENTS: u64 = 3;
const TIMER: u64 = 4;

/// The guardian's process; `ahead` is who it waits for.
pub(crate) fn main(shared: &'static Shared, ahead: PidFd, channel: OwnedFd) -> ! {
    enter_role(c"ham-guardian");
    let standby = Standby::new(shared, channel);
    let mut guardian = match Guardian::new(shared, ahead, standby) {
        Ok(guardian) => guardian,
        Err(error) => {
            say(format_args!("guardian: {error}"));
            process::exit_now(1);
        }
    };
    if let Err(error) = guardian.wait() {
        say(format_args!("guardian: {error}"));
        process::exit_now(1);
    }
    let learnt = clock::monotonic();
    if shared.state.get(Field::Done) != 0 {
        process::exit_now(0);
    }
    monitor::take_over(guardian.standby, learnt)
}

/// What monitor and guardian begin with: out of the reach of the terminal's
/// keys (details 16), and without what the reaper has for itself.
pub(crate) fn enter_role(name: &std::ffi::CStr) {
    let _ = signals::reset_dispositions();
    let _ = process::close_on_exec_from(3);
    let _ = process::new_session();
    let _ = process::set_name(name);
    end_on_panic();
}

struct Guardian {
    shared: &'static Shared,
    ahead: PidFd,
    standby: Standby,
    poller: Poller,
    timer: Timer,
    suspicion: Option<Suspicion>,
}

/// Why the monitor may hang, and what its pulse was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suspicion {
    why: Why,
    pulse: u64,
    /// It has had its last chance when the timer ends.
    last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A deadline is over for too long.
    Deadline,
    /// A connection waits.
    Client,
}

impl Guardian {
    fn new(shared: &'static Shared, ahead: PidFd, standby: Standby) -> ham_sys::Result<Guardian> {
        let poller = Poller::new()?;
        let timer = Timer::new()?;
        poller.add(&ahead, AHEAD, Interest::READ)?;
        poller.add(&shared.common.wake_guardian, PLAN, Interest::READ)?;
        if shared.hang_check {
            poller.add(&timer, TIMER, Interest::READ)?;
            // Not drained: should this guardian die over its suspicion, the next
            // is told again.
            poller.add(&shared.common.guard_timer, GUARD_TIMER, Interest::ARRIVALS)?;
            if let Some(control) = standby.control() {
                poller.add(control, CLIENTS, Interest::ARRIVALS)?;
            }
        }
        Ok(Guardian { shared, ahead, standby, poller, timer, suspicion: None })
    }

    /// Until the process before it is dead.
    fn wait(&mut self) -> ham_sys::Result<()> {
        let mut ready = [Ready::default(); 8];
        loop {
            let count = self.poller.wait(&mut ready, None)?;
            for event in ready.iter().take(count) {
                match event.token {
                    AHEAD => return Ok(()),
                    PLAN => {
                        self.shared.common.wake_guardian.drain();
                        self.standby.look_again();
                    }
                    GUARD_TIMER => {
                        if self.is_so(Why::Deadline) {
                            self.suspect(Why::Deadline, true)?;
                        }
                    }
                    CLIENTS if self.suspicion.is_none() => self.suspect(Why::Client, false)?,
                    CLIENTS => {}
                    _ => {
                        self.timer.drain();
                        self.look()?;
                    }
                }
            }
        }
    }

    /// Whether there is something that it should long have done.
    fn is_so(&self, why: Why) -> bool {
        match why {
            // Of this monitor: one that dies leaves the timer as it was.
            Why::Deadline => {
                let due = self.shared.state.get(Field::MonitorDue);
                due != 0 && due.saturating_add(PATIENCE_NS) <= clock::monotonic()
            }
            Why::Client => self.standby.control().is_some_and(Listener::has_waiting),
        }
    }

    fn suspect(&mut self, why: Why, last: bool) -> ham_sys::Result<()> {
        let pulse = self.shared.state.get(Field::Pulse);
        self.suspicion = Some(Suspicion { why, pulse, last });
        let patience = if last { LAST_CHANCE_NS } else { PATIENCE_NS };
        self.timer.set(Some(clock::monotonic().saturating_add(patience)))
    }

    /// The patience is over.
    fn look(&mut self) -> ham_sys::Result<()> {
        let Some(Suspicion { why, pulse, last }) = self.suspicion.take() else { return Ok(()) };
        if !self.is_so(why) {
            return Ok(());
        }
        if self.shared.state.get(Field::Pulse) != pulse {
            // Who works has its time again, for what came since.
            return self.suspect(why, false);
        }
        if !last {
            return self.suspect(why, true);
        }
        self.shared.state.bump(Field::HangKills);
        // It is the reaper's child, and this descriptor cannot mean another.
        // Its end is told by the same.
        let _ = self.ahead.send(signals::SIGKILL);
        Ok(())
    }
}
