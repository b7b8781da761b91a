//! Signals by number and by name, as signal(7) lists them for Linux on
//! x86-64 and aarch64 (the two agree).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(pub u8);

const NAMES: [(u8, &str); 31] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (30, "PWR"),
    (31, "SYS"),
];

/// The first real-time signal that glibc and musl leave to programs
/// (`SIGRTMIN`; the kernel's 32 and 33 are used by glibc's threads).
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// `SIGHUP`.
    pub const HUP: Signal = Signal(1);
    /// `SIGINT`.
    pub const INT: Signal = Signal(2);
    /// `SIGKILL`.
    pub const KILL: Signal = Signal(9);
    /// `SIGPIPE`.
    pub const PIPE: Signal = Signal(13);
    /// `SIGTERM`.
    pub const TERM: Signal = Signal(15);

    /// A signal by its name with or without `SIG`, in any case, by number,
    /// or `RTMIN+n` / `RTMAX-n`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Signal> {
        let upper = text.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<u8>() {
            return (1..=RTMAX).contains(&number).then_some(Signal(number));
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((number, _)) = NAMES.iter().find(|(_, known)| *known == name) {
            return Some(Signal(*number));
        }
        match name {
            "POLL" => return Some(Signal(29)),
            "IOT" => return Some(Signal(6)),
            "CLD" => return Some(Signal(17)),
            "RTMIN" => return Some(Signal(RTMIN)),
            "RTMAX" => return Some(Signal(RTMAX)),
            _ => {}
        }
        let number = if let Some(offset) = name.strip_prefix("RTMIN+") {
            RTMIN.checked_add(offset.parse::<u8>().ok()?)?
        } else {
            RTMAX.checked_sub(name.strip_prefix("RTMAX-")?.parse::<u8>().ok()?)?
        };
        (RTMIN..=RTMAX).contains(&number).then_some(Signal(number))
    }

    /// All names that [`Signal::parse`] knows without a number in them, for
    /// suggestions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }

    /// Whether a death by this signal is none of the ordinary ways to be told
    /// to end: all but HUP, INT, TERM and PIPE (design §6, systemd's
    /// `on-abnormal`).
    #[must_use]
    pub fn is_abnormal(self) -> bool {
        ![Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].contains(&self)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, name)) = NAMES.iter().find(|(number, _)| *number == self.0) {
            return f.write_str(name);
        }
        match self.0.checked_sub(RTMIN) {
            Some(0) => f.write_str("RTMIN"),
            Some(offset) if self.0 <= RTMAX => write!(f, "RTMIN+{offset}"),
            Some(_) | None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for number in 1..=64u8 {
            let text = Signal(number).to_string();
            assert_eq!(Signal::parse(&text), Some(Signal(number)), "{text}");
        }
        assert_eq!(Signal::parse("sigterm"), Some(Signal::TERM));
        assert_eq!(Signal::parse("9"), Some(Signal::KILL));
        assert_eq!(Signal::parse("RTMAX-1"), Some(Signal(63)));
        for wrong in ["", "0", "65", "TREM", "RTMIN+31", "RTMAX-40", "SIG"] {
            assert_eq!(Signal::parse(wrong), None, "{wrong}");
        }
    }
}
