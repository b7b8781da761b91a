//! The reaper keeps descriptors for others (details 12): what must outlive a
//! monitor, or be had by one that was forked before it was there. One fixed
//! table in the shared state says what is kept; the descriptors have fixed
//! numbers, so that they are still there after the reaper has executed itself
//! again. Monitor and guardian each have a channel to ask through.

use super::adopt::{self, Adopted};
use crate::keep::{MESSAGE_BYTES, Message, Verb};
use crate::shared::{kept_number, number};
use ham_core::ids::SlotRef;
use ham_snapshot::State;
use ham_snapshot::kept::Kept;
use ham_snapshot::layout::KEPT;
use ham_sys::Errno;
use ham_sys::poller::{Interest, Poller};
use ham_sys::process;
use ham_sys::rights::{receive_with, send_with};
use ham_sys::socket::seqpacket_pair;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Requests that are answered before others get their turn.
const IN_TURN: usize = 16;

pub(super) struct Channels {
    state: State,
    ends: [Option<OwnedFd>; 2],
    kept: [Option<OwnedFd>; KEPT],
    /// Channels that the poller does not know yet.
    new: [bool; 2],
}

impl Channels {
    /// What the table says is kept is open already: at the start, and after
    /// a fault.
    pub(super) fn new(state: State) -> Channels {
        let mut channels =
            Channels { state, ends: [None, None], kept: [const { None }; KEPT], new: [false; 2] };
        for (place, kept) in channels.kept.iter_mut().enumerate() {
            if state.kept(place).is_some() {
                *kept = process::take(kept_number(place)).ok();
            }
        }
        channels
    }

    /// After a fault: the channels to who is still there.
    pub(super) fn recall(state: State) -> Channels {
        let mut channels = Channels::new(state);
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

    /// Somebody asks for something, or has gone. True: the end of a process was
    /// recorded by that.
    pub(super) fn serve(&mut self, place: usize) -> bool {
        let mut recorded = false;
        for _ in 0..IN_TURN {
            let Some(Some(end)) = self.ends.get(place) else { break };
            let mut bytes = [0u8; MESSAGE_BYTES];
            match receive_with(end, &mut bytes) {
                Ok(None) => break,
                Ok(Some((MESSAGE_BYTES, passed))) => {
                    let message = Message::read(&bytes);
                    recorded |= self.answer(place, message, passed);
                }
                // Gone, or not one of ours.
                Ok(Some(_)) | Err(_) => {
                    if let Some(end) = self.ends.get_mut(place) {
                        *end = None;
                    }
                    break;
                }
            }
        }
        recorded
    }

    fn answer(&mut self, place: usize, message: Message, passed: Option<OwnedFd>) -> bool {
        let mut recorded = false;
        let errno = match message.verb {
            Verb::Store => self.store(message.what, passed),
            Verb::Drop => self.drop(message.what),
            Verb::Send => {
                let fd = self.state.find_kept(message.what).and_then(|at| self.at(at));
                let errno = if fd.is_some() { Errno(0) } else { Errno::ENOENT };
                self.reply(place, Message { errno, ..message }, fd);
                return false;
            }
            Verb::Adopt | Verb::Gone => match self.another_process(message) {
                Adopted::Done => Errno(0),
                Adopted::Ended => {
                    recorded = true;
                    Errno(0)
                }
                Adopted::Refused(errno) => errno,
            },
            Verb::Unknown => Errno::EINVAL,
        };
        self.reply(place, Message { errno, ..message }, None);
        recorded
    }

    fn another_process(&self, message: Message) -> Adopted {
        let Some(slot) = SlotRef::from_word(message.what.owner) else {
            return Adopted::Refused(Errno::EINVAL);
        };
        let pid = i32::try_from(message.what.tag).unwrap_or(0);
        if message.verb == Verb::Adopt {
            adopt::adopt(self.state, slot, pid)
        } else {
            adopt::gone(self.state, slot, pid)
        }
    }

    /// A reply that finds no room is lost: who asks has asked for too much.
    fn reply(&self, place: usize, message: Message, fd: Option<BorrowedFd<'_>>) {
        if let Some(Some(end)) = self.ends.get(place) {
            let _ = send_with(end, &message.bytes(), fd);
        }
    }

    fn at(&self, place: usize) -> Option<BorrowedFd<'_>> {
        self.kept.get(place)?.as_ref().map(AsFd::as_fd)
    }

    /// A descriptor of the same owner and tag is replaced. Errno 0: stored.
    fn store(&mut self, what: Kept, passed: Option<OwnedFd>) -> Errno {
        let Some(passed) = passed else { return Errno::EBADF };
        // A number that is still being closed is not free yet.
        let free = (0..KEPT).find(|place| {
            self.state.kept(*place).is_none() && !process::is_open(kept_number(*place))
        });
        let Some(place) = free else { return Errno::ENFILE };
        match process::place_at(passed, kept_number(place)) {
            Ok(fd) => {
                // Only now the one before: with no room it stays.
                self.drop(what);
                if let Some(kept) = self.kept.get_mut(place) {
                    *kept = Some(fd);
                }
                self.state.keep(place, Some(what));
                Errno(0)
            }
            Err(error) => error.errno,
        }
    }

    fn drop(&mut self, what: Kept) -> Errno {
        let Some(place) = self.state.find_kept(what) else { return Errno::ENOENT };
        self.state.keep(place, None);
        match self.kept.get_mut(place).and_then(Option::take) {
            Some(fd) => process::close_by_child(fd).map_or_else(|error| error.errno, |()| Errno(0)),
            None => Errno(0),
        }
    }
}
