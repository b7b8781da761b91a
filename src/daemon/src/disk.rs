//! Writes to a file and waits until the disk has it, as often as it is asked: a
//! helper process, since on a disk that does not answer it hangs, and then the
//! hardware watchdog is not to be fed. That hangs for ever, so it does nothing
//! else.
//!
//! It is asked `NUMBER PATH`, one packet each on descriptor 3, and answers
//! `NUMBER ERRNO`, 0 for what the disk has. It ends when the monitor closes the
//! channel.

use crate::say::say;
use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::{Errno, files, process, socket};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

/// The descriptor that the helper is given.
const CHANNEL_NUMBER: i32 = 3;
/// A path of up to 4,095 bytes and what stands before it.
pub(crate) const MESSAGE_BYTES: usize = 4_200;
/// How long to pause when the monitor has not taken an answer yet.
const PAUSE: Duration = Duration::from_millis(1);

/// The message that asks for a write.
pub(crate) fn ask_message(number: u64, path: &str) -> Vec<u8> {
    format!("{number} {path}").into_bytes()
}

/// What was asked, and what came of it; `None`: it is no answer.
pub(crate) fn answer_of(packet: &[u8]) -> Option<(u64, Errno)> {
    let (number, errno) = std::str::from_utf8(packet).ok()?.split_once(' ')?;
    Some((number.parse().ok()?, Errno(errno.parse().ok()?)))
}

/// `ham disk`.
pub(crate) fn main() -> ExitCode {
    let _ = process::set_name(c"ham-disk");
    let run = || -> ham_sys::Result<()> { serve(&process::inherited(CHANNEL_NUMBER)?) };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The monitor has gone: the next one starts a helper of its own.
        Err(error) if error.errno == Errno::EPIPE => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("disk: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(channel: &OwnedFd) -> ham_sys::Result<()> {
    let poller = Poller::new()?;
    poller.add(channel, 0, Interest::READ)?;
    let mut ready = [Ready::default(); 1];
    let mut buffer = [0u8; MESSAGE_BYTES];
    loop {
        let Some(count) = socket::receive_packet(channel, &mut buffer)? else {
            poller.wait(&mut ready, None)?;
            continue;
        };
        if count == 0 {
            return Ok(());
        }
        let packet = buffer.get(..count).unwrap_or_default();
        if let Some(answer) = answer(packet) {
            // Waiting is fine here: the monitor reads, or is dead.
            while !socket::send_packet(channel, answer.as_bytes())? {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Does what is asked; `None`: nothing that is understood.
fn answer(packet: &[u8]) -> Option<String> {
    let (number, path) = std::str::from_utf8(packet).ok()?.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    // Always as long, so that nothing of a longer one is left.
    let written = files::write_through(path, format!("{number:020}\n").as_bytes());
    let errno = written.map_or_else(|error| Errno::from(error).0, |()| 0);
    Some(format!("{number} {errno}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_answered_when_the_disk_has_it() {
        let path = std::env::temp_dir().join(format!("ham-disk-{}", std::process::id()));
        let path = path.display().to_string();
        for number in [u64::MAX, 7] {
            let answered = answer(&ask_message(number, &path)).unwrap();
            assert_eq!(answer_of(answered.as_bytes()), Some((number, Errno(0))));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{number:020}\n"));
        }
        std::fs::remove_file(&path).unwrap();
        let refused = |path: &str| answer_of(answer(&ask_message(1, path)).unwrap().as_bytes());
        assert_eq!(refused("/nonexistent/file"), Some((1, Errno::ENOENT)));
        assert_eq!(refused("/dev/null"), Some((1, Errno::EIO)));
        assert_eq!((answer(b"x /a"), answer_of(b"1 x")), (None, None));
    }
}
