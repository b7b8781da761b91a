//! Attaching processes that ham did not start, and detaching: who may, which
//! process is meant, and what the core has decided, in words.

use super::calls::{bad, parameters};
use crate::monitor::Engine;
use crate::monitor::notify_sender::Role;
use ham_core::directive::{Directive, Stranger, Verdict};
use ham_core::ids::EntityId;
use ham_core::wire::{
    Answer, AttachParameters, AttachSelfParameters, Call, DetachParameters, Refusal,
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
        let AttachParameters { name, pid, request } = parameters(call)?;
        let entity = self.attachable(&name)?;
        let may_all = self.may_change(peer);
        if !may_all && !self.is_attacher(entity, peer) {
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
        self.audit(peer, entity, &format!("attach process {pid}"));
        let directive = Directive::Attach { entity, process };
        self.direct(client, call, directive, request.as_ref())
    }

    pub(super) fn attach_self(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let AttachSelfParameters { name, request } = parameters(call)?;
        let own = self.entity_of(client, peer);
        let entity = match &name {
            Some(name) => self.attachable(name)?,
            None => own.ok_or_else(|| {
                bad("name", "the caller is no process of an entity: name the one that it is to be")
            })?,
        };
        if !self.may_change(peer) && own != Some(entity) && !self.is_attacher(entity, peer) {
            return Err(Engine::denied("AttachSelf", peer));
        }
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
        self.audit(peer, entity, "attach itself");
        self.direct(client, call, Directive::Attach { entity, process }, request.as_ref())
    }

    pub(super) fn detach(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let DetachParameters { name, request } = parameters(call)?;
        let entity = self.speaks_for(client, peer, "Detach", name.as_deref())?;
        self.audit(peer, entity, "detach");
        self.direct(client, call, Directive::Detach { entity }, request.as_ref())
    }

    /// The entity that a process is to be attached to. Only one that a unit has
    /// defined: nothing is made of a name alone.
    fn attachable(&self, name: &str) -> Result<EntityId, Answer> {
        self.entity_named(name)
    }

    /// Whether the unit lets this user attach processes of its own.
    fn is_attacher(&self, entity: EntityId, peer: Peer) -> bool {
        let plan = self.core.definition(entity);
        plan.is_some_and(|plan| plan.attach_by == Some(peer.uid))
    }

    /// The process of that number, as the core is told of it.
    fn stranger(&mut self, entity: EntityId, pid: i32) -> Result<Stranger, Answer> {
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
        let own = sender.is_some_and(|one| one.entity == entity && one.role == Role::Other);
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
