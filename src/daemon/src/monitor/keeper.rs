//! Asking the reaper: to keep a descriptor, to drop it or to send a copy of it
//! (details 12), and about processes that take the place of others. Answers
//! come as events and go to whom the descriptor belongs; a descriptor counts as
//! kept when that is answered.
//!
//! The channel holds a bounded number of messages, so what does not fit waits
//! here. A reaper that faults may have taken a request and not answered it: then
//! all that are open are sent again, since each may be carried out twice. An
//! answer that found no room is lost as well; whoever waits for it must not do
//! so for ever, so what is open for long is asked again.
//!
//! What the monitor before has asked for may not be done yet when the table is
//! first read. It is done before anything that this one asks for; so this one
//! asks when that is, and then reads the table again.

use super::{Engine, KEEPER};
use crate::keep::{CONTROL, MESSAGE_BYTES, Message, NOTIFY, READY, Verb, WATCHDOG, as_page};
use crate::output;
use ham_core::ids::{EntityId, SlotRef};
use ham_snapshot::header::Field;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::poller::Interest;
use ham_sys::rights::{receive_with, send_with};
use ham_sys::{Errno, clock};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

/// Requests that are open at the same time. Their answers must fit into the
/// channel, whose buffer holds some two hundred; the reaper waits for nobody.
const MOST_OPEN: usize = 32;

/// From then on an answer counts as lost. It takes microseconds; a reaper that
/// was stopped for so long finds some requests twice, which does no harm.
const PATIENCE_NS: u64 = 5_000_000_000;

#[derive(Debug)]
pub(super) struct Keeper {
    channel: OwnedFd,
    /// Nobody answers any more.
    lost: bool,
    /// The reaper has done all that the monitor before has asked for.
    settled: bool,
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
    /// When it was sent the last time, CLOCK_MONOTONIC.
    sent_at: u64,
    /// Something that takes it back, or takes its place, was asked for since: it
    /// is not asked for again, since that would then stand.
    overruled: bool,
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
            settled: false,
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

    /// Whether something about this is on its way: what the table says of it is
    /// about to change, or has just changed.
    pub(super) fn is_open(&self, what: Kept) -> bool {
        self.open.iter().chain(&self.waiting).any(|request| request.message.what == what)
    }

    /// Whether what the table says of this is so and stays so, as far as this
    /// monitor and the one before it go.
    pub(super) fn is_sure(&self, what: Kept) -> bool {
        self.settled && !self.is_open(what)
    }

    /// Whether it will be there no more, once all is done that was asked for.
    pub(super) fn is_going(&self, what: Kept) -> bool {
        let all = self.open.iter().chain(&self.waiting).map(|request| &request.message);
        let mut about = all.filter(|message| message.what == what && message.verb != Verb::Send);
        about.next_back().is_some_and(|message| message.verb == Verb::Drop)
    }

    /// Say when all is done that the monitor before has asked for.
    fn settle(&mut self) {
        self.ask(Verb::Settle, CONTROL, Name::NONE, None);
    }

    /// About the process of a slot. False when it cannot be asked.
    pub(super) fn ask_about(&mut self, verb: Verb, slot: SlotRef, pid: i32) -> bool {
        self.tell_about(verb, slot, pid, 0)
    }

    /// The same, with how the process has ended.
    pub(super) fn tell_about(&mut self, verb: Verb, slot: SlotRef, pid: i32, ended: u64) -> bool {
        let owner = Owner::Slot { index: slot.index, generation: slot.generation };
        let what = Kept { owner, tag: u64::from(pid.unsigned_abs()) };
        self.ask_with(verb, what, Name::NONE, None, ended);
        !self.lost
    }

    fn ask(&mut self, verb: Verb, what: Kept, name: Name, passed: Option<OwnedFd>) {
        self.ask_with(verb, what, name, passed, 0);
    }

    fn ask_with(
        &mut self,
        verb: Verb,
        what: Kept,
        name: Name,
        passed: Option<OwnedFd>,
        ended: u64,
    ) {
        self.next = self.next.wrapping_add(1);
        let message = Message { verb, serial: self.next, what, errno: Errno(0), ended, name };
        for earlier in self.open.iter_mut().chain(&mut self.waiting) {
            earlier.overruled |= overrules(&message, &earlier.message);
        }
        self.waiting.push_back(Request { message, passed, sent_at: 0, overruled: false });
        self.send();
    }

