//! Asking the reaper: to keep a descriptor, to drop it or to send a copy of it
//! (details 12), and about processes that take the place of others. Answers
//! come as events and go to whom the descriptor belongs; a descriptor counts as
//! kept when that is answered.
//!
//! The channel holds a bounded number of messages, so what does not fit waits
//! here. A reaper that faults may have taken a request and not answered it: then
//! all that are open are sent again, since each may be carried out twice.

use super::{Engine, KEEPER};
use crate::keep::{CONTROL, MESSAGE_BYTES, Message, NOTIFY, READY, Verb};
use crate::output;
use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::header::Field;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::Errno;
use ham_sys::poller::Interest;
use ham_sys::rights::{receive_with, send_with};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

/// Requests that are open at the same time. Their answers must fit into the
/// channel, whose buffer holds some two hundred; the reaper waits for nobody.
const MOST_OPEN: usize = 32;

#[derive(Debug)]
pub(super) struct Keeper {
    channel: OwnedFd,
    /// Nobody answers any more.
    lost: bool,
    next: u64,
    /// Faults of the reaper, when it was last looked.
    faults: u64,
    waiting: VecDeque<Request>,
    /// Sent and not answered yet.
    open: VecDeque<Request>,
    /// Answered, by the reaper or because it cannot be asked.
    answers: VecDeque<Answer>,
}

#[derive(Debug)]
struct Request {
    message: Message,
    passed: Option<OwnedFd>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) verb: Verb,
    pub(super) what: Kept,
    /// 0: done.
    pub(super) errno: Errno,
    pub(super) name: Name,
    /// The copy that was asked for; or that which was handed over to be kept.
    pub(super) fd: Option<OwnedFd>,
}

impl Request {
    fn answered(self, errno: Errno, name: Name, sent: Option<OwnedFd>) -> Answer {
        let Message { verb, what, .. } = self.message;
        Answer { verb, what, errno, name, fd: sent.or(self.passed) }
    }
}

