//! The methods of `io.ham.Manager`. Who may call them is in `access`.

use super::Waiting;
use crate::monitor::Engine;
use crate::monitor::ending::shutting_down;
use ham_core::effect::Reply;
use ham_core::event::{Ask, Event};
use ham_core::ids::{EntityId, RequestId};
use ham_core::signal::Signal;
use ham_core::wire::{
    Answer, Call, INTERFACE, KillParameters, Names, Outcome, Outcomes, Refusal, SERVICE_INTERFACE,
    ShutdownParameters,
};
use ham_sys::socket::Peer;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The description that Varlink clients can ask for.
const DESCRIPTION: &str = include_str!("../../../../../schema/io.ham.Manager.varlink");

/// Names in one call, and globs among them, each of which is compared with
/// every entity: a call is worked off between two events of entities.
pub(super) const MOST_NAMES: usize = 1_024;
const MOST_GLOBS: usize = 16;

/// Names of entities in a line of the log.
const MOST_SAID: usize = 8;

/// What is answered now; `None`: later.
type Answered = Option<Answer>;

impl Engine {
    pub(super) fn call(&mut self, client: u64, peer: Peer, call: &Call) -> Answered {
        if let Some(method) = call.method.strip_prefix("org.varlink.service.") {
            return Some(service(method, call));
        }
        let Some((INTERFACE, method)) = call.method.rsplit_once('.') else {
            let interface = call.method.rsplit_once('.').map_or("", |(interface, _)| interface);
            return Some(service_error("InterfaceNotFound", &json!({ "interface": interface })));
        };
        let result = match method {
            "Status" => parameters(call).and_then(|names| self.status(&names)),
            "Show" => parameters(call).and_then(|name| self.show(&name)),
            "Graph" => parameters(call).and_then(|chosen| self.graph(&chosen)),
            "StopPlan" => parameters(call).and_then(|chosen| self.stop_plan(&chosen)),
            "History" => match self.history(client, call) {
                Ok(Some(history)) => Ok(history),
                Ok(None) => return None,
                Err(answer) => Err(answer),
            },
            "Verbosity" => self.verbosity(peer, call),
            "Pulses" => Ok(self.channels()),
            "Start" | "Stop" | "Restart" | "Reload" | "Kill" | "Shutdown" => {
                return later(self.change(client, peer, method, call));
            }
            "Plan" => return later(self.reload_units(client, peer, call, false)),
            "Apply" => return later(self.reload_units(client, peer, call, true)),
            "Flags" => self.flags(call),
            "Definition" => self.definition(client, peer, call),
            "HeartbeatPage" => return later(self.heartbeat_page(client, peer, call)),
            "Arm" | "Disarm" | "SetFlags" | "Add" | "Remove" | "State" | "Raise" | "Heartbeat"
            | "Attach" | "AttachSelf" | "Detach" => {
                let done = self.told_to(client, peer, method, call);
                return later(
                    done.or_else(|refusal| self.given_before((client, peer), call, refusal)),
                );
            }
            "ReceivePulses" => return later(self.receive(client, peer, call)),
            _ => Err(service_error("MethodNotFound", &json!({ "method": call.method }))),
        };
        Some(result.unwrap_or_else(|refusal| refusal))
    }

    /// Directives, each with one verdict.
    fn told_to(
        &mut self,
        client: u64,
        peer: Peer,
        method: &str,
        call: &Call,
    ) -> Result<Answered, Answer> {
        match method {
            "Arm" => self.arming(client, peer, call, true),
            "Disarm" => self.arming(client, peer, call, false),
            "SetFlags" => self.set_flags(client, peer, call),
            "Add" => self.add(client, peer, call),
            "Remove" => self.remove(client, peer, call),
            "State" => self.report_state(client, peer, call),
            "Raise" => self.publish(client, peer, call),
            "Heartbeat" => self.heartbeats(client, peer, call),
            "Attach" => self.attach_other(client, peer, call),
            "AttachSelf" => self.attach_self(client, peer, call),
            _ => self.detach(client, peer, call),
        }
    }

