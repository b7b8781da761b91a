//! Calls that have to wait for others. Attaches that come between the end of a
//! process and the moment in which the core learns of it: whoever has waited for
//! that process asks for the next one at once, and may be faster than the reaper.
//! And repeats of attaches that are not decided yet.

use super::Waiting;
use crate::monitor::Engine;
use ham_core::event::Caller;
use ham_core::ids::{EntityId, SlotRef};
use ham_core::wire::Call;
use ham_sys::Errno;
use ham_sys::process::{self, PidFd};

/// A call that waits.
#[derive(Debug)]
pub(super) struct Late {
    call: Call,
    until: Until,
}

/// For what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// The end of what an entity holds is told.
    Ended(EntityId, SlotRef),
    /// The request of that name, which this call repeats, has its verdict.
    Decided(Caller),
    /// The instances that it names were looked for.
    Loaded,
}

impl Engine {
    /// Whether this call has to wait for the end of what the entity holds; it is
    /// made again then.
    pub(super) fn comes_early(
        &mut self,
        token: u64,
        call: &Call,
        entity: Option<EntityId>,
    ) -> bool {
        let Some(entity) = entity else { return false };
        let Some(slot) = self.core.slot_of(entity).filter(|slot| self.has_ended(entity, *slot))
        else {
            return false;
        };
        self.put_off(token, call, Until::Ended(entity, slot));
        true
    }

    /// Whether this call repeats one that is not decided yet: as it is now it
    /// would be refused, since the process that it names has ended meanwhile.
    pub(super) fn awaits_verdict(&mut self, token: u64, call: &Call, from: Caller) -> bool {
        let awaits = self.core.awaits_verdict(from);
        if awaits {
            self.put_off(token, call, Until::Decided(from));
        }
        awaits
    }

    pub(super) fn put_off(&mut self, token: u64, call: &Call, until: Until) {
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        client.waiting =
            Some(Waiting { verb: "", open: 1, outcomes: Vec::new(), oneway: call.oneway });
        self.control.late.insert(token, Late { call: call.clone(), until });
    }

    /// The process that the entity runs as is no more, and it is not told yet.
    fn has_ended(&self, entity: EntityId, slot: SlotRef) -> bool {
        if self.core.view(entity).pid.is_none() {
            return false;
        }
        let Some(place) = self.state.slot(slot.index) else { return false };
        let Some(pid) = place.live_pid() else {
            // Its end is recorded, and it is reaped.
            return place.word() == (slot.generation, ham_snapshot::slots::Phase::Exited);
        };
        match PidFd::open(pid) {
            Ok(process) => {
                let known = place.start_time();
                let is_it =
                    known == 0 || process::start_time(pid).is_none_or(|start| start == known);
                !is_it || process.has_exited()
            }
            Err(error) => error.errno == Errno::ESRCH,
        }
    }

    /// Calls whose time has come are made.
    pub(in crate::monitor) fn make_late_calls(&mut self) {
        let is_over = |(token, late): &(&u64, &Late)| match late.until {
            Until::Ended(entity, slot) => {
                self.core.slot_of(entity) != Some(slot) || self.core.view(entity).pid.is_none()
            }
            Until::Decided(from) => !self.core.awaits_verdict(from),
            Until::Loaded => self.loading.tried.contains_key(*token),
        };
        let over: Vec<u64> =
            self.control.late.iter().filter(is_over).map(|(token, _)| *token).collect();
        for token in over {
            let Some(Late { call, .. }) = self.control.late.remove(&token) else { continue };
            let Some(client) = self.control.clients.get_mut(&token) else { continue };
            client.waiting = None;
            let peer = client.peer;
            self.make_call(token, peer, &call);
            self.control.ready.insert(token);
        }
    }
}
