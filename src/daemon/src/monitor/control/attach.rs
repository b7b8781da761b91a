//! Attaching processes that ham did not start, and detaching: who may, which
//! process is meant, and what the core has decided, in words.

use super::calls::{bad, parameters};
use crate::monitor::Engine;
use crate::monitor::notify_sender::Role;
use ham_core::directive::{Counting, Directive, Numbers, Stranger, Verdict};
use ham_core::ids::EntityId;
use ham_core::time::Span;
use ham_core::wire::{
    Answer, AttachHeartbeat, AttachParameters, AttachSelfParameters, Call, DetachParameters,
    Refusal,
};
use ham_sys::process;
use ham_sys::socket::{self, Peer};

type Answered = Option<Answer>;

impl Engine {
    pub(super) fn attach_other(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let AttachParameters { name, pid, keep_on_death, heartbeat, request } = parameters(call)?;
        let counting = counting(heartbeat, Counting::GoesOn)?;
        let may_all = self.may_change(peer);
        let entity = self.attachable(&name, may_all)?;
        if !may_all && !entity.is_some_and(|entity| self.is_attacher(entity, peer)) {
            return Err(Engine::denied("Attach", peer));
        }
        let process = self.stranger(entity, pid)?;
        // By number it needs what kill(2) would need of the peer, for just the
        // process that is attached.
        let of_peer = process::may_be_signalled_by(pid, peer.uid)
            && process::start_time(pid) == Some(process.start);
        if !may_all && !of_peer {
            return Err(Engine::denied("Attach", peer));
        }
        if self.comes_early(client, call, entity) {
            return Ok(None);
        }
        self.audit_named(peer, &name, &format!("attach process {pid}"));
        let directive = self.attaching(entity, (name, keep_on_death), process, counting);
        self.direct(client, peer, call, directive, request.as_ref())
    }

    pub(super) fn attach_self(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let AttachSelfParameters { name, keep_on_death, heartbeat, request } = parameters(call)?;
        let counting = counting(heartbeat, Counting::Anew)?;
        let own = self.entity_of(client, peer);
        let may_all = self.may_change(peer);
        let entity = match &name {
            Some(name) => self.attachable(name, may_all)?,
            None => Some(own.ok_or_else(|| {
                bad("name", "the caller is no process of an entity: name the one that it is to be")
            })?),
        };
        let may = |entity| own == Some(entity) || self.is_attacher(entity, peer);
        if !may_all && !entity.is_some_and(may) {
            return Err(Engine::denied("AttachSelf", peer));
        }
        let name = match (name, entity) {
            (Some(name), _) => name,
            (None, entity) => entity.map(|entity| self.name(entity)).unwrap_or_default(),
        };
        let process = self.stranger(entity, peer.pid)?;
        // The number of a peer that has ended can be another's by now.
        let stream = self.control.clients.get(&client).map(|client| &client.stream);
        let has_ended = |stream| {
            socket::peer_has_gone(stream)
                || socket::peer_process(stream).is_some_and(|peer| peer.has_exited())
        };
        if stream.is_none_or(has_ended) {
            return Err(refusal(Verdict::Gone, "", "AttachSelf"));
        }
        if self.comes_early(client, call, entity) {
            return Ok(None);
        }
        self.audit_named(peer, &name, "attach itself");
        let directive = self.attaching(entity, (name, keep_on_death), process, counting);
        self.direct(client, peer, call, directive, request.as_ref())
    }

    pub(super) fn detach(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let DetachParameters { name, request } = parameters(call)?;
        let may = match self.attached_by(peer, name.as_deref()) {
            Some(entity) => Ok(entity),
            None => self.speaks_for(client, peer, "Detach", name.as_deref()),
        };
        let entity = match may {
            Ok(entity) => {
                self.audit(peer, entity, "detach");
                entity
            }
            // Asked for again, it may have been done: what was made is gone then,
            // and the caller is no process of anything. It has no second effect.
            Err(answer) => {
                let from = self.caller(peer, request.as_ref())?;
                from.and_then(|from| self.core.detached_by(from)).ok_or(answer)?
            }
        };
        self.direct(client, peer, call, Directive::Detach { entity }, request.as_ref())
    }

    /// The entity that a process is to be attached to; `None`: none has that
    /// name, and one can be made. Nothing is, for a peer that may not change all.
    fn attachable(&self, name: &str, may_all: bool) -> Result<Option<EntityId>, Answer> {
        let refused = || self.loading.refused.iter().any(|refused| refused.name == name);
        match self.core.find(name) {
            Some(entity) => Ok(Some(entity)),
            None if !may_all => self.entity_named(name).map(Some),
            None if self.planless => {
                Err(Answer::refusal(&Refusal::Busy { why: "units are still loaded".into() }))
            }
            None if refused() => {
                let why = format!("the unit {name} was refused; `hamctl status` tells why");
                Err(not_possible("refused", &why))
            }
            None => match ham_unit::wrong_entity_name(name) {
                Some(why) => Err(bad("name", &format!("{name:?} is no name: it {why}"))),
                None => Ok(None),
            },
        }
    }

