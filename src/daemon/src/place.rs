//! Where the manager runs: whether the machine ends with it, and whose signals
//! it is sent.

use crate::signalled::Signals;
use ham_sys::ending::is_init_of_machine;

/// In a container whose manager takes reboot(2) of its init for a request, as
/// LXC and systemd-nspawn do, nobody else can know that it does.
const IN_CONTAINER: &str = "HAM_REBOOT";
/// The init of a PID namespace that is to be treated as a machine: what it has
/// mounted goes with it.
const AS_MACHINE: &str = "HAM_BOARD";

/// See the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// It is the init of the machine: it never ends but with that.
    pub(crate) board: bool,
    /// It may end the machine, or what takes itself for one.
    pub(crate) reboots: bool,
}

impl Place {
    /// Looks where the process with this id runs, which is the reaper.
    pub(crate) fn of(reaper: i32) -> Place {
        let told = |name: &str| std::env::var_os(name).is_some_and(|value| value == "1");
        let board = is_init_of_machine(reaper) || (reaper == 1 && told(AS_MACHINE));
        Place { board, reboots: board || (reaper == 1 && told(IN_CONTAINER)) }
    }

    /// Whose signals come here, if nobody says.
    pub(crate) fn signals(self) -> Signals {
        if self.board { Signals::Board } else { Signals::Container }
    }
}
