//! What monitor and reaper say to each other: about descriptors that the reaper
//! keeps, and about processes that take the place of others. One packet asks,
//! one answers, a descriptor may come with it.

use ham_snapshot::kept::Kept;
use ham_sys::Errno;

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
    /// That one, which is no child of the reaper, has ended.
    Gone,
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
            _ => Verb::Unknown,
        }
    }
}

/// A question, or the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) verb: Verb,
    pub(crate) what: Kept,
    /// In an answer: 0, or why not.
    pub(crate) errno: Errno,
}

const WORDS: usize = 4;
/// Bytes of every message.
pub(crate) const MESSAGE_BYTES: usize = WORDS * 8;

impl Message {
    pub(crate) fn bytes(&self) -> [u8; MESSAGE_BYTES] {
        let errno = u64::from(self.errno.0.unsigned_abs());
        let words = [self.verb.word(), self.what.owner, self.what.tag, errno];
        let mut bytes = [0; MESSAGE_BYTES];
        for (to, from) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn read(bytes: &[u8; MESSAGE_BYTES]) -> Message {
        let mut words = [0u64; WORDS];
        for (to, from) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *to = from.try_into().map_or(0, u64::from_le_bytes);
        }
        let [verb, owner, tag, errno] = words;
        let errno = Errno(i32::try_from(errno).unwrap_or(0));
        Message { verb: Verb::from_word(verb), what: Kept { owner, tag }, errno }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let what = Kept { owner: 7 << 32 | 9, tag: 0x1234 };
        for verb in [Verb::Store, Verb::Drop, Verb::Send, Verb::Adopt, Verb::Gone] {
            let message = Message { verb, what, errno: Errno::ENOENT };
            assert_eq!(Message::read(&message.bytes()), message);
        }
        assert_eq!(Message::read(&[0xff; MESSAGE_BYTES]).verb, Verb::Unknown);
    }
}
