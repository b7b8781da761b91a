//! Flags of entities, conditions and actions that can be changed at run time
//! (QNX HAM §2, §7), as a set of bits. Which of them an item can have depends
//! on what it is.

use serde::{Deserialize, Serialize};

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u32);

impl Flags {
    /// None of them.
    pub const NONE: Flags = Flags(0);
    /// Kept over a restart (`HREARMAFTERRESTART`); of conditions and actions.
    pub const REARM: Flags = Flags(1);
    /// A condition that runs by itself (`HCONDINDEPENDENT`).
    pub const INDEPENDENT: Flags = Flags(1 << 1);
    /// A condition that does not wait (`HCONDNOWAIT`).
    pub const NO_WAIT: Flags = Flags(1 << 2);
    /// A condition made at run time that stays when its last action goes
    /// (`HCONDKEEPONEMPTY`).
    pub const KEEP_ON_EMPTY: Flags = Flags(1 << 3);
    /// An action whose failure ends its list (`HACTIONBREAKONFAIL`).
    pub const BREAK_ON_FAIL: Flags = Flags(1 << 4);
    /// An action that stays when it has failed (`HACTIONKEEPONFAIL`).
    pub const KEEP_ON_FAIL: Flags = Flags(1 << 5);
    /// An entity made at run time that stays when it has died and is not
    /// restarted (`HENTITYKEEPONDEATH`).
    pub const KEEP_ON_DEATH: Flags = Flags(1 << 6);
    /// An action that is done once as soon as it is there
    /// (`HACTIONDONOW`); only said when it is added.
    pub const DO_NOW: Flags = Flags(1 << 7);

    /// Every flag with its word.
    pub const ALL: [(Flags, &'static str); 8] = [
        (Flags::REARM, "rearm"),
        (Flags::INDEPENDENT, "independent"),
        (Flags::NO_WAIT, "no-wait"),
        (Flags::KEEP_ON_EMPTY, "keep-on-empty"),
        (Flags::BREAK_ON_FAIL, "break-on-fail"),
        (Flags::KEEP_ON_FAIL, "keep-on-fail"),
        (Flags::KEEP_ON_DEATH, "keep-on-death"),
        (Flags::DO_NOW, "do-now"),
    ];

    /// Those that a condition can have.
    pub const OF_CONDITION: Flags = Flags(1 | 1 << 1 | 1 << 2 | 1 << 3);
    /// Those that an action can have.
    pub const OF_ACTION: Flags = Flags(1 | 1 << 4 | 1 << 5);

    /// The flag of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Flags> {
        Flags::ALL.iter().find(|(_, known)| *known == word).map(|(flag, _)| *flag)
    }

    /// The words of its flags, in the order of [`Flags::ALL`].
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        Flags::ALL.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, word)| *word).collect()
    }

    /// Whether all of these are in it.
    #[must_use]
    pub fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With these, too.
    #[must_use]
    pub fn with(self, flags: Flags) -> Flags {
        Flags(self.0 | flags.0)
    }

    /// Without these.
    #[must_use]
    pub fn without(self, flags: Flags) -> Flags {
        Flags(self.0 & !flags.0)
    }

    /// These, if it is so.
    #[must_use]
    pub fn when(self, so: bool) -> Flags {
        if so { self } else { Flags::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_flags_are_the_same_thing() {
        for (flag, word) in Flags::ALL {
            assert_eq!(Flags::named(word), Some(flag));
            assert_eq!(flag.words(), [word]);
        }
        let both = Flags::REARM.with(Flags::NO_WAIT);
        assert_eq!(both.words(), ["rearm", "no-wait"]);
        assert_eq!(both.without(Flags::REARM), Flags::NO_WAIT);
        assert_eq!(Flags::named("re-arm"), None);
    }
}
