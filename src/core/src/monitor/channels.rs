//! Which channels of pulses there are, how many may be whose, and when one gives
//! its place back. The numbers of pulses never go back: a channel that is made
//! begins after the highest number of all that have gone, so whoever received
//! from an earlier one of that name loses nothing of the later one, and channels
//! may go as soon as nothing waits in them.

use super::Monitor;
use super::pulses::{Channel, MOST_CHANNELS, Pulses};
use crate::effect::Fact;
use crate::ids::{EntityId, MAX_ENTITIES};
use crate::memory::RecordId;
use crate::plan::PulsePlan;
use crate::words::Odd;
use std::collections::{BTreeMap, BTreeSet};

/// Channels that processes of entities have made by what they have added: a
/// quarter, so that there is room for those of units.
pub const MOST_OF_GUESTS: usize = MOST_CHANNELS / 4;

/// Of these so many by the processes of one entity.
pub const MOST_OF_GUEST: usize = 8;

/// Pulses that wait in all of those: a quarter of all that may.
pub const MOST_GUEST_PULSES: usize = 1_024;

/// By whose action a channel is there. What comes first says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// One of a unit.
    Unit,
    /// One that root, or the manager's own user, has added at run time.
    Added,
    /// One that a process of this entity has added.
    Guest(EntityId),
}

impl By {
    pub(super) fn to_word(self) -> u64 {
        match self {
            By::Unit => 0,
            By::Added => 1,
            By::Guest(entity) => 2 | (u64::from(entity.0) << 8),
        }
    }

    pub(super) fn from_word(word: u64) -> Result<By, Odd> {
        let entity = u32::try_from(word >> 8).ok().filter(|id| *id < MAX_ENTITIES);
        match (word & 0xff, entity) {
            (0, Some(0)) => Ok(By::Unit),
            (1, Some(0)) => Ok(By::Added),
            (2, Some(id)) => Ok(By::Guest(EntityId(id))),
            (_, _) => Err(Odd),
        }
    }

    fn is_guest(self) -> bool {
        matches!(self, By::Guest(_))
    }
}

/// Those from which somebody receives, and what has gone in this turn. In no
/// record: whoever receives tells a successor so.
#[derive(Debug, Default)]
pub(super) struct Use {
    received: BTreeSet<String>,
    pub(super) gone: BTreeMap<u32, String>,
}

impl Pulses {
    fn is_idle(&self, name: &str, channel: &Channel) -> bool {
        channel.waiting.is_empty() && !self.usage.received.contains(name)
    }

    fn made_by(&self, by: impl Fn(By) -> bool) -> usize {
        self.channels.values().filter(|channel| by(channel.by)).count()
    }

    /// Pulses that wait in channels of guests.
    fn of_guests(&self) -> usize {
        let channels = self.channels.values().filter(|channel| channel.by.is_guest());
        channels.fold(0, |sum, channel| sum.saturating_add(channel.waiting.len()))
    }

    /// Whose channels are too many for one more; `None`: there is room.
    fn too_many(&self, by: By) -> Option<fn(By, By) -> bool> {
        if by.is_guest() && self.made_by(|other| other == by) >= MOST_OF_GUEST {
            return Some(|other, by| other == by);
        }
        if by.is_guest() && self.made_by(By::is_guest) >= MOST_OF_GUESTS {
            return Some(|other, _| other.is_guest());
        }
        (self.channels.len() >= MOST_CHANNELS).then_some(|_, _| true)
    }

    /// The channel, of those, that was used longest ago and is idle.
    fn oldest_idle(&self, by: By, of: fn(By, By) -> bool) -> Option<String> {
        let fits = |(name, channel): &(&String, &Channel)| {
            of(channel.by, by) && self.is_idle(name, channel)
        };
        let idle = self.channels.iter().filter(fits);
        let oldest = idle.min_by_key(|(_, channel)| (channel.lost() > 0, channel.used));
        oldest.map(|(name, _)| name.clone())
    }
}

