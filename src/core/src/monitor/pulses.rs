//! Pulses: two numbers that an action puts into a named channel, where they
//! wait for whoever receives from it (QNX: MsgSendPulse, without a channel that
//! must exist first). Part of the committed state, so that neither a takeover
//! nor a receiver that is being restarted loses one; bounded, so that one that
//! nobody receives fails the action that sends it.

use super::Monitor;
use super::channels::{By, Use};
use crate::effect::{Fact, Failure};
use crate::ids::{EntityId, MAX_ENTITIES, MAX_PULSES};
use crate::memory::{Head, Record, RecordId};
use crate::plan::PulsePlan;
use crate::time::Mono;
use crate::words::{Odd, Reader, Words, Writer};
use std::collections::{BTreeMap, BTreeSet};

/// Pulses that wait in one channel: enough for a receiver that is restarted,
/// few enough that one which never comes back is noticed.
pub const MOST_WAITING: usize = 64;

/// Channels. How one gives its place back is in `channels`.
pub const MOST_CHANNELS: usize = 256;

const NAME_WORDS: usize = PulsePlan::MOST_NAME / 8;

/// A pulse that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Counted up from 1 in its channel.
    pub serial: u64,
    /// As the action says.
    pub code: i8,
    /// Likewise.
    pub value: i32,
    /// When it was sent.
    pub sent: Mono,
    /// Whom the occurrence was about.
    pub entity: EntityId,
}

/// A channel as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// The number of the last pulse that was sent; 0: none.
    pub last: u64,
    /// Pulses that wait.
    pub waiting: usize,
    /// Pulses that were sent, never received, and whose records could not be
    /// read after a takeover.
    pub lost: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) place: u32,
    /// The number of the last pulse that was sent.
    pub(super) last: u64,
    /// Up to here all were received.
    taken: u64,
    /// Places of those that wait, by number.
    pub(super) waiting: BTreeMap<u64, u32>,
    /// By whose action it is there.
    pub(super) by: By,
    /// When something was last sent, or was to be, or was received.
    pub(super) used: Mono,
}

impl Channel {
    pub(super) fn lost(&self) -> u64 {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.last.saturating_sub(self.taken).saturating_sub(waiting)
    }
}

/// What stands at one place of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Channel { name: String, last: u64, taken: u64, by: By, used: Mono },
    Pulse { channel: String, pulse: Pulse },
}

/// All channels and what waits in them.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    pub(super) channels: BTreeMap<String, Channel>,
    pulses: BTreeMap<u32, (String, Pulse)>,
    /// Of channels, by place.
    pub(super) names: BTreeMap<u32, String>,
    pub(super) usage: Use,
    /// Places that are free below `end`.
    pub(super) free: BTreeSet<u32>,
    end: u32,
    /// Places that the monitor before has used and nobody has looked at.
    unread: Vec<u32>,
    /// Places whose records are to be written again, or forgotten.
    mended: Vec<u32>,
}

impl Pulses {
    /// A record of the monitor before; read when somebody asks for pulses.
    pub(super) fn found(&mut self, place: u32) {
        self.unread.push(place);
    }

    pub(super) fn record(&self, place: u32) -> Option<Record> {
        if let Some((channel, pulse)) = self.pulses.get(&place) {
            return Some(Item::Pulse { channel: channel.clone(), pulse: *pulse }.record());
        }
        let name = self.names.get(&place)?;
        let channel = self.channels.get(name)?;
        let Channel { last, taken, by, used, .. } = *channel;
        Some(Item::Channel { name: name.clone(), last, taken, by, used }.record())
    }

    fn take_place(&mut self) -> Option<u32> {
        if let Some(place) = self.free.pop_first() {
            return Some(place);
        }
        let place = self.end;
        (place < MAX_PULSES).then(|| {
            self.end = place.saturating_add(1);
            place
        })
    }

    /// A channel of a name that none has. Its numbers begin after that one. False:
    /// there is no place.
    pub(super) fn make_channel(&mut self, name: &str, by: By, after: u64) -> bool {
        let Some(place) = self.take_place() else { return false };
        let (last, taken, waiting, used) = (after, after, BTreeMap::new(), Mono(0));
        self.names.insert(place, name.to_owned());
        self.channels.insert(name.to_owned(), Channel { place, last, taken, waiting, by, used });
        true
    }
}

