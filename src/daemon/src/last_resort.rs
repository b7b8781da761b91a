//! What is left when nothing else works: reaping, and an end in good order as
//! far as that is possible without knowing any entity (details 13). Reached
//! only by a reaper that cannot use its state after a fault.

use crate::board::kmsg;
use crate::exit;
use crate::options::Place;
use crate::say::say;
use crate::shared::{kept_number, number};
use crate::signalled::Wanted;
use ham_snapshot::State;
use ham_snapshot::ending::Ending;
use ham_snapshot::header::Field;
use ham_snapshot::layout;
use ham_sys::ending::{Machine, end_machine};
use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::signals::{Received, SignalFd};
use ham_sys::{containment, limited, process, reap, signals, unmount};
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long processes have to end when a shutdown is asked for: there is no
/// unit to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// Processes of the manager, by the names that they give themselves.
const ROLES: [&str; 2] = ["ham-monitor", "ham-guardian"];

/// How long files have to be written out when the machine ends: a dead server
/// must not keep it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// Reaps until a signal asks for the end, which is that of the machine when its
/// init is asked; gives the exit code, if there is one.
pub(crate) fn reap_only(place: Place, why: &dyn Display, state: Option<State>) -> u8 {
    let text = format!(
        "the reaper goes on without its state ({why}): entities run on, unsupervised, and \
         whatever ends is reaped; TERM ends all"
    );
    say(&text);
    if !kmsg::is_on()
        && let Ok(mut kernel_log) = std::fs::File::options().write(true).open("/dev/kmsg")
    {
        let _ = kernel_log.write_all(format!("ham: {text}\n").as_bytes());
    }
    // The next fault does not begin to trust it again.
    if let Some(state) = state {
        state.set(Field::ReaperGaveUp, 1);
    }
    // What was asked for before still is.
    let asked = state.and_then(asked);
    // Monitor and guardian would go on by slots that nobody keeps true any more,
    // and signal whoever has a number by then. Clients are not to wait for them.
    for pid in containment::stragglers(process::pid(), &[]) {
        if reap::is_child(pid)
            && process::name_of(pid).is_some_and(|name| ROLES.contains(&name.as_str()))
        {
            process::kill_child(pid);
        }
    }
    let [first, second] = number::CHANNELS;
    process::close_range(first, second);
    // One of those may be behind a file system that hangs: a child closes them.
    let kept = (0..layout::KEPT).map(kept_number).filter(|number| process::is_open(*number));
    for fd in kept.filter_map(|number| process::take(number).ok()) {
        let _ = process::close_by_child(fd);
    }
    match asked.map_or_else(|| wait_for_end(place), Ok) {
        Ok(ending) => {
            end_all();
            if place.is_board() {
                end_the_machine(ending);
            }
        }
        // Without these nothing can be waited for but the children themselves.
        Err(error) => {
            say(error);
            loop {
                reap_all();
                std::thread::sleep(LOOK);
            }
        }
    }
    exit::MISTAKE
}

/// File systems stay as they are, but for what has not been written: to take
/// them away is the work of processes that are not there. Comes back when it was
/// refused, or when there is nothing to do but to wait.
pub(crate) fn end_the_machine(ending: Ending) {
    let how = match ending {
        Ending::Reboot | Ending::SoftReboot | Ending::Execute => Machine::Restarts,
        Ending::Halt => Machine::Halts,
        Ending::Exit | Ending::PowerOff => Machine::Ends,
    };
    let _ = limited::within(WRITTEN_WITHIN, || {
        unmount::sync();
        Ok(())
    });
    say(last_line(how));
    if let Err(error) = end_machine(how) {
        say(error);
    }
}

/// The last that is seen on a console.
pub(crate) fn last_line(how: Machine) -> &'static str {
    match how {
        Machine::Restarts => "the machine restarts",
        Machine::Ends => "the machine is switched off",
        Machine::Halts => "the machine is halted",
    }
}

/// What a shutdown that is under way ends in, as far as a word tells that. One by
/// a client is known when all is down; before that it has to be asked for again.
fn asked(state: State) -> Option<Ending> {
    if let Some((_, ending)) = state.done() {
        return Some(ending);
    }
    let requests = state.get(Field::ShutdownRequests);
    (requests != 0).then(|| state.asked_shutdown(requests))
}

fn wait_for_end(place: Place) -> ham_sys::Result<Ending> {
    let understood = place.signals();
    let descriptor = SignalFd::new(&understood.numbers())?;
    let poller = Poller::new()?;
    poller.add(&descriptor, 0, Interest::READ)?;
    let mut received = [Received::default(); 16];
    let mut ready = [Ready::default(); 1];
    loop {
        reap_all();
        poller.wait(&mut ready, None)?;
        let count = descriptor.read(&mut received)?;
        for signal in received.iter().take(count) {
            // There is nobody to read units again.
            if let Some(Wanted::End(ending)) = understood.wanted(signal.signal) {
                return Ok(ending);
            }
        }
    }
}

fn reap_all() {
    while let Some(ended) = reap::peek_any() {
        reap::collect(ended.pid);
    }
}

/// Who hangs in the kernel is left behind.
fn end_all() {
    let killed_at = Instant::now() + PATIENCE;
    let left_at = killed_at + PATIENCE;
    let send = |signal: i32| containment::signal_stragglers(process::pid(), &[], signal);
    send(signals::SIGTERM);
    while reap::has_children() && Instant::now() < left_at {
        reap_all();
        if Instant::now() >= killed_at {
            send(signals::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
}
