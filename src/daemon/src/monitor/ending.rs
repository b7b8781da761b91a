//! What comes after all is down, as the reaper is told it, and what the core
//! must know of that beforehand.

use super::Engine;
use crate::container;
use crate::options::STOP_DEADLINE;
use crate::shared::Shared;
use ham_core::monitor::Host;
use ham_core::time::Span;
use ham_core::way::{Last, Way};
use ham_core::wire::{Answer, Refusal};
use ham_snapshot::ending::Ending as Told;

/// How long entities have when a shutdown is asked for a second time.
const HURRIED: Span = Span::millis(500);

/// Of its place in the machine.
pub(super) fn host(shared: &Shared) -> Host {
    // What `ham.conf` says is told to the core when it has been read.
    let stop_deadline = shared.options.stop_deadline.unwrap_or(STOP_DEADLINE);
    let container = container::is_one(&shared.options, shared.state);
    Host { stop_deadline, reboots: shared.reboots, container }
}

impl Engine {
    /// What a signal has asked for, as far as that is possible here.
    pub(super) fn way_of_signal(&self, number: u64) -> Way {
        let way = match self.state.asked_shutdown(number) {
            Told::Exit | Told::Execute => Way::Exit(0),
            Told::Reboot => Way::Reboot,
            Told::PowerOff => Way::PowerOff,
            Told::Halt => Way::Halt,
            Told::SoftReboot => Way::SoftReboot,
        };
        if way.ends_machine() && !self.shared.reboots { Way::Exit(0) } else { way }
    }

    /// What a client has asked for, by its word.
    pub(super) fn way_asked(&self, code: u8, word: Option<&str>) -> Result<Way, Answer> {
        let Some(word) = word else { return Ok(Way::Exit(code)) };
        let Some(way) = Way::from_word(word) else {
            let why = format!("`{word}` is none of poweroff, reboot, halt, soft-reboot");
            return Err(Answer::refusal(&Refusal::BadParameter {
                parameter: "into".to_owned(),
                why,
            }));
        };
        if code != 0 {
            let why = format!("beside `{word}` there is no exit code");
            return Err(Answer::refusal(&Refusal::BadParameter {
                parameter: "code".to_owned(),
                why,
            }));
        }
        let not = |reason: &str, why: String| {
            Err(Answer::refusal(&Refusal::NotPossible { reason: reason.to_owned(), why }))
        };
        if way.ends_machine() && !self.shared.reboots {
            let why = "this manager is not the init of the machine; `hamctl shutdown` ends it";
            return not("no-init", format!("could not {word}: {why}"));
        }
        if way == Way::SoftReboot && self.state.recovery().words().is_empty() {
            let why = "could not soft-reboot: the command line of this manager does not fit";
            return not("too-long", format!("{why}, or is no text"));
        }
        Ok(way)
    }

    /// The line about it, and how long entities have. The second that asks for
    /// the same hurries; one that asks for another end does not, nor does the
    /// first when nobody has asked, but the end has come with that of an entity.
    pub(super) fn shutdown_by_signal(&mut self, way: Way) -> (String, Span) {
        let goes_on = match self.core.ends_in() {
            Some(before) => way == before || !way.overrules(before),
            None => false,
        };
        let is_first = self.core.signals_taken() == 0 && self.core.ends_with_main();
        if goes_on && !is_first {
            return ("shutting down now".to_owned(), HURRIED);
        }
        (shutting_down(way), self.stop_deadline())
    }

    /// The last word of the monitor; a successor that says it again does no
    /// harm.
    pub(super) fn say_done(&self, last: &Last) {
        let (code, told) = match last {
            // A machine whose init exits panics.
            Last::Way(Way::Exit(code)) if self.shared.options.place.is_board() => {
                (*code, Told::PowerOff)
            }
            Last::Way(Way::Exit(code)) => (*code, Told::Exit),
            Last::Way(Way::PowerOff) => (0, Told::PowerOff),
            Last::Way(Way::Reboot) => (0, Told::Reboot),
            Last::Way(Way::Halt) => (0, Told::Halt),
            // Its command is in the state since the start.
            Last::Way(Way::SoftReboot) => (0, Told::SoftReboot),
            Last::Execute(words) => {
                // Looked at before: it fits.
                self.state.set_recovery(words.iter().map(String::as_str));
                (0, Told::Execute)
            }
        };
        self.state.set_done(code, told);
    }

    /// Whether the machine ends then, with all that it has mounted.
    pub(super) fn is_last_of_machine(&self, last: &Last) -> bool {
        self.shared.options.place.is_board()
            && match last {
                Last::Way(Way::Exit(_) | Way::PowerOff | Way::Reboot | Way::Halt) => true,
                Last::Way(Way::SoftReboot) | Last::Execute(_) => false,
            }
    }
}

/// The line of the log.
pub(super) fn shutting_down(way: Way) -> String {
    match way.word() {
        None => "shutting down".to_owned(),
        Some(word) => format!("shutting down for {word}"),
    }
}
