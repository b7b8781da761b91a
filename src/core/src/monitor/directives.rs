//! What is said of entities from outside: states that they report, events that
//! are published. Each has one verdict, given in its turn.

use super::Monitor;
use super::attachers::Attacher;
use super::clients::{Asked, Taken};
use super::run::{Detail, Kinds, Occurrence};
use crate::directive::{Directive, Verdict};
use crate::effect::{Effect, Fact};
use crate::event::Caller;
use crate::ids::{EntityId, RequestId};
use crate::plan::ConditionKind;

impl Monitor {
    pub(super) fn directive(&mut self, id: RequestId, directive: &Directive, from: Option<Caller>) {
        let taken = from.map(|from| {
            let asked = Asked::Directive(self.digest_of(directive, from), None);
            self.take_request(from, asked, &[])
        });
        let place = match taken {
            None => None,
            Some(Taken::New(place)) => Some(place),
            Some(Taken::Again(place)) => {
                let by = Attacher { id: Some(id), place: Some(place) };
                let verdict = match (self.kept_verdict(place), directive) {
                    (None, Directive::Attach { entity, process, .. }) => {
                        self.attach_again(Some(*entity), *process, by)
                    }
                    (None, Directive::AttachNamed { name, process, .. }) => {
                        // What was made for it may have gone with it.
                        self.attach_again(self.find(name), *process, by)
                    }
                    (None, Directive::Detach { entity }) => self.detach_again(*entity, by),
                    (kept, _) => Some(kept.unwrap_or(Verdict::Done)),
                };
                let Some(verdict) = verdict else { return };
                self.emit(Effect::Verdict { id, verdict });
                return;
            }
            Some(Taken::SerialUsed) => {
                self.emit(Effect::Verdict { id, verdict: Verdict::SerialUsed });
                return;
            }
        };
        let verdict = match *directive {
            Directive::Change(ref change) => self.change(change),
            Directive::State { entity, to } => self.comes_to(entity, to),
            Directive::Raise { entity, kind, class, severity } => {
                self.note(entity, Fact::Raised { kind, class, severity });
                let detail = Detail::Raise { kind, class, severity };
                self.fire(entity, self.said_of(entity, ConditionKind::Raise, detail));
                Verdict::Done
            }
            Directive::Heartbeat { entity, to } => self.heartbeat(entity, to),
            Directive::Attach { entity, process, counting } => {
                match self.attach(entity, process, counting, Attacher { id: Some(id), place }) {
                    Some(verdict) => verdict,
                    None => return,
                }
            }
            Directive::AttachNamed { ref name, keep_on_death, process, counting } => {
                let by = Attacher { id: Some(id), place };
                match self.attach_named((name, keep_on_death), process, counting, by) {
                    Some(verdict) => verdict,
                    None => return,
                }
            }
            Directive::Detach { entity } => {
                match self.detach(entity, Attacher { id: Some(id), place }) {
                    Some(verdict) => verdict,
                    None => return,
                }
            }
        };
        self.emit(Effect::Verdict { id, verdict });
        if let Some(place) = place {
            self.keep_verdict(place, verdict);
        }
    }

    /// An entity reports a state. The one that it is in already is no
    /// transition; before its process has reported any it is in state 0.
    fn comes_to(&mut self, id: EntityId, to: u32) -> Verdict {
        let mut entity = self.entity(id);
        let from = std::mem::replace(&mut entity.state, to);
        if from == to {
            return Verdict::Already;
        }
        self.put(id, entity);
        self.note(id, Fact::State { from, to });
        self.fire(id, self.said_of(id, ConditionKind::State, Detail::State { from, to }));
        Verdict::Done
    }

    /// Something that is no end of a process.
    pub(super) fn said_of(&self, id: EntityId, kind: ConditionKind, detail: Detail) -> Occurrence {
        let running = self.peek(id).running();
        Occurrence {
            about: id,
            kinds: Kinds::of(&[kind]),
            detail,
            slot: running.map(|(slot, _)| slot),
            pid: running.map_or(0, |(_, pid)| pid),
            status: None,
        }
    }
}