    fn change(
        &mut self,
        client: u64,
        peer: Peer,
        method: &str,
        call: &Call,
    ) -> Result<Answered, Answer> {
        if !self.may_somewhere(client, peer, method) {
            return Err(Engine::denied(method, peer));
        }
        let (verb, ask, names) = match method {
            "Start" => ("started", Ask::Start, parameters::<Names>(call)?),
            "Stop" => ("stopped", Ask::Stop, parameters::<Names>(call)?),
            "Restart" => ("restarted", Ask::Restart, parameters::<Names>(call)?),
            "Reload" => ("reloaded", Ask::Reload, parameters::<Names>(call)?),
            "Kill" => {
                let KillParameters { names, signal, request } = parameters(call)?;
                if !(1..=64).contains(&signal) {
                    let why = format!("{signal} is no signal number (1 to 64)");
                    return Err(bad("signal", &why));
                }
                ("signalled", Ask::Kill(Signal(signal)), Names { names, wait: false, request })
            }
            _ => {
                let ShutdownParameters { code, into, request } = parameters(call)?;
                // Harmless to repeat under any name.
                self.caller(peer, request.as_ref())?;
                if !self.may(client, peer, method, None) {
                    return Err(Engine::denied(method, peer));
                }
                let way = self.way_asked(code, into.as_deref())?;
                let within = self.stop_deadline();
                self.audit_line(peer, &format!("{} on request", shutting_down(way)));
                self.feed(Event::Shutdown { way, within, signals: 0 });
                return Ok(Some(result(&json!({}))));
            }
        };
        if names.names.is_empty() {
            return Err(bad("names", "name at least one entity"));
        }
        let from = self.caller(peer, names.request.as_ref())?;
        if matches!(ask, Ask::Start | Ask::Restart)
            && self.may(client, peer, method, None)
            && self.looks_for_instances(client, call, &names.names)?
        {
            return Ok(None);
        }
        let entities = self.resolve(&names.names)?;
        // All of them or none, as with a name that is wrong.
        if entities.iter().any(|entity| !self.may(client, peer, method, Some(*entity))) {
            return Err(Engine::denied(method, peer));
        }
        let asked: Vec<String> = entities.iter().take(MOST_SAID).map(|id| self.name(*id)).collect();
        let more = if entities.len() > MOST_SAID { ", …" } else { "" };
        let what = match ask {
            Ask::Kill(signal) => format!("signal {signal}"),
            Ask::Start | Ask::Stop | Ask::Restart | Ask::Reload => method.to_lowercase(),
        };
        self.audit_line(peer, &format!("{what} {}{more}", asked.join(", ")));
        let waiting =
            Waiting { verb, open: entities.len(), outcomes: Vec::new(), oneway: call.oneway };
        if let Some(client) = self.control.clients.get_mut(&client) {
            client.waiting = Some(waiting);
        }
        let id = self.control.request(client);
        self.feed(Event::Request { id, entities, ask, wait: names.wait, from });
        Ok(None)
    }

    /// Names and globs to entities, each once, in order of name.
    pub(super) fn resolve(&self, names: &[String]) -> Result<Vec<EntityId>, Answer> {
        let is_glob = |name: &&String| is_glob(name);
        if names.len() > MOST_NAMES || names.iter().filter(is_glob).count() > MOST_GLOBS {
            let why = format!("more than {MOST_NAMES} names, or {MOST_GLOBS} globs");
            return Err(bad("names", &why));
        }
        let all =
            if names.iter().any(|name| is_glob(&name)) { self.core.ids() } else { Vec::new() };
        let mut chosen: BTreeSet<EntityId> = BTreeSet::new();
        for name in names {
            let matching: Vec<EntityId> = if is_glob(&name) {
                let fits = |id: &EntityId| {
                    self.core.name(*id).is_some_and(|known| matches_glob(name, &known))
                };
                all.iter().copied().filter(fits).collect()
            } else {
                self.core.find(name).into_iter().collect()
            };
            chosen.extend(&matching);
            if matching.is_empty() {
                let nearest = self.nearest_of(name);
                let name = name.clone();
                return Err(Answer::refusal(&Refusal::UnknownEntity { name, nearest }));
            }
        }
        // One needs no look at the others.
        if chosen.len() < 2 {
            return Ok(chosen.into_iter().collect());
        }
        Ok(self.core.ids().into_iter().filter(|id| chosen.contains(id)).collect())
    }

