//! What is changed at run time: `Arm`, `Disarm`, `Flags`, `SetFlags`, `Add`,
//! `Remove`, `Definition`. Root and the manager's own user may change all; a
//! process of an entity what was added to that entity at run time, and what it
//! adds runs as itself (details 29).

use super::calls::{bad, parameters, result};
use super::pulses::is_channel_of;
use crate::monitor::Engine;
use ham_core::change::{Change, Objection};
use ham_core::directive::Directive;
use ham_core::ids::EntityId;
use ham_core::plan::{
    EntityPlan, Flags, Identity, Item, Overlay, SignalTarget, Verb, sound_action, sound_condition,
    sound_entity, sound_name, sound_on_fail,
};
use ham_core::time::Span;
use ham_core::wire::{
    AddParameters, Added, Answer, ArmParameters, Call, Definition, Disarmed, FlagsNow,
    FlagsParameters, Named, OneName, PathParameters, Refusal, RequestTag,
};
use ham_sys::clock;
use ham_sys::socket::Peer;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is answered now; `None`: later.
type Answered = Option<Answer>;

/// Whose command it is that somebody gives.
type RunsAs = Option<Identity>;

impl Engine {
    pub(super) fn arming(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
        arms: bool,
    ) -> Result<Answered, Answer> {
        let ArmParameters { path, recursive, for_ns, request } = parameters(call)?;
        let method = if arms { "Arm" } else { "Disarm" };
        let (entity, item) = self.item(client, peer, method, &path)?;
        self.may_touch(client, peer, method, entity, &item)?;
        if arms && for_ns.is_some() {
            return Err(bad("for_ns", "something is disarmed for a time, not armed"));
        }
        let below = if recursive { " and all below it" } else { "" };
        let time = for_ns.map_or(String::new(), |ns| format!(" for {}", Span(ns)));
        let word = if arms { "arm" } else { "disarm" };
        let said = format!("{word} {}{below}{time}", said_of(&item));
        let change = match arms {
            true => Change::Arm { entity, item, recursive },
            false => Change::Disarm { entity, item, recursive, within: for_ns.map(Span) },
        };
        self.make_change(client, peer, call, (entity, &said), change, request.as_ref())
    }

    pub(super) fn flags(&mut self, call: &Call) -> Result<Answer, Answer> {
        let PathParameters { path, .. } = parameters(call)?;
        let (name, item) = parsed(&path)?;
        let entity = self.entity_named(name)?;
        let late = || self.core.overlay_of(entity).is_some_and(|overlay| overlay.made(&item));
        let flags = match self.flags_of(entity, &item) {
            Some(flags) => flags,
            None if late() => return Err(objected(Objection::WithItsAction)),
            None => return Err(missing(&path)),
        };
        let flags = flags.words().into_iter().map(str::to_owned).collect();
        Ok(result(&FlagsNow { flags }))
    }

    fn flags_of(&self, entity: EntityId, item: &Item) -> Option<Flags> {
        let plan = self.core.definition(entity)?;
        self.core.overlay_of(entity).unwrap_or_default().flags_of(&plan, item)
    }

    pub(super) fn set_flags(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let FlagsParameters { path, set, add, remove, request } = parameters(call)?;
        let (entity, item) = self.item(client, peer, "SetFlags", &path)?;
        self.may_touch(client, peer, "SetFlags", entity, &item)?;
        let set = set.as_deref().map(|words| flags("set", words)).transpose()?;
        let (add, remove) = (flags("add", &add)?, flags("remove", &remove)?);
        let words = |sign: &str, flags: Flags| -> String {
            flags.words().into_iter().map(|word| format!(" {sign}{word}")).collect()
        };
        let all = set.map_or_else(String::new, |set| words("=", set));
        let said =
            format!("flags of {}:{all}{}{}", said_of(&item), words("+", add), words("-", remove));
        let change = Change::Flags { entity, item, set, add, remove };
        self.make_change(client, peer, call, (entity, &said), change, request.as_ref())
    }

