//! What a program says of itself, as sd_notify(3) defines the words. A
//! datagram is lines of `NAME=VALUE`; what is not known is passed over, since
//! the protocol grows.

use crate::time::{Mono, Span};

/// One datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `READY=1`
    pub ready: bool,
    /// `RELOADING=1`
    pub reloading: bool,
    /// `MONOTONIC_USEC=`: when the reloading began.
    pub at: Option<Mono>,
    /// `STOPPING=1`
    pub stopping: bool,
    /// `STATUS=`
    pub status: Option<String>,
    /// `ERRNO=`
    pub errno: Option<u32>,
    /// `MAINPID=`
    pub main: Option<i32>,
    /// `EXTEND_TIMEOUT_USEC=`
    pub extend: Option<Span>,
    /// `WATCHDOG=1`
    pub beat: bool,
    /// `WATCHDOG=trigger`: as if the last beat had been too long ago.
    pub trigger: bool,
    /// `WATCHDOG_USEC=`
    pub interval: Option<Span>,
    /// `FDSTORE=1`
    pub store: bool,
    /// `FDSTOREREMOVE=1`
    pub remove: bool,
    /// `FDNAME=`
    pub name: Option<String>,
    /// `BARRIER=1`
    pub barrier: bool,
}

/// Bytes of the longest datagram that is taken.
pub const MOST_BYTES: usize = 16 * 1024;

/// Bytes of a status text that are kept.
pub const MOST_STATUS: usize = 230;

/// Bytes that the name of a descriptor can have, as systemd has it.
pub const MOST_NAME: usize = 255;

/// The name of a descriptor that is handed over without one (sd_notify(3)).
pub const DEFAULT_NAME: &str = "stored";

/// The highest error number of the kernel (errno(3)).
const MOST_ERRNO: u32 = 4095;

/// Why a datagram is none of sd_notify(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is longer than [`MOST_BYTES`].
    TooLong,
    /// A NUL byte stands in it, and not at its end.
    Nul,
}

/// Reads a datagram. Lines that are not known, or whose value makes no sense,
/// are passed over; of a word that comes twice the first counts, as systemd
/// has it.
///
/// # Errors
/// When it is no text at all, or a very long one.
pub fn parse(datagram: &[u8]) -> Result<Told, Refusal> {
    if datagram.len() > MOST_BYTES {
        return Err(Refusal::TooLong);
    }
    let mut text = datagram;
    // Programs in C send the end of their string, too.
    while let Some(rest) = text.strip_suffix(b"\0") {
        text = rest;
    }
    if text.contains(&0) {
        return Err(Refusal::Nul);
    }
    let mut told = Told::default();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(line) = std::str::from_utf8(line)
            && let Some((name, value)) = line.split_once('=')
        {
            told.take(name, value);
        }
    }
    Ok(told)
}

impl Told {
    /// Whether it says nothing but that the program is alive.
    #[must_use]
    pub fn is_mere_beat(&self) -> bool {
        self.beat && *self == Told { beat: true, ..Told::default() }
    }

    fn take(&mut self, name: &str, value: &str) {
        let is_one = value == "1";
        match name {
            "READY" => self.ready |= is_one,
            "RELOADING" => self.reloading |= is_one,
            "STOPPING" => self.stopping |= is_one,
            "FDSTORE" => self.store |= is_one,
            "FDSTOREREMOVE" => self.remove |= is_one,
            "BARRIER" => self.barrier |= is_one,
            "WATCHDOG" => {
                self.beat |= is_one;
                self.trigger |= value == "trigger";
            }
            "MONOTONIC_USEC" => first(&mut self.at, microseconds(value).map(Mono)),
            "EXTEND_TIMEOUT_USEC" => first(&mut self.extend, microseconds(value).map(Span)),
            "WATCHDOG_USEC" => first(&mut self.interval, microseconds(value).map(Span)),
            "STATUS" => first(&mut self.status, Some(shown(value))),
            "ERRNO" => {
                let errno = number(value).and_then(|errno| u32::try_from(errno).ok());
                first(&mut self.errno, errno.filter(|errno| *errno <= MOST_ERRNO));
            }
            "MAINPID" => {
                let pid = number(value).and_then(|pid| i32::try_from(pid).ok());
                first(&mut self.main, pid.filter(|pid| *pid > 0));
            }
            "FDNAME" => first(&mut self.name, is_name(value).then(|| value.to_owned())),
            _ => {}
        }
    }
}

fn first<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

