//! What programs and people say of entities, or change of them, each with one
//! verdict: parameters to directives of the core, and verdicts to answers.

use super::Waiting;
use super::calls::{bad, parameters, result};
use super::changes::objected;
use crate::monitor::Engine;
use ham_core::directive::{Directive, Heartbeat, Verdict};
use ham_core::event::Event;
use ham_core::ids::{EntityId, RequestId};
use ham_core::plan::Kind;
use ham_core::wire::{
    Answer, Call, Decided, HeartbeatParameters, Heartbeats, RaiseParameters, Refusal, RequestTag,
    StateParameters,
};
use ham_sys::socket::Peer;

/// What is answered now; `None`: later.
pub(super) type Answered = Option<Answer>;

impl Engine {
    pub(super) fn report_state(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let StateParameters { name, state, request } = parameters(call)?;
        let entity = self.speaks_for(client, peer, "State", name.as_deref())?;
        if self.core.definition(entity).is_some_and(|plan| plan.kind == Kind::Global) {
            let why = "it is a [global] unit: it has no process, and no states";
            return Err(bad("name", why));
        }
        let to = self.state_named(entity, &state)?;
        self.audit(peer, entity, &format!("state {}", self.state_name(entity, to)));
        self.direct(client, peer, call, Directive::State { entity, to }, request.as_ref())
    }

    pub(super) fn publish(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let RaiseParameters { name, kind, class, severity, request } = parameters(call)?;
        let entity = self.speaks_for(client, peer, "Raise", name.as_deref())?;
        self.audit(peer, entity, &format!("raise type {kind}, class {class}, severity {severity}"));
        let directive = Directive::Raise { entity, kind, class, severity };
        self.direct(client, peer, call, directive, request.as_ref())
    }

    /// Heartbeats of one entity, or of all, are to be counted or not.
    pub(super) fn heartbeats(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let HeartbeatParameters { name, to, request } = parameters(call)?;
        let entity = name.as_deref().map(|name| self.entity_named(name)).transpose()?;
        let asked = match to.as_str() {
            "suspend" => Heartbeat::Suspend,
            "resume" => Heartbeat::Resume,
            "query" => Heartbeat::Query,
            _ => return Err(bad("to", "it is `suspend`, `resume` or `query`")),
        };
        if asked != Heartbeat::Query {
            if !self.may(client, peer, "Heartbeat", entity) {
                return Err(Self::denied("Heartbeat", peer));
            }
            match entity {
                Some(entity) => self.audit(peer, entity, &format!("heartbeat {to}")),
                None => self.audit_all(peer, &format!("heartbeat {to}")),
            }
        }
        // A question is not kept: anybody may ask, and would take the places of
        // those whose requests must have no second effect.
        let kept = request.as_ref().filter(|_| asked != Heartbeat::Query);
        let directive = Directive::Heartbeat { entity, to: asked };
        self.direct(client, peer, call, directive, kept)
    }

    /// A state by its number, or by the name that the unit gives it.
    fn state_named(&self, entity: EntityId, state: &str) -> Result<u32, Answer> {
        if let Ok(number) = state.parse() {
            return Ok(number);
        }
        let plan = self.core.definition(entity);
        let states = plan.as_ref().map(|plan| plan.states.as_slice()).unwrap_or_default();
        match states.iter().find(|(name, _)| name == state) {
            Some((_, number)) => Ok(*number),
            None => {
                let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
                let known = match names.is_empty() {
                    true => "its unit has no [states]".to_owned(),
                    false => format!("its states are {}", names.join(", ")),
                };
                let why =
                    format!("`{state}` is neither a number up to {} nor a name: {known}", u32::MAX);
                Err(bad("state", &why))
            }
        }
    }

    /// The name of a state, else its number.
    pub(in crate::monitor) fn state_name(&self, entity: EntityId, state: u32) -> String {
        let plan = self.core.definition(entity);
        let states = plan.as_ref().map(|plan| plan.states.as_slice()).unwrap_or_default();
        let named = states.iter().find(|(_, number)| *number == state);
        named.map_or_else(|| state.to_string(), |(name, _)| name.clone())
    }

