//! Lengths of time as people write them. A number without a unit is refused:
//! every program that took one has been read in the wrong unit by somebody.

use crate::codes;
use crate::reader::{Field, Reader, Table};
use crate::suggest::nearest;
use ham_core::time::Span;

/// The units that may be written. Months and years are left out: they have no
/// fixed length, and `M` beside `m` invites mistakes.
pub(crate) const UNITS: &[&str] = &[
    "ns", "nsec", "us", "usec", "\u{b5}s", "ms", "msec", "s", "sec", "secs", "second", "seconds",
    "m", "min", "mins", "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days",
    "w", "wk", "wks", "week", "weeks",
];

/// What a duration may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// Anything.
    Any,
    /// Not 0.
    NotZero,
    /// Not `infinity`.
    Finite,
    /// Neither.
    FiniteNotZero,
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    label: String,
    help: Option<String>,
}

fn refused<T>(label: impl Into<String>, help: Option<String>) -> Result<T, Refused> {
    Err(Refused { label: label.into(), help })
}

/// A duration as units write it, for command lines.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_duration(text: &str) -> Result<Span, String> {
    parse(text).map_err(|refused| match refused.help {
        Some(help) => format!("{}: {help}", refused.label),
        None => refused.label,
    })
}

fn parse(text: &str) -> Result<Span, Refused> {
    let text = text.trim();
    if text == "infinity" {
        return Ok(Span::INFINITE);
    }
    if text.is_empty() {
        return refused("empty", None);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return refused("no unit", Some(format!("write \"{text}s\" or \"{text}ms\"")));
    }
    // humantime reads "1 0s" as ten seconds.
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let ends = word.ends_with(|c: char| c.is_ascii_digit());
        let begins = |next: &&str| next.starts_with(|c: char| c.is_ascii_digit());
        if ends && words.peek().is_some_and(begins) {
            return refused("two numbers without a unit between them", None);
        }
    }
    for unit in text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty()) {
        if !UNITS.contains(&unit) {
            let near = nearest(unit, UNITS.iter().copied().chain(["infinity"]));
            let label = match near {
                Some(near) => format!("unknown unit `{unit}`, did you mean `{near}`?"),
                None => format!("unknown unit `{unit}`"),
            };
            let help = "units are ns, us, ms, s, min, h, d and w: \"1min 30s\", \"250ms\"; \
                        or \"infinity\"";
            return refused(label, Some(help.to_owned()));
        }
    }
    let help = Some("write for example \"1min 30s\" or \"250ms\"".to_owned());
    match humantime::parse_duration(text) {
        // The largest number stands for "infinity".
        Ok(duration) => match u64::try_from(duration.as_nanos()) {
            Ok(nanos) if nanos < u64::MAX => Ok(Span(nanos)),
            Ok(_) | Err(_) => refused("longer than 584 years", None),
        },
        Err(humantime::DurationError::NumberOverflow) => {
            refused("too large or too fine a number", help)
        }
        Err(_) => refused("not a number with a unit", help),
    }
}

impl Reader<'_> {
    /// A duration within bounds.
    pub(crate) fn duration(&mut self, field: &Field<'_>, bounds: Bounds) -> Option<Span> {
        let Some(text) = field.as_str() else { return self.wrong_type(field) };
        let span = match parse(text) {
            Ok(span) => span,
            Err(refused) => {
                let message = format!("`{}` is no duration", field.name);
                let added = self.error(codes::BAD_DURATION, field.span(), message);
                added.label(refused.label);
                added.help = refused.help;
                return None;
            }
        };
        let not_zero = matches!(bounds, Bounds::NotZero | Bounds::FiniteNotZero);
        let finite = matches!(bounds, Bounds::Finite | Bounds::FiniteNotZero);
        if (not_zero && span == Span::ZERO) || (finite && span.is_infinite()) {
            let message = format!("`{}` cannot be {span}", field.name);
            let added = self.error(codes::BAD_DURATION, field.span(), message);
            if !finite {
                added.help("write \"infinity\" for no limit");
            }
            return None;
        }
        Some(span)
    }

    /// The duration of a key, or its default when it is not there or wrong.
    pub(crate) fn duration_or(
        &mut self,
        table: &Table<'_>,
        name: &str,
        bounds: Bounds,
        default: Span,
    ) -> Span {
        let Some(field) = self.find(table, name) else { return default };
        self.duration(&field, bounds).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("1min 30s"), Ok(Span::seconds(90)));
        assert_eq!(parse("250ms"), Ok(Span::millis(250)));
        assert_eq!(parse(" 1h30m "), Ok(Span::seconds(5400)));
        assert_eq!(parse("1.5s"), Ok(Span::millis(1500)));
        assert_eq!(parse("0s"), Ok(Span::ZERO));
        assert_eq!(parse("2 weeks"), Ok(Span::seconds(14 * 86_400)));
        assert_eq!(parse("infinity"), Ok(Span::INFINITE));
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for wrong in [
            "",
            "5",
            "1.5",
            "1 0s",
            "5M",
            "1y",
            "s",
            "-1s",
            "5 sceonds",
            "600y",
            "99999999w",
            "18446744073709551615ns",
            "1e3s",
            "Infinity!",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_unit_of_the_list_is_known_below() {
        for unit in UNITS {
            assert!(parse(&format!("1{unit}")).is_ok(), "{unit}");
        }
    }
}
