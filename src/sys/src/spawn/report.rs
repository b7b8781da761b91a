//! What a child says beside its error: which optional settings it goes
//! without. One page that caller and child share, also when they share nothing
//! else. Reading it allocates, writing does not.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::{SpawnError, Stage};
use crate::{Errno, Result, SysError};

/// One word for each number that a stage can have as a whole.
const WHOLE: usize = 32;
/// One for each resource of setrlimit(2).
const LIMITS: usize = 16;
/// One for each capability that a mask has room for.
const CAPABILITIES: usize = 64;
const WORDS: usize = WHOLE + LIMITS + CAPABILITIES;
const BYTES: usize = WORDS * size_of::<AtomicU32>();

/// Error numbers by stage and part; 0: went well.
#[derive(Debug)]
pub(super) struct Report {
    words: NonNull<AtomicU32>,
}

// SAFETY: the mapping belongs to no thread, and its words are atomic.
unsafe impl Send for Report {}

impl Report {
    pub(super) fn new() -> Result<Report> {
        // SAFETY: a fresh mapping at an address the kernel chooses, of zeros.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match NonNull::new(address.cast()).filter(|_| address != libc::MAP_FAILED) {
            Some(words) => Ok(Report { words }),
            None => Err(SysError::last("create", "a page to report on")),
        }
    }

    /// For the child. A part that no word is for counts as the whole.
    pub(super) fn note(&self, stage: Stage, part: Option<u16>, errno: u32) {
        if let Some(word) = self.part(stage, part).or(self.part(stage, None)) {
            word.store(errno, Ordering::Release);
        }
    }

    pub(super) fn clear(&self) {
        for word in (0..WORDS).filter_map(|index| self.word(index)) {
            word.store(0, Ordering::Release);
        }
    }

    /// By stage, and of each stage the whole before its parts.
    pub(super) fn read(&self) -> Vec<SpawnError> {
        let parts = |stage| {
            let numbers = 0..LIMITS.max(CAPABILITIES) as u16;
            let parts = std::iter::once(None).chain(numbers.map(Some));
            parts.filter_map(move |part| {
                let number = self.part(stage, part)?.load(Ordering::Acquire);
                (number != 0).then_some(SpawnError { stage, errno: Errno(number as i32), part })
            })
        };
        Stage::ALL.into_iter().flat_map(parts).collect()
    }

    fn part(&self, stage: Stage, part: Option<u16>) -> Option<&AtomicU32> {
        let (first, count, number) = match (stage, part) {
            (_, None) => (0, WHOLE, stage as usize),
            (Stage::Rlimits, Some(part)) => (WHOLE, LIMITS, part as usize),
            (Stage::Capabilities, Some(part)) => (WHOLE + LIMITS, CAPABILITIES, part as usize),
            (_, Some(_)) => return None,
        };
        if number < count { self.word(first.wrapping_add(number)) } else { None }
    }

    fn word(&self, index: usize) -> Option<&AtomicU32> {
        // SAFETY: inside of the mapping, which lives as long as this; any
        // value is a valid one, and all access to it is atomic.
        (index < WORDS).then(|| unsafe { &*self.words.as_ptr().wrapping_add(index) })
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`. A child that still runs has it
        // only when it shares all memory, and then `spawn` has not returned.
        unsafe { libc::munmap(self.words.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_until_it_is_cleared() {
        let report = Report::new().unwrap();
        assert_eq!(report.read(), []);
        report.note(Stage::Capabilities, Some(63), 1);
        report.note(Stage::Capabilities, None, 1);
        report.note(Stage::Nice, None, 13);
        for part in [15, 0] {
            report.note(Stage::Rlimits, Some(part), 1);
        }
        let error = |stage, part, errno| SpawnError { stage, errno, part };
        let all = [
            error(Stage::Rlimits, Some(0), Errno::EPERM),
            error(Stage::Rlimits, Some(15), Errno::EPERM),
            error(Stage::Nice, None, Errno::EACCES),
            error(Stage::Capabilities, None, Errno::EPERM),
            error(Stage::Capabilities, Some(63), Errno::EPERM),
        ];
        assert_eq!(report.read(), all);
        report.clear();
        assert_eq!(report.read(), []);
    }

    #[test]
    fn every_stage_has_a_word() {
        let report = Report::new().unwrap();
        assert!(Stage::ALL.into_iter().all(|stage| report.part(stage, None).is_some()));
        assert!(report.part(Stage::Rlimits, Some(16)).is_none());
        assert!(report.part(Stage::Capabilities, Some(64)).is_none());
        // What has no word of its own is not lost.
        report.note(Stage::Rlimits, Some(16), 22);
        assert_eq!(report.read(), [SpawnError::new(Stage::Rlimits, Errno::EINVAL)]);
    }
}
