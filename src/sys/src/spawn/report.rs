//! What a child says beside its error: which optional settings it goes
//! without. One page that caller and child share, also when they share nothing
//! else. Reading it allocates, writing does not.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::{SpawnError, Stage};
use crate::{Errno, Result, SysError};

/// One word for each number that a stage can have.
const WORDS: usize = 32;
const BYTES: usize = WORDS * size_of::<AtomicU32>();

/// Error numbers by stage; 0: went well.
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

    /// For the child.
    pub(super) fn note(&self, stage: Stage, errno: u32) {
        if let Some(word) = self.word(stage) {
            word.store(errno, Ordering::Release);
        }
    }

    pub(super) fn clear(&self) {
        for stage in Stage::ALL {
            self.note(stage, 0);
        }
    }

    pub(super) fn read(&self) -> Vec<SpawnError> {
        let noted = Stage::ALL.into_iter().filter_map(|stage| {
            let number = self.word(stage)?.load(Ordering::Acquire);
            (number != 0).then_some(SpawnError { stage, errno: Errno(number as i32) })
        });
        noted.collect()
    }

    fn word(&self, stage: Stage) -> Option<&AtomicU32> {
        let index = stage as usize;
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
        report.note(Stage::Capabilities, 1);
        report.note(Stage::Nice, 13);
        let error = |stage, errno| SpawnError { stage, errno };
        let both = [error(Stage::Nice, Errno::EACCES), error(Stage::Capabilities, Errno::EPERM)];
        assert_eq!(report.read(), both);
        report.clear();
        assert_eq!(report.read(), []);
    }

    #[test]
    fn every_stage_has_a_word() {
        let report = Report::new().unwrap();
        assert!(Stage::ALL.into_iter().all(|stage| report.word(stage).is_some()));
    }
}
