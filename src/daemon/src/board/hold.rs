//! What is left of an init that cannot be a manager: it must not end, for a
//! machine whose init ends panics. It says why, gives whoever is at the console
//! a shell, reaps, and waits to be told to restart.

use super::shell::{ON_CONSOLE, WORD};
use crate::last_resort;
use crate::options::Place;
use crate::say::say;
use crate::signalled::{Signals, Wanted};
use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::signals::{Received, SignalFd};
use ham_sys::{process, reap, signals};
use std::convert::Infallible;
use std::fmt::Display;
use std::panic::PanicHookInfo;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// How often is looked for what has ended, beside being told, and how long a
/// shell that has ended is not replaced.
const LOOK: Duration = Duration::from_secs(1);

/// The last thing that a program does: on a board it does not end.
pub(crate) fn never_end(place: Place, code: u8) -> ExitCode {
    match place {
        Place::Elsewhere => ExitCode::from(code),
        Place::Namespace | Place::Machine => {
            hold(&format_args!("the manager has ended with exit code {code}"))
        }
    }
}

/// Never returns. The signals of a board end the machine: INT, which is
/// Ctrl-Alt-Del, restarts it.
pub(crate) fn hold(why: &dyn Display) -> ! {
    say(format_args!(
        "{why}; there is no manager: a shell on the console is all there is, and Ctrl-Alt-Del \
         restarts the machine"
    ));
    let _ = signals::reset_dispositions();
    let _ = signals::block_all();
    let signals = SignalFd::new(&Signals::Board.numbers()).ok();
    let poller = Poller::new().ok();
    if let (Some(poller), Some(signals)) = (&poller, &signals) {
        let _ = poller.add(signals, 0, Interest::READ);
    }
    let mut shell = None;
    let mut next = Instant::now();
    loop {
        while let Some(ended) = reap::peek_any() {
            reap::collect(ended.pid);
            if shell == Some(ended.pid) {
                shell = None;
                next = Instant::now() + LOOK;
            }
        }
        if shell.is_none() && Instant::now() >= next {
            shell = start_shell();
            next = Instant::now() + LOOK;
        }
        match &poller {
            Some(poller) => {
                let _ = poller.wait(&mut [Ready::default(); 1], Some(LOOK));
            }
            None => std::thread::sleep(LOOK),
        }
        let mut received = [Received::default(); 16];
        let count = signals.as_ref().and_then(|signals| signals.read(&mut received).ok());
        for signal in received.iter().take(count.unwrap_or(0)) {
            if let Some(Wanted::End(ending)) = Signals::Board.wanted(signal.signal) {
                last_resort::end_the_machine(ending);
            }
        }
    }
}

/// Ham itself, so that what is tried is tried in one place; or a shell.
fn start_shell() -> Option<i32> {
    let mut own = Command::new("/proc/self/exe");
    own.args([WORD, ON_CONSOLE]);
    let started = own.spawn().or_else(|_| Command::new("/bin/sh").spawn());
    match started {
        Ok(child) => i32::try_from(child.id()).ok(),
        Err(error) => {
            say(format_args!("could not start a shell: {error}"));
            None
        }
    }
}

/// From here on a mistake of this process, which is the init, does not end it.
pub(crate) fn not_by_a_panic() {
    on_panic(|what| hold(&what));
}

/// From here on it executes this program again, which `ham_sys::fault` must be
/// ready for.
pub(crate) fn again_after_a_panic() {
    on_panic(|what| {
        say(what);
        std::process::abort()
    });
}

/// One that was forked from it may end: it is made again.
fn on_panic(act: fn(&PanicHookInfo<'_>) -> Infallible) {
    let own = process::pid();
    std::panic::set_hook(Box::new(move |what| {
        if process::pid() == own {
            act(what);
        }
        say(what);
    }));
}
