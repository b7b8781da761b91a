//! One mapping that thousands of states are laid into, one after the other. A
//! state is kept as the words of it that are not 0.

use crate::shared::Shared;
use ham_snapshot::State;
use ham_snapshot::layout::{TOTAL, WORD};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};
use std::sync::atomic::{AtomicU64, Ordering};

/// Words that are not 0, by place.
pub(super) type Image = Vec<(usize, u64)>;

pub(super) struct Bed {
    pub(super) shared: &'static Shared,
    words: &'static [AtomicU64],
}

impl Bed {
    pub(super) fn new() -> Bed {
        let shared = Shared::fresh();
        Bed { shared, words: shared.map.words() }
    }

    pub(super) fn state(&self) -> State {
        self.shared.state
    }

    pub(super) fn get(&self, place: usize) -> u64 {
        self.words.get(place).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, place: usize, value: u64) {
        if let Some(word) = self.words.get(place) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// As it was made.
    pub(super) fn format(&self) {
        self.lay(&Image::new());
        State::format(self.words).expect("it was one before");
    }

    pub(super) fn words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// These words, and all others 0.
    pub(super) fn lay(&self, image: &Image) {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let bytes = (TOTAL * WORD) as i64;
        fallocate(self.shared.common.state(), flags, 0, bytes).expect("holes in a memfd");
        for (place, value) in image {
            self.set(*place, *value);
        }
    }

    /// What it holds now: only pages that exist are looked at.
    pub(super) fn image(&self) -> Image {
        let fd = self.shared.common.state();
        let mut image = Image::new();
        let mut at = 0;
        while let Ok(from) = lseek(fd, at, Whence::SeekData) {
            let to = lseek(fd, from, Whence::SeekHole).expect("a hole at the end at least");
            let place = |bytes: i64| usize::try_from(bytes).unwrap_or(0) / WORD;
            let words = (place(from)..place(to)).map(|place| (place, self.get(place)));
            image.extend(words.filter(|(_, value)| *value != 0));
            at = to;
        }
        image
    }
}
