//! A call with many answers, which goes on over takeovers: each answer says
//! where the next manager is to go on, so that nothing comes twice and nothing
//! is missing.

use super::{Break, Manager, READ_SIZE, Reply, interpret};
use crate::error::Error;
use ham_core::wire::{Call, Frames, HistoryParameters, MAX_FRAME, to_frame};
use serde::Deserialize;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

const METHOD: &str = "History";

#[derive(Deserialize)]
struct Continues {
    #[serde(default)]
    continues: bool,
}

impl Manager {
    /// Follows the history until the manager ends in good order. `take` gets
    /// each answer and gives the number to go on from.
    ///
    /// # Errors
    /// When there is no manager, it refuses, or `take` fails.
    pub(crate) fn follow(
        &self,
        mut asked: HistoryParameters,
        mut take: impl FnMut(&Reply) -> Result<u64, Error>,
    ) -> Result<(), Error> {
        asked.follow = true;
        let mut line = self.line();
        let mut stream = line.connect().map_err(|cause| self.unreachable(cause))?;
        loop {
            let mut hear = |reply: &Reply| {
                line.heard();
                take(reply)
            };
            match listen(&mut stream, &mut asked, &mut hear) {
                Ok(()) => return Ok(()),
                Err(Break::Other(error)) => return Err(error),
                Err(Break::Gone(cause)) => stream = self.again(&mut line, METHOD, cause)?,
            }
        }
    }
}

/// Asks, and takes answers until the last one.
fn listen(
    stream: &mut UnixStream,
    asked: &mut HistoryParameters,
    take: &mut impl FnMut(&Reply) -> Result<u64, Error>,
) -> Result<(), Break> {
    let garbled =
        |cause: String| Break::Other(Error::Protocol { method: METHOD.to_owned(), cause });
    let frame = Call::to_manager(METHOD, asked)
        .map(|call| Call { more: true, ..call })
        .and_then(|call| to_frame(&call))
        .map_err(|cause| garbled(cause.to_string()))?;
    stream.write_all(&frame).map_err(|cause| gone("send a request to", cause))?;
    let mut frames = Frames::new();
    let mut bytes = vec![0; READ_SIZE];
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => return Err(Break::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(gone("read the answer of", cause)),
        };
        frames.push(&bytes[..count], MAX_FRAME).map_err(|cause| garbled(cause.to_string()))?;
        while let Some(answer) = frames.next_frame() {
            let reply = interpret(METHOD, &answer).map_err(Break::Other)?;
            asked.after = Some(take(&reply).map_err(Break::Other)?);
            asked.limit = None;
            let Continues { continues } =
                serde_json::from_slice(&answer).map_err(|cause| garbled(cause.to_string()))?;
            if !continues {
                return Ok(());
            }
        }
    }
}

/// Whether the manager went away, or something else is wrong.
fn gone(verb: &'static str, cause: io::Error) -> Break {
    match cause.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Break::Gone(cause),
        _ => Break::Other(Error::Connection { verb, cause }),
    }
}
