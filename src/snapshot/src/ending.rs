//! What the reaper does when all is down, in words that it need not decode: the
//! monitor writes them before it says that it is done.

use crate::State;
use crate::header::Field;
use crate::layout::{RECOVERY_AT, RECOVERY_BYTES};

const BYTES_AT: usize = RECOVERY_AT;
const TEXT_AT: usize = RECOVERY_AT + 1;

/// What comes after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The reaper ends.
    Exit,
    /// The machine starts anew.
    Reboot,
    /// A program takes the place of the reaper.
    Execute,
    /// The machine is switched off.
    PowerOff,
    /// The machine stands still, with its power on.
    Halt,
    /// The manager is executed again in place: by the command that is written
    /// as for `Execute`, else from the program that runs.
    SoftReboot,
}

const ENDINGS: [Ending; 6] = [
    Ending::Exit,
    Ending::Reboot,
    Ending::Execute,
    Ending::PowerOff,
    Ending::Halt,
    Ending::SoftReboot,
];

impl Ending {
    /// As it stands in a word.
    pub(crate) fn number(self) -> u8 {
        let place = ENDINGS.iter().position(|one| *one == self).unwrap_or(0);
        u8::try_from(place).unwrap_or(0)
    }

    /// The inverse of [`Ending::number`].
    pub(crate) fn of_number(number: u8) -> Option<Ending> {
        ENDINGS.get(usize::from(number)).copied()
    }
}

/// In the word that says that the manager is done: it is never 0.
const DONE: u64 = 256;

/// A command as execve(2) wants it, but for the pointers: each word with the
/// NUL behind it.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    bytes: [u8; RECOVERY_BYTES],
    length: usize,
}

impl Recovery {
    /// The words, one behind the other.
    #[must_use]
    pub fn words(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl State {
    /// The manager is done: the exit code, and what else there is to do.
    pub fn set_done(&self, code: u8, ending: Ending) {
        let kind = u64::from(ending.number());
        self.set(Field::Done, DONE | u64::from(code) | kind << 16);
    }

    /// What was said so; `None`: it is not done.
    #[must_use]
    pub fn done(&self) -> Option<(u8, Ending)> {
        let word = self.get(Field::Done);
        let code = u8::try_from(word & 0xff).unwrap_or(0);
        let kind = u8::try_from(word >> 16).ok().and_then(Ending::of_number);
        (word != 0).then(|| (code, kind.unwrap_or(Ending::Exit)))
    }

    /// The command that takes the place of the reaper, before that is said to be
    /// the ending. False when there is no room for it.
    pub fn set_recovery<'a>(&self, words: impl Iterator<Item = &'a str>) -> bool {
        let mut bytes = Vec::new();
        for word in words {
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        if bytes.len() > RECOVERY_BYTES {
            return false;
        }
        for (place, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(part) {
                *to = *from;
            }
            self.store(TEXT_AT + place, u64::from_le_bytes(word));
        }
        self.store(BYTES_AT, bytes.len() as u64);
        true
    }

    /// The same, for the reaper: on its stack, so that nothing is allocated.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        let mut bytes = [0; RECOVERY_BYTES];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (place, word) in words.iter_mut().enumerate() {
            *word = self.load(TEXT_AT + place).to_le_bytes();
        }
        let length = usize::try_from(self.load(BYTES_AT)).unwrap_or(0).min(RECOVERY_BYTES);
        Recovery { bytes, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_state;

    #[test]
    fn the_ending_survives_in_its_words() {
        let state = test_state();
        assert_eq!(state.done(), None);
        for (code, ending) in [(0, Ending::Exit), (255, Ending::Execute), (0, Ending::SoftReboot)] {
            state.set_done(code, ending);
            assert_eq!(state.done(), Some((code, ending)));
        }
    }

    #[test]
    fn a_command_comes_out_as_it_went_in() {
        let state = test_state();
        assert!(state.set_recovery(["/bin/sh", "-c", "", "äöü 12345"].into_iter()));
        assert_eq!(state.recovery().words(), "/bin/sh\0-c\0\0äöü 12345\0".as_bytes());
        assert!(state.set_recovery(["/a"].into_iter()));
        assert_eq!(state.recovery().words(), b"/a\0");
        let long = "x".repeat(RECOVERY_BYTES);
        assert!(!state.set_recovery([long.as_str()].into_iter()));
        assert!(state.set_recovery([&long[1..]].into_iter()));
        assert_eq!(state.recovery().words().len(), RECOVERY_BYTES);
    }
}
