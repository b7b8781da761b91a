//! The manager itself: whether it has begun, whether it ends, and what goes on
//! over all entities; and that as a record.

use super::endings;
use crate::memory::Record;
use crate::time::{Mono, Span};
use crate::way::Way;
use crate::words::{Odd, Reader, Words, Writer};

/// The manager's own record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Global {
    pub(super) booted: bool,
    pub(super) shutdown: Option<Shutdown>,
    /// Signals that have asked for a shutdown.
    pub(super) signals: u64,
    /// Of the next run. It goes on over takeovers, so that no completion that
    /// is still on its way can mean a run of later times.
    pub(super) next_serial: u32,
    /// No heartbeats are counted.
    pub(super) beats_suspended: bool,
    /// When they were last counted again: as if each had come then.
    pub(super) beats_fresh: Option<Mono>,
    /// The highest number of a pulse in the channels that are no more.
    pub(super) pulses_gone: u64,
}

/// On the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shutdown {
    /// What comes when all is down, if no command of an action does.
    pub(super) way: Way,
    /// When what is left is killed, and then when it is given up.
    pub(super) due: Mono,
    /// So much of the time is kept for those that wait for others to end: at
    /// `due` whoever holds them up is killed, and then this is left. Zero: that
    /// has been done.
    pub(super) share: Span,
    pub(super) killing: bool,
    pub(super) finished: bool,
    /// The action that has asked for it, if one has and nobody has asked for
    /// something else since: a command that comes at the end is said there.
    pub(super) by: Option<endings::By>,
}

impl Global {
    pub(super) fn record(&self) -> Record {
        let shutdown = self.shutdown;
        let (code, which) = shutdown.map_or((0, 0), |s| s.way.words());
        let mut words = Writer::new();
        words
            .put(u64::from(self.booted))
            .put(u64::from(shutdown.is_some()))
            .put(code)
            .put(shutdown.map_or(0, |s| s.due.0))
            .put(shutdown.map_or(0, |s| u64::from(s.killing)))
            .put(shutdown.map_or(0, |s| u64::from(s.finished)))
            .put(u64::from(self.next_serial))
            .put(self.signals)
            .put(shutdown.map_or(0, |s| s.share.0))
            .put(u64::from(self.beats_suspended))
            .put_due(self.beats_fresh);
        endings::put_by(&mut words, shutdown.and_then(|s| s.by));
        words.put(self.pulses_gone).put(which);
        let due = shutdown.filter(|s| !s.finished).map(|s| s.due);
        let head = crate::memory::Head { due, slot: None, open: true, active: true };
        Record { head, words: words.finish() }
    }

    pub(super) fn decode(words: &Words) -> Result<Global, Odd> {
        let mut from = Reader::new(words);
        let booted = from.get_bool()?;
        let down = from.get_bool()?;
        let mut shutdown = Shutdown {
            way: Way::Exit(from.get_u8()?),
            due: Mono(from.get()?),
            share: Span::ZERO,
            killing: from.get_bool()?,
            finished: from.get_bool()?,
            by: None,
        };
        let next_serial = from.get_u32()?;
        let signals = from.get()?;
        shutdown.share = Span(from.get()?);
        let (beats_suspended, beats_fresh) = (from.get_bool()?, from.get_due()?);
        shutdown.by = endings::get_by(&mut from)?;
        let pulses_gone = from.get()?;
        if let Way::Exit(code) = shutdown.way {
            shutdown.way = Way::from_words(code, from.get()?)?;
        }
        from.finish()?;
        let shutdown = down.then_some(shutdown);
        let global = Global {
            booted,
            shutdown,
            signals,
            next_serial,
            beats_suspended,
            beats_fresh,
            pulses_gone,
        };
        if global.record().words == *words { Ok(global) } else { Err(Odd) }
    }
}
