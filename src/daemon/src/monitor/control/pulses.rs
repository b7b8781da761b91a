//! `Pulses` and `ReceivePulses`: who waits for pulses of a channel, and what
//! it is told. Nothing is kept here of a pulse: it waits in the state until a
//! receiver says that it has it, so one that dies, or a manager that does,
//! loses none.

use super::calls::{bad, parameters, result, service_error};
use crate::monitor::Engine;
use crate::told;
use ham_core::event::Event;
use ham_core::plan::PulsePlan;
use ham_core::wire::{Answer, Call, Channel, Channels, ReceiveParameters, Received, ReceivedPulse};
use ham_snapshot::header::Field;
use ham_sys::clock;
use ham_sys::socket::Peer;
use serde_json::json;
use std::collections::BTreeSet;

/// A client that waits for pulses.
#[derive(Debug)]
pub(super) struct Receiver {
    channel: String,
    /// It has been told all up to this number.
    after: u64,
    /// It takes more than one answer.
    more: bool,
}

/// Whether a channel is one of those of an entity: NAME, or NAME/… after it.
pub(super) fn is_channel_of(entity: &str, channel: &str) -> bool {
    let rest = channel.strip_prefix(entity);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Engine {
    pub(super) fn channels(&mut self) -> Answer {
        let channels = self.core.channels().into_iter().map(|channel| {
            let receivers = self.control.receivers.values();
            let receivers = receivers.filter(|one| one.channel == channel.name).count();
            Channel {
                waiting: channel.waiting as u64,
                last: channel.last,
                lost: channel.lost,
                receivers: receivers as u64,
                name: channel.name,
            }
        });
        result(&Channels { channels: channels.collect() })
    }

    /// `None`: it is told by `tell_receivers`.
    pub(super) fn receive(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Option<Answer>, Answer> {
        let asked: ReceiveParameters = parameters(call)?;
        if asked.channel.is_empty() || asked.channel.len() > PulsePlan::MOST_NAME {
            let why = format!("a name has 1 to {} bytes", PulsePlan::MOST_NAME);
            return Err(bad("channel", &why));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "_.:-@/".contains(c);
        if !asked.channel.chars().all(known) {
            let why = "a name holds letters, digits, `_`, `.`, `:`, `-`, `@` and `/`";
            return Err(bad("channel", why));
        }
        if call.oneway {
            return Err(service_error("InvalidParameter", &json!({ "parameter": "oneway" })));
        }
        self.may_receive(client, peer, &asked.channel)?;
        // What another manager has told is not meant.
        let manager = asked.manager.as_ref();
        let of_this = manager.is_none_or(|manager| *manager == self.manager_name());
        let last = self.core.channel(&asked.channel).map_or(0, |channel| channel.last);
        let after = asked.after.filter(|after| of_this && *after <= last).unwrap_or(0);
        if after > 0 {
            self.feed(Event::Received { channel: asked.channel.clone(), upto: after });
            // Committed before anything is answered.
            self.run_events();
        }
        if asked.at_once {
            return Ok(Some(result(&self.pulses_after(&asked.channel, after))));
        }
        let receiver = Receiver { channel: asked.channel, after, more: call.more };
        self.control.receivers.insert(client, receiver);
        Ok(None)
    }

    /// Root and the manager's own user from every channel; the processes of an
    /// entity from those that begin with its name.
    fn may_receive(&mut self, client: u64, peer: Peer, channel: &str) -> Result<(), Answer> {
        if self.may_change(peer) {
            return Ok(());
        }
        let own = self.entity_of(client, peer).map(|entity| self.name(entity));
        if own.is_some_and(|own| is_channel_of(&own, channel)) {
            return Ok(());
        }
        Err(Engine::denied("ReceivePulses", peer))
    }

    /// What tells this manager from those before and after it.
    fn manager_name(&self) -> String {
        format!("{:016x}", self.state.get(Field::Instance))
    }

    fn pulses_after(&mut self, channel: &str, after: u64) -> Received {
        let pulses = self.core.waiting_pulses(channel, after);
        let (mono, real) = (clock::monotonic(), clock::realtime());
        let pulses = pulses.into_iter().map(|pulse| ReceivedPulse {
            serial: pulse.serial,
            code: i32::from(pulse.code),
            value: pulse.value,
            time: told::seconds(real.saturating_sub(mono.saturating_sub(pulse.sent.0))),
            entity: self.name(pulse.entity),
        });
        let pulses = pulses.collect();
        let lost = self.core.channel(channel).map_or(0, |channel| channel.lost);
        Received { pulses, lost, manager: self.manager_name() }
    }

    /// Tells those who wait what was committed since they were told last.
    pub(in crate::monitor) fn tell_receivers(&mut self) {
        if self.control.receivers.is_empty() && self.control.receiving.is_empty() {
            return;
        }
        let tokens: Vec<u64> = self.control.receivers.keys().copied().collect();
        for token in tokens {
            let Some(client) = self.control.clients.get(&token) else {
                self.control.receivers.remove(&token);
                continue;
            };
            // One that does not read is told later.
            if !client.unread.is_empty() {
                continue;
            }
            let Some(receiver) = self.control.receivers.get(&token) else { continue };
            let (channel, after, more) = (receiver.channel.clone(), receiver.after, receiver.more);
            let received = self.pulses_after(&channel, after);
            let Some(last) = received.pulses.last().map(|pulse| pulse.serial) else { continue };
            let mut answer = result(&received);
            answer.continues = more;
            if more {
                if let Some(receiver) = self.control.receivers.get_mut(&token) {
                    receiver.after = last;
                }
            } else {
                self.control.receivers.remove(&token);
                self.control.ready.insert(token);
            }
            self.send(token, &answer);
        }
        self.tell_of_receivers();
        if !self.control.ready.is_empty() {
            self.completions.wake().post();
        }
    }

    /// The core keeps the channels from which somebody receives.
    fn tell_of_receivers(&mut self) {
        let receivers = self.control.receivers.values();
        let channels: BTreeSet<String> = receivers.map(|one| one.channel.clone()).collect();
        if channels != self.control.receiving {
            self.control.receiving.clone_from(&channels);
            self.feed(Event::Receivers { channels });
            self.run_events();
        }
    }

    /// The manager ends in good order: so do the answers, and what nobody has
    /// received is told.
    pub(in crate::monitor) fn end_receiving(&mut self) {
        let manager = self.manager_name();
        for token in std::mem::take(&mut self.control.receivers).into_keys() {
            let last = Received { manager: manager.clone(), ..Received::default() };
            self.send(token, &result(&last));
        }
    }

    /// What goes with the manager, as lines for people.
    pub(in crate::monitor) fn unreceived(&mut self) -> Vec<String> {
        let channels = self.core.channels().into_iter().filter(|channel| channel.waiting > 0);
        channels
            .map(|channel| {
                format!("{} pulses in {} were never received", channel.waiting, channel.name)
            })
            .collect()
    }
}
