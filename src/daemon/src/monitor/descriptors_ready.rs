//! Where processes say that they are ready: a line end on a descriptor of their
//! own. The reaper keeps our end, so that what is written while there is no
//! monitor is found by the next one; that is why nothing is taken out before
//! the turn that it leads to is committed.

use super::{Engine, READY_ENDS};
use crate::keep::READY;
use ham_core::event::Event;
use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::poller::Interest;
use ham_sys::socket::{peek_stream, stream_pair, take_stream};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// Looked at once: more than anybody writes there.
const PIECE: usize = 512;

/// By the index of their slot.
#[derive(Debug, Default)]
pub(super) struct ReadyEnds(BTreeMap<u32, (SlotRef, OwnedFd)>);

/// What is kept for a slot.
fn kept(slot: SlotRef) -> Kept {
    Kept { owner: Owner::Slot { index: slot.index, generation: slot.generation }, tag: READY }
}

impl Engine {
    /// For a process that is about to be made: its end, and the number that it
    /// gets. The reaper has been asked to keep the other. `None`: it starts
    /// without, and `start-timeout` will tell.
    pub(super) fn begin_ready(
        &mut self,
        slot: SlotRef,
        entity: EntityId,
        number: i32,
    ) -> Option<(OwnedFd, i32)> {
        let pair = stream_pair().and_then(|(ours, theirs)| {
            let copy = ham_sys::process::copy_above(&ours, 3)?;
            Ok((ours, theirs, copy))
        });
        match pair {
            Ok((ours, theirs, copy)) => {
                self.keeper.store(kept(slot), Name::NONE, copy);
                self.watch_ready(slot, ours);
                Some((theirs, number))
            }
            Err(error) => {
                self.trouble(entity, &format!("it has no ready descriptor: {error}"));
                None
            }
        }
    }

    fn watch_ready(&mut self, slot: SlotRef, end: OwnedFd) {
        let token = READY_ENDS.saturating_add(u64::from(slot.index));
        if let Some((_, before)) = self.ready_ends.0.remove(&slot.index) {
            let _ = self.poller.remove(&before);
            self.closer.close(before);
        }
        let _ = self.poller.add(&end, token, Interest::READ);
        self.ready_ends.0.insert(slot.index, (slot, end));
    }

    /// Something was written, or the last writer has gone.
    pub(super) fn ready_readable(&mut self, index: u32) {
        let Some((slot, end)) = self.ready_ends.0.get(&index) else { return };
        let slot = *slot;
        let mut piece = [0u8; PIECE];
        match peek_stream(end, &mut piece) {
            Ok(None) => {}
            Ok(Some(length)) if length > 0 => {
                if piece.iter().take(length).any(|byte| *byte == b'\n') {
                    self.feed(Event::Ready { slot });
                    self.run_events();
                    self.forget_ready(slot);
                } else {
                    // No part of an answer: what comes next is looked at.
                    let _ = take_stream(end, length);
                }
            }
            Ok(Some(_)) | Err(_) => {
                if let Some((entity, _)) = self.core.owner_of(slot) {
                    self.detail(entity, "its ready descriptor was closed without a line end");
                }
                self.forget_ready(slot);
            }
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn forget_ready(&mut self, slot: SlotRef) {
        let is_it = self.ready_ends.0.get(&slot.index).is_some_and(|(of, _)| *of == slot);
        if is_it && let Some((_, end)) = self.ready_ends.0.remove(&slot.index) {
            let _ = self.poller.remove(&end);
            self.closer.close(end);
            self.keeper.drop(kept(slot));
        }
    }

    /// What a monitor before this one had kept: of a process that is not up yet
    /// it is asked for, and looked at again.
    pub(super) fn recall_ready(&mut self, slot: SlotRef) {
        if self.ready_ends.0.contains_key(&slot.index) {
            return;
        }
        let is_up = match self.core.owner_of(slot) {
            Some((entity, false)) => self.core.view(entity).ready,
            Some((_, true)) | None => true,
        };
        if is_up {
            self.keeper.drop(kept(slot));
        } else {
            self.keeper.fetch(kept(slot));
        }
    }

    pub(super) fn ready_sent(&mut self, slot: SlotRef, end: Option<OwnedFd>) {
        match end {
            Some(end) if !self.ready_ends.0.contains_key(&slot.index) => {
                self.watch_ready(slot, end);
            }
            end => self.closer.close_all(end),
        }
    }
}