    pub(super) fn remove(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let PathParameters { path, request } = parameters(call)?;
        let (entity, item) = self.item(client, peer, "Remove", &path)?;
        self.may_touch(client, peer, "Remove", entity, &item)?;
        let said = format!("remove {}", said_of(&item));
        let change = Change::Remove { entity, item };
        self.make_change(client, peer, call, (entity, &said), change, request.as_ref())
    }

    pub(super) fn add(&mut self, client: u64, peer: Peer, call: &Call) -> Result<Answered, Answer> {
        let mut call = call.clone();
        hams_defaults(&mut call.parameters);
        let AddParameters { path, item: added, flags: words, request } = parameters(&call)?;
        let wanted = flags("flags", &words)?;
        let (name, at) = parsed(&path)?;
        if let Added::Entity(plan) = added {
            return self.add_entity(
                client,
                peer,
                &call,
                (name, &at, *plan, wanted),
                request.as_ref(),
            );
        }
        let (entity, _) = self.item(client, peer, "Add", &path)?;
        let runs_as = if self.may_change(peer) { None } else { Some(self.identity(client, peer)) };
        let (said, change) = match (added, at) {
            (Added::Condition(mut condition), Item::Entity) => {
                sound_condition(&condition).map_err(|why| bad("item", &why))?;
                may_have("condition", wanted, Flags::KEEP_ON_EMPTY)?;
                for action in &mut condition.actions {
                    let all = std::iter::once(&mut action.verb).chain(&mut action.on_fail);
                    self.may_do((client, peer), name, all, &runs_as)?;
                }
                let said = format!("add condition {}", condition.name);
                let keep_on_empty = wanted.has(Flags::KEEP_ON_EMPTY);
                (said, Change::Condition { entity, condition, keep_on_empty })
            }
            (Added::Action(mut action), Item::Condition(condition)) => {
                sound_action(&action).map_err(|why| bad("item", &why))?;
                may_have("action", wanted, Flags::DO_NOW)?;
                let all = std::iter::once(&mut action.verb).chain(&mut action.on_fail);
                self.may_do((client, peer), name, all, &runs_as)?;
                let said = format!("add action {condition}/{}", action.name);
                let now = wanted.has(Flags::DO_NOW);
                (said, Change::Action { entity, condition, action, now })
            }
            (Added::OnFail(mut verb), item @ Item::OnFail(..)) => {
                sound_on_fail(&verb).map_err(|why| bad("item", &why))?;
                if let Item::OnFail(_, _, name) = &item {
                    sound_name(name).map_err(|why| bad("path", &why))?;
                }
                may_have("item of an on-fail list", wanted, Flags::NONE)?;
                self.may_do((client, peer), name, std::iter::once(&mut *verb), &runs_as)?;
                (format!("add {item}"), Change::OnFail { entity, item, verb })
            }
            (Added::Condition(_), _) => {
                return Err(bad("path", "a condition is added to an entity: NAME"));
            }
            (Added::Action(_), _) => {
                return Err(bad("path", "an action is added to a condition: NAME/CONDITION"));
            }
            (Added::OnFail(_) | Added::Entity(_), _) => {
                let why = "an item of an on-fail list has a path: NAME/CONDITION/ACTION/ITEM";
                return Err(bad("path", why));
            }
        };
        self.make_change(client, peer, &call, (entity, &said), change, request.as_ref())
    }

