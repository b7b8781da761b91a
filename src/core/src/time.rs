//! Points and lengths of time in nanoseconds. All deadlines are on the
//! monotonic clock; wall-clock time is for people and is kept by the daemon.
//! Arithmetic saturates: a deadline beyond the end of time never comes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A point on `CLOCK_MONOTONIC`, in nanoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// The point `span` later; never, if that is beyond the end of time.
    #[must_use]
    pub fn after(self, span: Span) -> Mono {
        Mono(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Mono) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in nanoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// `"infinity"` in a unit file.
    pub const INFINITE: Span = Span(u64::MAX);

    /// So many seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000_000))
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }

    /// Whether this is `"infinity"`.
    #[must_use]
    pub fn is_infinite(self) -> bool {
        self == Span::INFINITE
    }

    /// The deadline that this span sets when it starts at `now`; `None` for
    /// [`Span::INFINITE`].
    #[must_use]
    pub fn deadline(self, now: Mono) -> Option<Mono> {
        (!self.is_infinite()).then(|| now.after(self))
    }
}

/// As a person would write it: the two largest units that matter, `1min 30s`,
/// `250ms`, `0s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinite() {
            return f.write_str("infinity");
        }
        const UNITS: [(u64, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "min"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        let mut rest = self.0;
        let mut written = 0u8;
        for (size, unit) in UNITS {
            let count = rest.checked_div(size).unwrap_or(0);
            rest = rest.checked_rem(size).unwrap_or(0);
            if count > 0 {
                if written > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{count}{unit}")?;
                written = written.saturating_add(1);
            }
            if written == 2 || (written == 1 && rest == 0) {
                return Ok(());
            }
        }
        if written == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_a_person_writes_them() {
        assert_eq!(Span::ZERO.to_string(), "0s");
        assert_eq!(Span::millis(250).to_string(), "250ms");
        assert_eq!(Span::seconds(90).to_string(), "1min 30s");
        assert_eq!(Span::seconds(86_400 + 60).to_string(), "1d 1min");
        assert_eq!(Span(1_234_567_890).to_string(), "1s 234ms");
        assert_eq!(Span::INFINITE.to_string(), "infinity");
    }

    #[test]
    fn deadlines_saturate() {
        assert_eq!(Mono(5).after(Span::INFINITE), Mono(u64::MAX));
        assert_eq!(Mono(5).since(Mono(9)), Span::ZERO);
        assert_eq!(Span::INFINITE.deadline(Mono(1)), None);
    }
}
