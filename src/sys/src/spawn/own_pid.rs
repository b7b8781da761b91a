//! `LISTEN_PID` of sd_listen_fds(3): a variable whose value only the child
//! knows. Its text is prepared with room for the digits, which the child fills
//! in: in the memory that it shares with the suspended thread, or in its copy.

use std::sync::atomic::{AtomicU8, Ordering};

const NAME: &[u8] = b"LISTEN_PID=";
/// Digits of the highest process id (i32), and the end of the text.
const DIGITS: usize = 11;
const BYTES: usize = NAME.len() + DIGITS;

/// The text. Each child has its own.
#[derive(Debug)]
pub(super) struct OwnPid([AtomicU8; BYTES]);

impl OwnPid {
    pub(super) fn new() -> OwnPid {
        let text = OwnPid([const { AtomicU8::new(0) }; BYTES]);
        for (to, from) in text.0.iter().zip(NAME) {
            to.store(*from, Ordering::Relaxed);
        }
        text
    }

    /// The text, for the array of the environment.
    pub(super) fn text(&self) -> *const libc::c_char {
        self.0.as_ptr().cast()
    }

    /// Called by the child: no allocation, no panic.
    pub(super) fn fill(&self, pid: u32) {
        let mut digits = [0u8; DIGITS];
        let mut rest = pid;
        let mut count = 0usize;
        for digit in &mut digits {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            count = count.wrapping_add(1);
            if rest == 0 {
                break;
            }
        }
        let places = self.0.iter().skip(NAME.len());
        for (to, from) in places.zip(digits.iter().take(count).rev()) {
            to.store(*from, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_where_they_belong() {
        for pid in [1, 10, 4_711, 2_147_483_647] {
            let text = OwnPid::new();
            text.fill(pid);
            let bytes = text.0.each_ref().map(|byte| byte.load(Ordering::Relaxed));
            let text = std::ffi::CStr::from_bytes_until_nul(&bytes).unwrap();
            assert_eq!(text.to_str(), Ok(format!("LISTEN_PID={pid}").as_str()));
        }
    }
}