    fn add_entity(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
        (name, at, plan, wanted): (&str, &Item, EntityPlan, Flags),
        request: Option<&RequestTag>,
    ) -> Result<Answered, Answer> {
        if !self.may_change(peer) {
            return Err(Self::denied("Add", peer));
        }
        if self.planless {
            return Err(Answer::refusal(&Refusal::Busy { why: "units are still loaded".into() }));
        }
        if *at != Item::Entity || plan.name != name {
            return Err(bad("path", "it is the name of the entity, as in `item`"));
        }
        if let Some(why) = ham_unit::wrong_entity_name(name) {
            return Err(bad("path", &format!("{name:?} is no name: it {why}")));
        }
        sound_entity(&plan).map_err(|why| bad("item", &why))?;
        may_have("entity", wanted, Flags::KEEP_ON_DEATH)?;
        self.audit_named(peer, name, "add entity");
        let keep_on_death = wanted.has(Flags::KEEP_ON_DEATH);
        let change = Change::Entity { plan: Box::new(plan), keep_on_death };
        self.direct(client, peer, call, Directive::Change(Box::new(change)), request)
    }

    fn make_change(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
        (entity, said): (EntityId, &str),
        change: Change,
        request: Option<&RequestTag>,
    ) -> Result<Answered, Answer> {
        self.audit(peer, entity, said);
        if let Change::Condition { condition, .. } = &change {
            self.tell_kills_before(entity, condition.on);
        }
        self.direct(client, peer, call, Directive::Change(Box::new(change)), request)
    }

    /// The item of that path, if this peer may speak for its entity.
    fn item(
        &mut self,
        client: u64,
        peer: Peer,
        method: &str,
        path: &str,
    ) -> Result<(EntityId, Item), Answer> {
        let (name, item) = parsed(path)?;
        Ok((self.speaks_for(client, peer, method, Some(name))?, item))
    }

    /// A process may not switch off what its unit says, unless a rule lets it.
    fn may_touch(
        &self,
        client: u64,
        peer: Peer,
        method: &str,
        entity: EntityId,
        item: &Item,
    ) -> Result<(), Answer> {
        let made = |overlay: &Overlay| *item != Item::Entity && overlay.made(item);
        let late = self.core.overlay_of(entity).is_some_and(|overlay| made(&overlay));
        if late || self.may(client, peer, method, Some(entity)) {
            return Ok(());
        }
        Err(Self::denied(method, peer))
    }

