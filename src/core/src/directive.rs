//! What programs and people ask for beside starts and stops: things said about
//! one entity, or to be changed, each with one verdict. A directive that comes
//! again under its name has no second effect and gets the same verdict: its
//! digest and its verdict are kept (`monitor/clients`).

use crate::change::{Change, Objection};
use crate::ids::{EntityId, MAX_ENTITIES, SlotRef};
use crate::plan::HeartbeatPlan;
use crate::time::Span;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// An entity has come to this state.
    State {
        /// Which.
        entity: EntityId,
        /// What it is in now.
        to: u32,
    },
    /// Something has happened to an entity that ham cannot know by itself.
    Raise {
        /// To which.
        entity: EntityId,
        /// What kind of thing; conditions may ask for it.
        kind: u32,
        /// Likewise.
        class: u32,
        /// Likewise.
        severity: u32,
    },
    /// Heartbeats are to be counted, or not. The verdict says whether they were
    /// before.
    Heartbeat {
        /// Whose; `None`: all.
        entity: Option<EntityId>,
        /// What is to be.
        to: Heartbeat,
    },
    /// Something about what is supervised is to be different.
    Change(Box<Change>),
    /// A process that ham did not start is to become that of an entity. Its
    /// verdict may come later.
    Attach {
        /// Of which.
        entity: EntityId,
        /// The process.
        process: Stranger,
        /// What is counted of its heartbeat.
        counting: Counting,
    },
    /// The same for an entity of that name which no unit has: it is made, if
    /// there is none (QNX HAM §8).
    AttachNamed {
        /// Its name.
        name: String,
        /// It stays when its process has ended, or was let go of.
        keep_on_death: bool,
        /// The process.
        process: Stranger,
        /// What is counted of its heartbeat.
        counting: Counting,
    },
    /// An entity is to let go of its process.
    Detach {
        /// Which.
        entity: EntityId,
    },
}

/// What can be asked of heartbeats (QNX: `ham_heartbeat_control`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// Not to be counted; nothing is missed meanwhile.
    Suspend,
    /// To be counted again, as if one had just come.
    Resume,
    /// As it is.
    Query,
}

/// What an attach says of the heartbeat of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// Nothing: that of a process that is attached already goes on.
    #[default]
    GoesOn,
    /// By the same numbers as before, and as if nothing had been missed.
    Anew,
    /// By these numbers, until the process ends (QNX: `ham_attach_self`).
    By(Numbers),
}

/// By what a heartbeat is supervised, as the process itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The length of a period, at least [`HeartbeatPlan::SHORTEST`].
    pub interval: Span,
    /// As in a unit.
    pub low: u32,
    /// As in a unit.
    pub high: u32,
}

impl Numbers {
    /// Whether they can be; what is wrong, in words.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn sound(&self) -> Result<(), String> {
        let Numbers { interval, low, high } = *self;
        let shortest = HeartbeatPlan::SHORTEST;
        if interval < shortest {
            return Err(format!("an interval is {shortest} or more, and this one {interval}"));
        }
        if high > 0 && low > high {
            return Err(format!("`low` ({low}) is more than `high` ({high}); 0 is for never"));
        }
        Ok(())
    }
}

/// A process that is to be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stranger {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since boot: with its id that names it for
    /// good.
    pub start: u64,
    /// The slot that it has already; `None`: none.
    pub slot: Option<SlotRef>,
    /// Whether it has none and is a process of that entity all the same: its
    /// main process has started it.
    pub own: bool,
}

