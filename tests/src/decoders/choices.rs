//! Bytes as a row of choices: what a fuzzer changes in them changes what is
//! done, and when they are used up the rest is as plain as can be.

/// What is left of the bytes.
#[derive(Debug)]
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    pub(super) fn are_left(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn bits(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    /// A number below `bound`; 0, when there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let many = bound > 256;
        let number =
            usize::from(self.byte()) | if many { usize::from(self.byte()) << 8 } else { 0 };
        number.checked_rem(bound).unwrap_or(0)
    }

    /// One of some; the slice is not empty.
    pub(super) fn pick<'b, T>(&mut self, from: &'b [T]) -> &'b T {
        &from[self.below(from.len())]
    }

    /// The same, to change it.
    pub(super) fn pick_mut<'b, T>(&mut self, from: &'b mut [T]) -> &'b mut T {
        let place = self.below(from.len());
        &mut from[place]
    }

    /// Whatever is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// A number that nobody would expect, or at least not here.
    pub(super) fn odd(&mut self, near: u64) -> u64 {
        const ODD: [u64; 16] = [
            0,
            1,
            2,
            3,
            4_096,
            65_535,
            65_536,
            65_537,
            196_865,
            u32::MAX as u64,
            1 << 32,
            (1 << 62) - 1,
            1 << 63,
            i64::MAX as u64,
            u64::MAX - 1,
            u64::MAX,
        ];
        match self.byte() % 5 {
            0 => near.wrapping_add(1),
            1 => near.wrapping_sub(u64::from(self.byte())),
            2 => near ^ (1 << (self.byte() % 64)),
            3 => self.bits(),
            _ => *self.pick(&ODD),
        }
    }
}
