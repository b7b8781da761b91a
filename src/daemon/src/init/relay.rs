//! The loop: takes one signal after the other, passes it on or reaps, until the
//! command has ended. It waits for signals only, so it does nothing when nothing
//! happens; and it uses no heap.

use super::arguments::Arguments;
use super::jobs::Jobs;
use super::report::{Counts, Report};
use ham_core::signal::Signal;
use ham_sys::reap::{self, Exit, Taken};
use ham_sys::signal_queue::{QUEUED, Queue, Whom, send, send_value};
use ham_sys::signals::{Received, SIGCHLD, SIGCONT, SIGINT, SIGTERM};
use ham_sys::{Errno, SysError};

/// A process that was ended by a signal has this and its number as exit code,
/// as shells say it.
const SIGNALLED: u8 = 128;

/// How it ended, and whether there may be processes that have not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// The command; `None`: there was none.
    pub(super) command: Option<Exit>,
    /// Whether there are other processes.
    pub(super) left: bool,
}

impl Ended {
    /// 0 to 255.
    pub(super) fn code(&self) -> u8 {
        let Some(exit) = self.command else { return 0 };
        let status = exit.status.rem_euclid(256);
        let status = u8::try_from(status).unwrap_or(u8::MAX);
        if exit.code == Exit::EXITED { status } else { SIGNALLED.saturating_add(status) }
    }

    /// The signal that has ended the command.
    pub(super) fn signal(&self) -> Option<Signal> {
        let exit = self.command.filter(|exit| exit.code != Exit::EXITED)?;
        u8::try_from(exit.status).ok().map(Signal)
    }
}

pub(super) struct Relay<'a> {
    arguments: &'a Arguments,
    report: &'a Report,
    queue: &'a Queue,
    jobs: Jobs,
    child: Option<i32>,
    counts: Counts,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        arguments: &'a Arguments,
        report: &'a Report,
        queue: &'a Queue,
        jobs: Jobs,
        child: Option<i32>,
    ) -> Relay<'a> {
        let counts = Counts::default();
        Relay { arguments, report, queue, jobs, child, counts }
    }

    /// Until the command has ended; with none, until it is asked to end.
    pub(super) fn run(&mut self) -> Ended {
        loop {
            let Some(received) = self.queue.take(None) else { continue };
            if received.signal == SIGCHLD {
                if let Some(ended) = self.reap() {
                    return ended;
                }
                self.jobs.look_for_stop(self.queue);
            } else if self.child.is_some() {
                self.pass_on(received);
            } else if matches!(received.signal, SIGTERM | SIGINT) {
                return Ended { command: None, left: reap::has_children() };
            }
        }
    }

    /// What is needed after the loop.
    pub(super) fn over(self) -> (Jobs, Counts) {
        (self.jobs, self.counts)
    }

    /// All that have ended: one signal may stand for many.
    fn reap(&mut self) -> Option<Ended> {
        let mut command = None;
        loop {
            match reap::take_any() {
                Taken::Exit(exit) if Some(exit.pid) == self.child => command = Some(exit),
                Taken::Exit(exit) => self.orphan(exit),
                Taken::Nothing => return self.ended(command?, true),
                Taken::NoChild => return self.ended(command?, false),
            }
        }
    }

    fn ended(&mut self, exit: Exit, left: bool) -> Option<Ended> {
        let ended = Ended { command: Some(exit), left };
        match ended.signal() {
            Some(signal) => self.report.info(format_args!("the command was ended by {signal}")),
            None => self.report.info(format_args!("the command has ended with {}", ended.code())),
        }
        Some(ended)
    }

    fn orphan(&mut self, exit: Exit) {
        self.counts.orphans = self.counts.orphans.saturating_add(1);
        if self.arguments.warn_orphans {
            self.report.always(format_args!("reaped process {}", exit.pid));
        } else {
            self.report.debug(format_args!("reaped process {}", exit.pid));
        }
    }

    fn pass_on(&mut self, received: Received) {
        if received.signal == SIGCONT {
            self.jobs.continued();
        }
        let (Some(signal), Some(child)) = (self.arguments.rewrites.of(received.signal), self.child)
        else {
            return;
        };
        match self.send(child, signal, received) {
            Ok(()) => self.report.debug(format_args!("passed on signal {signal}")),
            // It is a zombie that is met at the next SIGCHLD, or its group has
            // gone elsewhere.
            Err(error) if error.errno == Errno::ESRCH => {
                self.report.warn(format_args!("nobody is there to get signal {signal}"));
            }
            Err(error) => self.report.warn(format_args!("signal {signal}: {error}")),
        }
    }

    fn send(&mut self, child: i32, signal: i32, received: Received) -> Result<(), SysError> {
        if self.arguments.to_group {
            return send(Whom::Group(child), signal);
        }
        if received.code == QUEUED {
            // A queue of the command that is full gets the plain signal.
            let with_value = send_value(child, signal, received.value);
            if with_value.is_ok() {
                return with_value;
            }
        }
        send(Whom::Process(child), signal)
    }
}
