//! The control socket: connections, and who is at the other end. What is
//! asked is in `calls`, what is shown in `shown`. A client that does not read
//! its answers is cut off; none is ever waited for.

mod access;
mod attach;
mod calls;
mod changes;
mod directives;
mod failed;
mod graph;
mod heartbeat;
mod history;
mod late;
mod pulses;
mod reload;
mod show;
mod shown;
mod verbosity;

pub(super) use reload::say_reloaded;

use super::reload::Asked;
use super::{CLIENTS, Engine};
use ham_core::ids::RequestId;
use ham_core::wire::{Answer, Call, Frames, Outcome, to_frame};
use ham_sys::poller::{Interest, Ready};
use ham_sys::socket::{self, Listener, Peer};
use ham_sys::{allocation, clock, process};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Connections at the same time; more wait in the kernel's queue.
const MOST_CLIENTS: usize = 256;
/// Of these so many are for root and the manager's own user.
const KEPT_FOR_OWN: usize = 64;
/// Connections of any other user at the same time.
const MOST_OF_ONE_USER: usize = 32;
/// How long the listener is not looked at when a connection cannot be taken.
const DEAF_NS: u64 = 1_000_000_000;
/// Calls of one client before the next one's turn comes.
const CALLS_IN_TURN: usize = 16;
/// A call is never longer than this.
const CALL_BYTES: usize = 1024 * 1024;
/// Calls that came while one of the client's is being worked on; beyond that
/// it is cut off.
const PILED_BYTES: usize = 2 * CALL_BYTES;
/// Answers that a client has not read yet; beyond that it is cut off. Two
/// statuses of the largest installation fit.
const UNREAD_BYTES: usize = 64 * 1024 * 1024;