impl Directive {
    /// A number that two different ones hardly have in common: FNV-1a over
    /// what they say. The same in every version, since a successor may be a
    /// later one.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        match self {
            Directive::State { entity, to } => {
                digest.add(1).add(u64::from(entity.0)).add(u64::from(*to));
            }
            Directive::Raise { entity, kind, class, severity } => {
                digest.add(2).add(u64::from(entity.0)).add(u64::from(*kind));
                digest.add(u64::from(*class)).add(u64::from(*severity));
            }
            Directive::Heartbeat { entity, to } => {
                let to = match to {
                    Heartbeat::Suspend => 0,
                    Heartbeat::Resume => 1,
                    Heartbeat::Query => 2,
                };
                // One more than any id stands for all.
                let of = entity.map_or(u64::MAX, |entity| u64::from(entity.0));
                digest.add(10).add(of).add(to);
            }
            Directive::Change(change) => {
                digest.add(3);
                for byte in serde_json::to_vec(change).unwrap_or_default() {
                    digest.add(u64::from(byte));
                }
            }
            // What it is to ham may have changed when it comes again.
            Directive::Attach { entity, process, counting } => {
                digest.add(16).add(u64::from(entity.0)).add_attach(process, *counting);
            }
            // Whether it is there may have changed, too.
            Directive::AttachNamed { name, keep_on_death, process, counting } => {
                digest.add(18).add(u64::from(*keep_on_death)).add(name.len() as u64);
                for byte in name.bytes() {
                    digest.add(u64::from(byte));
                }
                digest.add_attach(process, *counting);
            }
            Directive::Detach { entity } => {
                digest.add(17).add(u64::from(entity.0));
            }
        }
        digest.0
    }
}

/// FNV-1a, 64 bits.
#[derive(Debug)]
struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn add(&mut self, word: u64) -> &mut Digest {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    fn add_attach(&mut self, process: &Stranger, counting: Counting) {
        self.add(u64::from(process.pid.unsigned_abs())).add(process.start);
        match counting {
            Counting::GoesOn => {}
            Counting::Anew => {
                self.add(1);
            }
            Counting::By(Numbers { interval, low, high }) => {
                self.add(2).add(interval.0).add(u64::from(low)).add(u64::from(high));
            }
        }
    }
}

/// What has come of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It was so already.
    Already,
    /// The client has used this serial number, or a later one, for another
    /// request; nothing was done.
    SerialUsed,
    /// Heartbeats were counted.
    WasActive,
    /// They were suspended.
    WasSuspended,
    /// It has no heartbeat: neither its unit nor its process has named one.
    NoHeartbeat,
    /// It is not done, and nothing was changed.
    Objected(Objection),
    /// The entity has a process already, or is on its way up or down.
    Exists,
    /// The process is this entity's.
    Taken(EntityId),
    /// There is no such process any more.
    Gone,
    /// The entity has no process.
    NotRunning,
    /// The entity never has one that others could attach: a target, a one-shot.
    NoProcess,
    /// All slots are in use.
    Full,
    /// Somebody asked for something else meanwhile.
    Overruled,
    /// The manager is shutting down.
    ShuttingDown,
}

/// Words from here on are objections.
const OBJECTIONS: u64 = 256;

/// With the id of an entity below it.
const TAKEN: u64 = 1 << 32;

impl Verdict {
    /// As a word of a record; 0 is none.
    #[must_use]
    pub fn to_word(self) -> u64 {
        match self {
            Verdict::Done => 1,
            Verdict::Already => 2,
            Verdict::SerialUsed => 3,
            Verdict::WasActive => 20,
            Verdict::WasSuspended => 21,
            Verdict::NoHeartbeat => 22,
            Verdict::Objected(objection) => {
                let place = Objection::ALL.iter().position(|known| *known == objection);
                OBJECTIONS.saturating_add(place.unwrap_or(0) as u64)
            }
            Verdict::Exists => 30,
            Verdict::Gone => 31,
            Verdict::NotRunning => 32,
            Verdict::NoProcess => 33,
            Verdict::Full => 34,
            Verdict::Overruled => 35,
            Verdict::ShuttingDown => 36,
            Verdict::Taken(entity) => TAKEN | u64::from(entity.0),
        }
    }

