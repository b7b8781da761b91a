//! Who may call what (design §7): everybody may look; root and the manager's own
//! user may do all; a process of an entity may speak for its own. `schema/` has
//! the table. Whatever is changed by a call leaves a line that says by whom.

use super::calls::bad;
use crate::facts::Weight;
use crate::monitor::Engine;
use ham_core::event::Caller;
use ham_core::ids::EntityId;
use ham_core::wire::{Answer, Refusal, RequestTag};
use ham_sys::process;
use ham_sys::socket::{self, Peer};

impl Engine {
    /// Whether this peer may change everything.
    pub(super) fn may_change(&self, peer: Peer) -> bool {
        peer.uid == 0 || peer.uid == process::effective_uid()
    }

    /// Who asks, if it says so.
    pub(super) fn caller(
        &self,
        peer: Peer,
        tag: Option<&RequestTag>,
    ) -> Result<Option<Caller>, Answer> {
        let numbers = tag.map(RequestTag::numbers).transpose();
        let numbers = numbers.map_err(|why| bad("request", &why))?;
        let (uid, own) = (peer.uid, self.may_change(peer));
        Ok(numbers.map(|(client, serial)| Caller { uid, own, client, serial }))
    }

    pub(super) fn denied(method: &str, peer: Peer) -> Answer {
        let method = method.to_owned();
        Answer::refusal(&Refusal::PermissionDenied { method, uid: peer.uid })
    }

    /// The entity of that name, if this peer may speak for it; without a name
    /// the one that the peer is a process of.
    pub(super) fn speaks_for(
        &mut self,
        client: u64,
        peer: Peer,
        method: &str,
        name: Option<&str>,
    ) -> Result<EntityId, Answer> {
        let own = self.entity_of(client, peer);
        let entity = match name {
            Some(name) => self.entity_named(name)?,
            None => own.ok_or_else(|| bad("name", "the caller is no process of an entity"))?,
        };
        if self.may_change(peer) || own == Some(entity) {
            return Ok(entity);
        }
        Err(Self::denied(method, peer))
    }

    /// The entity that the peer is a process of. A connection can be handed on,
    /// and outlive who made it: the number of a process that was reaped may be
    /// one of any entity's by now, so that is looked at last.
    pub(super) fn entity_of(&mut self, client: u64, peer: Peer) -> Option<EntityId> {
        let entity = self.sender(peer.pid)?.entity;
        let client = self.control.clients.get(&client)?;
        (!socket::peer_has_gone(&client.stream)).then_some(entity)
    }

    /// The entity of just this name.
    pub(super) fn entity_named(&self, name: &str) -> Result<EntityId, Answer> {
        self.core.find(name).ok_or_else(|| {
            let nearest = self.nearest_of(name);
            Answer::refusal(&Refusal::UnknownEntity { name: name.to_owned(), nearest })
        })
    }

    /// The line about a change: who has asked for it.
    pub(super) fn audit(&mut self, peer: Peer, entity: EntityId, what: &str) {
        let name = self.name(entity);
        self.audit_line(peer, &format!("{name}: {what}"));
    }

    /// Likewise about an entity that may not be there yet.
    pub(super) fn audit_named(&mut self, peer: Peer, name: &str, what: &str) {
        self.audit_line(peer, &format!("{name}: {what}"));
    }

    /// Likewise about what concerns all of them.
    pub(super) fn audit_all(&mut self, peer: Peer, what: &str) {
        self.audit_line(peer, &format!("all: {what}"));
    }

    pub(super) fn audit_line(&mut self, peer: Peer, what: &str) {
        let Peer { pid, uid, .. } = peer;
        self.remark(Weight::Event, &format!("{what}, asked by process {pid} of user {uid}"));
    }
}
