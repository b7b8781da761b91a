//! How a process ended, as waitid(2) tells it, in a form that survives in one
//! word of a record.

use crate::signal::Signal;
use std::fmt;

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It called `exit` with this code.
    Code(u8),
    /// A signal ended it.
    Signal {
        /// Which one.
        signal: Signal,
        /// Whether a core was dumped (`CLD_DUMPED`).
        core: bool,
    },
    /// It is gone and nobody could read how; never guessed (details 18).
    Unknown,
}

const TAG_CODE: u64 = 1;
const TAG_SIGNAL: u64 = 2;
const TAG_CORE: u64 = 3;
const TAG_UNKNOWN: u64 = 4;

impl ExitStatus {
    /// Exit code 0.
    pub const SUCCESS: ExitStatus = ExitStatus::Code(0);

    /// Whether it exited with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == ExitStatus::SUCCESS
    }

    /// One word that is never 0.
    #[must_use]
    pub fn to_word(self) -> u64 {
        match self {
            ExitStatus::Code(code) => (TAG_CODE << 8) | u64::from(code),
            ExitStatus::Signal { signal, core: false } => (TAG_SIGNAL << 8) | u64::from(signal.0),
            ExitStatus::Signal { signal, core: true } => (TAG_CORE << 8) | u64::from(signal.0),
            ExitStatus::Unknown => TAG_UNKNOWN << 8,
        }
    }

    /// The inverse of [`ExitStatus::to_word`]; `None` for any other word.
    #[must_use]
    pub fn from_word(word: u64) -> Option<ExitStatus> {
        let low = u8::try_from(word & 0xff).ok()?;
        match word >> 8 {
            TAG_CODE => Some(ExitStatus::Code(low)),
            TAG_SIGNAL => Some(ExitStatus::Signal { signal: Signal(low), core: false }),
            TAG_CORE => Some(ExitStatus::Signal { signal: Signal(low), core: true }),
            TAG_UNKNOWN => Some(ExitStatus::Unknown),
            _ => None,
        }
    }
}

/// `exit 3`, `signal SEGV (core)`, `unknown`: the text of `{status}`.
impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit {code}"),
            ExitStatus::Signal { signal, core: false } => write!(f, "signal {signal}"),
            ExitStatus::Signal { signal, core: true } => write!(f, "signal {signal} (core)"),
            ExitStatus::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_refuse_others() {
        let all = [
            ExitStatus::Code(0),
            ExitStatus::Code(255),
            ExitStatus::Signal { signal: Signal::KILL, core: false },
            ExitStatus::Signal { signal: Signal(11), core: true },
            ExitStatus::Unknown,
        ];
        for status in all {
            assert_ne!(status.to_word(), 0);
            assert_eq!(ExitStatus::from_word(status.to_word()), Some(status));
        }
        assert_eq!(ExitStatus::from_word(0), None);
        assert_eq!(ExitStatus::from_word(0x900), None);
    }
}
