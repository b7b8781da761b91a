//! What the words of the header about the hardware watchdog may say.

use crate::State;
use crate::header::Field;

/// Whether the file system is asked before the watchdog is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is not.
    Not,
    /// It is, and has never been able to write: not yet mounted to be written
    /// to, or the path is wrong. Then a refusal is an answer.
    Untried,
    /// It is, and has been able to.
    Tried,
}

/// Whether the watchdog is fed, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none, or it was not looked at yet.
    None,
    /// It is.
    Fed,
    /// It is, for a while: one process of the manager takes the place of
    /// another.
    TakeOver,
    /// It is not: the monitor does not answer.
    NoMonitor,
    /// It is not: there is no guardian.
    NoGuardian,
    /// It is not: the file system does not answer.
    NoCheck,
    /// The device refuses it.
    Refused,
}

impl Standing {
    const ALL: [Standing; 7] = [
        Standing::None,
        Standing::Fed,
        Standing::TakeOver,
        Standing::NoMonitor,
        Standing::NoGuardian,
        Standing::NoCheck,
        Standing::Refused,
    ];
}

impl State {
    /// Whether the file system is asked.
    #[must_use]
    pub fn watchdog_check(&self) -> Check {
        match self.get(Field::WatchdogCheck) {
            0 => Check::Not,
            1 => Check::Untried,
            _ => Check::Tried,
        }
    }

    /// Monitor: whether it is.
    pub fn set_watchdog_check(&self, check: Check) {
        let word = match check {
            Check::Not => 0,
            Check::Untried => 1,
            Check::Tried => 2,
        };
        self.set(Field::WatchdogCheck, word);
    }

    /// How it stands with the watchdog.
    #[must_use]
    pub fn watchdog_standing(&self) -> Standing {
        let word = usize::try_from(self.get(Field::WatchdogStanding)).unwrap_or(usize::MAX);
        Standing::ALL.get(word).copied().unwrap_or(Standing::None)
    }

    /// Reaper: how it does.
    pub fn set_watchdog_standing(&self, standing: Standing) {
        let place = Standing::ALL.iter().position(|one| *one == standing).unwrap_or(0);
        self.set(Field::WatchdogStanding, place as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn what_is_set_is_read() {
        let state = test_state();
        assert_eq!(
            (state.watchdog_check(), state.watchdog_standing()),
            (Check::Not, Standing::None)
        );
        for check in [Check::Tried, Check::Untried, Check::Not] {
            state.set_watchdog_check(check);
            assert_eq!(state.watchdog_check(), check);
        }
        for standing in Standing::ALL {
            state.set_watchdog_standing(standing);
            assert_eq!(state.watchdog_standing(), standing);
        }
        state.set(Field::WatchdogStanding, u64::MAX);
        assert_eq!(state.watchdog_standing(), Standing::None);
    }
}
