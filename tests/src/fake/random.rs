//! Pseudo-random numbers (splitmix64): the same seed gives the same life on
//! every machine, so that a failure can be told in one number.

use ham_core::time::Span;

/// A generator; nothing here is fit for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One that is wholly determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time from `least` to `most`, in microseconds.
    pub fn micros(&mut self, least: u64, most: u64) -> Span {
        Span((least + self.below(most - least + 1)) * 1_000)
    }

    /// One of some; the slice is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }
}
