//! Values of systemd's keys: truth, times, sizes, exit codes; and how ham
//! writes them.

use ham_core::time::Span;

/// `yes`, `off`, `1`; none for what is neither.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// Nanoseconds of the units of systemd.time(7).
const UNITS: [(&str, u64); 34] = [
    ("ns", 1),
    ("nsec", 1),
    ("us", 1_000),
    ("usec", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("msec", 1_000_000),
    ("s", SECOND),
    ("sec", SECOND),
    ("second", SECOND),
    ("seconds", SECOND),
    ("m", MINUTE),
    ("min", MINUTE),
    ("minute", MINUTE),
    ("minutes", MINUTE),
    ("h", HOUR),
    ("hr", HOUR),
    ("hour", HOUR),
    ("hours", HOUR),
    ("d", 24 * HOUR),
    ("day", 24 * HOUR),
    ("days", 24 * HOUR),
    ("w", 168 * HOUR),
    ("week", 168 * HOUR),
    ("weeks", 168 * HOUR),
    // A month of systemd has 30.44 days.
    ("M", 2_629_800 * SECOND),
    ("month", 2_629_800 * SECOND),
    ("months", 2_629_800 * SECOND),
    ("y", 31_557_600 * SECOND),
    ("year", 31_557_600 * SECOND),
    ("years", 31_557_600 * SECOND),
    ("secs", SECOND),
    ("mins", MINUTE),
];
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A time; a number alone counts `unit` nanoseconds.
pub(crate) fn time(text: &str, unit: u64) -> Option<Span> {
    let text = text.trim();
    if text == "infinity" {
        return Some(Span::INFINITE);
    }
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        let unit = match word {
            "" => unit,
            word => UNITS.iter().find(|(known, _)| *known == word)?.1,
        };
        sum = sum.checked_add(scaled(number, unit)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty() && sum != u64::MAX).then_some(Span(sum))
}

pub(crate) fn seconds(text: &str) -> Option<Span> {
    time(text, SECOND)
}

/// A time of a timeout, of which 0 is none.
pub(crate) fn timeout(text: &str) -> Option<Span> {
    seconds(text).map(|span| if span == Span::ZERO { Span::INFINITE } else { span })
}

/// A decimal number of units, cut off after the smallest.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let sum = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(sum);
    }
    // More digits than these are less than a nanosecond of a year.
    let digits = fraction.get(..fraction.len().min(17))?;
    let part = u128::from(digits.parse::<u64>().ok()?) * u128::from(unit);
    let part = part / 10u128.pow(u32::try_from(digits.len()).ok()?);
    sum.checked_add(u64::try_from(part).ok()?)
}

/// As ham writes it, in the largest unit that it is whole in.
pub(crate) fn write_time(span: Span) -> String {
    const WHOLE: [(u64, &str); 5] =
        [(HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1_000_000, "ms"), (1_000, "us")];
    if span.is_infinite() {
        return "infinity".to_owned();
    }
    match WHOLE.iter().find(|(unit, _)| span.0 != 0 && span.0.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", span.0 / unit),
        None if span.0 == 0 => "0s".to_owned(),
        None => format!("{}ns", span.0),
    }
}

/// A size in bytes, `K`, `M`, `G`, `T` counting by 1024; none for infinity is
/// `u64::MAX`.
pub(crate) fn size(text: &str) -> Option<u64> {
    if text == "infinity" {
        return Some(u64::MAX);
    }
    let text = text.strip_suffix('B').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        "P" => 1 << 50,
        _ => return None,
    };
    scaled(number, factor)
}

/// As ham writes it.
pub(crate) fn write_size(bytes: u64) -> String {
    const WHOLE: [(u64, &str); 4] =
        [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    if bytes == u64::MAX {
        return "infinity".to_owned();
    }
    match WHOLE.iter().find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// The exit codes that systemd.exec(5) names, first those of <sysexits.h>.
const EXIT_CODES: [(&str, u8); 20] = [
    ("SUCCESS", 0),
    ("FAILURE", 1),
    ("USAGE", 64),
    ("DATAERR", 65),
    ("NOINPUT", 66),
    ("NOUSER", 67),
    ("NOHOST", 68),
    ("UNAVAILABLE", 69),
    ("SOFTWARE", 70),
    ("OSERR", 71),
    ("OSFILE", 72),
    ("CANTCREAT", 73),
    ("IOERR", 74),
    ("TEMPFAIL", 75),
    ("PROTOCOL", 76),
    ("NOPERM", 77),
    ("CONFIG", 78),
    ("NOTINSTALLED", 5),
    ("NOTCONFIGURED", 6),
    ("NOTRUNNING", 7),
];

/// An exit code by number or name.
pub(crate) fn exit_code(text: &str) -> Option<u8> {
    let named = EXIT_CODES.iter().find(|(name, _)| *name == text).map(|(_, code)| *code);
    named.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_systemd() {
        for (text, written) in [
            ("5", "5s"),
            ("1min 30s", "90s"),
            ("2h", "2h"),
            ("1.5s", "1500ms"),
            ("100ms", "100ms"),
            ("1h30m", "90min"),
            ("0", "0s"),
            ("infinity", "infinity"),
            ("20 sec", "20s"),
        ] {
            assert_eq!(seconds(text).map(write_time).as_deref(), Some(written), "{text}");
        }
        for wrong in ["", "x", "5 parsecs", "-1", "1..2"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(timeout("0"), Some(Span::INFINITE));
        assert_eq!(time("200", 1_000), Some(Span(200_000)));
    }

    #[test]
    fn sizes_count_by_1024() {
        for (text, written) in
            [("524288", "512KiB"), ("64M", "64MiB"), ("1.5G", "1536MiB"), ("7", "7"), ("0", "0")]
        {
            assert_eq!(size(text).map(write_size).as_deref(), Some(written), "{text}");
        }
        assert_eq!(size("infinity").map(write_size).as_deref(), Some("infinity"));
        assert_eq!(size("64X"), None);
    }
}
