//! What comes after all is down, as the reaper is told it, and what the core
//! must know of that beforehand.

use super::Engine;
use crate::container;
use crate::options::{Place, STOP_DEADLINE};
use crate::shared::Shared;
use ham_core::monitor::Host;
use ham_core::plan::Ending;
use ham_snapshot::ending::Ending as Told;
use ham_snapshot::header::Field;

/// In a container whose manager takes reboot(2) of its init for a request, as
/// LXC and systemd-nspawn do, nobody else can know that it does.
const IN_CONTAINER: &str = "HAM_REBOOT";

/// The init of the machine is who may start it anew.
pub(super) fn host(shared: &Shared) -> Host {
    let allowed = || std::env::var_os(IN_CONTAINER).is_some_and(|value| value == "1");
    let reboots = on_board(shared) || (reaper(shared) == 1 && allowed());
    // What `ham.conf` says is told to the core when it has been read.
    let stop_deadline = shared.options.stop_deadline.unwrap_or(STOP_DEADLINE);
    let container = container::is_one(&shared.options, shared.state);
    Host { stop_deadline, reboots, container }
}

fn on_board(shared: &Shared) -> bool {
    shared.options.place != Place::Elsewhere
}

fn reaper(shared: &Shared) -> i32 {
    i32::try_from(shared.state.get(Field::ReaperPid)).unwrap_or(0)
}

impl Engine {
    /// The last word of the monitor; a successor that says it again does no
    /// harm.
    pub(super) fn say_done(&self, ending: &Ending) {
        match ending {
            // A machine whose init exits panics.
            Ending::Exit(code) if on_board(self.shared) => {
                self.state.set_done(*code, Told::PowerOff);
            }
            Ending::Exit(code) => self.state.set_done(*code, Told::Exit),
            Ending::Reboot => self.state.set_done(0, Told::Reboot),
            Ending::Execute(words) => {
                // Looked at before: it fits.
                self.state.set_recovery(words.iter().map(String::as_str));
                self.state.set_done(0, Told::Execute);
            }
        }
    }
}