impl Item {
    fn record(&self) -> Record {
        let mut words = Writer::new();
        let name = match self {
            Item::Channel { name, .. } => name,
            Item::Pulse { channel, .. } => channel,
        };
        let tag = match self {
            Item::Channel { .. } => 1,
            Item::Pulse { .. } => 2,
        };
        words.put(tag).put(name.len() as u64);
        let mut bytes = name.bytes();
        for _ in 0..NAME_WORDS {
            words.put(u64::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0))));
        }
        match self {
            Item::Channel { last, taken, by, used, .. } => {
                words.put(*last).put(*taken).put(by.to_word()).put(used.0);
            }
            Item::Pulse { pulse, .. } => {
                words
                    .put(pulse.serial)
                    .put(u64::from(pulse.code.cast_unsigned()))
                    .put(u64::from(pulse.value.cast_unsigned()))
                    .put(pulse.sent.0)
                    .put(u64::from(pulse.entity.0));
            }
        }
        Record { head: Head::default(), words: words.finish() }
    }

    fn decode(words: &Words) -> Result<Item, Odd> {
        let mut from = Reader::new(words);
        let tag = from.get()?;
        let length = usize::try_from(from.get()?).map_err(|_| Odd)?;
        let mut bytes = Vec::with_capacity(PulsePlan::MOST_NAME);
        for _ in 0..NAME_WORDS {
            bytes.extend_from_slice(&from.get()?.to_le_bytes());
        }
        if length == 0 || length > bytes.len() {
            return Err(Odd);
        }
        bytes.truncate(length);
        let name = String::from_utf8(bytes).map_err(|_| Odd)?;
        let item = match tag {
            1 => Item::Channel {
                name,
                last: from.get()?,
                taken: from.get()?,
                by: By::from_word(from.get()?)?,
                used: Mono(from.get()?),
            },
            2 => {
                let serial = from.get()?;
                let pulse = Pulse {
                    serial,
                    code: from.get_u8()?.cast_signed(),
                    value: from.get_u32()?.cast_signed(),
                    sent: Mono(from.get()?),
                    entity: EntityId(from.get_u32()?),
                };
                if serial == 0 || pulse.entity.0 >= MAX_ENTITIES {
                    return Err(Odd);
                }
                Item::Pulse { channel: name, pulse }
            }
            _ => return Err(Odd),
        };
        from.finish()?;
        if item.record().words == *words { Ok(item) } else { Err(Odd) }
    }
}

impl Monitor {
    /// Puts a pulse into its channel.
    pub(super) fn send_pulse(
        &mut self,
        id: EntityId,
        about: EntityId,
        plan: &PulsePlan,
    ) -> Result<(), Failure> {
        self.mend_pulses();
        if plan.channel.is_empty() || plan.channel.len() > PulsePlan::MOST_NAME {
            return Err(Failure::Refused);
        }
        if !self.open_channel(id, plan) {
            return Err(Failure::ChannelFull);
        }
        let Some(channel) = self.pulses.channels.get(&plan.channel) else {
            return Err(Failure::Refused);
        };
        let (serial, sent) = (channel.last.saturating_add(1), self.now);
        if channel.waiting.len() >= MOST_WAITING {
            return Err(Failure::ChannelFull);
        }
        let Some(place) = self.pulses.take_place() else { return Err(Failure::ChannelFull) };
        let pulse = Pulse { serial, code: plan.code, value: plan.value, sent, entity: about };
        if let Some(channel) = self.pulses.channels.get_mut(&plan.channel) {
            channel.last = serial;
            channel.waiting.insert(serial, place);
        }
        self.pulses.pulses.insert(place, (plan.channel.clone(), pulse));
        self.turn.dirty.insert(RecordId::Pulse(place));
        self.note(id, Fact::PulseSent { place, serial });
        Ok(())
    }

    /// Somebody has received all up to that number: they wait no longer. To
    /// say so again does no harm; a number that was never given says nothing.
    pub(super) fn received(&mut self, name: &str, upto: u64) {
        self.mend_pulses();
        let Some(channel) = self.pulses.channels.get_mut(name) else { return };
        if upto > channel.last || upto <= channel.taken {
            return;
        }
        channel.taken = upto;
        channel.used = self.now;
        let later = channel.waiting.split_off(&upto.saturating_add(1));
        let gone = std::mem::replace(&mut channel.waiting, later);
        self.turn.dirty.insert(RecordId::Pulse(channel.place));
        for place in gone.into_values() {
            self.pulses.pulses.remove(&place);
            self.pulses.free.insert(place);
            self.turn.dirty.insert(RecordId::Pulse(place));
        }
        self.give_back([name.to_owned()]);
    }

    /// Before anything is changed: what was damaged is written again, or
    /// forgotten.
    pub(super) fn mend_pulses(&mut self) {
        self.read_pulses();
        for place in std::mem::take(&mut self.pulses.mended) {
            self.turn.dirty.insert(RecordId::Pulse(place));
        }
    }

    /// The pulses of a channel that wait and have a higher number, in order.
    pub fn waiting_pulses(&mut self, name: &str, after: u64) -> Vec<Pulse> {
        self.read_pulses();
        let Some(channel) = self.pulses.channels.get(name) else { return Vec::new() };
        let later = channel.waiting.range(after.saturating_add(1)..);
        let pulse = |place: &u32| self.pulses.pulses.get(place).map(|(_, pulse)| *pulse);
        later.filter_map(|(_, place)| pulse(place)).collect()
    }

