//! What a shutdown ends in: the manager's exit, the machine's end, or the
//! manager again. Which of two requests counts is decided here.

use crate::words::Odd;

/// What comes when all entities are down, as a person, a signal or an action
/// can ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The manager ends with this exit code; as the init of a machine, by
    /// switching it off.
    Exit(u8),
    /// The machine is switched off.
    PowerOff,
    /// The machine starts anew.
    Reboot,
    /// The machine stands still, with its power on.
    Halt,
    /// The manager is executed again in place, and begins with a fresh plan.
    SoftReboot,
}

/// What comes at the very end, for the daemon to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// This.
    Way(Way),
    /// The command of an `exec-recovery` takes the place of the manager.
    Execute(Vec<String>),
}

impl Way {
    /// Whether the machine ends with the manager, which only its init may do.
    #[must_use]
    pub fn ends_machine(self) -> bool {
        match self {
            Way::PowerOff | Way::Reboot | Way::Halt => true,
            Way::Exit(_) | Way::SoftReboot => false,
        }
    }

    /// How it is called on the wire and by hamctl; an exit has no word.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Way::Exit(_) => None,
            Way::PowerOff => Some("poweroff"),
            Way::Reboot => Some("reboot"),
            Way::Halt => Some("halt"),
            Way::SoftReboot => Some("soft-reboot"),
        }
    }

    /// The inverse of [`Way::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Way> {
        let all = [Way::PowerOff, Way::Reboot, Way::Halt, Way::SoftReboot];
        all.into_iter().find(|way| way.word() == Some(word))
    }

    /// Whether this, asked for on the way down, takes the place of what comes
    /// there so far. Who only wants the end has it already; the end of the
    /// machine counts more than that it goes on; of two that are as much, the
    /// later.
    #[must_use]
    pub fn overrules(self, before: Way) -> bool {
        let weight = self.weight();
        weight > 0 && weight >= before.weight()
    }

    fn weight(self) -> u8 {
        match self {
            Way::Exit(_) => 0,
            Way::SoftReboot => 1,
            Way::PowerOff | Way::Reboot | Way::Halt => 2,
        }
    }

    /// Two words: the exit code, and which it is.
    pub(crate) fn words(self) -> (u64, u64) {
        match self {
            Way::Exit(code) => (u64::from(code), 0),
            Way::PowerOff => (0, 1),
            Way::Reboot => (0, 2),
            Way::Halt => (0, 3),
            Way::SoftReboot => (0, 4),
        }
    }

    pub(crate) fn from_words(code: u8, which: u64) -> Result<Way, Odd> {
        match which {
            0 => Ok(Way::Exit(code)),
            1 if code == 0 => Ok(Way::PowerOff),
            2 if code == 0 => Ok(Way::Reboot),
            3 if code == 0 => Ok(Way::Halt),
            4 if code == 0 => Ok(Way::SoftReboot),
            _ => Err(Odd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Way; 5] = [Way::Exit(3), Way::PowerOff, Way::Reboot, Way::Halt, Way::SoftReboot];

    #[test]
    fn ways_survive_in_words_of_both_kinds() {
        for way in ALL {
            let (code, which) = way.words();
            assert_eq!(Way::from_words(u8::try_from(code).unwrap(), which), Ok(way));
            assert_eq!(way.word().and_then(Way::from_word), way.word().map(|_| way));
        }
        assert_eq!(Way::from_words(0, 5), Err(Odd));
        assert_eq!(Way::from_words(1, 2), Err(Odd));
        assert_eq!(Way::from_word("exit"), None);
    }

    #[test]
    fn the_end_of_the_machine_counts_most_and_then_the_latest() {
        let counts = |later: Way, before: Way| later.overrules(before);
        for way in ALL {
            assert!(!counts(Way::Exit(0), way), "{way:?}");
        }
        for way in &ALL[1..] {
            assert!(counts(*way, Way::Exit(3)), "{way:?}");
            assert!(counts(*way, *way) && counts(Way::Reboot, *way), "{way:?}");
        }
        assert!(counts(Way::Halt, Way::Reboot) && counts(Way::Reboot, Way::PowerOff));
        assert!(!counts(Way::SoftReboot, Way::Reboot));
    }
}
