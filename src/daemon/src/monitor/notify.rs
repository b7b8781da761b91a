//! The notify socket (sd_notify(3)). A datagram is looked at, its sender is
//! found, what it says is stepped and committed, and only then it is taken
//! (details 25): a successor finds what this monitor has not done, and all that
//! it says may be done twice. Descriptors that come with it are kept by the
//! reaper before it is taken.

use super::notify_sender::Sender;
use super::{Engine, NOTIFY};
use crate::facts::Weight;
use ham_core::event::Event;
use ham_core::ids::EntityId;
use ham_core::notify::{DEFAULT_NAME, MOST_BYTES, Refusal, Told, parse};
use ham_snapshot::header::Field;
use ham_sys::clock;
use ham_sys::datagrams::{Datagrams, Waiting};
use ham_sys::poller::Interest;
use ham_sys::socket::Peer;
use std::collections::BTreeSet;

/// Datagrams before others have their turn. Whoever sends more is told again by
/// the poller.
const IN_TURN: usize = 32;

/// Datagrams before the ends of processes are: more than a socket holds, unless
/// senders are faster than this (net.unix.max_dgram_qlen is 10 as a rule, 512
/// with some).
const BEFORE_ENDS: usize = 512;

/// Lines about senders that are not heard, in [`QUIET_NS`]; one for each.
const MOST_LINES: usize = 8;
const QUIET_NS: u64 = 10_000_000_000;

/// The socket, and what is being done about its first datagram.
#[derive(Debug)]
pub(super) struct Notify {
    socket: Option<Datagrams>,
    buffer: Vec<u8>,
    /// The first datagram waits for the reaper.
    storing: Option<Storing>,
    /// Senders that were spoken of lately, and since when that counts.
    spoken_of: BTreeSet<i32>,
    since: u64,
}

#[derive(Debug)]
struct Storing {
    sender: Sender,
    told: Told,
    /// Answers that are still to come.
    awaited: usize,
}

/// Why a datagram is dropped.
enum Dropped {
    /// It is no text, or too long.
    Odd(Refusal),
    /// Nobody's process has sent it.
    Stranger,
    /// This entity's unit does not let that process tell.
    Forbidden(EntityId),
}

impl Notify {
    /// The socket as it was inherited.
    pub(super) fn new(socket: Option<Datagrams>) -> Notify {
        let buffer = Vec::new();
        Notify { socket, buffer, storing: None, spoken_of: BTreeSet::new(), since: 0 }
    }
}

impl Engine {
    pub(super) fn watch_notify(&mut self) {
        if let Some(socket) = &self.notify.socket
            && self.notify.storing.is_none()
        {
            let _ = self.poller.add(socket, NOTIFY, Interest::READ);
        }
    }

    /// Another takes its place: what waits in the one before is heard first.
    pub(super) fn use_notify(&mut self, socket: Datagrams) {
        let mut left = IN_TURN;
        while left > 0 && self.notify.storing.is_none() && self.hear_next() {
            left -= 1;
        }
        if let Some(before) = self.notify.socket.take() {
            let _ = self.poller.remove(&before);
        }
        self.notify.socket = Some(socket);
        self.watch_notify();
    }

    /// Something waits.
    pub(super) fn notified(&mut self) {
        self.hear_up_to(IN_TURN);
    }

    /// Processes have ended: what they have said before comes before that.
    pub(super) fn hear_before_ends(&mut self) {
        self.note_departed();
        if !self.departed.is_empty() {
            self.hear_up_to(BEFORE_ENDS);
        }
    }

    /// Heartbeats are about to be looked at: those that wait here have come.
    pub(super) fn notified_before_look(&mut self) {
        self.hear_up_to(BEFORE_ENDS);
    }

    fn hear_up_to(&mut self, most: usize) {
        for _ in 0..most {
            if self.finished || self.notify.storing.is_some() || !self.hear_next() {
                return;
            }
        }
        // The poller tells of what still waits, and of nothing else.
        if let Some(socket) = &self.notify.socket
            && let Ok(None) = socket.peek(&mut [])
        {
            self.departed.all_heard();
        }
    }

    /// The first datagram. False when there is none.
    fn hear_next(&mut self) -> bool {
        let Some(socket) = &self.notify.socket else {
            self.departed.all_heard();
            return false;
        };
        self.notify.buffer.resize(MOST_BYTES, 0);
        let waiting = match socket.peek(&mut self.notify.buffer) {
            Ok(Some(waiting)) => waiting,
            Ok(None) => {
                self.departed.all_heard();
                return false;
            }
            Err(_) => return false,
        };
        match self.understand(&waiting) {
            Err(dropped) => {
                self.say_dropped(&dropped, waiting.sender);
                self.state.bump(Field::NotificationsDropped);
            }
            Ok((sender, mut told)) => {
                self.check_main(sender.entity, waiting.sender, &mut told);
                if told.is_mere_beat() {
                    self.beat_heard(&sender);
                    self.take_first(waiting.passes);
                    return true;
                }
                if told.store && waiting.passes && self.begin_storing(sender, &told) {
                    return true;
                }
                self.hear(sender, told);
            }
        }
        self.take_first(waiting.passes);
        true
    }