    /// A transition, where the unit has names for its states; else nothing.
    pub(in crate::monitor) fn transition(&self, entity: EntityId, from: u32, to: u32) -> String {
        let named = self.core.definition(entity).is_some_and(|plan| !plan.states.is_empty());
        if !named {
            return String::new();
        }
        format!("{}, before {}", self.state_name(entity, to), self.state_name(entity, from))
    }

    pub(super) fn direct(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
        directive: Directive,
        request: Option<&RequestTag>,
    ) -> Result<Answered, Answer> {
        let from = self.caller(peer, request)?;
        if let Some(client) = self.control.clients.get_mut(&client) {
            let (outcomes, oneway) = (Vec::new(), call.oneway);
            client.waiting =
                Some(Waiting { verb: method_of(&directive), open: 1, outcomes, oneway });
        }
        let id = self.control.request(client);
        self.feed(Event::Directive { id, directive, from });
        Ok(None)
    }

    /// The core has decided.
    pub(in crate::monitor) fn verdict(&mut self, id: RequestId, verdict: Verdict) {
        let Some(token) = self.control.requests.remove(&id) else { return };
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        let waiting = client.waiting.take();
        let oneway = waiting.as_ref().is_some_and(|waiting| waiting.oneway);
        let method = waiting.map_or("", |waiting| waiting.verb);
        if !oneway {
            let answer = self.answer_to(verdict, method);
            self.send(token, &answer);
        }
        self.control.ready.insert(token);
    }

    fn answer_to(&self, verdict: Verdict, method: &str) -> Answer {
        match verdict {
            Verdict::Done => result(&Decided { changed: true }),
            Verdict::Already => result(&Decided { changed: false }),
            Verdict::SerialUsed => Answer::refusal(&Refusal::SerialUsed {}),
            Verdict::WasActive => result(&Heartbeats { before: "active".to_owned() }),
            Verdict::WasSuspended => result(&Heartbeats { before: "suspended".to_owned() }),
            Verdict::NoHeartbeat => bad("name", "its unit has no [heartbeat]"),
            Verdict::Objected(objection) => objected(objection),
            Verdict::Exists
            | Verdict::Taken(_)
            | Verdict::Gone
            | Verdict::NotRunning
            | Verdict::NoProcess
            | Verdict::Full
            | Verdict::Overruled
            | Verdict::ShuttingDown => self.refused(verdict, method),
        }
    }

    /// A call that is refused may be the repeat of one that was done, and its
    /// name cannot be found, or its peer is nobody, since it was: then it gets the
    /// answer of the first.
    pub(super) fn given_before(
        &mut self,
        (client, peer): (u64, Peer),
        call: &Call,
        refusal: Answer,
    ) -> Result<Answered, Answer> {
        let tag = call.parameters.get("request").cloned();
        let tag = tag.and_then(|tag| serde_json::from_value::<RequestTag>(tag).ok());
        let Ok(Some(from)) = self.caller(peer, tag.as_ref()) else { return Err(refusal) };
        let Some(verdict) = self.core.verdict_given(from) else {
            return if self.awaits_verdict(client, call, from) { Ok(None) } else { Err(refusal) };
        };
        let method = call.method.rsplit_once('.').map_or("", |(_, method)| method);
        Ok(Some(self.answer_to(verdict, method)))
    }
}

/// The method that a directive comes from.
fn method_of(directive: &Directive) -> &'static str {
    match directive {
        Directive::State { .. } => "State",
        Directive::Raise { .. } => "Raise",
        Directive::Attach { .. } | Directive::AttachNamed { .. } => "Attach",
        Directive::Detach { .. } => "Detach",
        Directive::Heartbeat { .. } => "Heartbeat",
        Directive::Change(_) => "Change",
    }
}
