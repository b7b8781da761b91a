//! Ham by another name: called as `reboot`, `poweroff`, `halt`, `shutdown` or
//! `telinit` it asks the init to do that, by the signals of BusyBox's, and with
//! `-f` does it at once. The init itself is called `init`, too: any other process
//! of that name is a `telinit`.
//!
//! - `words`: the command lines

mod words;

use crate::exit;
use crate::say::write;
use ham_sys::ending::{Machine, end_machine};
use ham_sys::process::{self, PidFd};
use ham_sys::signals::{SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};
use ham_sys::{Errno, unmount};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

/// Programs that understand these signals as an init, by the names that they have
/// as a process.
const INITS: [&str; 4] = ["ham", "init", "busybox", "linuxrc"];

/// What it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Reboot,
    PowerOff,
    Halt,
    Shutdown,
    Telinit,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The machine ends.
    End {
        how: Machine,
        /// At once, and not by the init.
        force: bool,
        /// What the kernel has of files is written before that.
        sync: bool,
    },
    /// The units are read again.
    Apply,
    /// Nothing, as somebody wants who knows what others would do here.
    Nothing,
    /// The help.
    Help,
}

impl Name {
    /// The one that this process was called by; `None`: it is ham. The first
    /// process is, whatever its name: it must not end.
    pub(crate) fn of(argv0: Option<&OsStr>) -> Option<Name> {
        if process::pid() == 1 {
            return None;
        }
        Name::of_file(Path::new(argv0?).file_name()?.to_str()?)
    }

    fn of_file(name: &str) -> Option<Name> {
        Some(match name {
            "reboot" => Name::Reboot,
            "poweroff" => Name::PowerOff,
            "halt" => Name::Halt,
            "shutdown" => Name::Shutdown,
            "telinit" | "init" => Name::Telinit,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Name::Reboot => "reboot",
            Name::PowerOff => "poweroff",
            Name::Halt => "halt",
            Name::Shutdown => "shutdown",
            Name::Telinit => "telinit",
        }
    }
}

/// See the file.
pub(crate) fn main(name: Name, words: Vec<OsString>) -> ExitCode {
    let order = match words::parse(name, words) {
        Ok(order) => order,
        Err(why) => return fail(name, exit::USAGE, &format!("{why}\n{}", words::usage(name))),
    };
    match order {
        Order::Nothing => ExitCode::SUCCESS,
        Order::Help => crate::print(&format!("{}\n", words::usage(name))),
        Order::Apply => ask(name, SIGHUP),
        Order::End { how, force: false, .. } => ask(name, signal_for(how)),
        Order::End { how, force: true, sync } => {
            if sync {
                unmount::sync();
            }
            match end_machine(how) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(name, code_of(error.errno), &error),
            }
        }
    }
}

/// BusyBox's.
fn signal_for(how: Machine) -> i32 {
    match how {
        Machine::Restarts => SIGTERM,
        Machine::Halts => SIGUSR1,
        Machine::Ends => SIGUSR2,
    }
}

fn ask(name: Name, signal: i32) -> ExitCode {
    let init = process::name_of(1);
    if let Some(other) = init.filter(|init| !INITS.contains(&init.as_str())) {
        let why = format!(
            "process 1 is `{other}`, to which the signals of ham's board mean something else; \
             with -f it is done at once and without it"
        );
        return fail(name, exit::SYSTEM, &why);
    }
    match PidFd::open(1).and_then(|init| init.send(signal)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(name, code_of(error.errno), &format!("could not ask the init: {error}")),
    }
}

fn code_of(errno: Errno) -> u8 {
    if errno == Errno::EPERM { exit::PERMISSION } else { exit::SYSTEM }
}

fn fail(name: Name, code: u8, why: &dyn Display) -> ExitCode {
    write(&format!("{}: {why}\n", name.word()));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalled::{Signals, Wanted};
    use ham_snapshot::ending::Ending;

    #[test]
    fn the_last_part_of_the_path_is_the_name() {
        for (file, name) in [
            ("reboot", Some(Name::Reboot)),
            ("poweroff", Some(Name::PowerOff)),
            ("halt", Some(Name::Halt)),
            ("shutdown", Some(Name::Shutdown)),
            ("telinit", Some(Name::Telinit)),
            ("init", Some(Name::Telinit)),
            ("ham", None),
            ("hamctl", None),
        ] {
            assert_eq!(Name::of_file(file), name, "{file}");
            let path = format!("/sbin/{file}");
            assert_eq!(Name::of(Some(OsStr::new(&path))), name, "{path}");
        }
        assert_eq!(Name::of(None), None);
    }

    #[test]
    fn the_init_of_a_board_does_what_it_is_asked_for() {
        for (how, ending) in [
            (Machine::Restarts, Ending::Reboot),
            (Machine::Halts, Ending::Halt),
            (Machine::Ends, Ending::PowerOff),
        ] {
            assert_eq!(
                Signals::Board.wanted(signal_for(how)),
                Some(Wanted::End(ending)),
                "{how:?}"
            );
        }
        assert_eq!(Signals::Board.wanted(SIGHUP), Some(Wanted::Apply));
    }
}