impl Monitor {
    /// Who names a channel by this action of an entity.
    fn named_by(&mut self, id: EntityId, plan: &PulsePlan) -> By {
        if plan.guest {
            return By::Guest(id);
        }
        let overlay = self.overlay(id);
        let added = overlay.is_some_and(|overlay| overlay.channels().any(|it| *it == plan.channel));
        if added { By::Added } else { By::Unit }
    }

    /// The channel into which an action of an entity sends is there from here
    /// on. False: there are too many, and in all of them something waits, or
    /// somebody does.
    pub(super) fn open_channel(&mut self, id: EntityId, plan: &PulsePlan) -> bool {
        let by = self.named_by(id, plan);
        if !self.pulses.channels.contains_key(&plan.channel) {
            if let Some(of) = self.pulses.too_many(by) {
                let Some(name) = self.pulses.oldest_idle(by, of) else { return false };
                if let Some(place) = self.drop_channel(&name) {
                    self.pulses.usage.gone.insert(place, name);
                    self.note(id, Fact::ChannelReused { place });
                }
            }
            if !self.pulses.make_channel(&plan.channel, by, self.global.pulses_gone) {
                return false;
            }
        }
        let guests = self.pulses.of_guests();
        let Some(channel) = self.pulses.channels.get_mut(&plan.channel) else { return false };
        channel.by = channel.by.min(by);
        channel.used = self.now;
        // Of a channel that was just made and gets nothing the record is kept
        // all the same: its place is taken.
        self.turn.dirty.insert(RecordId::Pulse(channel.place));
        !channel.by.is_guest() || guests < MOST_GUEST_PULSES
    }

    /// Gives the place that it had.
    fn drop_channel(&mut self, name: &str) -> Option<u32> {
        let channel = self.pulses.channels.remove(name)?;
        self.pulses.names.remove(&channel.place);
        self.pulses.free.insert(channel.place);
        self.global.pulses_gone = self.global.pulses_gone.max(channel.last);
        self.turn.dirty.extend([RecordId::Pulse(channel.place), RecordId::Global]);
        Some(channel.place)
    }

    /// Of these channels those go which nothing is left of: that no unit and no
    /// action added at run time names, into which nothing was sent that waits, and
    /// from which nobody receives.
    ///
    /// That a unit names one is known by what its actions have sent; to look into
    /// all units would take too long. Such a channel goes when there are too many.
    pub(super) fn give_back(&mut self, names: impl IntoIterator<Item = String>) {
        let mut names: BTreeSet<String> = names.into_iter().collect();
        if names.is_empty() {
            return;
        }
        self.mend_pulses();
        let over = |pulses: &Pulses, name: &String| {
            let channel = pulses.channels.get(name);
            channel
                .is_some_and(|it| it.by != By::Unit && it.lost() == 0 && pulses.is_idle(name, it))
        };
        names.retain(|name| over(&self.pulses, name));
        for id in self.overlays.present.all() {
            if names.is_empty() {
                return;
            }
            if let Some(overlay) = self.overlay(id) {
                overlay.channels().for_each(|name| {
                    names.remove(name);
                });
            }
        }
        for name in names {
            self.drop_channel(&name);
        }
    }

    /// Somebody receives from these channels, and from no other.
    pub(super) fn receivers(&mut self, names: &BTreeSet<String>) {
        let before = std::mem::replace(&mut self.pulses.usage.received, names.clone());
        self.give_back(before.difference(names).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_made_a_channel_survives_in_a_word() {
        let last = EntityId(MAX_ENTITIES - 1);
        for by in [By::Unit, By::Added, By::Guest(EntityId(0)), By::Guest(last)] {
            assert_eq!(By::from_word(by.to_word()), Ok(by));
        }
        for word in [3, 1 << 8, 1 | (1 << 8), 2 | (u64::from(MAX_ENTITIES) << 8), u64::MAX] {
            assert_eq!(By::from_word(word), Err(Odd), "{word:#x}");
        }
    }
}
