//! `LISTEN_PID` of sd_listen_fds(3) and `WATCHDOG_PID` of
//! sd_watchdog_enabled(3): variables whose value only the child knows. Their text is prepared with room for the digits, which the child fills
//! in: in the memory that it shares with the suspended thread, or in its copy.

use std::sync::atomic::{AtomicU8, Ordering};

/// Variables that hold the process's own id.
pub(super) const NAMES: [&[u8]; 2] = [b"LISTEN_PID=", b"WATCHDOG_PID="];
/// Bytes of the longest name, with its `=`.
const NAME_BYTES: usize = 13;
/// Digits of the highest process id (i32), and the end of the text.
const DIGITS: usize = 11;
const BYTES: usize = NAME_BYTES + DIGITS;

/// The text. Each child has its own.
#[derive(Debug)]
pub(super) struct OwnPid {
    text: [AtomicU8; BYTES],
    name_length: usize,
}

impl OwnPid {
    /// A name of [`NAMES`].
    pub(super) fn new(name: &[u8]) -> OwnPid {
        let name_length = name.len().min(NAME_BYTES);
        let own = OwnPid { text: [const { AtomicU8::new(0) }; BYTES], name_length };
        for (to, from) in own.text.iter().zip(name.iter().take(name_length)) {
            to.store(*from, Ordering::Relaxed);
        }
        own
    }

    /// The text, for the array of the environment.
    pub(super) fn text(&self) -> *const libc::c_char {
        self.text.as_ptr().cast()
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
        let places = self.text.iter().skip(self.name_length);
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
        for name in NAMES {
            for pid in [1, 10, 4_711, 2_147_483_647] {
                let own = OwnPid::new(name);
                own.fill(pid);
                let bytes = own.text.each_ref().map(|byte| byte.load(Ordering::Relaxed));
                let text = std::ffi::CStr::from_bytes_until_nul(&bytes).unwrap();
                let name = std::str::from_utf8(name).unwrap();
                assert_eq!(text.to_str(), Ok(format!("{name}{pid}").as_str()));
            }
        }
    }
}
