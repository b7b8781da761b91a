//! The watcher at work: a real one, asked through a real channel. Paths that
//! hang are the business of `tests/tests/real/ready_path`.

use super::*;
use std::fs;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Instant;

/// A helper in a thread, and a directory for it to look at.
struct Bed {
    channel: Option<OwnedFd>,
    helper: Option<JoinHandle<()>>,
    folder: PathBuf,
}

impl Bed {
    fn new(what: &str) -> Bed {
        let folder = std::env::temp_dir().join(format!("ham-watch-{what}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (ours, theirs) = socket::seqpacket_pair().unwrap();
        let run = || Helper::new(theirs).unwrap().run().unwrap();
        Bed { channel: Some(ours), helper: Some(std::thread::spawn(run)), folder }
    }

    fn channel(&self) -> &OwnedFd {
        self.channel.as_ref().unwrap()
    }

    fn ask(&self, number: u64, since: u64, path: &Path) {
        let message = ask_message(number, since, path.to_str().unwrap(), false);
        assert!(socket::send_packet(self.channel(), &message).unwrap());
    }

    /// What the helper has said within `time`.
    fn said(&self, time: Duration) -> Option<u64> {
        let end = Instant::now() + time;
        let mut buffer = [0; MESSAGE_BYTES];
        loop {
            if let Some(count) = socket::receive_packet(self.channel(), &mut buffer).unwrap() {
                // That it seemed to hang, on a busy machine, is no matter here.
                if let Some(Answer::There(number)) = Answer::parse(&buffer[..count]) {
                    return Some(number);
                }
            }
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn seen(&self) -> Option<u64> {
        self.said(Duration::from_secs(20))
    }

    /// The helper has looked at all that it was asked for before, and has not
    /// found it: it answers for something that is there.
    fn sees_nothing_but(&self, number: u64) {
        self.ask(number, 0, &self.folder);
        assert_eq!(self.seen(), Some(number));
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.channel = None;
        let _ = self.helper.take().map(JoinHandle::join);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Later than any file that is there.
fn later() -> u64 {
    clock::realtime() + 1_000_000_000
}

#[test]
fn answers_are_understood() {
    for answer in [Answer::There(0), Answer::Hangs(7), Answer::Answers(u64::MAX), Answer::AllHang] {
        assert_eq!(Answer::parse(answer.text().as_bytes()), Some(answer));
    }
    for other in ["", "!", "!x", "?1", "é1", "**"] {
        assert_eq!(Answer::parse(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn what_is_older_than_the_process_does_not_count() {
    let bed = Bed::new("stale");
    let socket = bed.folder.join("socket");
    let before = clock::realtime() - 1_000_000_000;
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    bed.ask(1, later(), &socket);
    bed.sees_nothing_but(2);
    // The same one is new to who began before it.
    bed.ask(3, before, &socket);
    assert_eq!(bed.seen(), Some(3));
    // As a daemon does it: what is left is removed, and made anew. Its time
    // is before `later`, but it was seen to come.
    drop(listener);
    fs::remove_file(&socket).unwrap();
    bed.sees_nothing_but(4);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(bed.seen(), Some(1));
}

#[test]
fn a_stale_file_counts_once_it_is_written_to_or_moved_there() {
    let bed = Bed::new("moved");
    let [written, moved] = ["written", "moved"].map(|name| bed.folder.join(name));
    fs::write(&written, "old").unwrap();
    bed.ask(1, later(), &written);
    bed.ask(2, later(), &moved);
    bed.sees_nothing_but(3);
    fs::write(&written, "another").unwrap();
    assert_eq!(bed.seen(), Some(1));
    fs::rename(&written, &moved).unwrap();
    assert_eq!(bed.seen(), Some(2));
}

#[test]
fn a_directory_that_comes_brings_what_is_in_it() {
    let bed = Bed::new("directory");
    let aside = bed.folder.join("aside");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("file"), "").unwrap();
    let place = bed.folder.join("place");
    bed.ask(1, later(), &place.join("file"));
    bed.sees_nothing_but(2);
    fs::rename(&aside, &place).unwrap();
    assert_eq!(bed.seen(), Some(1));
    // A change of the directory itself is none of what is in it.
    bed.ask(3, later(), &place.join("file"));
    bed.sees_nothing_but(4);
    fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    bed.sees_nothing_but(5);
    fs::write(place.join("file"), "").unwrap();
    assert_eq!(bed.seen(), Some(3));
}
