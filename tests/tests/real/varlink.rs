//! A client of the control socket that does what `hamctl` never would: it
//! writes what it likes when it likes, and reads later. Knows the framing,
//! not the methods.

use ham_tests::programs::PATIENCE;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// One connection.
pub(super) struct Client {
    stream: UnixStream,
    answers: VecDeque<Value>,
    unfinished: Vec<u8>,
}

/// A call of the manager's interface, with the NUL that ends it.
pub(super) fn call(method: &str, parameters: &Value) -> Vec<u8> {
    let call = serde_json::json!({
        "method": format!("io.ham.Manager.{method}"),
        "parameters": parameters,
    });
    let mut bytes = call.to_string().into_bytes();
    bytes.push(0);
    bytes
}

/// What every Varlink service answers at once.
pub(super) fn get_info() -> Vec<u8> {
    b"{\"method\":\"org.varlink.service.GetInfo\"}\0".to_vec()
}

impl Client {
    /// Connects to the manager on that runtime directory.
    pub(super) fn new(runtime: &Path) -> Client {
        let stream = UnixStream::connect(runtime.join("control")).expect("a connection");
        // Neither is ever waited for so long by a manager that is well.
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit of time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit of time");
        Client { stream, answers: VecDeque::new(), unfinished: Vec::new() }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the manager reads");
    }

    /// Says that nothing more will come.
    pub(super) fn close_for_writing(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a connection");
    }

    /// The next answer; `None`: the manager has closed.
    pub(super) fn answer(&mut self) -> Option<Value> {
        while self.answers.is_empty() {
            let mut bytes = [0; 64 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.take(&bytes[..count]),
                // With a limit of time the kernel does not begin anew by itself.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
        self.answers.pop_front()
    }

    /// Whether there is something to read by now.
    pub(super) fn is_answered(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => self.take(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        self.stream.set_nonblocking(false).expect("a socket");
        !self.answers.is_empty()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == 0) {
            let frame: Vec<u8> = self.unfinished.drain(..=end).collect();
            let answer = serde_json::from_slice(&frame[..end]).expect("an answer is JSON");
            self.answers.push_back(answer);
        }
    }
}
