//! Moments to kill at, as far as they can be seen from another processor: the
//! state is looked at in a loop until it shows the moment. What happens in less
//! than a microsecond has mostly passed when the signal arrives; `exact` does
//! better.

use crate::state::State;
use ham_snapshot::header::Field;
use std::time::{Duration, Instant};

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// After a random time.
    Random,
    /// A slot is INTENT, without a process id: inside clone.
    Clone,
    /// A slot is INTENT, with a process id: made, and not seen yet.
    Made,
    /// Records are written for a turn that does not count yet.
    Commit,
    /// A turn has just begun to count.
    Effect,
    /// The successor of one that was just killed.
    Takeover,
    /// After a watched store and a number of single steps.
    Exact,
    /// The same of a guardian that takes over.
    ExactTakeover,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Way; 8] = [
        Way::Random,
        Way::Clone,
        Way::Made,
        Way::Commit,
        Way::Effect,
        Way::Takeover,
        Way::Exact,
        Way::ExactTakeover,
    ];

    /// As options and reports name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Way::Random => "random",
            Way::Clone => "clone",
            Way::Made => "made",
            Way::Commit => "commit",
            Way::Effect => "effect",
            Way::Takeover => "takeover",
            Way::Exact => "exact",
            Way::ExactTakeover => "exact-takeover",
        }
    }
}

/// Entities start all the time: what has not come by then will not.
const LONGEST: Duration = Duration::from_millis(50);

/// Spins until the moment has come; false: it did not, within [`LONGEST`].
pub(crate) fn wait_for(way: Way, state: &State) -> bool {
    let turn = state.get(Field::CommittedTurn);
    let holds = || match way {
        Way::Clone => state.slots().iter().any(|slot| slot.intent && !slot.has_pid),
        Way::Made => state.slots().iter().any(|slot| slot.intent && slot.has_pid),
        Way::Commit => state.in_commit(),
        Way::Effect => state.get(Field::CommittedTurn) != turn,
        // These are no states that could be seen.
        Way::Random | Way::Takeover | Way::Exact | Way::ExactTakeover => true,
    };
    let end = Instant::now() + LONGEST;
    while Instant::now() < end {
        if holds() {
            return true;
        }
    }
    false
}
