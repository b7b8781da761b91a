//! `Plan` and `Apply`: what units would change, and changing it.

use super::Waiting;
use super::calls::{MOST_NAMES, bad, is_glob, parameters, result};
use super::late::Until;
use crate::monitor::Engine;
use crate::monitor::reload::Asked;
use ham_core::wire::{Answer, Call, Refusal, ReloadParameters, Reloaded};
use ham_sys::socket::Peer;

/// As the loader words it.
const NO_UNIT: &str = "no unit is called";

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
        let instances = Vec::new();
        self.ask_for_load(Asked { client, apply, prune, names, instances, signals });
        Ok(None)
    }

    /// Whether names of instances that are not there have to be looked for among
    /// the templates; the call is made again when that is done.
    pub(super) fn looks_for_instances(
        &mut self,
        token: u64,
        call: &Call,
        names: &[String],
    ) -> Result<bool, Answer> {
        let is_new = |name: &&String| {
            let parts = name.split_once('@');
            let whole = parts.is_some_and(|(front, back)| !front.is_empty() && !back.is_empty());
            whole && !is_glob(name) && self.core.find(name).is_none()
        };
        let names: Vec<String> = names.iter().filter(is_new).cloned().collect();
        let tried = self.loading.tried.remove(&token);
        match tried {
            _ if names.is_empty() => return Ok(false),
            None => {}
            // Without a template it is unknown like any other.
            Some(errors) if errors.iter().all(|error| error.contains(NO_UNIT)) => {
                return Ok(false);
            }
            Some(errors) => return Err(bad("names", &errors.join("\n"))),
        }
        if self.planless || self.core.is_stopping() || names.len() > MOST_NAMES {
            return Ok(false);
        }
        self.put_off(token, call, Until::Loaded);
        self.ask_for_load(Asked {
            client: Some(token),
            apply: true,
            instances: names.clone(),
            names,
            ..Asked::default()
        });
        Ok(true)
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
