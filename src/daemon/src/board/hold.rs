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

#[cfg(test)]
mod tests {
    use super::*;
    use ham_sys::fault;
    use std::fs::File;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Stdio};

    const AS: &str = "PROCESS_1_PANICS";
    const TOLD: i32 = 42;

    /// A test of this program by itself.
    fn alone(name: &str) -> [String; 4] {
        let name = format!("board::hold::tests::{name}");
        ["--exact", &name, "--ignored", "--nocapture"].map(str::to_owned)
    }

    /// How process 1 of a namespace ends that has a mistake, and what it says;
    /// `None`: there can be no such namespace here.
    fn told(how: &str) -> Option<(ExitStatus, String)> {
        let as_init = |words: &[String]| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]);
            // As ham has them before it has threads.
            command.args(["env", "--block-signal=TERM"]).args(words);
            command.env(AS, how).stdin(Stdio::null()).output()
        };
        if !as_init(&["true".to_owned()]).is_ok_and(|output| output.status.success()) {
            say("SKIPPED: no user and PID namespaces of its own");
            return None;
        }
        let program = std::env::current_exe().unwrap().display().to_string();
        let words: Vec<String> = std::iter::once(program).chain(alone("process_1")).collect();
        let output = as_init(&words).unwrap();
        Some((output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    #[test]
    fn a_panic_before_there_is_a_state_does_not_end_process_1() {
        let Some((status, told)) = told("before") else { return };
        // HUP is what a namespace makes of a restart.
        assert_eq!(status.signal(), Some(signals::SIGHUP), "{status}: {told}");
        assert!(told.contains("a mistake of the test"), "{told}");
        assert!(told.contains("; there is no manager: a shell"), "{told}");
        assert!(told.contains("the machine restarts"), "{told}");
    }

    #[test]
    fn a_panic_after_that_executes_process_1_again() {
        let Some((status, told)) = told("after") else { return };
        assert_eq!(status.code(), Some(TOLD), "{status}: {told}");
        assert!(told.contains("a mistake of the test"), "{told}");
        assert!(!told.contains("there is no manager"), "{told}");
    }

    #[test]
    #[ignore = "a part of those above"]
    fn process_1() {
        assert_eq!(process::pid(), 1);
        if std::env::var(AS).unwrap() == "before" {
            // Asks for a restart, until somebody listens.
            std::thread::spawn(|| {
                loop {
                    let _ = process::PidFd::open(1).map(|init| init.send(signals::SIGTERM));
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
            not_by_a_panic();
        } else {
            let program = File::open("/proc/self/exe").unwrap();
            let words = std::iter::once("again".to_owned()).chain(alone("again"));
            let words = words.map(Into::into).collect();
            fault::execute_again_on_fault(&program, words, true).unwrap();
            // It is needed then.
            std::mem::forget(program);
            again_after_a_panic();
        }
        panic!("a mistake of the test");
    }

    #[test]
    #[ignore = "a part of those above"]
    fn again() {
        process::exit_now(if process::pid() == 1 { TOLD } else { 1 });
    }
}