    /// The name of an entity that is most like one that is none.
    pub(super) fn nearest_of(&self, name: &str) -> Option<String> {
        let ids = self.core.ids();
        let known: Vec<String> = ids.into_iter().filter_map(|id| self.core.name(id)).collect();
        ham_unit::nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The core has answered a request for one of its entities.
    pub(in crate::monitor) fn reply(&mut self, id: RequestId, entity: EntityId, answer: Reply) {
        let Some(token) = self.control.requests.get(&id).copied() else { return };
        let name = self.name(entity);
        let state = self.core.view(entity).state.to_owned();
        let named = match answer {
            Reply::NotStartable if self.core.is_without_unit(entity) => {
                Some("its unit was removed".to_owned())
            }
            Reply::Dependency(on) => Some(format!("not started: {}", self.blame(on))),
            Reply::Conflict(one, other) => {
                let (one, other) = (self.name(one), self.name(other));
                Some(format!(
                    "nothing done: {one} and {other} conflict, and both would have to be up"
                ))
            }
            Reply::ReloadFailed(Some(failed)) => Some(self.reload_failed(entity, failed)),
            _ => None,
        };
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        let Some(waiting) = &mut client.waiting else { return };
        let (ok, text) = match named {
            Some(text) => (false, text),
            None => outcome(waiting.verb, answer),
        };
        waiting.outcomes.push(Outcome { name, ok, text, state });
        waiting.open = waiting.open.saturating_sub(1);
        if waiting.open > 0 {
            return;
        }
        let Some(Waiting { mut outcomes, oneway, .. }) = client.waiting.take() else { return };
        self.control.requests.remove(&id);
        outcomes.sort_by(|a, b| a.name.cmp(&b.name));
        if !oneway {
            self.send(token, &result(&Outcomes { outcomes }));
        }
        // What the client has sent meanwhile waits in its buffer; it is not
        // worked off in here, where a turn is being finished.
        self.control.ready.insert(token);
    }
}

/// An answer that may come later, or a refusal.
fn later(result: Result<Answered, Answer>) -> Answered {
    result.unwrap_or_else(Some)
}

fn outcome(verb: &str, reply: Reply) -> (bool, String) {
    match reply {
        Reply::Done => (true, verb.to_owned()),
        Reply::Already if verb == "started" => (true, "already running".to_owned()),
        Reply::Already if verb == "reloaded" => (true, "already being reloaded".to_owned()),
        Reply::Already => (true, "already stopped".to_owned()),
        Reply::Dependency(_) => (false, "one that it requires is not up".to_owned()),
        Reply::Conflict(..) => (false, "nothing done: two of them conflict".to_owned()),
        Reply::PreStartFailed => (false, "its pre-start list failed".to_owned()),
        Reply::NoReload => (false, "its unit has no `reload` list".to_owned()),
        Reply::ReloadFailed(_) => (false, "its `reload` list could not be worked off".to_owned()),
        Reply::NotStartable => {
            (false, "ham does not start it: a process is attached (hamctl attach)".to_owned())
        }
        Reply::NotRunning => (false, "it has no process".to_owned()),
        Reply::StartFailed(0) => (false, "did not start within start-timeout".to_owned()),
        Reply::StartFailed(error) => (false, crate::facts::spawn_error(error)),
        Reply::Ended(status) => (false, format!("it ended at once: {status}")),
        Reply::Overruled => (false, "somebody asked for something else meanwhile".to_owned()),
        Reply::Left(count) => (false, format!("{count} of its processes could not be ended")),
        Reply::ShuttingDown => (false, "the manager is shutting down".to_owned()),
        Reply::SerialUsed => {
            (false, "nothing done: the client has used this serial for another request".to_owned())
        }
    }
}

pub(super) fn parameters<P: DeserializeOwned>(call: &Call) -> Result<P, Answer> {
    let given = match &call.parameters {
        Value::Null => json!({}),
        given => given.clone(),
    };
    serde_json::from_value(given).map_err(|error| bad("parameters", &error.to_string()))
}

pub(super) fn bad(parameter: &str, why: &str) -> Answer {
    let (parameter, why) = (parameter.to_owned(), why.to_owned());
    Answer::refusal(&Refusal::BadParameter { parameter, why })
}

pub(super) fn result<P: serde::Serialize>(parameters: &P) -> Answer {
    Answer::result(parameters).unwrap_or_else(|error| bad("result", &error.to_string()))
}

pub(super) fn service_error(name: &str, parameters: &Value) -> Answer {
    let error = Some(format!("{SERVICE_INTERFACE}.{name}"));
    Answer { parameters: parameters.clone(), continues: false, error }
}

/// What every Varlink service answers.
fn service(method: &str, call: &Call) -> Answer {
    match method {
        "GetInfo" => result(&json!({
            "vendor": "ham",
            "product": "ham",
            "version": env!("CARGO_PKG_VERSION"),
            "url": "",
            "interfaces": [SERVICE_INTERFACE, INTERFACE],
        })),
        "GetInterfaceDescription" => {
            match call.parameters.get("interface").and_then(Value::as_str) {
                Some(INTERFACE) => result(&json!({ "description": DESCRIPTION })),
                Some(SERVICE_INTERFACE) => result(&json!({ "description": SERVICE })),
                Some(other) => service_error("InterfaceNotFound", &json!({ "interface": other })),
                None => service_error("InvalidParameter", &json!({ "parameter": "interface" })),
            }
        }
        _ => service_error("MethodNotFound", &json!({ "method": call.method })),
    }
}

/// The interface of the Varlink specification, as far as it is answered here:
/// all of it.
const SERVICE: &str = "\
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
";

pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// `*` is any text, `?` one character.
pub(super) fn matches_glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                // The last star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches_glob;

    #[test]
    fn globs() {
        for (pattern, name) in
            [("a", "a"), ("*", ""), ("web-*", "web-1"), ("?b*d", "abccd"), ("*a*b", "xaybzb")]
        {
            assert!(matches_glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("?", ""), ("web-*", "web"), ("*a", "ab")] {
            assert!(!matches_glob(pattern, name), "{pattern} {name}");
        }
    }
}
