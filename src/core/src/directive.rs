//! What programs and people ask for beside starts and stops: things said about
//! one entity, or to be changed, each with one verdict. A directive that comes
//! again under its name has no second effect and gets the same verdict: its
//! digest and its verdict are kept (`monitor/clients`).

use crate::ids::{EntityId, MAX_ENTITIES, SlotRef};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// A process that ham did not start is to become that of an entity. Its
    /// verdict may come later.
    Attach {
        /// Of which.
        entity: EntityId,
        /// The process.
        process: Stranger,
    },
    /// An entity is to let go of its process.
    Detach {
        /// Which.
        entity: EntityId,
    },
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
            // What it is to ham may have changed when it comes again.
            Directive::Attach { entity, process: Stranger { pid, start, .. } } => {
                digest.add(16).add(u64::from(entity.0));
                digest.add(u64::from(pid.unsigned_abs())).add(*start);
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

impl Verdict {
    /// As a word of a record; 0 is none.
    #[must_use]
    pub fn to_word(self) -> u64 {
        match self {
            Verdict::Done => 1,
            Verdict::Already => 2,
            Verdict::SerialUsed => 3,
            Verdict::Exists => 16,
            Verdict::Gone => 17,
            Verdict::NotRunning => 18,
            Verdict::NoProcess => 19,
            Verdict::Full => 20,
            Verdict::Overruled => 21,
            Verdict::ShuttingDown => 22,
            Verdict::Taken(entity) => 23 | (u64::from(entity.0) << 8),
        }
    }

    /// The inverse; `None`: no verdict.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Verdict> {
        match word {
            1 => Some(Verdict::Done),
            2 => Some(Verdict::Already),
            3 => Some(Verdict::SerialUsed),
            16 => Some(Verdict::Exists),
            17 => Some(Verdict::Gone),
            18 => Some(Verdict::NotRunning),
            19 => Some(Verdict::NoProcess),
            20 => Some(Verdict::Full),
            21 => Some(Verdict::Overruled),
            22 => Some(Verdict::ShuttingDown),
            word if word & 0xff == 23 => {
                let entity = u32::try_from(word >> 8).ok().filter(|id| *id < MAX_ENTITIES);
                entity.map(|id| Verdict::Taken(EntityId(id)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_directives_have_different_digests() {
        let entity = EntityId(1);
        let stranger = Stranger { pid: 1, start: 1, slot: None, own: false };
        let directives = [
            Directive::State { entity, to: 2 },
            Directive::State { entity, to: 3 },
            Directive::State { entity: EntityId(2), to: 2 },
            Directive::Raise { entity, kind: 2, class: 0, severity: 0 },
            Directive::Raise { entity, kind: 0, class: 2, severity: 0 },
            Directive::Raise { entity, kind: 0, class: 0, severity: 2 },
            Directive::Attach { entity, process: Stranger { pid: 2, start: 3, ..stranger } },
            Directive::Attach { entity, process: Stranger { pid: 2, start: 4, ..stranger } },
            Directive::Detach { entity },
        ];
        let digests: std::collections::BTreeSet<u64> =
            directives.iter().map(Directive::digest).collect();
        assert_eq!(digests.len(), directives.len());
    }

    #[test]
    fn verdicts_survive_as_words() {
        for verdict in [
            Verdict::Done,
            Verdict::Already,
            Verdict::SerialUsed,
            Verdict::Exists,
            Verdict::Taken(EntityId(0)),
            Verdict::Taken(EntityId(MAX_ENTITIES - 1)),
            Verdict::Gone,
            Verdict::NotRunning,
            Verdict::NoProcess,
            Verdict::Full,
            Verdict::Overruled,
            Verdict::ShuttingDown,
        ] {
            assert_eq!(Verdict::from_word(verdict.to_word()), Some(verdict));
        }
        for word in [0, 24, (1 << 8) | 16, (u64::from(MAX_ENTITIES) << 8) | 23] {
            assert_eq!(Verdict::from_word(word), None, "{word}");
        }
    }
}