impl Keeper {
    pub(super) fn new(channel: OwnedFd, faults: u64) -> Keeper {
        Keeper {
            channel,
            lost: false,
            next: 0,
            faults,
            waiting: VecDeque::new(),
            open: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    /// Keep this; what was kept of the same owner and tag is replaced. The
    /// descriptor comes back with the answer.
    pub(super) fn store(&mut self, what: Kept, name: Name, fd: OwnedFd) {
        self.ask(Verb::Store, what, name, Some(fd));
    }

    /// It is not needed any more.
    pub(super) fn drop(&mut self, what: Kept) {
        self.ask(Verb::Drop, what, Name::NONE, None);
    }

    /// Send a copy of it.
    pub(super) fn fetch(&mut self, what: Kept) {
        self.ask(Verb::Send, what, Name::NONE, None);
    }

    /// What was asked to be kept for an owner and is not answered: whoever asks
    /// for it gets it, since the reaper answers in turn.
    pub(super) fn being_stored(&self, owner: Owner) -> impl Iterator<Item = Kept> {
        let all = self.open.iter().chain(&self.waiting).map(|request| &request.message);
        let stores =
            all.filter(move |message| message.verb == Verb::Store && message.what.owner == owner);
        stores.map(|message| message.what)
    }

    /// About the process of a slot. False when it cannot be asked.
    pub(super) fn ask_about(&mut self, verb: Verb, slot: SlotRef, pid: i32) -> bool {
        let owner = Owner::Slot { index: slot.index, generation: slot.generation };
        let what = Kept { owner, tag: u64::from(pid.unsigned_abs()) };
        self.ask(verb, what, Name::NONE, None);
        !self.lost
    }

    fn ask(&mut self, verb: Verb, what: Kept, name: Name, passed: Option<OwnedFd>) {
        self.next = self.next.wrapping_add(1);
        let message = Message { verb, serial: self.next, what, errno: Errno(0), name };
        self.waiting.push_back(Request { message, passed });
        self.send();
    }

    fn send(&mut self) {
        while self.open.len() < MOST_OPEN
            && let Some(request) = self.waiting.pop_front()
        {
            let passed = request.passed.as_ref().map(AsFd::as_fd);
            let sent = match self.lost {
                true => Err(Errno::EPIPE),
                false => send_with(&self.channel, &request.message.bytes(), passed)
                    .map_err(|error| error.errno),
            };
            match sent {
                Ok(true) => self.open.push_back(request),
                // The next answer makes room.
                Ok(false) if !self.open.is_empty() => {
                    self.waiting.push_front(request);
                    return;
                }
                Ok(false) => {
                    self.answers.push_back(request.answered(Errno::EAGAIN, Name::NONE, None))
                }
                Err(errno) => {
                    self.answers.push_back(request.answered(errno, Name::NONE, None));
                }
            }
        }
    }

    /// After a fault of the reaper: all that is open once more, in its order.
    fn ask_again(&mut self, faults: u64) {
        if self.faults != faults {
            self.faults = faults;
            while let Some(request) = self.open.pop_back() {
                self.waiting.push_front(request);
            }
            self.send();
        }
    }

    /// Takes what the reaper has sent. Gives what nobody has asked for.
    fn receive(&mut self) -> Vec<OwnedFd> {
        let mut unasked = Vec::new();
        let mut bytes = [0u8; MESSAGE_BYTES];
        loop {
            match receive_with(&self.channel, &mut bytes) {
                Ok(Some((MESSAGE_BYTES, sent))) => {
                    let message = Message::read(&bytes);
                    let place = message.and_then(|message| {
                        self.open.iter().position(|one| one.message.serial == message.serial)
                    });
                    let request = place.and_then(|place| self.open.remove(place));
                    match (request, message) {
                        (Some(request), Some(Message { errno, name, .. })) => {
                            self.answers.push_back(request.answered(errno, name, sent));
                        }
                        // Asked twice, answered twice.
                        _ => unasked.extend(sent),
                    }
                }
                Ok(None) => break,
                // The reaper has gone, or what it says is not understood.
                Ok(Some(_)) | Err(_) => {
                    self.lost = true;
                    let open = self.open.drain(..);
                    let failed = open.map(|one| one.answered(Errno::EPIPE, Name::NONE, None));
                    self.answers.extend(failed);
                    break;
                }
            }
        }
        self.send();
        unasked
    }
}

impl Engine {
    /// From here on answers are seen.
    pub(super) fn begin_keeping(&mut self) {
        let _ = self.poller.add(&self.keeper.channel, KEEPER, Interest::READ);
        self.begin_listening();
    }

    /// The reaper has answered.
    pub(super) fn keeper_readable(&mut self) {
        for fd in self.keeper.receive() {
            self.closer.close(fd);
        }
        if self.keeper.lost {
            let _ = self.poller.remove(&self.keeper.channel);
        }
        self.take_answers();
    }

    /// Somebody was woken, perhaps by a reaper after a fault.
    pub(super) fn look_at_keeper(&mut self) {
        self.keeper.ask_again(self.state.get(Field::ReaperFaults));
    }

    /// Each answer goes to whom the descriptor belongs.
    pub(super) fn take_answers(&mut self) {
        while let Some(answer) = self.keeper.answers.pop_front() {
            let tag = answer.what.tag;
            match (answer.what.owner, answer.verb) {
                (Owner::Slot { index, generation }, Verb::Adopt) => {
                    if answer.errno.0 == 0 {
                        let pid = i32::try_from(tag).unwrap_or(0);
                        self.watch_alien(SlotRef { index, generation }, pid);
                    }
                }
                (Owner::Manager, _) if answer.what == CONTROL => self.control_kept(answer),
                _ if output::is_pipe(answer.what) => self.output_answered(answer),
                (Owner::Manager, _) if answer.what == NOTIFY => self.notify_kept(answer),
                (Owner::Entity(id), _) => self.stored_answered(EntityId(id), answer),
                (Owner::Slot { index, generation }, Verb::Store) if tag == READY => {
                    self.closer.close_all(answer.fd);
                    self.ready_kept(SlotRef { index, generation }, answer.errno);
                }
                (Owner::Slot { index, generation }, Verb::Send) if tag == READY => {
                    self.ready_sent(SlotRef { index, generation }, answer.fd);
                }
                _ => self.closer.close_all(answer.fd),
            }
        }
    }
}