    /// The inverse; `None`: no verdict.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Verdict> {
        match word {
            1 => Some(Verdict::Done),
            2 => Some(Verdict::Already),
            3 => Some(Verdict::SerialUsed),
            20 => Some(Verdict::WasActive),
            21 => Some(Verdict::WasSuspended),
            22 => Some(Verdict::NoHeartbeat),
            30 => Some(Verdict::Exists),
            31 => Some(Verdict::Gone),
            32 => Some(Verdict::NotRunning),
            33 => Some(Verdict::NoProcess),
            34 => Some(Verdict::Full),
            35 => Some(Verdict::Overruled),
            36 => Some(Verdict::ShuttingDown),
            word if word & TAKEN != 0 => {
                let entity = u32::try_from(word ^ TAKEN).ok().filter(|id| *id < MAX_ENTITIES);
                entity.map(|id| Verdict::Taken(EntityId(id)))
            }
            word => {
                let place = usize::try_from(word.checked_sub(OBJECTIONS)?).ok()?;
                Objection::ALL.get(place).copied().map(Verdict::Objected)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_directives_have_different_digests() {
        let entity = EntityId(1);
        let stranger = Stranger { pid: 2, start: 1, slot: None, own: false };
        let numbers = Numbers { interval: Span::seconds(1), low: 2, high: 3 };
        let attach = |start, counting| {
            let process = Stranger { start, ..stranger };
            Directive::Attach { entity, process, counting }
        };
        let named = |name: &str, keep_on_death| Directive::AttachNamed {
            name: name.to_owned(),
            keep_on_death,
            process: stranger,
            counting: Counting::GoesOn,
        };
        let directives = [
            Directive::State { entity, to: 2 },
            Directive::State { entity, to: 3 },
            Directive::State { entity: EntityId(2), to: 2 },
            Directive::Raise { entity, kind: 2, class: 0, severity: 0 },
            Directive::Raise { entity, kind: 0, class: 2, severity: 0 },
            Directive::Raise { entity, kind: 0, class: 0, severity: 2 },
            Directive::Heartbeat { entity: Some(entity), to: Heartbeat::Suspend },
            Directive::Heartbeat { entity: None, to: Heartbeat::Suspend },
            Directive::Heartbeat { entity: None, to: Heartbeat::Resume },
            Directive::Heartbeat { entity: None, to: Heartbeat::Query },
            attach(3, Counting::GoesOn),
            attach(4, Counting::GoesOn),
            attach(4, Counting::Anew),
            attach(4, Counting::By(numbers)),
            attach(4, Counting::By(Numbers { high: 4, ..numbers })),
            named("a", false),
            named("a", true),
            named("b", false),
            Directive::Detach { entity },
        ];
        let digests: std::collections::BTreeSet<u64> =
            directives.iter().map(Directive::digest).collect();
        assert_eq!(digests.len(), directives.len());
    }

    #[test]
    fn verdicts_survive_as_words() {
        let objections = Objection::ALL.map(Verdict::Objected);
        let others = [
            Verdict::Done,
            Verdict::Already,
            Verdict::SerialUsed,
            Verdict::WasActive,
            Verdict::WasSuspended,
            Verdict::NoHeartbeat,
            Verdict::Exists,
            Verdict::Taken(EntityId(0)),
            Verdict::Taken(EntityId(MAX_ENTITIES - 1)),
            Verdict::Gone,
            Verdict::NotRunning,
            Verdict::NoProcess,
            Verdict::Full,
            Verdict::Overruled,
            Verdict::ShuttingDown,
        ];
        for verdict in others.into_iter().chain(objections) {
            assert_eq!(Verdict::from_word(verdict.to_word()), Some(verdict));
        }
        for word in [0, 24, 37, TAKEN | u64::from(MAX_ENTITIES)] {
            assert_eq!(Verdict::from_word(word), None, "{word}");
        }
        assert_eq!(Verdict::from_word(OBJECTIONS + Objection::ALL.len() as u64), None);
    }
}
