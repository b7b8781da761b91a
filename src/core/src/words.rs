//! Writing and reading the fixed number of words of a record. Reading never
//! trusts: a value out of its range is an error, and the record is refused.

use crate::status::ExitStatus;
use crate::time::Mono;

/// Words in one record. An entity and a client with many answers use all; the
/// rest is room for what later versions have to say.
pub const RECORD_WORDS: usize = 32;

/// The contents of one record.
pub type Words = [u64; RECORD_WORDS];

/// A record that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odd;

#[derive(Debug)]
pub(crate) struct Writer {
    words: Words,
    next: usize,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        Writer { words: [0; RECORD_WORDS], next: 0 }
    }

    pub(crate) fn put(&mut self, value: u64) -> &mut Writer {
        if let Some(word) = self.words.get_mut(self.next) {
            *word = value;
        }
        self.next = self.next.saturating_add(1);
        self
    }

    /// 0 stands for none: no deadline is at the first nanosecond after boot.
    pub(crate) fn put_due(&mut self, due: Option<Mono>) -> &mut Writer {
        self.put(due.map_or(0, |due| due.0.max(1)))
    }

    pub(crate) fn finish(&self) -> Words {
        debug_assert!(self.next <= RECORD_WORDS, "a record is too long");
        self.words
    }
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    words: &'a Words,
    next: usize,
}

impl Reader<'_> {
    pub(crate) fn new(words: &Words) -> Reader<'_> {
        Reader { words, next: 0 }
    }

    pub(crate) fn get(&mut self) -> Result<u64, Odd> {
        let word = *self.words.get(self.next).ok_or(Odd)?;
        self.next = self.next.saturating_add(1);
        Ok(word)
    }

    pub(crate) fn get_u32(&mut self) -> Result<u32, Odd> {
        u32::try_from(self.get()?).map_err(|_| Odd)
    }

    pub(crate) fn get_u16(&mut self) -> Result<u16, Odd> {
        u16::try_from(self.get()?).map_err(|_| Odd)
    }

    pub(crate) fn get_u8(&mut self) -> Result<u8, Odd> {
        u8::try_from(self.get()?).map_err(|_| Odd)
    }

    pub(crate) fn get_pid(&mut self) -> Result<i32, Odd> {
        i32::try_from(self.get()?).map_err(|_| Odd)
    }

    pub(crate) fn get_bool(&mut self) -> Result<bool, Odd> {
        match self.get()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Odd),
        }
    }

    pub(crate) fn get_due(&mut self) -> Result<Option<Mono>, Odd> {
        Ok(Some(self.get()?).filter(|word| *word != 0).map(Mono))
    }

    pub(crate) fn get_status(&mut self) -> Result<Option<ExitStatus>, Odd> {
        match self.get()? {
            0 => Ok(None),
            word => ExitStatus::from_word(word).map(Some).ok_or(Odd),
        }
    }

    pub(crate) fn get_slot(&mut self) -> Result<Option<crate::ids::SlotRef>, Odd> {
        match self.get()? {
            0 => Ok(None),
            word => crate::ids::SlotRef::from_word(word).map(Some).ok_or(Odd),
        }
    }

    /// What is left must be zero: a record of a later version says more.
    pub(crate) fn finish(mut self) -> Result<(), Odd> {
        while self.next < RECORD_WORDS {
            if self.get()? != 0 {
                return Err(Odd);
            }
        }
        Ok(())
    }
}
