//! Who waits for the verdict on an attach or a detach: clients that are
//! connected, and the records of requests, which outlive monitors.

use super::Monitor;
use super::entity::Actual;
use crate::directive::{Stranger, Verdict};
use crate::effect::Effect;
use crate::ids::{EntityId, RequestId};

/// Who waits until a process is taken, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attacher {
    /// Who is connected; in no record: who is cut off asks again.
    pub(super) id: Option<RequestId>,
    /// Where the verdict is kept.
    pub(super) place: Option<u32>,
}

impl Monitor {
    /// What a directive that comes again is told of a process that was to be
    /// attached, where no verdict is kept: what it has come to. `None`: nothing
    /// yet.
    pub(super) fn attach_again(
        &mut self,
        id: Option<EntityId>,
        stranger: Stranger,
        by: Attacher,
    ) -> Option<Verdict> {
        // Whoever is in the record is told when it is decided, whatever has the
        // name by now.
        if let Some(waits) = by.place.and_then(|place| self.awaited_by(place)) {
            self.wait_too(waits, by);
            return None;
        }
        // A record of a version that did not say whom it waits for.
        let Some(id) = id else { return Some(Verdict::Gone) };
        let entity = self.entity(id);
        if let Actual::Joining { pid, .. } = entity.actual
            && pid == stranger.pid
        {
            self.wait_for_join(id, by);
            return None;
        }
        let is_its = entity.running().is_some_and(|(_, pid)| pid == stranger.pid);
        Some(if is_its { Verdict::Done } else { Verdict::Gone })
    }

    /// Somebody who asks again waits beside the record of the request.
    fn wait_too(&mut self, id: EntityId, by: Attacher) {
        self.attachers.entry(id).or_default().push(Attacher { place: None, ..by });
    }

    pub(super) fn wait_for_join(&mut self, id: EntityId, by: Attacher) {
        if let Some(place) = by.place {
            self.keep_waiting(place, id);
        }
        self.attachers.entry(id).or_default().push(by);
    }

    /// The record at `place` is another request's from here on, or its client
    /// asks again: what is decided later is not for it.
    pub(super) fn forget_attacher(&mut self, place: u32) {
        for waiting in self.attachers.values_mut() {
            for by in waiting.iter_mut().filter(|by| by.place == Some(place)) {
                by.place = None;
            }
            waiting.retain(|by| by.id.is_some() || by.place.is_some());
        }
        self.attachers.retain(|_, waiting| !waiting.is_empty());
    }

    pub(super) fn end_join(&mut self, id: EntityId, verdict: Verdict) {
        for Attacher { id, place } in self.attachers.remove(&id).unwrap_or_default() {
            if let Some(id) = id {
                self.emit(Effect::Verdict { id, verdict });
            }
            if let Some(place) = place {
                self.keep_verdict(place, verdict);
            }
        }
    }

    /// The record of an entity cannot be read: nobody is told later what became
    /// of its process.
    pub(super) fn join_lost(&mut self, id: EntityId) {
        self.end_join(id, Verdict::Gone);
    }

    /// What a directive that comes again is told of a detach.
    pub(super) fn detach_again(&mut self, id: EntityId, by: Attacher) -> Option<Verdict> {
        if let Some(waits) = by.place.and_then(|place| self.awaited_by(place)) {
            self.wait_too(waits, by);
            return None;
        }
        if self.entity(id).letting {
            self.wait_for_join(id, by);
            return None;
        }
        Some(Verdict::Done)
    }
}
