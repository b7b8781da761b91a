//! How a line looks that ham writes out: one of its own log, or one of an
//! entity whose output goes through ham. Both have the same shape, for people
//! or (`--log-format json`) as one JSON object each.

use crate::options::{LogFormat, Stamps};
use ham_sys::clock::{self, LocalTime};
use serde::Serialize;
use std::borrow::Cow;

/// What ends a text line that goes on in the next one, as in a shell.
const GOES_ON: &[u8] = b" \\";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) format: LogFormat,
    pub(crate) stamps: Stamps,
    /// When the manager started, by the monotonic clock.
    pub(crate) started: u64,
}

/// An instant by both clocks, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    pub(crate) mono: u64,
    pub(crate) real: u64,
}

impl Instant {
    pub(crate) fn now() -> Instant {
        Instant { mono: clock::monotonic(), real: clock::realtime() }
    }
}

/// What a line is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// What ham says about an entity, or itself.
    Log,
    /// Standard output of an entity.
    Stdout,
    /// Its standard error.
    Stderr,
}

impl Origin {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Origin::Log => "log",
            Origin::Stdout => "stdout",
            Origin::Stderr => "stderr",
        }
    }

    /// The inverse of [`Origin::word`].
    pub(crate) fn from_word(word: &str) -> Option<Origin> {
        [Origin::Log, Origin::Stdout, Origin::Stderr]
            .into_iter()
            .find(|origin| origin.word() == word)
    }
}

#[derive(Serialize)]
struct Json<'a> {
    time: String,
    entity: &'a str,
    stream: &'static str,
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

impl Look {
    /// One line with its end. `more`: it is a part, the next one goes on.
    pub(crate) fn line(
        &self,
        at: Instant,
        name: &str,
        origin: Origin,
        text: &[u8],
        more: bool,
    ) -> Vec<u8> {
        match self.format {
            LogFormat::Text => {
                let mut line = format!("{}{name}: ", self.stamp(at)).into_bytes();
                line.extend_from_slice(text);
                if more {
                    line.extend_from_slice(GOES_ON);
                }
                line.push(b'\n');
                line
            }
            LogFormat::Json => {
                let json = Json {
                    time: rfc3339(at.real),
                    entity: name,
                    stream: origin.word(),
                    text: String::from_utf8_lossy(text),
                    more,
                };
                // Texts and a flag: there is nothing that could fail.
                let mut line = serde_json::to_vec(&json).unwrap_or_default();
                line.push(b'\n');
                line
            }
        }
    }

    fn stamp(&self, at: Instant) -> String {
        let millis = at.real / 1_000_000 % 1_000;
        match self.stamps {
            Stamps::None => String::new(),
            Stamps::Relative => {
                let since = at.mono.saturating_sub(self.started);
                format!("{}.{:06} ", since / 1_000_000_000, since / 1_000 % 1_000_000)
            }
            Stamps::Absolute => {
                let local = clock::local_time(at.real / 1_000_000_000);
                let LocalTime { year, month, day, hour, minute, second } = local;
                let date = format!("{year:04}-{month:02}-{day:02}");
                format!("{date} {hour:02}:{minute:02}:{second:02}.{millis:03} ")
            }
            Stamps::ShortAbsolute => {
                let LocalTime { hour, minute, second, .. } =
                    clock::local_time(at.real / 1_000_000_000);
                format!("{hour:02}:{minute:02}:{second:02}.{millis:03} ")
            }
        }
    }
}

/// With microseconds, in UTC: whoever collects lines of many machines sorts by
/// it.
fn rfc3339(real: u64) -> String {
    let LocalTime { year, month, day, hour, minute, second } =
        clock::universal_time(real / 1_000_000_000);
    let micros = real / 1_000 % 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant { mono: 3_500_000_000, real: 1_700_000_000_123_456_789 };

    fn line(format: LogFormat, stamps: Stamps, text: &[u8], more: bool) -> String {
        let look = Look { format, stamps, started: 1_000_000_000 };
        String::from_utf8(look.line(AT, "web", Origin::Stdout, text, more)).unwrap()
    }

    #[test]
    fn a_line_of_text_is_as_it_was_written() {
        let text = |stamps, more| line(LogFormat::Text, stamps, b"hello \x1b[1m", more);
        assert_eq!(text(Stamps::None, false), "web: hello \x1b[1m\n");
        assert_eq!(text(Stamps::Relative, true), "2.500000 web: hello \x1b[1m \\\n");
    }

    #[test]
    fn a_line_of_json_is_one_whatever_was_written() {
        let json = line(LogFormat::Json, Stamps::None, b"a\"\n\xff\x01", false);
        let expected = concat!(
            r#"{"time":"2023-11-14T22:13:20.123456Z","entity":"web","stream":"stdout","#,
            r#""text":"a\"\n"#,
            "\u{fffd}",
            r#"\u0001"}"#,
            "\n"
        );
        assert_eq!(json, expected);
        let more = line(LogFormat::Json, Stamps::None, b"part", true);
        assert!(more.ends_with("\"text\":\"part\",\"more\":true}\n"), "{more}");
    }
}
