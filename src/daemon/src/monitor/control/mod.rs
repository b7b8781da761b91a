//! The control socket: connections, and who is at the other end. What is
//! asked is in `calls`, what is shown in `shown`. A client that does not read
//! its answers is cut off; none is ever waited for.

mod calls;
mod shown;

use super::{CLIENTS, Engine};
use ham_core::ids::RequestId;
use ham_core::wire::{Answer, Call, Frames, Outcome, to_frame};
use ham_sys::poller::{Interest, Ready};
use ham_sys::socket::{self, Peer};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Connections at the same time; more wait in the kernel's queue.
const MOST_CLIENTS: usize = 256;
/// A call is never longer than this.
const CALL_BYTES: usize = 1024 * 1024;
/// Calls that came while one of the client's is being worked on; beyond that
/// it is cut off.
const PILED_BYTES: usize = 2 * CALL_BYTES;
/// Answers that a client has not read yet; beyond that it is cut off. Two
/// statuses of the largest installation fit.
const UNREAD_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Control {
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    next_request: u64,
    /// Which client waits for which request.
    requests: BTreeMap<RequestId, u64>,
    /// The listener is not looked at: there are too many clients, or the
    /// descriptors have run out.
    deaf: bool,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    peer: Peer,
    frames: Frames,
    unread: Vec<u8>,
    /// The call that is being worked on: Varlink answers in order.
    waiting: Option<Waiting>,
    writing: bool,
}

/// A call that waits for outcomes.
#[derive(Debug)]
struct Waiting {
    verb: &'static str,
    open: usize,
    outcomes: Vec<Outcome>,
    oneway: bool,
}

impl Control {
    pub(super) fn new() -> Control {
        Control {
            clients: BTreeMap::new(),
            next_client: CLIENTS,
            next_request: 0,
            requests: BTreeMap::new(),
            deaf: false,
        }
    }

    /// At the very end: what was answered is sent as far as it can be.
    pub(super) fn close_all(&mut self) {
        for client in self.clients.values_mut() {
            let _ = client.stream.write(&client.unread);
        }
        self.clients.clear();
        self.requests.clear();
    }

    fn request(&mut self, client: u64) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        self.requests.insert(id, client);
        id
    }
}

impl Engine {
    pub(super) fn accept_clients(&mut self) {
        while self.control.clients.len() < MOST_CLIENTS {
            match self.shared.control.accept() {
                Ok(Some(stream)) => self.add_client(stream),
                Ok(None) => return,
                Err(_) => break,
            }
        }
        // Level-triggered: it would be told again and again. It is looked at
        // again when a client leaves.
        if !self.control.deaf {
            self.control.deaf = true;
            let _ = self.poller.remove(&self.shared.control);
        }
    }

    fn add_client(&mut self, stream: UnixStream) {
        let Ok(peer) = socket::peer(&stream) else { return };
        let token = self.control.next_client;
        self.control.next_client += 1;
        if self.poller.add(&stream, token, Interest::READ).is_err() {
            return;
        }
        let client = Client {
            stream,
            peer,
            frames: Frames::new(),
            unread: Vec::new(),
            waiting: None,
            writing: false,
        };
        self.control.clients.insert(token, client);
    }

    fn drop_client(&mut self, token: u64) {
        let Some(client) = self.control.clients.remove(&token) else { return };
        let _ = self.poller.remove(&client.stream);
        self.control.requests.retain(|_, waiting| *waiting != token);
        if self.control.deaf {
            let again = self.poller.add(&self.shared.control, super::LISTENER, Interest::READ);
            self.control.deaf = again.is_err();
        }
    }

    pub(super) fn serve_client(&mut self, token: u64, ready: &Ready) {
        if ready.readable || ready.hangup {
            match self.read_client(token) {
                Ok(true) => {}
                Ok(false) | Err(()) => {
                    self.drop_client(token);
                    return;
                }
            }
        }
        self.next_calls(token);
        self.write_client(token);
    }

    /// False when the client has closed.
    fn read_client(&mut self, token: u64) -> Result<bool, ()> {
        let Some(client) = self.control.clients.get_mut(&token) else { return Ok(true) };
        let mut bytes = [0u8; 16 * 1024];
        loop {
            match client.stream.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    let got = bytes.get(..count).unwrap_or_default();
                    client.frames.push(got, CALL_BYTES).map_err(|_| ())?;
                    // One client's flood is not read for ever in one go.
                    if count < bytes.len() {
                        return Ok(true);
                    }
                    // Nor are calls piled up for ever behind one that waits.
                    if client.frames.pending() > PILED_BYTES {
                        return Err(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
    }

    /// Works off the calls of a client, one after the other.
    fn next_calls(&mut self, token: u64) {
        loop {
            let Some(client) = self.control.clients.get_mut(&token) else { return };
            if client.waiting.is_some() {
                return;
            }
            let Some(frame) = client.frames.next_frame() else { return };
            let peer = client.peer;
            match serde_json::from_slice::<Call>(&frame) {
                Ok(call) => {
                    if let Some(answer) = self.call(token, peer, &call)
                        && !call.oneway
                    {
                        self.send(token, &answer);
                    }
                    self.run_events();
                }
                Err(_) => {
                    // After bytes that are no call nothing can be trusted.
                    self.drop_client(token);
                    return;
                }
            }
        }
    }

    fn send(&mut self, token: u64, answer: &Answer) {
        let Ok(bytes) = to_frame(answer) else { return };
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        client.unread.extend_from_slice(&bytes);
        if client.unread.len() > UNREAD_BYTES {
            self.drop_client(token);
            return;
        }
        self.write_client(token);
    }

    fn write_client(&mut self, token: u64) {
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        while !client.unread.is_empty() {
            match client.stream.write(&client.unread) {
                Ok(count) => {
                    client.unread.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.drop_client(token);
                    return;
                }
            }
        }
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        let wants = !client.unread.is_empty();
        if wants != client.writing {
            client.writing = wants;
            let interest = if wants { Interest::BOTH } else { Interest::READ };
            if self.poller.change(&client.stream, token, interest).is_err() {
                self.drop_client(token);
            }
        }
    }
}
