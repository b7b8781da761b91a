//! Calls over the control socket (Varlink): one at a time, again at the
//! successor when the monitor ends in between, with a descriptor where one comes
//! along.

use crate::{Error, Line, Unreached};
use ham_core::wire::{Answer, Call, Frames, MAX_FRAME, to_frame};
use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::rights::receive_with;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a successor of the manager may take to answer. A takeover takes
/// milliseconds; a hung monitor is replaced after about six seconds.
const RECONNECT_WITHIN: Duration = Duration::from_secs(10);
/// An answer that does not come within this time never does.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Connection {
    line: Line,
    stream: Option<UnixStream>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Result<Connection, Error> {
        let line = Line::to(socket, RECONNECT_WITHIN);
        let stream = line
            .connect()
            .map_err(|cause| Error::NoManager { socket: socket.to_owned(), cause })?;
        Ok(Connection { line, stream: Some(stream) })
    }

    /// The result of a method, and the descriptor that came with it.
    pub(crate) fn call<P: Serialize, R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &P,
    ) -> Result<(R, Option<OwnedFd>), Error> {
        let protocol = |error: serde_json::Error| Error::Protocol(format!("{method}: {error}"));
        let call = Call::to_manager(method, parameters).map_err(protocol)?;
        let frame = to_frame(&call).map_err(protocol)?;
        let (answer, fd) = loop {
            let lost = match self.stream.take().map_or_else(|| self.line.connect(), Ok) {
                Ok(mut stream) => match exchange(&mut stream, &frame) {
                    Ok(answered) => {
                        self.line.heard();
                        self.stream = Some(stream);
                        break answered;
                    }
                    Err(Broken::Lost(cause)) => cause,
                    Err(Broken::Odd(what)) => {
                        return Err(Error::Protocol(format!("{method}: {what}")));
                    }
                },
                Err(cause) => cause,
            };
            self.stream = Some(self.line.again(lost).map_err(|unreached| match unreached {
                Unreached::Absent(cause) | Unreached::GivenUp { cause, .. } => Error::Lost(cause),
            })?);
        };
        if let Some(refusal) = answer.as_refusal() {
            return Err(Error::Refused(refusal));
        }
        if let Some(error) = answer.error {
            return Err(Error::Protocol(format!("{method}: {error}")));
        }
        let result = serde_json::from_value(answer.parameters).map_err(protocol)?;
        Ok((result, fd))
    }
}

/// Why there is no answer.
enum Broken {
    /// The manager has gone, perhaps to be replaced.
    Lost(io::Error),
    /// What came is no answer.
    Odd(String),
}

fn exchange(stream: &mut UnixStream, frame: &[u8]) -> Result<(Answer, Option<OwnedFd>), Broken> {
    stream.write_all(frame).map_err(Broken::Lost)?;
    let system = |error: ham_sys::SysError| Broken::Odd(error.to_string());
    let poller = Poller::new().map_err(system)?;
    poller.add(&*stream, 0, Interest::READ).map_err(system)?;
    let deadline = Instant::now() + ANSWER_WITHIN;
    let (mut frames, mut passed) = (Frames::new(), None);
    let mut bytes = [0u8; 4096];
    loop {
        match receive_with(&*stream, &mut bytes).map_err(system)? {
            Some((0, _)) => return Err(Broken::Lost(io::ErrorKind::UnexpectedEof.into())),
            Some((count, fd)) => {
                passed = fd.or(passed);
                let got = bytes.get(..count).unwrap_or_default();
                frames.push(got, MAX_FRAME).map_err(|error| Broken::Odd(error.to_string()))?;
                if let Some(frame) = frames.next_frame() {
                    let answer = serde_json::from_slice(&frame);
                    let answer = answer.map_err(|error| Broken::Odd(error.to_string()))?;
                    return Ok((answer, passed));
                }
            }
            None => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Broken::Odd("no answer".to_owned()));
                }
                poller.wait(&mut [Ready::default()], Some(left)).map_err(system)?;
            }
        }
    }
}
