//! One request over the control socket and its answer, repeated where a
//! takeover of the monitor cut it off: what changes something carries a name
//! by which the manager knows a repeat. Knows Varlink, but not what any method
//! means.

mod follow;

use crate::error::Error;
use crate::runtime::Place;
use ham_core::wire::{Answer, Call, Frames, MAX_FRAME, RequestTag, SERVICE_INTERFACE, to_frame};
use libham::{Line, Unreached};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long a new manager may take to answer on the socket after the old one
/// broke off. A takeover takes milliseconds; a hung monitor is replaced after
/// its connection has been cut, so that this covers that too.
const RECONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A manager answers what it need not wait for at once. A hung monitor is
/// replaced after about 6 s, so one that is silent for this long is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Bytes per read; a status of 10,000 entities is some MiB.
const READ_SIZE: usize = 256 * 1024;

/// When a request is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long the answer may take; `None`: as long as it takes.
    limit: Option<Duration>,
    /// Whether it is repeated to the successor of a manager that has gone.
    repeats: bool,
}

impl Manner {
    /// At once.
    pub(crate) const AT_ONCE: Manner = Manner { limit: Some(ANSWER_WITHIN), repeats: true };
    /// When it is done.
    pub(crate) const WHEN_DONE: Manner = Manner { limit: None, repeats: true };
    /// At once, and sent once: whoever asks looks first whether it was done.
    pub(crate) const ONCE: Manner = Manner { limit: Some(ANSWER_WITHIN), repeats: false };
}

/// A name for one request that changes something, which no other request of
/// anybody has: the manager carries out what comes under it only once.
pub(crate) fn new_tag() -> RequestTag {
    RequestTag { client: libham::client_name(), serial: 1 }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Reply {
    method: String,
    /// The parameters of the answer as the manager wrote them.
    text: String,
}

impl Reply {
    /// The result as the manager wrote it, on one line.
    pub(crate) fn json(&self) -> &str {
        &self.text
    }

    /// The result as one of the types of the interface.
    ///
    /// # Errors
    /// When it is not of that type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|cause| Error::Protocol {
            method: self.method.clone(),
            cause: cause.to_string(),
        })
    }
}

/// The manager behind a control socket.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: PathBuf,
    system: bool,
}

/// Why an exchange gave no answer.
#[derive(Debug)]
enum Break {
    /// The manager went away; it may have carried the request out or not.
    Gone(io::Error),
    /// Not by a manager going away.
    Other(Error),
}

impl Manager {
    /// The manager at a place; does not connect yet.
    pub(crate) fn at(place: &Place) -> Manager {
        Manager { socket: place.socket(), system: place.system }
    }

