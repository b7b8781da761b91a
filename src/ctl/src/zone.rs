//! Local time: from the moments of the manager, which are seconds since the
//! epoch, to what people read, and from what people type to such a moment.

use std::time::{SystemTime, UNIX_EPOCH};
use tz::{DateTime, TimeZone};

/// The time zone of the caller.
#[derive(Debug)]
pub(crate) struct Zone(TimeZone);

/// Now, in seconds since the epoch.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Zone {
    /// As localtime(3) finds it: by `TZ`, else by /etc/localtime, else UTC.
    pub(crate) fn local() -> Zone {
        let zone = match std::env::var("TZ") {
            Ok(name) if name.is_empty() => None,
            Ok(name) => TimeZone::from_posix_tz(&name).ok(),
            Err(_) => TimeZone::local().ok(),
        };
        Zone(zone.unwrap_or_else(TimeZone::utc))
    }

    /// The time zone of a POSIX text.
    #[cfg(test)]
    pub(crate) fn named(text: &str) -> Zone {
        Zone(TimeZone::from_posix_tz(text).unwrap())
    }

    fn at(&self, moment: f64) -> Option<DateTime> {
        // Milliseconds are shown, and rounded first, or .999 would become .998.
        let millis = (moment * 1e3).round() as i64;
        let nanos = u32::try_from(millis.rem_euclid(1_000)).unwrap_or(0) * 1_000_000;
        DateTime::from_timespec(millis.div_euclid(1_000), nanos, self.0.as_ref()).ok()
    }

    /// Date and time with milliseconds.
    pub(crate) fn stamp(&self, moment: f64) -> String {
        let Some(at) = self.at(moment) else { return format!("{moment:.3}") };
        let millis = at.nanoseconds() / 1_000_000;
        format!("{} {}.{millis:03}", date(&at), time(&at))
    }

    /// The time of day, and the date before it when that is not today's.
    pub(crate) fn brief(&self, moment: f64, now: f64) -> String {
        let Some(at) = self.at(moment) else { return format!("{moment:.0}") };
        let today = self.at(now).is_some_and(|now| date(&now) == date(&at));
        if today { time(&at) } else { format!("{} {}", date(&at), time(&at)) }
    }
}

fn date(at: &DateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.month_day())
}

fn time(at: &DateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// The moment that a person means: a time of today, a date and time, or how
/// long ago.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn since(text: &str, now: f64, zone: &Zone) -> Result<f64, String> {
    let text = text.trim();
    if !text.contains(':') {
        let ago = ham_unit::parse_duration(text)?;
        if ago.is_infinite() {
            return Ok(0.0);
        }
        return Ok((now - ago.0 as f64 / 1e9).max(0.0));
    }
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (Some(date), time.trim_start()),
        None => (None, text),
    };
    let date = match date {
        Some(date) => numbers(date, '-').filter(|parts| parts.len() == 3),
        None => zone
            .at(now)
            .map(|now| vec![now.year().unsigned_abs(), now.month().into(), now.month_day().into()]),
    };
    let time = numbers(time, ':').filter(|parts| matches!(parts.len(), 2 | 3));
    let found = date.zip(time).and_then(|(date, time)| moment(&date, &time, zone));
    found.ok_or_else(|| "no such time: write HH:MM, HH:MM:SS or \"YYYY-MM-DD HH:MM:SS\"".to_owned())
}

/// The numbers of a date or time; nothing else may stand there.
fn numbers(text: &str, between: char) -> Option<Vec<u32>> {
    let digits =
        |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split(between).map(|part| part.parse().ok().filter(|_| digits(part))).collect()
}

/// Where a time is twice, at the end of summer, the first; where it is not at
/// all, at its beginning, the moment of the change.
fn moment(date: &[u32], time: &[u32], zone: &Zone) -> Option<f64> {
    let small = |parts: &[u32], place: usize| u8::try_from(*parts.get(place)?).ok();
    let found = DateTime::find(
        i32::try_from(*date.first()?).ok()?,
        small(date, 1)?,
        small(date, 2)?,
        small(time, 0)?,
        small(time, 1)?,
        small(time, 2).unwrap_or(0),
        0,
        zone.0.as_ref(),
    );
    Some(found.ok()?.earliest()?.unix_time() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-01 12:00:00 in summer time.
    const NOON: f64 = 1_782_900_000.0;

    fn berlin() -> Zone {
        Zone::named("CET-1CEST,M3.5.0,M10.5.0/3")
    }

    #[test]
    fn moments_are_shown_in_the_zone_of_the_reader() {
        let zone = berlin();
        assert_eq!(zone.stamp(NOON + 0.123), "2026-07-01 12:00:00.123");
        assert_eq!(zone.stamp(NOON - 0.0004), "2026-07-01 12:00:00.000");
        assert_eq!(Zone::named("UTC0").stamp(0.0), "1970-01-01 00:00:00.000");
        assert_eq!(zone.brief(NOON - 61.0, NOON), "11:58:59");
        assert_eq!(zone.brief(NOON - 86_400.0, NOON), "2026-06-30 12:00:00");
    }

    #[test]
    fn a_moment_is_a_time_a_date_or_how_long_ago() {
        let zone = berlin();
        for (text, expected) in [
            ("10min", NOON - 600.0),
            (" 1h 30s ", NOON - 3_630.0),
            ("infinity", 0.0),
            ("11:30", NOON - 1_800.0),
            ("11:59:59", NOON - 1.0),
            ("2026-07-01 00:00:00", NOON - 43_200.0),
            ("2026-06-30T12:00", NOON - 86_400.0),
            // Twice that night: before and after the clocks went back.
            ("2026-10-25 02:30:00", 1_792_888_200.0),
        ] {
            assert_eq!(since(text, NOON, &zone), Ok(expected), "{text}");
        }
        // Not at all that night: the moment at which they went forward.
        assert_eq!(since("2026-03-29 02:30:00", NOON, &zone), Ok(1_774_746_000.0));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "10",
            "25:00",
            "11:60",
            "11",
            "11:",
            "1:2:3:4",
            "2026-02-30 10:00",
            "07-01 10:00",
            "yesterday",
            "5 parsecs",
            "+1:00",
            "2026-07-01",
        ] {
            assert!(since(text, NOON, &berlin()).is_err(), "{text}");
        }
    }
}