    fn send(&mut self) {
        while self.open.len() < MOST_OPEN
            && let Some(mut request) = self.waiting.pop_front()
        {
            let passed = request.passed.as_ref().map(AsFd::as_fd);
            let sent = match self.lost {
                true => Err(Errno::EPIPE),
                false => send_with(&self.channel, &request.message.bytes(), passed)
                    .map_err(|error| error.errno),
            };
            match sent {
                Ok(true) => {
                    request.sent_at = clock::monotonic();
                    self.open.push_back(request);
                }
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

    /// When the first answer counts as lost.
    fn due(&self) -> Option<u64> {
        let sent = self.open.iter().map(|request| request.sent_at).min();
        sent.map(|at| at.saturating_add(PATIENCE_NS))
    }

    /// Asks again what was not answered for long. Not to drop something: the
    /// reaper, which had no fault, has done that, and what it keeps in the same
    /// place since is another thing. Nor what was overruled: it has done that as
    /// well, and then what came after it.
    fn ask_late(&mut self, now: u64) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let open = std::mem::take(&mut self.open);
        let is_late = |one: &Request| one.sent_at.saturating_add(PATIENCE_NS) <= now;
        let (late, open): (VecDeque<_>, VecDeque<_>) = open.into_iter().partition(is_late);
        self.open = open;
        for request in late.into_iter().rev().filter(|one| one.message.verb != Verb::Drop) {
            match (request.overruled, request.message.verb) {
                (false, _) => self.waiting.push_front(request),
                // It was kept, and whoever has asked closes what it has handed
                // over.
                (true, Verb::Store) => {
                    self.answers.push_back(request.answered(Errno(0), Name::NONE, None));
                }
                // The slot does not hold that process any more.
                (true, _) => {
                    self.answers.push_back(request.answered(Errno::ESRCH, Name::NONE, None));
                }
            }
        }
        self.send();
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

/// Whether what a later request leaves behind is not what an earlier one does.
fn overrules(later: &Message, earlier: &Message) -> bool {
    let is_its = later.what.owner == earlier.what.owner;
    match (later.verb, earlier.verb) {
        (Verb::Store | Verb::Drop, Verb::Store) => later.what == earlier.what,
        // A slot holds one process: whichever was asked for last.
        (Verb::Release | Verb::Adopt | Verb::Join, Verb::Join | Verb::Adopt) => is_its,
        (
            Verb::Store
            | Verb::Drop
            | Verb::Send
            | Verb::Adopt
            | Verb::Gone
            | Verb::Settle
            | Verb::Join
            | Verb::Release
            | Verb::Unknown,
            _,
        ) => false,
    }
}

impl Engine {
    /// From here on answers are seen.
    pub(super) fn begin_keeping(&mut self) {
        let _ = self.poller.add(&self.keeper.channel, KEEPER, Interest::READ);
        self.keeper.settle();
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

    /// When an answer of the reaper counts as lost.
    pub(super) fn keeper_due(&self) -> Option<u64> {
        self.keeper.due()
    }

    /// Asks again where that is so.
    pub(super) fn look_at_lost_answers(&mut self, now: u64) {
        self.keeper.ask_late(now);
    }

    /// What is kept is known for certain, but for what was asked for since.
    fn keeper_settled(&mut self) {
        self.keeper.settled = true;
        self.recall_kept();
        self.recall_outputs();
        self.tell_output();
        self.look_at_watchdog();
    }

    /// Each answer goes to whom the descriptor belongs.
    pub(super) fn take_answers(&mut self) {
        while let Some(answer) = self.keeper.answers.pop_front() {
            let tag = answer.what.tag;
            match (answer.what.owner, answer.verb) {
                (_, Verb::Settle) => self.keeper_settled(),
                (Owner::Slot { index, generation }, Verb::Adopt) => {
                    let slot = SlotRef { index, generation };
                    if answer.errno.0 == 0 {
                        self.watch_alien(slot, i32::try_from(tag).unwrap_or(0));
                    }
                    self.alien_taken(slot);
                }
                (Owner::Slot { index, generation }, Verb::Join) => {
                    let slot = SlotRef { index, generation };
                    self.join_answered(slot, i32::try_from(tag).unwrap_or(0), answer.errno);
                }
                (Owner::Slot { index, generation }, Verb::Release) => {
                    self.released(SlotRef { index, generation });
                }
                (Owner::Manager, _) if answer.what == CONTROL => self.control_kept(answer),
                _ if output::is_pipe(answer.what) => self.output_answered(answer),
                (Owner::Manager, _) if answer.what == NOTIFY => self.notify_kept(answer),
                (Owner::Manager, _) if answer.what == WATCHDOG => self.watchdog_answered(answer),
                (Owner::Manager, _) if let Some(which) = as_page(answer.what) => {
                    self.page_answered(which, answer);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use ham_sys::{pipe, socket};

    /// The serials of the requests that the reaper's end has got, and whether
    /// a descriptor came with each.
    fn asked(reaper: &OwnedFd) -> Vec<(Message, bool)> {
        let mut bytes = [0u8; MESSAGE_BYTES];
        let mut all = Vec::new();
        while let Ok(Some((MESSAGE_BYTES, passed))) = receive_with(reaper, &mut bytes) {
            all.push((Message::read(&bytes).unwrap(), passed.is_some()));
        }
        all
    }

    #[test]
    fn an_answer_that_is_lost_is_asked_for_again() {
        let (ours, reaper) = socket::seqpacket_pair().unwrap();
        let mut keeper = Keeper::new(ours, 0);
        assert_eq!(keeper.due(), None);
        keeper.store(CONTROL, Name::NONE, pipe::new().unwrap().0);
        keeper.fetch(NOTIFY);
        keeper.drop(NOTIFY);
        let first = asked(&reaper);
        assert_eq!(
            first.iter().map(|(_, passed)| *passed).collect::<Vec<_>>(),
            [true, false, false]
        );
        let due = keeper.due().unwrap();
        keeper.ask_late(due - 1);
        assert!(asked(&reaper).is_empty());
        // Each of them is late by then.
        keeper.ask_late(due + PATIENCE_NS);
        assert_eq!(asked(&reaper), first[..2]);
        // Only one answer counts, whichever it is.
        for _ in 0..2 {
            let answer = Message { errno: Errno(0), ..first[0].0 };
            assert!(send_with(&reaper, &answer.bytes(), None).unwrap());
        }
        assert!(keeper.receive().is_empty());
        assert_eq!((keeper.answers.len(), keeper.open.len()), (1, 1));
        assert_eq!(keeper.answers[0].what, CONTROL);
        assert!(keeper.answers[0].fd.is_some());
    }

    /// An answer is lost, and meanwhile the reaper has done what takes it back.
    #[test]
    fn what_was_overruled_is_not_asked_for_again() {
        let (ours, reaper) = socket::seqpacket_pair().unwrap();
        let mut keeper = Keeper::new(ours, 0);
        let slot = SlotRef { index: 9, generation: 4 };
        let other = SlotRef { generation: 5, ..slot };
        let answer = |message: &Message| {
            assert!(send_with(&reaper, &message.bytes(), None).unwrap());
        };
        assert!(keeper.ask_about(Verb::Join, slot, 900));
        keeper.store(NOTIFY, Name::NONE, pipe::new().unwrap().0);
        assert!(keeper.ask_about(Verb::Join, other, 901));
        assert!(keeper.ask_about(Verb::Release, slot, 900));
        keeper.drop(NOTIFY);
        let all = asked(&reaper);
        assert_eq!(all.len(), 5);
        for (message, _) in &all[3..] {
            answer(message);
        }
        assert!(keeper.receive().is_empty());
        keeper.answers.clear();
        keeper.ask_late(keeper.due().unwrap() + PATIENCE_NS);
        // Nothing but what nobody has taken back.
        assert_eq!(asked(&reaper), all[2..3]);
        let back: Vec<(Verb, bool)> =
            keeper.answers.iter().map(|one| (one.verb, one.fd.is_some())).collect();
        assert_eq!(back, [(Verb::Store, true), (Verb::Join, false)]);
        // And the answer that was only late is no other one's.
        answer(&all[0].0);
        assert!(keeper.receive().is_empty());
        assert_eq!((keeper.answers.len(), keeper.open.len()), (2, 1));
    }
}
