//! Who may call what (design §7): everybody may look; root and the manager's own
//! user may do all; a process of an entity may speak for its own; others may do
//! what a rule of `ham.conf` lets them. `schema/` has the table. Whatever is
//! changed by a call leaves a line that says by whom.

use super::calls::{bad, matches_glob};
use crate::facts::Weight;
use crate::monitor::Engine;
use ham_core::event::Caller;
use ham_core::ids::EntityId;
use ham_core::wire::{Answer, Refusal, RequestTag};
use ham_sys::process;
use ham_sys::socket::{self, Peer};
use ham_unit::Allow;

/// The verb of hamctl that a method is, if a rule can allow it. What would hand
/// out the rights of the manager itself is not among them.
fn verb_of(method: &str) -> Option<&'static str> {
    Some(match method {
        "Start" => "start",
        "Stop" => "stop",
        "Restart" => "restart",
        "Reload" => "reload",
        "Kill" => "kill",
        "Shutdown" => "shutdown",
        "Arm" => "arm",
        "Disarm" => "disarm",
        "SetFlags" => "flags",
        "Add" => "add",
        "Remove" => "remove",
        "Detach" => "detach",
        "State" => "state",
        "Raise" => "raise",
        "Heartbeat" => "heartbeat",
        _ => return None,
    })
}

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

    /// Whether this peer may call a method about that entity; `None` stands for
    /// all of them, and the manager itself.
    pub(super) fn may(
        &self,
        client: u64,
        peer: Peer,
        method: &str,
        entity: Option<EntityId>,
    ) -> bool {
        if self.may_change(peer) {
            return true;
        }
        let name = entity.map(|entity| self.name(entity));
        let fits = |pattern: &String| match &name {
            Some(name) => matches_glob(pattern, name),
            None => pattern == "*",
        };
        self.rules(client, peer, method).any(|rule| rule.entities.iter().any(fits))
    }

    /// Whether it may call it about any entity at all.
    pub(super) fn may_somewhere(&self, client: u64, peer: Peer, method: &str) -> bool {
        self.may_change(peer) || self.rules(client, peer, method).next().is_some()
    }

    /// The rules that let this peer call a method.
    fn rules(&self, client: u64, peer: Peer, method: &str) -> impl Iterator<Item = &Allow> {
        let verb = verb_of(method);
        let rules = verb.map(|_| self.loading.conf.allow.as_slice()).unwrap_or_default();
        // Asked of the kernel only when there is a rule that could depend on it.
        let groups = match rules.iter().any(|rule| !rule.groups.is_empty()) {
            true => self.groups_of(client),
            false => Vec::new(),
        };
        let is_member = move |gid: &u32| *gid == peer.gid || groups.contains(gid);
        rules.iter().filter(move |rule| {
            verb.is_some_and(|verb| rule.verbs.iter().any(|allowed| allowed == verb))
                && (rule.users.contains(&peer.uid) || rule.groups.iter().any(&is_member))
        })
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
        if own == Some(entity) || self.may(client, peer, method, Some(entity)) {
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

#[cfg(test)]
mod tests {
    use super::verb_of;
    use ham_unit::ALLOWED_VERBS;

    #[test]
    fn every_verb_that_can_be_allowed_is_a_method() {
        let methods = include_str!("../../../../../schema/io.ham.Manager.varlink");
        let names = methods.lines().filter_map(|line| line.strip_prefix("method "));
        let names = names.filter_map(|line| line.split('(').next());
        let mut verbs: Vec<&str> = names.filter_map(verb_of).collect();
        let mut expected = ALLOWED_VERBS.to_vec();
        verbs.sort_unstable();
        expected.sort_unstable();
        assert_eq!(verbs, expected);
    }
}
