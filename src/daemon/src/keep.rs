//! What monitor and reaper say to each other: about descriptors that the reaper
//! keeps, and about processes that take the place of others. One packet asks,
//! one answers, a descriptor may come with it.

use ham_snapshot::kept::{Kept, Name, Owner};
use ham_snapshot::layout::NAME_WORDS;
use ham_sys::Errno;

/// The control listener.
pub(crate) const CONTROL: Kept = of_manager(b"control\0");

/// The notify socket.
pub(crate) const NOTIFY: Kept = of_manager(b"notify\0\0");

/// The hardware watchdog, which the reaper feeds.
pub(crate) const WATCHDOG: Kept = of_manager(b"watchdog");

/// Of a slot: where its process says that it is ready.
pub(crate) const READY: u64 = u64::from_le_bytes(*b"ready\0\0\0");

/// Of the pages of heartbeats: above the numbers that say which one.
const PAGE: u64 = 0xbe << 56;

/// A page of heartbeats: which block of entities has its lines in it, and the
/// user whose processes write there.
pub(crate) fn page(block: u16, uid: u32) -> Kept {
    Kept { owner: Owner::Manager, tag: PAGE | u64::from(uid) << 16 | u64::from(block) }
}

/// The inverse; `None`: it is none.
pub(crate) fn as_page(kept: Kept) -> Option<(u16, u32)> {
    let tag = kept.tag;
    let uid = u32::try_from((tag & !PAGE) >> 16).ok()?;
    let block = u16::try_from(tag & 0xffff).ok()?;
    (kept == page(block, uid)).then_some((block, uid))
}

const fn of_manager(tag: &[u8; 8]) -> Kept {
    Kept { owner: Owner::Manager, tag: u64::from_le_bytes(*tag) }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Keep the descriptor that comes with this.
    Store,
    /// It is not needed any more.
    Drop,
    /// Give me a copy of it.
    Send,
    /// The process of the slot `owner` is from now on the one that `tag` names.
    Adopt,
    /// That one, which is no child of the reaper, has been seen to end. Whether
    /// there is a process of that number says nothing: it may be a zombie of
    /// its parent's, or another process.
    Gone,
    /// Say when all is done that was asked for before, also by the monitor
    /// before this one. About nobody.
    Settle,
    /// The slot `owner`, in which no process was made, holds from now on the one
    /// that `tag` names. Refused when another slot holds that.
    Join,
    /// The slot `owner` holds no process any more, though that goes on.
    Release,
    /// Not a word of this version.
    Unknown,
}

impl Verb {
    fn word(self) -> u64 {
        match self {
            Verb::Store => 1,
            Verb::Drop => 2,
            Verb::Send => 3,
            Verb::Adopt => 4,
            Verb::Gone => 5,
            Verb::Settle => 6,
            Verb::Join => 7,
            Verb::Release => 8,
            Verb::Unknown => 0,
        }
    }

    fn from_word(word: u64) -> Verb {
        match word {
            1 => Verb::Store,
            2 => Verb::Drop,
            3 => Verb::Send,
            4 => Verb::Adopt,
            5 => Verb::Gone,
            6 => Verb::Settle,
            7 => Verb::Join,
            8 => Verb::Release,
            _ => Verb::Unknown,
        }
    }
}

/// A question, or the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) verb: Verb,
    /// Chosen by who asks, and repeated in the answer.
    pub(crate) serial: u64,
    pub(crate) what: Kept,
    /// In an answer: 0, or why not.
    pub(crate) errno: Errno,
    /// With [`Verb::Gone`]: how it has ended, code above status of waitid(2); 0:
    /// nobody knows.
    pub(crate) ended: u64,
    /// Of what is to be kept, or was.
    pub(crate) name: Name,
}

const WORDS: usize = 6;
const NAME_AT: usize = WORDS * 8;
/// Bytes of every message.
pub(crate) const MESSAGE_BYTES: usize = NAME_AT + NAME_WORDS * 8;

impl Message {
    pub(crate) fn bytes(&self) -> [u8; MESSAGE_BYTES] {
        let errno = u64::from(self.errno.0.unsigned_abs());
        let owner = self.what.owner.to_word();
        let words = [self.verb.word(), self.serial, owner, self.what.tag, errno, self.ended];
        let mut bytes = [0; MESSAGE_BYTES];
        for (to, from) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes[NAME_AT..].copy_from_slice(self.name.bytes());
        bytes
    }

    /// `None`: it is about nobody.
    pub(crate) fn read(bytes: &[u8; MESSAGE_BYTES]) -> Option<Message> {
        let mut words = [0u64; WORDS];
        for (to, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *to = from.try_into().map_or(0, u64::from_le_bytes);
        }
        let [verb, serial, owner, tag, errno, ended] = words;
        let mut name = [0; NAME_WORDS * 8];
        name.copy_from_slice(&bytes[NAME_AT..]);
        Some(Message {
            verb: Verb::from_word(verb),
            serial,
            what: Kept { owner: Owner::from_word(owner)?, tag },
            errno: Errno(i32::try_from(errno).unwrap_or(0)),
            ended,
            name: Name::from_bytes(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_tag() {
        for (uid, block) in [(0, 0), (1000, 7), (u32::MAX, 1023)] {
            assert_eq!(as_page(page(block, uid)), Some((block, uid)));
        }
        for other in [CONTROL, NOTIFY, WATCHDOG, Kept { owner: Owner::Entity(1), ..page(0, 0) }] {
            assert_eq!(as_page(other), None);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let name = Name::new("stored").unwrap();
        let what = Kept { owner: Owner::Slot { index: 9, generation: 7 }, tag: 0x1234 };
        let verbs = [Verb::Store, Verb::Drop, Verb::Send, Verb::Adopt, Verb::Gone];
        for verb in verbs.into_iter().chain([Verb::Join, Verb::Release, Verb::Settle]) {
            let ended = 1 << 32;
            let message =
                Message { verb, serial: 1 << 40, what, errno: Errno::ENOENT, ended, name };
            assert_eq!(Message::read(&message.bytes()), Some(message));
        }
        let mut other =
            Message { verb: Verb::Send, serial: 0, what: CONTROL, errno: Errno(0), ended: 0, name };
        assert_eq!(Message::read(&other.bytes()), Some(other));
        other.verb = Verb::Unknown;
        assert_eq!(Message::read(&other.bytes()), Some(other));
        assert_eq!(Message::read(&[0xff; MESSAGE_BYTES]), None);
    }
}
