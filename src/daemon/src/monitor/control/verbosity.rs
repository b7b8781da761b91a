//! `Verbosity`: how much the log tells, which is a word of the shared state,
//! so that it outlives the monitor that was told.

use super::calls::{bad, parameters, result};
use crate::facts::Weight;
use crate::monitor::Engine;
use crate::options::MOST_VERBOSITY;
use ham_core::wire::{Answer, Call, Refusal, Verbosity, VerbosityParameters};
use ham_snapshot::header::Field;
use ham_sys::process;
use ham_sys::socket::Peer;

impl Engine {
    pub(super) fn verbosity(&mut self, peer: Peer, call: &Call) -> Result<Answer, Answer> {
        let VerbosityParameters { set } = parameters(call)?;
        if let Some(level) = set {
            // Whoever may start an entity may set it, and everybody may look.
            if peer.uid != 0 && peer.uid != process::effective_uid() {
                let method = "Verbosity".to_owned();
                let refusal = Refusal::PermissionDenied { method, uid: peer.uid };
                return Err(Answer::refusal(&refusal));
            }
            if level > u64::from(MOST_VERBOSITY) {
                return Err(bad("set", &format!("{level} is not between 0 and {MOST_VERBOSITY}")));
            }
            self.state.set(Field::Verbosity, level);
            self.remark(Weight::Event, &format!("verbosity {level} from here on"));
        }
        Ok(result(&Verbosity { verbosity: self.state.get(Field::Verbosity) }))
    }
}
