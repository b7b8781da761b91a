//! Where the output of a process goes when that is neither a file nor ham's
//! own: to the journal, by a connection of its own, or through the pipe that
//! leads to the helper for output. For spawner threads: a connection may wait.

use crate::facts::{ERROR_JOURNAL, ERROR_NUL};
use ham_core::plan::{EntityPlan, Setting, Stream};
use ham_sys::spawn::Stdio;
use ham_sys::{Result, socket};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Where journald takes the output of services (systemd-journald.service(8)).
pub(super) const JOURNAL: &str = "/run/systemd/journal/stdout";

/// How long a journal may take to take a connection: less than what counts as
/// a hanging start.
const JOURNAL_PATIENCE: Duration = Duration::from_millis(500);

/// `LOG_DAEMON | LOG_INFO` (syslog(3)): what lines without a `<N>` are.
const PRIORITY: u32 = 3 << 3 | 6;

/// The ends to write to of the pipes of one process.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// Standard output and standard error of a process that is about to be made.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
    /// What `JOURNAL_STREAM` is: device and inode of the connection, by which a
    /// program knows that it writes to the journal.
    pub(super) journal: Option<String>,
    /// For the log: what it starts without.
    pub(super) trouble: Option<String>,
    /// Open until the process has been made.
    _open: Vec<OwnedFd>,
}

impl Streams {
    /// `journal`: the path of its socket.
    ///
    /// # Errors
    /// The error word for the slot.
    pub(super) fn new(
        plan: &EntityPlan,
        pipes: Pipes,
        journal: &Path,
    ) -> std::result::Result<Streams, u64> {
        let mut open = Vec::new();
        let (mut connection, mut told, mut trouble) = (None, None, None);
        // Both of its streams share one connection, and so keep their order.
        if [&plan.stdout, &plan.stderr].into_iter().any(|stream| *stream == Stream::Journal) {
            match connect(journal, &plan.name) {
                Ok((fd, text)) => {
                    connection = Some(fd.as_raw_fd());
                    told = Some(text);
                    open.push(fd);
                }
                Err(error) if plan.settings.optional.contains(&Setting::Journal) => {
                    trouble = Some(format!("{error}; optional, so it writes to where ham does"));
                }
                Err(error) => {
                    return Err(ERROR_JOURNAL | u64::from(error.errno.0.unsigned_abs()));
                }
            }
        }
        let mut stdio = |stream: &Stream, pipe: Option<OwnedFd>| {
            Ok::<_, u64>(match stream {
                Stream::Inherit => Stdio::Inherit,
                Stream::Null => Stdio::Null,
                Stream::Same => Stdio::Same,
                Stream::File(path) => {
                    Stdio::Append(CString::new(path.as_str()).map_err(|_| ERROR_NUL)?)
                }
                Stream::Journal => connection.map_or(Stdio::Inherit, Stdio::Fd),
                Stream::Ham | Stream::Usual => pipe.map_or(Stdio::Inherit, |pipe| {
                    let number = pipe.as_raw_fd();
                    open.push(pipe);
                    Stdio::Fd(number)
                }),
            })
        };
        let stdout = stdio(&plan.stdout, pipes.stdout)?;
        let stderr = stdio(&plan.stderr, pipes.stderr)?;
        Ok(Streams { stdout, stderr, journal: told, trouble, _open: open })
    }
}

/// A connection on which every line becomes an entry, as sd_journal_stream_fd(3)
/// makes one; and what names it.
fn connect(path: &Path, name: &str) -> Result<(OwnedFd, String)> {
    let header = format!("{name}\n\n{PRIORITY}\n1\n0\n0\n0\n");
    let connection = socket::connect_and_say(path, header.as_bytes(), JOURNAL_PATIENCE)?;
    let file = File::from(connection);
    let names = file.metadata().map(|status| format!("{}:{}", status.dev(), status.ino()));
    Ok((file.into(), names.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::ids::EntityId;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    struct Place(PathBuf);

    impl Place {
        fn new(what: &str) -> Place {
            let name = format!("ham-streams-{what}-{}", std::process::id());
            Place(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn plan(stdout: Stream, stderr: Stream) -> EntityPlan {
        let mut plan = EntityPlan::new(EntityId(1), "web", vec!["true".to_owned()]);
        (plan.stdout, plan.stderr) = (stdout, stderr);
        plan
    }

    #[test]
    fn both_streams_share_a_connection_that_says_who_writes() {
        let place = Place::new("journal");
        let journal = UnixListener::bind(&place.0).unwrap();
        let plan = plan(Stream::Journal, Stream::Journal);
        let mut streams = Streams::new(&plan, Pipes::default(), &place.0).unwrap();
        assert_eq!(streams.stdout, streams.stderr);
        assert!(matches!(streams.stdout, Stdio::Fd(number) if number > 2), "{streams:?}");
        let mut writer = File::from(streams._open.pop().unwrap());
        let status = writer.metadata().unwrap();
        assert_eq!(streams.journal, Some(format!("{}:{}", status.dev(), status.ino())));
        writeln!(writer, "first").unwrap();
        drop(writer);
        let lines: Vec<String> = BufReader::new(journal.accept().unwrap().0)
            .lines()
            .collect::<std::io::Result<_>>()
            .unwrap();
        assert_eq!(lines, ["web", "", "30", "1", "0", "0", "0", "first"]);
        assert!(journal.set_nonblocking(true).is_ok() && journal.accept().is_err());
    }

    #[test]
    fn without_a_journal_only_an_optional_one_starts() {
        let place = Place::new("none");
        let mut plan = plan(Stream::Null, Stream::Journal);
        let error = Streams::new(&plan, Pipes::default(), &place.0).unwrap_err();
        let text = crate::facts::spawn_error(error);
        assert!(text.starts_with("could not reach the journal: No such file"), "{text}");
        plan.settings.optional.push(Setting::Journal);
        let streams = Streams::new(&plan, Pipes::default(), &place.0).unwrap();
        assert_eq!((streams.stdout, streams.stderr), (Stdio::Null, Stdio::Inherit));
        assert_eq!(streams.journal, None);
        let trouble = streams.trouble.unwrap();
        assert!(trouble.contains("optional, so it writes to where ham does"), "{trouble}");
    }

    /// Its queue is full: nobody takes connections any more.
    #[test]
    fn a_journal_that_hangs_is_not_waited_for() {
        let place = Place::new("hung");
        let _journal = UnixListener::bind(&place.0).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match socket::connect_and_say(&place.0, b"", Duration::from_millis(50)) {
                Ok(connection) => waiting.push(connection),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000, "the queue has no end");
        };
        assert_eq!(full.errno, ham_sys::Errno::EAGAIN);
        let plan = plan(Stream::Journal, Stream::Same);
        let error = Streams::new(&plan, Pipes::default(), &place.0).unwrap_err();
        assert!(crate::facts::spawn_error(error).contains("EAGAIN"));
    }
}
