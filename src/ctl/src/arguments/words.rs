//! What single words of the command line say.

use crate::error::Error;
use crate::zone::{self, Zone};
use ham_core::signal::Signal;
use ham_core::time::Span;
use ham_core::wire::Refusal;

/// What `verbosity` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// This.
    To(u64),
    /// One more.
    More,
    /// One less.
    Less,
}

/// What `flags` is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// These in place of all.
    pub(crate) set: Option<Vec<String>>,
    /// These too.
    pub(crate) add: Vec<String>,
    /// Without these.
    pub(crate) remove: Vec<String>,
}

impl Flags {
    /// Reads `+FLAG`, `-FLAG` and `=FLAG,FLAG`.
    ///
    /// # Errors
    /// When a word is none of them.
    pub(crate) fn read(words: &[String]) -> Result<Flags, Error> {
        let mut flags = Flags::default();
        for word in words {
            if let Some(flag) = word.strip_prefix('+') {
                flags.add.push(flag.to_owned());
            } else if let Some(flag) = word.strip_prefix('-') {
                flags.remove.push(flag.to_owned());
            } else if let Some(all) = word.strip_prefix('=') {
                let all = all.split(',').filter(|flag| !flag.is_empty());
                flags.set.get_or_insert_default().extend(all.map(str::to_owned));
            } else {
                let parameter = "flags".to_owned();
                let why = format!("`{word}` is neither +FLAG nor -FLAG nor =FLAG,FLAG");
                return Err(Error::Refused(Refusal::BadParameter { parameter, why }));
            }
        }
        Ok(flags)
    }
}

pub(super) fn signal(text: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| {
        "no such signal; write a name (TERM, USR1), RTMIN+n, RTMAX-n, or a number from 1 to 64"
            .to_owned()
    })
}

pub(super) fn duration(text: &str) -> Result<Span, String> {
    let wrong = || "write a time with its unit: 30s, 10min, \"1h 30s\"".to_owned();
    ham_unit::parse_duration(text).ok().filter(|time| *time != Span::ZERO).ok_or_else(wrong)
}

pub(super) fn while_disarmed(text: &str) -> Result<Span, String> {
    let time = duration(text)?;
    if time.is_infinite() {
        return Err("leave --for out: what is disarmed stays so until it is armed".to_owned());
    }
    Ok(time)
}

pub(super) fn since(text: &str) -> Result<f64, String> {
    zone::since(text, zone::now(), &Zone::local())
}

pub(super) fn level(text: &str) -> Result<Level, String> {
    match text {
        "+" => Ok(Level::More),
        "-" => Ok(Level::Less),
        _ => match text.parse() {
            Ok(level @ 0..=9) => Ok(Level::To(level)),
            Ok(_) | Err(_) => Err("write a number from 0 to 9, + or -".to_owned()),
        },
    }
}