    /// What a process gives runs as itself, and is about itself, or about what a
    /// rule lets it act on: for more it would have to be somebody else.
    fn may_do<'a>(
        &self,
        (client, peer): (u64, Peer),
        own: &str,
        verbs: impl Iterator<Item = &'a mut Verb>,
        runs_as: &RunsAs,
    ) -> Result<(), Answer> {
        let Some(identity) = runs_as else { return Ok(()) };
        let may = |method: &str, name: &str| {
            let entity = self.core.find(name);
            entity.is_some() && self.may(client, peer, method, entity)
        };
        for verb in verbs {
            let allowed = match verb {
                Verb::Execute(execute) => {
                    execute.identity = Some(identity.clone());
                    true
                }
                Verb::NotifySignal(signal) => match &signal.target {
                    SignalTarget::Own => true,
                    SignalTarget::Entity(name) => name == own || may("Kill", name),
                    SignalTarget::Process { .. } => false,
                },
                Verb::Start(name) => name == own || may("Start", name),
                Verb::Stop(name) => name == own || may("Stop", name),
                Verb::NotifyPulse(pulse) => {
                    pulse.guest = true;
                    is_channel_of(own, &pulse.channel)
                }
                Verb::Restart(_) | Verb::WaitFor(_) | Verb::Log(_) | Verb::HeartbeatHealthy => true,
                Verb::Shutdown(_) => false,
            };
            if !allowed {
                return Err(Self::denied(&format!("Add ({})", verb.word()), peer));
            }
        }
        Ok(())
    }

    fn identity(&self, client: u64, peer: Peer) -> Identity {
        let groups = self.groups_of(client);
        let nobody = String::new;
        Identity {
            uid: peer.uid,
            gid: peer.gid,
            groups,
            user: nobody(),
            home: nobody(),
            shell: nobody(),
        }
    }

    /// Not for everybody: with its environment, as its unit file may not be.
    pub(super) fn definition(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answer, Answer> {
        let OneName { name } = parameters(call)?;
        let entity = self.speaks_for(client, peer, "Definition", Some(&name))?;
        let Some(plan) = self.core.definition(entity) else { return Err(missing(&name)) };
        let changes = self.core.overlay_of(entity).as_deref().cloned().unwrap_or_default();
        let neighbours = self.neighbours(&plan);
        let others: BTreeSet<EntityId> =
            plan.conditions.iter().filter_map(|condition| condition.of).collect();
        let of = others.into_iter().map(|id| Named { id: id.0, name: self.name(id) }).collect();
        let plan = Box::new((*plan).clone());
        Ok(result(&Definition {
            plan,
            changes,
            requires: neighbours.requires,
            wants: neighbours.wants,
            after: neighbours.after,
            conflicts: neighbours.conflicts,
            of,
        }))
    }

    /// All that is disarmed.
    pub(super) fn disarmed(&self) -> Vec<Disarmed> {
        let changed = self.core.changed().into_iter();
        let mut all: Vec<Disarmed> = changed.flat_map(|entity| self.disarmed_of(entity)).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// What of an entity is disarmed.
    pub(super) fn disarmed_of(&self, entity: EntityId) -> Vec<Disarmed> {
        let Some(overlay) = self.core.overlay_of(entity) else { return Vec::new() };
        let (now, name) = (clock::monotonic(), self.name(entity));
        let off = overlay.off.iter().map(|off| Disarmed {
            path: off.item.path(&name),
            left_ns: off.until.map(|until| until.0.saturating_sub(now)),
        });
        off.collect()
    }
}

fn parsed(path: &str) -> Result<(&str, Item), Answer> {
    Item::parse(path).ok_or_else(|| {
        bad("path", &format!("`{path}` is no path: NAME[/CONDITION[/ACTION[/ITEM]]]"))
    })
}

fn missing(path: &str) -> Answer {
    let (what, why) = ("missing".to_owned(), format!("there is nothing called {path}"));
    Answer::refusal(&Refusal::NotChanged { what, why })
}

pub(super) fn objected(objection: Objection) -> Answer {
    let (what, why) = (objection.word().to_owned(), objection.words().to_owned());
    Answer::refusal(&Refusal::NotChanged { what, why })
}

fn said_of(item: &Item) -> String {
    match item {
        Item::Entity => "itself".to_owned(),
        Item::Condition(_) | Item::Action(..) | Item::OnFail(..) => item.to_string(),
    }
}

fn flags(parameter: &str, words: &[String]) -> Result<Flags, Answer> {
    words.iter().try_fold(Flags::NONE, |all, word| match Flags::named(word) {
        Some(flag) => Ok(all.with(flag)),
        None => {
            let known: Vec<&str> = Flags::ALL.iter().map(|(_, word)| *word).collect();
            let why = format!("`{word}` is no flag; known are {}", known.join(", "));
            Err(bad(parameter, &why))
        }
    })
}

fn may_have(what: &str, flags: Flags, may: Flags) -> Result<(), Answer> {
    let extra = flags.without(may).words();
    if extra.is_empty() {
        return Ok(());
    }
    let why = format!("{what} has no flag {} here; its text says the others", extra.join(", "));
    Err(bad("flags", &why))
}

/// What is not said of items that are added is as QNX HAM has it.
fn hams_defaults(parameters: &mut Value) {
    let Some(item) = parameters.get_mut("item") else { return };
    if let Some(Value::Object(action)) = item.get_mut("action") {
        hams_action(action);
    }
    if let Some(Value::Object(condition)) = item.get_mut("condition") {
        condition.entry("rearm").or_insert(Value::Bool(false));
        if let Some(Value::Array(actions)) = condition.get_mut("actions") {
            actions.iter_mut().filter_map(Value::as_object_mut).for_each(hams_action);
        }
    }
}

fn hams_action(action: &mut serde_json::Map<String, Value>) {
    action.entry("rearm").or_insert(Value::Bool(false));
    action.entry("keep_on_fail").or_insert(Value::Bool(false));
}
