//! A request that comes again may read otherwise than it did at first: a name
//! that no unit had is that of a unit by now, or no more. It is the same
//! request all the same, and gets the verdict of the first.

use super::Monitor;
use super::clients::Asked;
use crate::directive::Directive;
use crate::event::Caller;
use crate::ids::{EntityId, MAX_ENTITIES};

impl Monitor {
    /// The digest under which a directive was taken before, as far as it is the
    /// last request of its client; else its own.
    pub(super) fn digest_of(&mut self, directive: &Directive, from: Caller) -> u64 {
        let digest = directive.digest();
        let Some(Asked::Directive(before, _)) = self.last_asked(from) else { return digest };
        if before != digest && self.was(directive, before) { before } else { digest }
    }

    /// Whether a directive is, in its other form, the one with that digest.
    fn was(&self, directive: &Directive, before: u64) -> bool {
        match directive {
            Directive::Attach { entity, process, counting } => {
                let Some(name) = self.name(*entity) else { return false };
                [false, true].into_iter().any(|keep_on_death| {
                    let (name, process) = (name.clone(), *process);
                    let counting = *counting;
                    let named = Directive::AttachNamed { name, keep_on_death, process, counting };
                    named.digest() == before
                })
            }
            Directive::AttachNamed { name, process, counting, .. } => {
                let (process, counting) = (*process, *counting);
                let mut ids = (0..MAX_ENTITIES).map(EntityId);
                let of = ids.find(|entity| {
                    Directive::Attach { entity: *entity, process, counting }.digest() == before
                });
                // What has gone has no name; what has another was never meant.
                of.is_some_and(|id| self.name(id).is_none_or(|now| now == *name))
            }
            Directive::State { .. }
            | Directive::Raise { .. }
            | Directive::Heartbeat { .. }
            | Directive::Change(_)
            | Directive::Detach { .. } => false,
        }
    }
}
