//! The action that has ended a list of an entity's own life, as a part of a
//! word: so it stands in the record of a run, and in that of a client.

use crate::effect::{Failed, Failure};
use crate::status::ExitStatus;
use crate::words::Odd;

/// From the lowest: kind of failure in 4 bits, action in 8, detail in 28. 0:
/// none has failed. Of an error word (stage in 8 bits from the 32nd, part in 16
/// from the 16th, errno in 16) the detail holds 8, 8 and 12 bits: no part and no
/// errno needs more.
pub(super) fn word(failed: Option<Failed>) -> u64 {
    let Some(Failed { action, why }) = failed else { return 0 };
    let (kind, detail) = match why {
        Failure::Spawn(error) => {
            let (stage, part) = ((error >> 32) & 0xff, ((error >> 16) & 0xffff).min(0xff));
            (1, (stage << 20) | (part << 12) | (error & 0xffff).min(0xfff))
        }
        Failure::Exit(status) => (2, status.to_word()),
        Failure::Timeout => (3, 0),
        Failure::NoProcess => (4, 0),
        Failure::NoEntity => (5, 0),
        Failure::Limit => (6, 0),
        Failure::Full => (7, 0),
        Failure::Refused => (8, 0),
        Failure::Dependency => (9, 0),
        Failure::Conflict => (10, 0),
        Failure::ChannelFull => (11, 0),
        Failure::NoInit => (12, 0),
        Failure::TooLong => (13, 0),
    };
    kind | (u64::from(action.min(0xff)) << 4) | (detail << 12)
}

/// The inverse of [`word`]; anything else is refused.
pub(super) fn from_word(given: u64) -> Result<Option<Failed>, Odd> {
    if given == 0 {
        return Ok(None);
    }
    let detail = given >> 12;
    let why = match given & 0xf {
        1 => Failure::Spawn(
            ((detail >> 20) << 32) | (((detail >> 12) & 0xff) << 16) | (detail & 0xfff),
        ),
        2 => Failure::Exit(ExitStatus::from_word(detail).ok_or(Odd)?),
        3 => Failure::Timeout,
        4 => Failure::NoProcess,
        5 => Failure::NoEntity,
        6 => Failure::Limit,
        7 => Failure::Full,
        8 => Failure::Refused,
        9 => Failure::Dependency,
        10 => Failure::Conflict,
        11 => Failure::ChannelFull,
        12 => Failure::NoInit,
        13 => Failure::TooLong,
        _ => return Err(Odd),
    };
    let action = u16::try_from((given >> 4) & 0xff).map_err(|_| Odd)?;
    let failed = Some(Failed { action, why });
    if word(failed) == given { Ok(failed) } else { Err(Odd) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    /// A record of a client has room for no more than 44.
    const BITS: u32 = 40;

    #[test]
    fn every_failure_survives_its_word() {
        let status = ExitStatus::Signal { signal: Signal(64), core: true };
        for why in [
            Failure::Spawn((255 << 32) | (64 << 16) | 4095),
            Failure::Spawn(11),
            Failure::Exit(status),
            Failure::Exit(ExitStatus::Code(0)),
            Failure::Timeout,
            Failure::NoProcess,
            Failure::NoEntity,
            Failure::Limit,
            Failure::Full,
            Failure::Refused,
            Failure::Dependency,
            Failure::ChannelFull,
            Failure::NoInit,
            Failure::TooLong,
            Failure::Conflict,
        ] {
            for action in [0, 255] {
                let failed = Some(Failed { action, why });
                assert!(word(failed) < 1 << BITS);
                assert_eq!(from_word(word(failed)), Ok(failed));
            }
        }
        assert_eq!(from_word(word(None)), Ok(None));
        for odd in [14, 1 << 4, 3 | (1 << 12), 2, 1 | (1 << BITS), u64::MAX] {
            assert_eq!(from_word(odd), Err(Odd), "{odd:#x}");
        }
    }
}
