//! Messages are JSON texts that end with a NUL byte. This collects bytes as
//! they come and gives whole messages; how they come is none of its business.

use serde::Serialize;
use std::fmt;

/// The longest message that is accepted, in bytes. A status of 10,000
/// entities is about 4 MiB; a peer that sends more than this is cut off.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Bytes on the way in.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
    /// How much of `pending` has been given as messages.
    taken: usize,
    /// How much of `pending` is given, or known to hold no NUL.
    searched: usize,
    /// How much at its end belongs to a message without an end.
    unfinished: usize,
}

/// A peer that does not keep to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A message is longer than [`MAX_FRAME`] or the limit given.
    TooLong,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong => f.write_str("could not read a message: it is too long"),
        }
    }
}

impl std::error::Error for FrameError {}

impl Frames {
    /// Nothing received yet.
    #[must_use]
    pub fn new() -> Frames {
        Frames::default()
    }

    /// Takes bytes that have arrived.
    ///
    /// # Errors
    /// When an unfinished message is longer than `limit` bytes.
    pub fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), FrameError> {
        self.pending.extend_from_slice(bytes);
        // Only what is new is looked at: a long message comes in many pieces.
        let tail = bytes.iter().rev().take_while(|byte| **byte != 0).count();
        let whole = tail == bytes.len();
        self.unfinished = if whole { self.unfinished.saturating_add(tail) } else { tail };
        if self.unfinished > limit.min(MAX_FRAME) { Err(FrameError::TooLong) } else { Ok(()) }
    }

    /// Bytes that have arrived and were not taken as messages yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len().saturating_sub(self.taken)
    }

    /// The next whole message without its NUL.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let rest = self.pending.get(self.searched..)?;
        let Some(offset) = rest.iter().position(|byte| *byte == 0) else {
            self.searched = self.pending.len();
            self.forget_taken();
            return None;
        };
        let end = self.searched.saturating_add(offset);
        let frame = self.pending.get(self.taken..end).map(<[u8]>::to_vec);
        self.taken = end.saturating_add(1);
        self.searched = self.taken;
        frame
    }

    /// Moves what is left to the front, once for all messages of one read.
    fn forget_taken(&mut self) {
        self.pending.drain(..self.taken);
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
    }
}

/// A message ready to be sent.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn to_frame<T: Serialize>(message: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_the_bytes_are_cut() {
        let all = b"{\"a\":1}\0{}\0{\"b\"";
        for cut in 0..all.len() {
            let mut frames = Frames::new();
            frames.push(&all[..cut], 100).unwrap();
            let mut got = Vec::new();
            while let Some(frame) = frames.next_frame() {
                got.push(frame);
            }
            frames.push(&all[cut..], 100).unwrap();
            while let Some(frame) = frames.next_frame() {
                got.push(frame);
            }
            assert_eq!(got, [b"{\"a\":1}".to_vec(), b"{}".to_vec()]);
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut frames = Frames::new();
        assert_eq!(frames.push(&[b'x'; 11], 10), Err(FrameError::TooLong));
    }
}