    /// What no unit has goes by its name: asked for again, it may be there, or
    /// no more.
    fn attaching(
        &self,
        entity: Option<EntityId>,
        (name, keep_on_death): (String, bool),
        process: Stranger,
        counting: Counting,
    ) -> Directive {
        match entity {
            Some(entity) if !self.core.is_made(entity) => {
                Directive::Attach { entity, process, counting }
            }
            Some(_) | None => Directive::AttachNamed { name, keep_on_death, process, counting },
        }
    }

    /// Whether the unit lets this user attach processes of its own.
    fn is_attacher(&self, entity: EntityId, peer: Peer) -> bool {
        let plan = self.core.definition(entity);
        plan.is_some_and(|plan| plan.attach_by == Some(peer.uid))
    }

    /// The entity of that name, if this peer is the user who may attach to it, and
    /// it has a process of that user which was attached.
    fn attached_by(&self, peer: Peer, name: Option<&str>) -> Option<EntityId> {
        let entity = self.core.find(name?).filter(|entity| self.is_attacher(*entity, peer))?;
        let pid = self.core.attached_process(entity)?;
        process::may_be_signalled_by(pid, peer.uid).then_some(entity)
    }

    /// The process of that number, as the core is told of it.
    fn stranger(&mut self, entity: Option<EntityId>, pid: i32) -> Result<Stranger, Answer> {
        if pid <= 0 {
            return Err(bad("pid", &format!("{pid} is no process id that the manager can see")));
        }
        let start = process::start_time(pid).filter(|start| process::lives(pid, *start));
        let Some(start) = start else {
            return Err(bad("pid", &format!("there is no process {pid}")));
        };
        let slot = self.live_slot(pid);
        if slot.is_none()
            && let Some(whose) = self.holder_of(pid)
        {
            return Err(bad("pid", &format!("process {pid} is {whose}")));
        }
        let own = process::effective_uid();
        if own != 0 && !process::may_be_signalled_by(pid, own) {
            let why = format!("process {pid} is of another user: this manager may not signal it");
            return Err(bad("pid", &why));
        }
        let sender = self.sender(pid);
        let own = sender.is_some_and(|one| Some(one.entity) == entity && one.role == Role::Other);
        Ok(Stranger { pid, start, slot, own })
    }

    /// What a verdict other than a good one is answered.
    pub(super) fn refused(&self, verdict: Verdict, method: &str) -> Answer {
        let holder = match verdict {
            Verdict::Taken(entity) => self.name(entity),
            _ => String::new(),
        };
        refusal(verdict, &holder, method)
    }
}

/// By what the heartbeat of a process is supervised that says so itself.
fn counting(heartbeat: Option<AttachHeartbeat>, otherwise: Counting) -> Result<Counting, Answer> {
    let Some(AttachHeartbeat { interval_ns, low, high }) = heartbeat else {
        return Ok(otherwise);
    };
    let numbers = Numbers { interval: Span(interval_ns), low, high };
    numbers.sound().map_err(|why| bad("heartbeat", &why))?;
    Ok(Counting::By(numbers))
}

fn refusal(verdict: Verdict, holder: &str, method: &str) -> Answer {
    let (reason, why) = match verdict {
        Verdict::Exists => {
            ("exists", "it has a process, or is on its way up or down; stop or detach it first")
        }
        Verdict::Gone => ("gone", "the process has ended"),
        Verdict::NotRunning => ("not-running", "it has no process"),
        Verdict::NoProcess => (
            "no-process",
            "its kind has no process that could be attached (oneshot, target, global)",
        ),
        Verdict::Overruled => ("overruled", "somebody asked for something else meanwhile"),
        Verdict::Taken(_) => {
            let why = format!("the process is that of {holder}: one process is one entity's");
            return not_possible("taken", &why);
        }
        Verdict::Full => {
            let why = "all slots are in use".to_owned();
            return Answer::refusal(&Refusal::Busy { why });
        }
        Verdict::ShuttingDown => {
            return Answer::refusal(&Refusal::ShuttingDown { method: method.to_owned() });
        }
        Verdict::SerialUsed
        | Verdict::Done
        | Verdict::Already
        | Verdict::WasActive
        | Verdict::WasSuspended
        | Verdict::NoHeartbeat
        | Verdict::Objected(_) => {
            return Answer::refusal(&Refusal::SerialUsed {});
        }
    };
    not_possible(reason, why)
}

fn not_possible(reason: &str, why: &str) -> Answer {
    Answer::refusal(&Refusal::NotPossible { reason: reason.to_owned(), why: why.to_owned() })
}