/// Once an answer of this size has been read, its memory goes back to the
/// system: some thousand entities in `status`.
const LARGE_ANSWER: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Control {
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    next_request: u64,
    /// Which client waits for which request.
    requests: BTreeMap<RequestId, u64>,
    /// Clients whose next call can be worked on.
    ready: BTreeSet<u64>,
    /// Clients that follow the history.
    followers: BTreeMap<u64, history::Follower>,
    /// Calls that wait for the end of a process, by their clients.
    late: BTreeMap<u64, late::Late>,
    /// Clients that wait for pulses.
    receivers: BTreeMap<u64, pulses::Receiver>,
    /// Their channels, as the core was told last.
    receiving: BTreeSet<String>,
    /// The listener is not looked at: there are too many clients, or the
    /// descriptors have run out.
    deaf: bool,
    /// When it is looked at again whatever happens.
    again_at: Option<u64>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    peer: Peer,
    frames: Frames,
    unread: Vec<u8>,
    /// The call that is being worked on: Varlink answers in order.
    waiting: Option<Waiting>,
    /// It has closed its end for writing.
    said_all: bool,
    /// What the poller looks for.
    interest: Interest,
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
            ready: BTreeSet::new(),
            followers: BTreeMap::new(),
            late: BTreeMap::new(),
            receivers: BTreeMap::new(),
            receiving: BTreeSet::new(),
            deaf: false,
            again_at: None,
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.again_at
    }

    /// At the very end: what was answered is sent as far as it can be.
    pub(super) fn close_all(&mut self) {
        for client in self.clients.values_mut() {
            let _ = client.stream.write(&client.unread);
        }
        self.clients.clear();
        self.requests.clear();
    }

    /// Whether the client's call goes on, and it is told as things happen.
    fn is_told(&self, client: u64) -> bool {
        self.followers.contains_key(&client) || self.receivers.contains_key(&client)
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
            match self.listener.as_ref().map_or(Ok(None), Listener::accept) {
                Ok(Some(stream)) => self.add_client(stream),
                Ok(None) => return,
                Err(_) => break,
            }
        }
        // Level-triggered: it would be told again and again. It is looked at
        // again when a client leaves.
        if !self.control.deaf {
            self.control.deaf = true;
            if let Some(listener) = self.listener.as_ref() {
                let _ = self.poller.remove(listener);
            }
        }
        self.control.again_at = Some(clock::monotonic().saturating_add(DEAF_NS));
    }

    /// Looks at the listener again.
    pub(super) fn listen_again(&mut self) {
        self.control.again_at = None;
        if let Some(listener) = self.listener.as_ref().filter(|_| self.control.deaf) {
            let again = self.poller.add(listener, super::LISTENER, Interest::READ);
            self.control.deaf = again.is_err();
        }
    }

    /// Whether another connection of that user is one too many: the places of
    /// root and of the manager's own user are not for others to take.
    fn is_crowd(&self, peer: Peer) -> bool {
        if peer.uid == 0 || peer.uid == process::effective_uid() {
            return false;
        }
        let of_user = self.control.clients.values().filter(|client| client.peer.uid == peer.uid);
        of_user.count() >= MOST_OF_ONE_USER
            || self.control.clients.len() >= MOST_CLIENTS - KEPT_FOR_OWN
    }

    fn add_client(&mut self, stream: UnixStream) {
        let Ok(peer) = socket::peer(&stream) else { return };
        if self.is_crowd(peer) {
            return;
        }
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
            said_all: false,
            interest: Interest::READ,
        };
        self.control.clients.insert(token, client);
    }

    /// The supplementary groups of a client; none, if nobody can tell.
    fn groups_of(&self, token: u64) -> Vec<u32> {
        let client = self.control.clients.get(&token);
        client.and_then(|client| socket::peer_groups(&client.stream).ok()).unwrap_or_default()
    }

    fn drop_client(&mut self, token: u64) {
        let Some(client) = self.control.clients.remove(&token) else { return };
        let _ = self.poller.remove(&client.stream);
        self.control.ready.remove(&token);
        self.control.receivers.remove(&token);
        self.control.late.remove(&token);
        self.loading.tried.remove(&token);
        // What only its answer would have been for.
        let waits = |asked: &Asked| asked.client == Some(token);
        let idle = |asked: &Asked| !asked.apply || !asked.instances.is_empty();
        self.loading.queue.retain(|asked| !(waits(asked) && idle(asked)));
        let gone: Vec<RequestId> = self
            .control
            .requests
            .iter()
            .filter(|(_, waiting)| **waiting == token)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.control.requests.remove(&id);
            self.core.forget_request(id);
        }
        if self.control.deaf {
            self.listen_again();
        }
    }

    pub(super) fn serve_client(&mut self, token: u64, ready: &Ready) {
        if ready.readable || ready.hangup {
            match self.read_client(token) {
                Ok(true) => {}
                Ok(false) => self.client_has_said_all(token),
                Err(()) => {
                    self.drop_client(token);
                    return;
                }
            }
        }
        if ready.hangup {
            // Nobody hears the answers; what was asked for is done.
            self.next_calls(token);
            self.drop_client(token);
            return;
        }
        self.control.ready.insert(token);
        self.write_client(token);
    }

    /// It may still want to hear the answers.
    fn client_has_said_all(&mut self, token: u64) {
        if let Some(client) = self.control.clients.get_mut(&token) {
            client.said_all = true;
        }
    }

    /// Works off calls that wait, some of each client in turn, so that nobody
    /// keeps the monitor from what happens to entities.
    pub(super) fn serve_waiting_clients(&mut self) {
        self.make_late_calls();
        for token in std::mem::take(&mut self.control.ready) {
            self.next_calls(token);
            self.write_client(token);
            self.end_client(token);
        }
        if !self.control.ready.is_empty() {
            // There is more to do: the next wait is none.
            self.completions.wake().post();
        }
    }

    /// A client that has said all and heard all is done.
    fn end_client(&mut self, token: u64) {
        let done = self.control.clients.get(&token).is_some_and(|client| {
            client.said_all
                && client.waiting.is_none()
                && !self.control.is_told(token)
                && client.unread.is_empty()
                && !self.control.ready.contains(&token)
        });
        if done {
            self.drop_client(token);
        }
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

    /// Works off some calls of a client, one after the other.
    fn next_calls(&mut self, token: u64) {
        for _ in 0..CALLS_IN_TURN {
            if self.control.is_told(token) {
                return;
            }
            let Some(client) = self.control.clients.get_mut(&token) else { return };
            if client.waiting.is_some() {
                return;
            }
            let Some(frame) = client.frames.next_frame() else { return };
            let peer = client.peer;
            let Ok(call) = serde_json::from_slice::<Call>(&frame) else {
                // After bytes that are no call nothing can be trusted.
                self.drop_client(token);
                return;
            };
            self.make_call(token, peer, &call);
        }
        self.control.ready.insert(token);
    }

    /// Whether a client is still there.
    pub(super) fn is_connected(&self, token: u64) -> bool {
        self.control.clients.contains_key(&token)
    }

    fn make_call(&mut self, token: u64, peer: Peer, call: &Call) {
        let answer = self.call(token, peer, call);
        // What it has set going is committed before it is answered.
        self.run_events();
        if let Some(answer) = answer.filter(|_| !call.oneway) {
            self.send(token, &answer);
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
        if client.unread.is_empty() && client.unread.capacity() > LARGE_ANSWER {
            client.unread = Vec::new();
            allocation::give_back();
        }
        let interest = Interest {
            // Of one that has said all there is nothing to read but its end,
            // which would be told again and again.
            read: !client.said_all,
            write: !client.unread.is_empty(),
            priority: false,
            edge: false,
        };
        if interest != client.interest {
            client.interest = interest;
            if self.poller.change(&client.stream, token, interest).is_err() {
                self.drop_client(token);
            }
        }
    }
}