    fn understand(&mut self, waiting: &Waiting) -> Result<(Sender, Told), Dropped> {
        let Some(Peer { pid, .. }) = waiting.sender else { return Err(Dropped::Stranger) };
        let sender = self.sender(pid).ok_or(Dropped::Stranger)?;
        let Some(plan) = self.core.definition(sender.entity) else { return Err(Dropped::Stranger) };
        if !sender.may(plan.notify_access) {
            return Err(Dropped::Forbidden(sender.entity));
        }
        // Of one that is longer than the buffer there is only the beginning.
        let bytes = self.notify.buffer.get(..waiting.length).ok_or(Dropped::Odd(Refusal::TooLong));
        let told = parse(bytes?).map_err(Dropped::Odd)?;
        Ok((sender, told))
    }

    /// Who names a process that is not the entity's is not believed.
    fn check_main(&mut self, entity: EntityId, sender: Option<Peer>, told: &mut Told) {
        let (Some(main), Some(Peer { uid, .. })) = (told.main, sender) else { return };
        let slot = self.core.slot_of(entity);
        if !slot.is_some_and(|slot| self.may_be_main(slot, uid, main)) {
            told.main = None;
            self.detail(entity, &format!("process {main} is not its own: MAINPID is passed over"));
        }
    }

    /// A heartbeat, unless it is of a process that is its entity's no more.
    fn beat_heard(&mut self, sender: &Sender) {
        let slot = self.core.slot_of(sender.entity);
        if sender.had.is_none_or(|had| slot == Some(had)) {
            self.heartbeat_told(sender.entity);
        }
    }

    /// What it says, but for descriptors to be kept.
    fn hear(&mut self, sender: Sender, told: Told) {
        if told.beat {
            self.beat_heard(&sender);
        }
        let Sender { entity, had, .. } = sender;
        if told.remove
            && let Some(name) = &told.name
        {
            self.unstore(entity, name);
        }
        // Before its process is made, and when it has gone, there is nobody who
        // could be up.
        if let Some(slot) = self.core.slot_of(entity)
            && had.is_none_or(|had| had == slot)
        {
            self.feed(Event::Told { slot, told: Box::new(told) });
            self.run_events();
        }
    }

    /// Asks the reaper to keep what comes with the first datagram. False when
    /// there is nothing to wait for.
    fn begin_storing(&mut self, sender: Sender, told: &Told) -> bool {
        let entity = sender.entity;
        let Some(socket) = &self.notify.socket else { return false };
        let most = self.core.definition(entity).map_or(0, |plan| plan.fd_store);
        // Of an entity that may keep nothing, nothing is received.
        let (handed, are_all) = match most {
            0 => (Vec::new(), true),
            _ => socket.peek_descriptors().unwrap_or((Vec::new(), false)),
        };
        if !are_all {
            // The datagram is taken all the same: whoever comes after it is not
            // to wait until there is room, nor can its sender be asked again.
            let text = format!(
                "not all descriptors that it hands over could be received, only {}: too many \
                 are open, or there is no memory",
                handed.len()
            );
            self.trouble(entity, &text);
        }
        if most == 0 {
            self.trouble(entity, "it hands over descriptors, and its unit has no fd-store");
        }
        let name = told.name.as_deref().unwrap_or(DEFAULT_NAME);
        let awaited = self.store(entity, name, most, handed);
        if awaited == 0 {
            return false;
        }
        if let Some(socket) = &self.notify.socket {
            let _ = self.poller.remove(socket);
        }
        self.notify.storing = Some(Storing { sender, told: told.clone(), awaited });
        true
    }

    /// The reaper keeps one of them, or has said why not.
    pub(super) fn stored_one(&mut self) {
        let Some(mut storing) = self.notify.storing.take() else { return };
        storing.awaited = storing.awaited.saturating_sub(1);
        if storing.awaited > 0 {
            self.notify.storing = Some(storing);
            return;
        }
        self.hear(storing.sender, storing.told);
        self.take_first(true);
        self.watch_notify();
        self.notified();
    }

    /// It is done: also a `BARRIER=1`, whose descriptor closes by that.
    fn take_first(&mut self, passes: bool) {
        let Some(socket) = &self.notify.socket else { return };
        if passes {
            // Before it is gone: killed in between, the next one would be taken
            // for this one; so this one may at worst be kept twice.
            self.state.bump(Field::HandoversTaken);
        }
        if passes
            && !self.closer.has_enough()
            && let Ok(fds) = socket.take()
        {
            return self.closer.close_all(fds);
        }
        let _ = socket.discard();
    }

    /// One line for each sender, and not many of them.
    fn say_dropped(&mut self, dropped: &Dropped, sender: Option<Peer>) {
        let now = clock::monotonic();
        if now.saturating_sub(self.notify.since) >= QUIET_NS {
            self.notify.since = now;
            self.notify.spoken_of.clear();
        }
        let pid = sender.map_or(0, |sender| sender.pid);
        if self.notify.spoken_of.len() >= MOST_LINES || !self.notify.spoken_of.insert(pid) {
            return;
        }
        let text = match dropped {
            Dropped::Odd(Refusal::TooLong) => {
                format!(
                    "a notification of process {pid} is longer than {MOST_BYTES} bytes: dropped"
                )
            }
            Dropped::Odd(Refusal::Nul) => {
                format!("a notification of process {pid} is no text: dropped")
            }
            Dropped::Stranger => {
                format!("a notification of process {pid}, which is no entity's: dropped")
            }
            Dropped::Forbidden(entity) => {
                let name = self.name(*entity);
                format!(
                    "a notification of process {pid} of {name}, whose notify-access does not \
                     allow it: dropped"
                )
            }
        };
        self.remark(Weight::Detail, &text);
    }
}
