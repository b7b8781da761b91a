//! The way to the manager behind a control socket: to it, and to its successor
//! when it goes away in the middle. Knows nothing of what is said on it.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// From the first pause on they double: a successor is there in milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(100);
/// Managers in a row that went away without an answer. So many die of the request
/// itself, or of something that repeating it does not mend.
const MOST_ATTEMPTS: u32 = 20;

/// A control socket, and who has gone away there without an answer.
#[derive(Debug)]
pub struct Line {
    socket: PathBuf,
    within: Duration,
    attempts: u32,
}

/// Why there is no other manager to ask.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unreached {
    /// Nobody listens, or the caller may not connect.
    Absent(io::Error),
    /// So many managers in a row went away; the last of them like this.
    GivenUp {
        /// How many.
        attempts: u32,
        /// How it went away.
        cause: io::Error,
    },
}

impl Line {
    /// To that socket. A successor may take so long until it listens.
    #[must_use]
    pub fn to(socket: &Path, within: Duration) -> Line {
        Line { socket: socket.to_owned(), within, attempts: 0 }
    }

    /// Connects to whoever listens now.
    ///
    /// # Errors
    /// As connect(2).
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.socket)
    }

    /// There was an answer: managers that went away before do not count.
    pub fn heard(&mut self) {
        self.attempts = 0;
    }

    /// Connects to the successor of a manager that has gone away like this. After
    /// an error the next request begins anew.
    ///
    /// # Errors
    /// When nobody listens in time, or too many have gone away in a row.
    pub fn again(&mut self, cause: io::Error) -> Result<UnixStream, Unreached> {
        let attempts = self.attempts.saturating_add(1);
        self.attempts = 0;
        if attempts >= MOST_ATTEMPTS {
            return Err(Unreached::GivenUp { attempts, cause });
        }
        let stream = self.successor().map_err(Unreached::Absent)?;
        self.attempts = attempts;
        Ok(stream)
    }

    fn successor(&self) -> io::Result<UnixStream> {
        let deadline = Instant::now().checked_add(self.within);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect() {
                Ok(stream) => return Ok(stream),
                Err(cause) if !is_absence(&cause) => return Err(cause),
                Err(cause) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(cause);
                }
                Err(_) => sleep(pause),
            }
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
    }
}

/// Whether connect(2) failed because nobody listens: the socket is missing
/// or its listener is gone.
fn is_absence(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreached::Absent(cause) => write!(f, "nobody answers: {cause}"),
            Unreached::GivenUp { attempts, cause } => {
                write!(f, "{attempts} managers in a row went away: {cause}")
            }
        }
    }
}

impl std::error::Error for Unreached {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Unreached::Absent(cause) | Unreached::GivenUp { cause, .. } => Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn cut() -> io::Error {
        io::ErrorKind::UnexpectedEof.into()
    }

    #[test]
    fn who_goes_away_again_and_again_is_given_up_and_an_answer_begins_anew() {
        let folder = std::env::temp_dir().join(format!("libham-line-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("control");
        let mut line = Line::to(&socket, Duration::ZERO);
        assert!(matches!(line.again(cut()), Err(Unreached::Absent(_))), "nobody listens");
        let listener = UnixListener::bind(&socket).unwrap();
        let goes_away = |line: &mut Line, times: u32| {
            for time in 0..times {
                assert!(line.again(cut()).is_ok(), "{time}");
                drop(listener.accept().unwrap());
            }
        };
        goes_away(&mut line, MOST_ATTEMPTS - 2);
        line.heard();
        goes_away(&mut line, MOST_ATTEMPTS - 1);
        let end = line.again(cut()).unwrap_err();
        assert!(matches!(end, Unreached::GivenUp { attempts: MOST_ATTEMPTS, .. }), "{end}");
        // That request is over.
        goes_away(&mut line, 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
