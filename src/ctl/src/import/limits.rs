//! `Limit…=`, as `limits`.

use super::parse::Assignment;
use super::toml;
use super::values::{size, time, write_size, write_time};
use super::work::{SERVICE, Work};
use ham_core::time::Span;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Bytes,
    Things,
    /// Time, of which a number alone counts so many nanoseconds.
    Time(u64),
    /// `+5` and `-5` are nice values.
    Nice,
}

const LIMITS: [(&str, &str, Counts); 16] = [
    ("LimitAS", "as", Counts::Bytes),
    ("LimitCORE", "core", Counts::Bytes),
    ("LimitCPU", "cpu", Counts::Time(1_000_000_000)),
    ("LimitDATA", "data", Counts::Bytes),
    ("LimitFSIZE", "fsize", Counts::Bytes),
    ("LimitLOCKS", "locks", Counts::Things),
    ("LimitMEMLOCK", "memlock", Counts::Bytes),
    ("LimitMSGQUEUE", "msgqueue", Counts::Bytes),
    ("LimitNICE", "nice", Counts::Nice),
    ("LimitNOFILE", "nofile", Counts::Things),
    ("LimitNPROC", "nproc", Counts::Things),
    ("LimitRSS", "rss", Counts::Bytes),
    ("LimitRTPRIO", "rtprio", Counts::Things),
    ("LimitRTTIME", "rttime", Counts::Time(1_000)),
    ("LimitSIGPENDING", "sigpending", Counts::Things),
    ("LimitSTACK", "stack", Counts::Bytes),
];

impl Work<'_> {
    pub(crate) fn limits(&mut self) {
        for (key, ours, counts) in LIMITS {
            let Some(from) = self.last(SERVICE, key) else { continue };
            match written(&from, counts) {
                Some(value) => {
                    self.draft.field("limits", ours, value);
                    // systemd takes the highest that it may.
                    self.draft.push("optional", "\"limits\"".to_owned());
                    self.translated(&from, format!("`limits.{ours}`, optional"));
                }
                None => self.unreadable(&from, "it is no limit"),
            }
        }
    }
}

fn written(from: &Assignment, counts: Counts) -> Option<String> {
    let (soft, hard) = match from.value.split_once(':') {
        Some((soft, hard)) => (one(soft, counts)?, one(hard, counts)?),
        None => {
            let both = one(&from.value, counts)?;
            (both.clone(), both)
        }
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    Some(if soft == hard {
        let bare = number(&soft) && !matches!(counts, Counts::Time(_));
        if bare { soft } else { toml::string(&soft) }
    } else {
        toml::string(&format!("{soft}:{hard}"))
    })
}

fn one(text: &str, counts: Counts) -> Option<String> {
    let text = text.trim();
    if text == "infinity" {
        return Some("infinity".to_owned());
    }
    match counts {
        Counts::Bytes => size(text).map(write_size),
        Counts::Things => text.parse::<u64>().ok().map(|number| number.to_string()),
        // The kernel counts in whole ones.
        Counts::Time(unit) => {
            let span = time(text, unit)?;
            Some(write_time(Span(span.0.checked_next_multiple_of(unit)?)))
        }
        Counts::Nice => match text.strip_prefix('+') {
            Some(nice) => nice.parse::<i32>().ok().map(|nice| (20 - nice).to_string()),
            None => {
                let number = text.parse::<i32>().ok()?;
                Some(if number < 0 { 20 - number } else { number }.to_string())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_ham_reads_them() {
        for (text, counts, expected) in [
            ("65535", Counts::Things, Some("65535")),
            ("1024:4096", Counts::Things, Some("\"1024:4096\"")),
            ("infinity", Counts::Bytes, Some("\"infinity\"")),
            ("64M", Counts::Bytes, Some("\"64MiB\"")),
            ("0", Counts::Bytes, Some("0")),
            ("1min", Counts::Time(1_000_000_000), Some("\"1min\"")),
            ("0.1ms", Counts::Time(1_000_000_000), Some("\"1s\"")),
            ("200", Counts::Time(1_000), Some("\"200us\"")),
            ("-5", Counts::Nice, Some("25")),
            ("+5", Counts::Nice, Some("15")),
            ("many", Counts::Things, None),
        ] {
            let from = Assignment {
                id: 0,
                section: String::new(),
                key: String::new(),
                value: text.to_owned(),
                file: String::new(),
                line: 1,
            };
            assert_eq!(written(&from, counts).as_deref(), expected, "{text}");
        }
    }
}
