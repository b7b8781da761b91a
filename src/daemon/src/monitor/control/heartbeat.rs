//! `HeartbeatPage`: a program asks for the memory that it writes its heartbeats
//! into. The descriptor goes along with the answer (SCM_RIGHTS, unix(7)).

use super::calls::{bad, parameters, result};
use super::directives::Answered;
use super::{Client, Waiting};
use crate::monitor::Engine;
use crate::monitor::pages::{LINE_BYTES, Which};
use ham_core::ids::EntityId;
use ham_core::wire::{Answer, Call, HeartbeatPage, HeartbeatPageParameters, Refusal, to_frame};
use ham_sys::rights::send_with;
use ham_sys::socket::Peer;
use std::os::fd::AsFd;

impl Engine {
    pub(super) fn heartbeat_page(
        &mut self,
        client: u64,
        peer: Peer,
        call: &Call,
    ) -> Result<Answered, Answer> {
        let HeartbeatPageParameters { name } = parameters(call)?;
        let entity = self.speaks_for(client, peer, "HeartbeatPage", name.as_deref())?;
        if !self.core.has_heartbeat(entity) {
            let name = self.name(entity);
            return Err(bad("name", &format!("{name} has no heartbeat")));
        }
        if !self.need_page(peer.uid, entity) {
            let why = "no memory for heartbeats can be had".to_owned();
            return Err(Answer::refusal(&Refusal::Busy { why }));
        }
        if let Some(client) = self.control.clients.get_mut(&client) {
            let (outcomes, oneway) = (Vec::new(), call.oneway);
            client.waiting = Some(Waiting { verb: "", open: 1, outcomes, oneway });
        }
        let which = crate::monitor::pages::which(peer.uid, entity);
        self.beats.waiting.push((client, which, entity));
        if self.beats.pages.kept(which, entity).is_some() {
            self.answer_page_waiters(which);
        }
        Ok(None)
    }

    /// A page is there, or cannot be had.
    pub(in crate::monitor) fn answer_page_waiters(&mut self, which: Which) {
        let all = std::mem::take(&mut self.beats.waiting);
        let (now, later) = all.into_iter().partition(|(_, awaited, _)| *awaited == which);
        self.beats.waiting = later;
        let waiting: Vec<(u64, Which, EntityId)> = now;
        for (token, _, entity) in waiting {
            self.send_page(token, which, entity);
            self.control.ready.insert(token);
        }
    }

    fn send_page(&mut self, token: u64, which: Which, entity: EntityId) {
        let Some(client) = self.control.clients.get_mut(&token) else { return };
        if client.waiting.take().is_some_and(|waiting| waiting.oneway) {
            return;
        }
        let Some((fd, offset)) = self.beats.pages.kept(which, entity) else {
            let why = "the page for heartbeats could not be kept".to_owned();
            self.send(token, &Answer::refusal(&Refusal::Busy { why }));
            return;
        };
        let page = HeartbeatPage {
            offset: i64::try_from(offset).unwrap_or(0),
            bytes: i64::try_from(LINE_BYTES).unwrap_or(0),
        };
        let sent = begin_with(client, fd, &result(&page));
        match sent {
            Some(rest) => {
                client.unread.extend_from_slice(&rest);
                self.write_client(token);
            }
            None => {
                let why = "the answers before this one have not been read".to_owned();
                self.send(token, &Answer::refusal(&Refusal::Busy { why }));
            }
        }
    }
}

/// Sends the first byte of an answer together with a descriptor, and gives the
/// rest; `None`: it cannot be sent at once.
fn begin_with(client: &Client, fd: &impl AsFd, answer: &Answer) -> Option<Vec<u8>> {
    if !client.unread.is_empty() {
        return None;
    }
    let mut frame = to_frame(answer).ok()?;
    let first: Vec<u8> = frame.drain(..1).collect();
    let sent = send_with(&client.stream, &first, Some(fd.as_fd()));
    sent.is_ok_and(|sent| sent).then_some(frame)
}
