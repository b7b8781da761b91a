//! `limits`: what setrlimit(2) sets, by its names in lower case.

use crate::codes;
use crate::duration;
use crate::numbers::parse_size;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use toml::de::DeValue;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Bytes,
    Things,
    /// Time, of which the kernel takes units of so many nanoseconds.
    Time(u64),
}

/// Name, number of <asm-generic/resource.h> (x86-64 and aarch64), and what it
/// counts.
const LIMITS: [(&str, u32, Counts); 16] = [
    ("as", 9, Counts::Bytes),
    ("core", 4, Counts::Bytes),
    ("cpu", 0, Counts::Time(1_000_000_000)),
    ("data", 2, Counts::Bytes),
    ("fsize", 1, Counts::Bytes),
    ("locks", 10, Counts::Things),
    ("memlock", 8, Counts::Bytes),
    ("msgqueue", 12, Counts::Bytes),
    ("nice", 13, Counts::Things),
    ("nofile", 7, Counts::Things),
    ("nproc", 6, Counts::Things),
    ("rss", 5, Counts::Bytes),
    ("rtprio", 14, Counts::Things),
    ("rttime", 15, Counts::Time(1_000)),
    ("sigpending", 11, Counts::Things),
    ("stack", 3, Counts::Bytes),
];

/// The name of a resource of setrlimit(2); `None`: there is none of that
/// number.
pub fn limit_name(resource: u32) -> Option<&'static str> {
    LIMITS.iter().find(|(_, number, _)| *number == resource).map(|(name, _, _)| *name)
}

/// `RLIM_INFINITY`.
const INFINITY: u64 = u64::MAX;

/// One of the two numbers of a limit. The error says what is wrong.
fn parse(text: &str, counts: Counts) -> Result<u64, String> {
    let text = text.trim();
    if text == "infinity" {
        return Ok(INFINITY);
    }
    match counts {
        Counts::Bytes => parse_size(text),
        Counts::Things => {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && *number < INFINITY);
            number.ok_or_else(|| "not a whole number".to_owned())
        }
        Counts::Time(unit) => {
            let span = duration::parse_duration(text)?;
            match span.0.checked_rem(unit) {
                Some(0) => Ok(span.0.checked_div(unit).unwrap_or(0)),
                Some(_) | None if unit == 1_000 => Err("not whole microseconds".to_owned()),
                Some(_) | None => Err("not whole seconds".to_owned()),
            }
        }
    }
}

/// The nanoseconds of one unit of a limit that is a time.
pub(crate) fn limit_unit(resource: u32) -> Option<u64> {
    let limit = LIMITS.iter().find(|(_, number, _)| *number == resource);
    match limit.map(|(_, _, counts)| *counts) {
        Some(Counts::Time(unit)) => Some(unit),
        Some(Counts::Bytes | Counts::Things) | None => None,
    }
}

impl Reader<'_> {
    /// Resource, soft and hard limit of each that is set, in order of name.
    pub(crate) fn limits(&mut self, table: &Table<'_>) -> Vec<(u32, u64, u64)> {
        let Some(field) = self.find(table, "limits") else { return Vec::new() };
        let Some(entries) = field.as_table() else {
            return self.wrong_type(&field).unwrap_or_default();
        };
        let inner = self.table("entity.limits", "in `limits`", entries, field.span());
        let mut limits = Vec::new();
        for (name, resource, counts) in LIMITS {
            let Some(field) = self.find(&inner, name) else { continue };
            if let Some((soft, hard)) = self.limit_pair(&field, counts) {
                limits.push((resource, soft, hard));
            }
        }
        limits
    }

    fn limit_pair(&mut self, field: &Field<'_>, counts: Counts) -> Option<(u64, u64)> {
        let text = match field.value.get_ref() {
            // A time without a unit is refused, in words that name some.
            DeValue::Integer(_) if matches!(counts, Counts::Time(_)) => {
                return self.wrong_type(field);
            }
            DeValue::Integer(_) => {
                let number = self.integer(field, 0..=i64::MAX)?;
                let number = u64::try_from(number).ok()?;
                return Some((number, number));
            }
            DeValue::String(text) => text.as_ref(),
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return self.wrong_type(field),
        };
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let pair = parse(soft, counts)
            .map_err(|why| (soft, why))
            .and_then(|soft| Ok((soft, parse(hard, counts).map_err(|why| (hard, why))?)));
        match pair {
            Ok((soft, hard)) if soft > hard => {
                let message = format!("the soft limit of `{}` is above the hard one", field.name);
                self.error(codes::CONFLICT, field.span(), message)
                    .label("soft:hard")
                    .help("the soft limit is what holds, the hard one how far it can be raised");
                None
            }
            Ok(pair) => Some(pair),
            Err((part, why)) => {
                let (code, what, help) = match counts {
                    Counts::Bytes => {
                        (codes::BAD_SIZE, "size", "write for example \"64MiB\" or \"infinity\"")
                    }
                    Counts::Things => {
                        (codes::BAD_VALUE, "number", "write for example 1024 or \"1024:4096\"")
                    }
                    Counts::Time(_) => {
                        (codes::BAD_DURATION, "duration", "write for example \"10s\"")
                    }
                };
                let message = format!("{} in `{}` is no {what}", quoted(part), field.name);
                self.error(code, field.span(), message).label(why).help(help);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    #[test]
    fn every_limit_is_a_key_and_no_other_is() {
        let known: Vec<&str> = keys::of_table("entity.limits").map(|(name, _)| name).collect();
        assert_eq!(LIMITS.map(|(name, _, _)| name).as_slice(), known);
        let mut numbers: Vec<u32> = LIMITS.map(|(_, number, _)| number).to_vec();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..16).collect::<Vec<u32>>());
    }

    #[test]
    fn times_are_counted_as_the_kernel_does() {
        assert_eq!(parse("2min", Counts::Time(1_000_000_000)), Ok(120));
        assert_eq!(parse("200ms", Counts::Time(1_000)), Ok(200_000));
        assert_eq!(parse("infinity", Counts::Time(1_000)), Ok(INFINITY));
        assert!(parse("1500ms", Counts::Time(1_000_000_000)).is_err());
        assert!(parse("10", Counts::Time(1_000)).is_err());
        assert!(parse("+1", Counts::Things).is_err());
    }
}