/// Digits and nothing else: the standard library would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// In nanoseconds; beyond what those can say, as far as they go.
fn microseconds(text: &str) -> Option<u64> {
    number(text).map(|count| count.saturating_mul(1_000))
}

/// For people, on one line of a terminal, in whole characters.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if shown.len().saturating_add(letter.len_utf8()) > MOST_STATUS {
            break;
        }
        shown.push(letter);
    }
    shown
}

/// Names go through `LISTEN_FDNAMES`, where a colon stands between two.
fn is_name(text: &str) -> bool {
    let fits = (1..=MOST_NAME).contains(&text.len());
    fits && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> Told {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_word_of_the_protocol() {
        let text = "READY=1\nRELOADING=1\nMONOTONIC_USEC=5\nSTOPPING=1\nSTATUS=all is well\n\
                    ERRNO=2\nMAINPID=77\nEXTEND_TIMEOUT_USEC=1000000\nWATCHDOG=1\n\
                    WATCHDOG_USEC=20\nFDSTORE=1\nFDSTOREREMOVE=1\nFDNAME=web-80\nBARRIER=1";
        let expected = Told {
            ready: true,
            reloading: true,
            at: Some(Mono(5_000)),
            stopping: true,
            status: Some("all is well".to_owned()),
            errno: Some(2),
            main: Some(77),
            extend: Some(Span::seconds(1)),
            beat: true,
            trigger: false,
            interval: Some(Span(20_000)),
            store: true,
            remove: true,
            name: Some("web-80".to_owned()),
            barrier: true,
        };
        assert_eq!(told(text), expected);
        assert!(told("WATCHDOG=trigger").trigger);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        for text in [
            "",
            "\n\n",
            "READY",
            "READY=0",
            "ready=1",
            " READY=1",
            "READY=1 ",
            "X_DAEMON=1",
            "ERRNO=-1",
            "ERRNO=4096",
            "MAINPID=0",
            "MAINPID=+5",
            "MAINPID=99999999999",
            "MONOTONIC_USEC=",
            "MONOTONIC_USEC=1s",
            "FDNAME=",
            "FDNAME=a:b",
            "FDNAME=ä",
            "WATCHDOG=2",
        ] {
            assert_eq!(told(text), Told::default(), "{text:?}");
        }
        assert_eq!(parse(b"\xff=1\nSTATUS=\xff\nREADY=1"), Ok(told("READY=1")));
        assert_eq!(told(&format!("FDNAME={}", "x".repeat(256))), Told::default());
        assert_eq!(told("MAINPID=5\nMAINPID=6").main, Some(5));
        assert_eq!(told("EXTEND_TIMEOUT_USEC=18446744073709551615").extend, Some(Span::INFINITE));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(parse(b"READY=1\0\0").map(|told| told.ready), Ok(true));
        assert_eq!(parse(b"READY=1\0STATUS=x"), Err(Refusal::Nul));
        assert_eq!(parse(&[b'\n'; MOST_BYTES]), Ok(Told::default()));
        assert_eq!(parse(&[b'\n'; MOST_BYTES + 1]), Err(Refusal::TooLong));
    }

    #[test]
    fn a_status_is_one_line_for_people() {
        assert_eq!(told("STATUS=a\tb\u{1b}[31m").status.as_deref(), Some("a b [31m"));
        let long = told(&format!("STATUS=x{}", "ä".repeat(200))).status.unwrap();
        assert_eq!(long.len(), MOST_STATUS - 1);
        assert_eq!(told("STATUS=").status.as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            check(&bytes);
        }

        #[test]
        fn any_lines_are_read(
            lines in proptest::collection::vec(
                ("(READY|STATUS|ERRNO|MAINPID|FDNAME|WATCHDOG_USEC|MONOTONIC_USEC|[A-Z_]{0,9})",
                 "(1|[0-9]{0,22}|\\PC{0,90}|[\\x00-\\x1f]{0,5})"), 0..12)
        ) {
            let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}={value}")).collect();
            check(lines.join("\n").as_bytes());
        }
    }

    /// Whatever was read fits where it goes.
    fn check(bytes: &[u8]) {
        let Ok(told) = parse(bytes) else { return };
        let status = told.status.unwrap_or_default();
        assert!(status.len() <= MOST_STATUS && !status.contains(char::is_control));
        assert!(told.name.is_none_or(|name| is_name(&name)));
        assert!(told.errno.is_none_or(|errno| errno <= MOST_ERRNO));
        assert!(told.main.is_none_or(|pid| pid > 0));
    }
}
