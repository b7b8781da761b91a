//! The control listener, which the reaper keeps (details 12): clients queue
//! there while there is no monitor. A monitor that was forked before it was
//! replaced asks for the present one; one that finds its socket gone from the
//! runtime directory makes another, and hands that over.

use super::{Engine, KEEPER, LISTENER};
use crate::facts::Weight;
use crate::keep::{MESSAGE_BYTES, Message, Verb};
use crate::runtime;
use crate::shared::CONTROL;
use ham_core::ids::SlotRef;
use ham_snapshot::kept::Kept;
use ham_sys::Errno;
use ham_sys::poller::Interest;
use ham_sys::rights::{receive_with, send_with};
use ham_sys::socket::Listener;
use std::os::fd::{AsFd, OwnedFd};

#[derive(Debug)]
pub(super) struct Keeper {
    channel: OwnedFd,
    /// The inherited one, until the reaper has sent the present one or another
    /// was made here.
    listener: Option<Listener>,
}

impl Keeper {
    pub(super) fn new(channel: OwnedFd, listener: Option<Listener>) -> Keeper {
        Keeper { channel, listener }
    }

    pub(super) fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }

    /// Nobody needs an answer at once: it comes as an event. When it cannot even
    /// be asked, the listener that is there does as well.
    fn ask(&self, verb: Verb, listener: Option<&Listener>) {
        let message = Message { verb, what: CONTROL, errno: Errno(0) };
        let passed = listener.map(AsFd::as_fd);
        let _ = send_with(&self.channel, &message.bytes(), passed);
    }

    /// About the process of a slot. False when it cannot be asked now.
    pub(super) fn ask_about(&self, verb: Verb, slot: SlotRef, pid: i32) -> bool {
        let what = Kept { owner: slot.to_word(), tag: u64::from(pid.unsigned_abs()) };
        let message = Message { verb, what, errno: Errno(0) };
        send_with(&self.channel, &message.bytes(), None).is_ok()
    }
}

impl Engine {
    /// Asks for the present listener, or makes another where nobody can come
    /// to it any more.
    pub(super) fn begin_keeping(&mut self) {
        let _ = self.poller.add(&self.keeper.channel, KEEPER, Interest::READ);
        if let Some(listener) = &self.keeper.listener {
            let _ = self.poller.add(listener, LISTENER, Interest::READ);
        }
        if runtime::has_socket(&self.shared.options.runtime) {
            self.keeper.ask(Verb::Send, None);
            return;
        }
        match runtime::bind_control(&self.shared.options.runtime) {
            Ok(listener) => {
                self.remark(Weight::Always, "the control socket was gone: made anew");
                self.keeper.ask(Verb::Store, Some(&listener));
                self.use_listener(listener);
            }
            Err(error) => self.remark(Weight::Always, &error.to_string()),
        }
    }

    fn use_listener(&mut self, listener: Listener) {
        // Who waits at the one before would wait for ever.
        self.accept_clients();
        if let Some(before) = &self.keeper.listener {
            let _ = self.poller.remove(before);
        }
        let _ = self.poller.add(&listener, LISTENER, Interest::READ);
        self.keeper.listener = Some(listener);
    }

    /// At the very end: nobody is to wait there any more.
    pub(super) fn end_keeping(&mut self) {
        self.keeper.ask(Verb::Drop, None);
    }

    /// The reaper has answered.
    pub(super) fn kept(&mut self) {
        let mut bytes = [0u8; MESSAGE_BYTES];
        loop {
            match receive_with(&self.keeper.channel, &mut bytes) {
                Ok(Some((MESSAGE_BYTES, passed))) => {
                    let answer = Message::read(&bytes);
                    match (answer.verb, passed) {
                        (Verb::Send, Some(fd)) if answer.errno.0 == 0 => {
                            self.use_listener(Listener::from_fd(fd));
                        }
                        (Verb::Adopt, _) if answer.errno.0 == 0 => {
                            if let Some(slot) = SlotRef::from_word(answer.what.owner) {
                                let pid = i32::try_from(answer.what.tag).unwrap_or(0);
                                self.watch_alien(slot, pid);
                            }
                        }
                        (Verb::Store, _) if answer.errno.0 != 0 => {
                            let text = format!(
                                "the reaper could not keep the control socket: {}",
                                answer.errno
                            );
                            self.remark(Weight::Always, &text);
                        }
                        _ => {}
                    }
                }
                Ok(None) => return,
                // The reaper has gone, or what it says is not understood: the
                // listener that was inherited does as well.
                Ok(Some(_)) | Err(_) => {
                    let _ = self.poller.remove(&self.keeper.channel);
                    return;
                }
            }
        }
    }
}
