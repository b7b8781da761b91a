//! What each signal asks of the manager. On a board these are BusyBox's, with
//! systemd's of real time beside them; in a container, and wherever ham runs
//! beside others, those that end it.

use ham_snapshot::ending::Ending;
use ham_sys::signals::{self, SIGCHLD, SIGHUP, SIGINT, SIGPWR, SIGTERM, SIGUSR1, SIGUSR2};

/// Whose signals are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signals {
    /// Those of a machine's init.
    Board,
    /// Those that a container engine, or a person, sends.
    Container,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The units are read again.
    Apply,
    /// All entities are stopped, and then this.
    End(Ending),
}

/// Signals and what they ask for; each, and what for, stands in ham(8).
type Row = (i32, Wanted);

/// The most rows of a table.
const MOST: usize = 10;

impl Signals {
    const ALL: [Signals; 2] = [Signals::Board, Signals::Container];

    /// As it is written on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Signals::Board => "board",
            Signals::Container => "container",
        }
    }

    /// The inverse of [`Signals::word`].
    pub(crate) fn from_word(word: &str) -> Option<Signals> {
        Signals::ALL.into_iter().find(|signals| signals.word() == word)
    }

    /// The table, padded with what stands in it anyway.
    fn table(self) -> [Row; MOST] {
        let real_time = |number: i32| signals::rtmin().saturating_add(number);
        let end = Wanted::End;
        match self {
            Signals::Board => [
                (SIGHUP, Wanted::Apply),
                // The kernel sends it for Ctrl-Alt-Del.
                (SIGINT, end(Ending::Reboot)),
                (SIGTERM, end(Ending::Reboot)),
                (SIGUSR1, end(Ending::Halt)),
                (SIGUSR2, end(Ending::PowerOff)),
                (SIGPWR, end(Ending::PowerOff)),
                (real_time(3), end(Ending::Halt)),
                (real_time(4), end(Ending::PowerOff)),
                (real_time(5), end(Ending::Reboot)),
                (real_time(7), end(Ending::SoftReboot)),
            ],
            Signals::Container => {
                let mut table = [(SIGHUP, Wanted::Apply); MOST];
                let ends = [SIGTERM, SIGINT, SIGPWR, real_time(3)];
                for (row, signal) in table.iter_mut().zip(ends) {
                    *row = (signal, end(Ending::Exit));
                }
                table
            }
        }
    }

    /// What this one asks for; `None`: nothing.
    pub(crate) fn wanted(self, signal: i32) -> Option<Wanted> {
        self.table().into_iter().find(|row| row.0 == signal).map(|row| row.1)
    }

    /// All that the reaper reads: those of the table, and deaths of children.
    pub(crate) fn numbers(self) -> [i32; MOST + 1] {
        let mut numbers = [SIGCHLD; MOST + 1];
        for (number, row) in numbers.iter_mut().zip(self.table()) {
            *number = row.0;
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_ended_and_never_the_machine() {
        let container = Signals::Container;
        for signal in [SIGTERM, SIGINT, SIGPWR, signals::rtmin() + 3] {
            assert_eq!(container.wanted(signal), Some(Wanted::End(Ending::Exit)), "{signal}");
        }
        assert_eq!(container.wanted(SIGHUP), Some(Wanted::Apply));
        for signal in [SIGUSR1, SIGUSR2, SIGCHLD, signals::rtmin() + 4] {
            assert_eq!(container.wanted(signal), None, "{signal}");
        }
    }

    /// Each row of the tables of ham(8), in both directions.
    #[test]
    fn the_manual_page_has_the_same_tables() {
        let page = include_str!("../../../man/ham.8").replace("\\-", "-");
        for mode in Signals::ALL {
            let begin = format!(".\\\" signals of a {}\n", mode.word());
            let section = page.split(&begin).nth(1).expect("the table");
            let section = section.split(".\\\" end\n").next().unwrap_or_default();
            let mut found: Vec<(String, String)> = Vec::new();
            for entry in section.split(".TP\n").skip(1) {
                let (names, text) = entry.split_once('\n').expect("names and a text");
                let wanted = text.split('\n').next().unwrap_or_default().trim_end_matches('.');
                let names = names.replace(".BR ", "").replace(".B ", "").replace('"', "");
                let names = names.split([',', ' ']).filter(|name| !name.is_empty());
                found.extend(names.map(|name| (name.to_owned(), wanted.to_owned())));
            }
            let number = |name: &str| match name.strip_prefix("RTMIN+") {
                Some(more) => signals::rtmin() + more.parse::<i32>().expect("a number"),
                None => {
                    let signal = ham_core::signal::Signal::parse(name).expect("a signal");
                    i32::from(signal.0)
                }
            };
            for (name, text) in &found {
                assert_eq!(Some(text.as_str()), mode.wanted(number(name)).map(told), "{name}");
            }
            let mut listed: Vec<i32> = found.iter().map(|(name, _)| number(name)).collect();
            listed.push(SIGCHLD);
            let mut known = mode.numbers().to_vec();
            known.sort_unstable();
            known.dedup();
            listed.sort_unstable();
            assert_eq!(listed, known, "{}", mode.word());
        }
    }

    fn told(wanted: Wanted) -> &'static str {
        match wanted {
            Wanted::Apply => "Apply",
            Wanted::End(Ending::Exit) => "End",
            Wanted::End(Ending::Reboot) => "Reboot",
            Wanted::End(Ending::Halt) => "Halt",
            Wanted::End(Ending::PowerOff) => "Power off",
            Wanted::End(Ending::SoftReboot) => "Soft-reboot",
            Wanted::End(Ending::Execute) => "a command",
        }
    }
}