    /// One channel; `None`: nothing was ever sent there.
    pub fn channel(&mut self, name: &str) -> Option<ChannelView> {
        self.read_pulses();
        let channel = self.pulses.channels.get(name)?;
        let (last, waiting, lost) = (channel.last, channel.waiting.len(), channel.lost());
        Some(ChannelView { name: name.to_owned(), last, waiting, lost })
    }

    /// All channels, by name.
    pub fn channels(&mut self) -> Vec<ChannelView> {
        self.read_pulses();
        let names: Vec<String> = self.pulses.channels.keys().cloned().collect();
        names.iter().filter_map(|name| self.channel(name)).collect()
    }

    /// The channel of the pulse that stands at a place.
    #[must_use]
    pub fn channel_at(&self, place: u32) -> Option<&str> {
        self.pulses.pulses.get(&place).map(|(name, _)| name.as_str())
    }

    /// The channel that has given its place back in the last turn.
    #[must_use]
    pub fn channel_gone(&self, place: u32) -> Option<&str> {
        self.pulses.usage.gone.get(&place).map(String::as_str)
    }

    /// Reads what the monitor before has left, once. What cannot be read is
    /// forgotten, and missing in the numbers of its channel.
    fn read_pulses(&mut self) {
        if self.pulses.unread.is_empty() {
            return;
        }
        let mut unread = std::mem::take(&mut self.pulses.unread);
        unread.sort_unstable();
        self.pulses.end = unread.last().map_or(0, |last| last.saturating_add(1));
        self.pulses.free = (0..self.pulses.end).collect();
        for place in unread {
            let words = self.memory.load(RecordId::Pulse(place));
            let item = words.ok().flatten().and_then(|words| Item::decode(&words).ok());
            match item {
                Some(Item::Channel { name, last, taken, by, used })
                    if !self.pulses.channels.contains_key(&name) =>
                {
                    self.pulses.names.insert(place, name.clone());
                    let waiting = BTreeMap::new();
                    let channel = Channel { place, last, taken, waiting, by, used };
                    self.pulses.channels.insert(name, channel);
                }
                Some(Item::Pulse { channel, pulse }) => {
                    self.pulses.pulses.insert(place, (channel, pulse));
                }
                Some(Item::Channel { .. }) | None => {
                    self.pulses.mended.push(place);
                    continue;
                }
            }
            self.pulses.free.remove(&place);
        }
        self.sort_in();
    }

    /// Puts pulses into their channels. The record of a channel may be the one
    /// that is damaged: then its numbers go on after those that wait.
    fn sort_in(&mut self) {
        let found: Vec<(u32, String, u64)> = self
            .pulses
            .pulses
            .iter()
            .map(|(place, (name, pulse))| (*place, name.clone(), pulse.serial))
            .collect();
        for (place, name, serial) in found {
            let is_new = !self.pulses.channels.contains_key(&name);
            if is_new && !self.pulses.make_channel(&name, By::Unit, 0) {
                continue;
            }
            let Some(channel) = self.pulses.channels.get_mut(&name) else { continue };
            if is_new {
                channel.taken = serial.saturating_sub(1);
            }
            let at = channel.place;
            channel.waiting.insert(serial, place);
            if serial > channel.last || is_new {
                channel.last = channel.last.max(serial);
                self.pulses.mended.push(at);
            }
            if let Some(channel) = self.pulses.channels.get_mut(&name)
                && serial <= channel.taken
            {
                channel.taken = serial.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_pulses_survive_their_records() {
        let pulse = Pulse {
            serial: u64::MAX,
            code: -128,
            value: i32::MIN,
            sent: Mono(7),
            entity: EntityId(MAX_ENTITIES - 1),
        };
        for name in ["a", "audio/out", &"x".repeat(PulsePlan::MOST_NAME)] {
            let (by, used) = (By::Guest(EntityId(3)), Mono(8));
            let items = [
                Item::Channel { name: name.to_owned(), last: 9, taken: 3, by, used },
                Item::Pulse { channel: name.to_owned(), pulse },
            ];
            for item in items {
                assert_eq!(Item::decode(&item.record().words), Ok(item));
            }
        }
    }

    #[test]
    fn a_record_with_one_odd_word_is_refused() {
        let pulse = Pulse { serial: 1, code: 1, value: 2, sent: Mono(7), entity: EntityId(0) };
        let good = Item::Pulse { channel: "ab".to_owned(), pulse }.record().words;
        let bad = [
            (0, 3),
            (1, 0),
            (1, 65),
            (2, 0xff),
            (3, 1),
            (10, 0),
            (11, 256),
            (12, 1 << 32),
            (14, u64::from(MAX_ENTITIES)),
            (15, 1),
        ];
        for (place, wrong) in bad {
            let mut words = good;
            words[place] = wrong;
            assert_eq!(Item::decode(&words), Err(Odd), "word {place}: {wrong:#x}");
        }
    }
}