    /// Whether something accepts connections on the socket.
    pub(crate) fn listens(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    /// Calls a method of `io.ham.Manager`.
    ///
    /// # Errors
    /// When there is no manager, it refuses, or no answer can be had.
    pub(crate) fn call<P: Serialize>(
        &self,
        method: &str,
        parameters: &P,
        manner: Manner,
    ) -> Result<Reply, Error> {
        let frame = Call::to_manager(method, parameters)
            .and_then(|call| to_frame(&call))
            .map_err(|cause| Error::Protocol { method: method.into(), cause: cause.to_string() })?;
        let mut line = self.line();
        let mut stream = line.connect().map_err(|cause| self.unreachable(cause))?;
        loop {
            match exchange(&mut stream, method, &frame, manner.limit) {
                Ok(answer) => return interpret(method, &answer),
                Err(Break::Other(error)) => return Err(error),
                Err(Break::Gone(cause)) if !manner.repeats => {
                    return Err(Error::Lost { method: method.to_owned(), attempts: 1, cause });
                }
                Err(Break::Gone(cause)) => stream = self.again(&mut line, method, cause)?,
            }
        }
    }

    fn line(&self) -> Line {
        Line::to(&self.socket, RECONNECT_WITHIN)
    }

    /// Connects to the successor of a manager that has just gone away.
    fn again(&self, line: &mut Line, method: &str, cause: io::Error) -> Result<UnixStream, Error> {
        line.again(cause).map_err(|unreached| match unreached {
            Unreached::GivenUp { attempts, cause } => {
                Error::Lost { method: method.to_owned(), attempts, cause }
            }
            Unreached::Absent(cause) => self.unreachable(cause),
            // Of a libham that knows more.
            other => self.unreachable(io::Error::other(other)),
        })
    }

    fn unreachable(&self, cause: io::Error) -> Error {
        let socket = self.socket.clone();
        if cause.kind() == io::ErrorKind::PermissionDenied {
            Error::NoAccess { socket, cause }
        } else {
            Error::NoManager { socket, cause, system: self.system }
        }
    }
}

/// Sends one request and reads one answer.
fn exchange(
    stream: &mut UnixStream,
    method: &str,
    frame: &[u8],
    limit: Option<Duration>,
) -> Result<Vec<u8>, Break> {
    let failed = |verb, cause| Break::Other(Error::Connection { verb, cause });
    stream
        .set_read_timeout(limit)
        .and_then(|()| stream.set_write_timeout(limit))
        .map_err(|cause| failed("set a time limit for", cause))?;
    if let Err(cause) = stream.write_all(frame) {
        return Err(match cause.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Break::Gone(cause),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => silent(method, limit),
            _ => failed("send a request to", cause),
        });
    }
    let mut frames = Frames::new();
    let mut bytes = vec![0; READ_SIZE];
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => {
                let cause = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(Break::Gone(cause));
            }
            Ok(count) => count,
            Err(cause) => match cause.kind() {
                io::ErrorKind::Interrupted => continue,
                // A unix socket that is closed with unread bytes in it resets
                // the other side (net/unix/af_unix.c, unix_release_sock).
                io::ErrorKind::ConnectionReset => return Err(Break::Gone(cause)),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    return Err(silent(method, limit));
                }
                _ => return Err(failed("read the answer of", cause)),
            },
        };
        let garbled =
            |cause: String| Break::Other(Error::Protocol { method: method.to_owned(), cause });
        frames.push(&bytes[..count], MAX_FRAME).map_err(|cause| garbled(cause.to_string()))?;
        if let Some(answer) = frames.next_frame() {
            return Ok(answer);
        }
    }
}

fn silent(method: &str, limit: Option<Duration>) -> Break {
    let after = limit.unwrap_or(ANSWER_WITHIN);
    Break::Other(Error::Silent { method: method.to_owned(), after })
}

/// An answer whose parameters stay as they were written.
#[derive(Deserialize)]
struct RawAnswer<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

fn interpret(method: &str, bytes: &[u8]) -> Result<Reply, Error> {
    let garbled = |cause: serde_json::Error| Error::Protocol {
        method: method.into(),
        cause: cause.to_string(),
    };
    let raw: RawAnswer<'_> = serde_json::from_slice(bytes).map_err(garbled)?;
    let Some(error) = raw.error else {
        // Varlink lets a result without fields be left out.
        let text = raw.parameters.map_or("{}", RawValue::get).to_owned();
        return Ok(Reply { method: method.to_owned(), text });
    };
    let answer: Answer = serde_json::from_slice(bytes).map_err(garbled)?;
    if let Some(refusal) = answer.as_refusal() {
        return Err(Error::Refused(refusal));
    }
    let parameter = answer.parameters.get("parameter").and_then(|name| name.as_str());
    let of_service = error.strip_prefix(SERVICE_INTERFACE).and_then(|rest| rest.strip_prefix('.'));
    Err(match (of_service, parameter) {
        (Some("MethodNotFound" | "MethodNotImplemented" | "InterfaceNotFound"), _) => {
            Error::UnknownMethod { method: method.to_owned() }
        }
        (Some("InvalidParameter"), Some(parameter)) => {
            Error::UnknownParameter { method: method.to_owned(), parameter: parameter.to_owned() }
        }
        _ => Error::RefusedOtherwise {
            method: method.to_owned(),
            error,
            parameters: answer.parameters.to_string(),
        },
    })
}
