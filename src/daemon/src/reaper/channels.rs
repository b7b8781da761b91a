//! The reaper keeps descriptors for others (details 12): what must outlive a
//! monitor, or be had by one that was forked before it was there. One fixed
//! table in the shared state says what is kept; the descriptors have fixed
//! numbers, so that they are still there after the reaper has executed itself
//! again. Monitor and guardian each have a channel to ask through.

use super::adopt::{self, Adopted};
use super::watchdog;
use crate::keep::{MESSAGE_BYTES, Message, Verb, WATCHDOG};
use crate::shared::Shared;
use crate::shared::{kept_number, number};
use ham_core::ids::SlotRef;
use ham_snapshot::State;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_snapshot::layout::{KEPT, KEPT_AT, KEPT_NAMES_AT, KEPT_WORDS, NAME_WORDS, WORD};
use ham_sys::Errno;
use ham_sys::poller::{Interest, Poller};
use ham_sys::process;
use ham_sys::rights::{receive_with, send_with};
use ham_sys::socket::seqpacket_pair;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

/// Requests that are answered before others get their turn.
const IN_TURN: usize = 16;

/// More than a channel holds.
const ALL: usize = 512;

/// They end within microseconds; one that does not is an orphan like others.
const CLOSERS: usize = 64;

/// What is kept has no list in this process: table and numbers tell all, and a
/// list of the longest would be pages that every fork copies.
pub(super) struct Channels {
    shared: &'static Shared,
    state: State,
    ends: [Option<OwnedFd>; 2],
    /// Channels that the poller does not know yet.
    new: [bool; 2],
    /// Processes that close what was kept, the last ones.
    closers: [i32; CLOSERS],
    next_closer: usize,
    /// Somebody has told of the end of a process, and it was recorded.
    recorded: bool,
}

impl Channels {
    pub(super) fn new(shared: &'static Shared) -> Channels {
        Channels {
            shared,
            state: shared.state,
            ends: [None, None],
            new: [false; 2],
            closers: [0; CLOSERS],
            next_closer: 0,
            recorded: false,
        }
    }

    /// After a fault: the channels to who is still there.
    pub(super) fn recall(shared: &'static Shared) -> Channels {
        let mut channels = Channels::new(shared);
        for (place, end) in number::CHANNELS.into_iter().enumerate() {
            if let (Ok(open), Some(channel)) = (process::take(end), channels.ends.get_mut(place)) {
                *channel = Some(open);
                if let Some(new) = channels.new.get_mut(place) {
                    *new = true;
                }
            }
        }
        channels
    }

    /// A channel for a process that is about to be forked: its end. The one
    /// before at this place is closed; what the dead process was making may
    /// still hold its other end.
    pub(super) fn open(&mut self, place: usize) -> ham_sys::Result<OwnedFd> {
        let (ours, theirs) = seqpacket_pair()?;
        let number = number::CHANNELS.get(place).copied().unwrap_or(number::KEPT);
        if let (Some(end), Some(new)) = (self.ends.get_mut(place), self.new.get_mut(place)) {
            *end = None;
            *end = Some(process::place_at(ours, number)?);
            *new = true;
        }
        Ok(theirs)
    }

    /// In a forked process: these are the reaper's.
    pub(super) fn forget(&mut self) {
        self.ends = [None, None];
    }

    /// Looks from now on at channels that were opened since.
    pub(super) fn watch(&mut self, poller: &Poller, first_token: u64) {
        for (place, (end, new)) in self.ends.iter().zip(&mut self.new).enumerate() {
            if let (Some(end), true) = (end, *new) {
                *new = false;
                let _ = poller.add(end, first_token + place as u64, Interest::READ);
            }
        }
    }

    /// Somebody asks for something, or has gone. What the monitor wants is done
    /// before what the other one wants: that asks only when the monitor is
    /// dead, which may not have been noticed here. Else what the dead one
    /// wanted would come over what its successor has found or wants.
    pub(super) fn serve(&mut self, place: usize, of_monitor: usize) {
        if place != of_monitor {
            self.finish(of_monitor);
        }
        self.answer_up_to(IN_TURN, place);
    }

    /// Does all that a process has asked for that is dead.
    pub(super) fn finish(&mut self, place: usize) {
        self.answer_up_to(ALL, place);
    }

    /// Whether the end of a process was recorded since this was last asked.
    pub(super) fn take_recorded(&mut self) -> bool {
        std::mem::take(&mut self.recorded)
    }

    fn answer_up_to(&mut self, most: usize, place: usize) {
        for _ in 0..most {
            let Some(Some(end)) = self.ends.get(place) else { break };
            let mut bytes = [0u8; MESSAGE_BYTES];
            match receive_with(end, &mut bytes) {
                Ok(None) => break,
                Ok(Some((MESSAGE_BYTES, passed))) => match Message::read(&bytes) {
                    Some(message) => self.answer(place, message, passed),
                    None => self.put_away(passed, true),
                },
                // Gone, or not one of ours.
                Ok(Some(_)) | Err(_) => {
                    if let Some(end) = self.ends.get_mut(place) {
                        *end = None;
                    }
                    break;
                }
            }
        }
    }

