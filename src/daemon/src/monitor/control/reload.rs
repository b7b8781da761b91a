//! `Plan` and `Apply`: what units would change, and changing it.

use super::Waiting;
use super::calls::{parameters, result};
use crate::monitor::Engine;
use crate::monitor::reload::Asked;
use ham_core::wire::{Answer, Call, Refusal, ReloadParameters, Reloaded};
use ham_sys::socket::Peer;

impl Engine {
    /// The answer comes when the units have been loaded.
    pub(super) fn reload_units(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
        apply: bool,
    ) -> Result<Option<Answer>, Answer> {
        let ReloadParameters { names, prune } = parameters(call)?;
        let verb = if apply { "Apply" } else { "Plan" };
        if !self.may_change(peer) {
            return Err(Engine::denied(verb, peer));
        }
        if self.core.is_stopping() {
            return Err(Answer::refusal(&Refusal::ShuttingDown { method: verb.to_owned() }));
        }
        if apply {
            self.audit_line(peer, "applying units");
        }
        let (outcomes, oneway) = (Vec::new(), call.oneway);
        let waiting = Waiting { verb: "loaded", open: 1, outcomes, oneway };
        if let Some(client) = self.control.clients.get_mut(&client) {
            client.waiting = Some(waiting);
        }
        let (client, signals) = (Some(client), None);
        self.ask_for_load(Asked { client, apply, prune, names, signals });
        Ok(None)
    }
}

/// The answer for who has asked, if that is still there.
pub(in crate::monitor) fn say_reloaded(engine: &mut Engine, client: u64, reloaded: &Reloaded) {
    let waits = engine.control.clients.get_mut(&client).and_then(|client| client.waiting.take());
    if waits.is_some_and(|waiting| !waiting.oneway) {
        engine.send(client, &result(reloaded));
    }
    engine.control.ready.insert(client);
}