    fn answer(&mut self, place: usize, message: Message, passed: Option<OwnedFd>) {
        let errno = match message.verb {
            Verb::Store => self.store(&message, passed),
            // It is not wanted any more: the machine goes on without. Closed here:
            // were there no process to be had for that, it would start anew.
            Verb::Drop if message.what == WATCHDOG => watchdog::stop(self.state),
            Verb::Drop => self.drop(message.what),
            Verb::Send => return self.send(place, message),
            // All that was to be done before was done before this was read.
            Verb::Settle => Errno(0),
            Verb::Adopt | Verb::Gone | Verb::Join | Verb::Release => {
                match self.another_process(message) {
                    Adopted::Done => Errno(0),
                    Adopted::Ended => {
                        self.recorded = true;
                        Errno(0)
                    }
                    Adopted::Refused(errno) => errno,
                }
            }
            Verb::Unknown => Errno::EINVAL,
        };
        self.reply(place, Message { errno, ..message }, None);
    }

    fn another_process(&self, message: Message) -> Adopted {
        let Owner::Slot { index, generation } = message.what.owner else {
            return Adopted::Refused(Errno::EINVAL);
        };
        let slot = SlotRef { index, generation };
        let pid = i32::try_from(message.what.tag).unwrap_or(0);
        match message.verb {
            Verb::Adopt => adopt::adopt(self.state, slot, pid),
            Verb::Gone => adopt::gone(self.state, slot, pid, message.ended),
            Verb::Join => adopt::join(self.state, slot, pid),
            Verb::Release => adopt::release(self.state, slot),
            Verb::Store | Verb::Drop | Verb::Send | Verb::Settle | Verb::Unknown => {
                Adopted::Refused(Errno::EINVAL)
            }
        }
    }

    /// A reply that finds no room is lost: nothing waits here. Who has asked asks
    /// again, after a while.
    fn reply(&self, place: usize, message: Message, fd: Option<BorrowedFd<'_>>) {
        if let Some(Some(end)) = self.ends.get(place)
            && let Err(error) = send_with(end, &message.bytes(), fd)
            && fd.is_some()
        {
            // Too many descriptors are on their way: at least an answer.
            let refused = Message { errno: error.errno, ..message };
            let _ = send_with(end, &refused.bytes(), None);
        }
    }

    /// A copy of what is kept, with its name.
    fn send(&self, place: usize, message: Message) {
        let refuse = |errno| self.reply(place, Message { errno, ..message }, None);
        let Some(at) = self.state.find_kept(message.what) else { return refuse(Errno::ENOENT) };
        let Ok(fd) = process::take(kept_number(at)) else { return refuse(Errno::EBADF) };
        let name = self.state.kept_name(at);
        self.reply(place, Message { errno: Errno(0), name, ..message }, Some(fd.as_fd()));
        // It was borrowed: it stays open.
        let _ = fd.into_raw_fd();
    }

    /// A descriptor of the same owner and tag is replaced. Errno 0: stored.
    fn store(&mut self, message: &Message, passed: Option<OwnedFd>) -> Errno {
        let Some(passed) = passed else { return Errno::EBADF };
        let is_foreign = is_foreign(message.what);
        let errno = match self.place_for(message) {
            Err(errno) => errno,
            Ok(place) => match process::copy_to(&passed, kept_number(place)) {
                Err(error) => error.errno,
                Ok(()) => {
                    // Only now the one before: with no room it stays.
                    self.drop(message.what);
                    self.state.keep(place, message.what, &message.name);
                    Errno(0)
                }
            },
        };
        self.put_away(Some(passed), is_foreign);
        errno
    }

    /// A place that is free, with pages for what is written there.
    fn place_for(&self, message: &Message) -> Result<usize, Errno> {
        // A number that is still being closed is not free yet.
        let is_free = |place: &usize| {
            self.state.kept(*place).is_none() && !process::is_open(kept_number(*place))
        };
        let place = (0..KEPT).find(is_free).ok_or(Errno::ENFILE)?;
        self.reserve(KEPT_AT + place * KEPT_WORDS, KEPT_WORDS)?;
        if message.name != Name::NONE {
            self.reserve(KEPT_NAMES_AT + place * NAME_WORDS, NAME_WORDS)?;
        }
        Ok(place)
    }

    fn reserve(&self, at: usize, words: usize) -> Result<(), Errno> {
        let state = self.shared.common.state();
        let reserved = self.shared.map.reserve(state, at * WORD, words * WORD);
        reserved.map_err(|error| error.errno)
    }

    fn drop(&mut self, what: Kept) -> Errno {
        let Some(place) = self.state.find_kept(what) else { return Errno::ENOENT };
        self.state.keep_no_more(place);
        self.put_away(process::take(kept_number(place)).ok(), true);
        Errno(0)
    }

    /// Closes a descriptor without waiting for whoever is behind it. Of one that
    /// cannot be closed so the number stays in use.
    fn put_away(&mut self, fd: Option<OwnedFd>, by_child: bool) {
        if let Some(fd) = fd
            && by_child
            && let Ok(pid) = process::close_by_child(fd)
            && let Some(place) = self.closers.get_mut(self.next_closer)
        {
            *place = pid;
            self.next_closer = (self.next_closer + 1) % CLOSERS;
        }
    }

    /// Whether this process, which has ended, was one that closes what was kept.
    pub(super) fn was_closer(&mut self, pid: i32) -> bool {
        let place = self.closers.iter_mut().find(|closer| **closer == pid);
        place.map(|closer| *closer = 0).is_some()
    }
}

/// Whether it came from somebody else, and what close(2) does with it is theirs.
fn is_foreign(what: Kept) -> bool {
    match what.owner {
        Owner::Manager | Owner::Slot { .. } => false,
        Owner::Entity(_) => true,
    }
}
