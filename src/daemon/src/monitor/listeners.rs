//! The sockets that the reaper keeps for the manager (details 12): who comes
//! while there is no monitor waits there, and is lost in no takeover. A monitor
//! that was forked before they were replaced asks for the present ones; one
//! that finds the file of one gone makes another, and hands that over.

use super::keeper::Answer;
use super::{Engine, LISTENER};
use crate::facts::Weight;
use crate::keep::{CONTROL, NOTIFY, Verb};
use crate::runtime;
use ham_snapshot::kept::{Kept, Name};
use ham_sys::datagrams::Datagrams;
use ham_sys::poller::Interest;
use ham_sys::socket::Listener;
use std::os::fd::{AsFd, OwnedFd};

impl Engine {
    pub(super) fn begin_listening(&mut self) {
        if let Some(listener) = &self.listener {
            let _ = self.poller.add(listener, LISTENER, Interest::READ);
        }
        self.watch_notify();
        self.begin_control();
        self.begin_notify();
    }

    fn begin_control(&mut self) {
        if runtime::has_socket(&self.shared.options.runtime, runtime::CONTROL) {
            self.keeper.fetch(CONTROL);
            return;
        }
        match runtime::bind_control(&self.shared.options.runtime) {
            Ok(listener) => {
                self.remark(Weight::Always, "the control socket was gone: made anew");
                self.keep_own(CONTROL, &listener);
                self.use_listener(listener);
            }
            Err(error) => self.remark(Weight::Always, &error.to_string()),
        }
    }

    fn begin_notify(&mut self) {
        if runtime::has_socket(&self.shared.options.runtime, runtime::NOTIFY) {
            self.keeper.fetch(NOTIFY);
            return;
        }
        match runtime::bind_notify(&self.shared.options.runtime) {
            Ok(socket) => {
                self.remark(Weight::Always, "the notify socket was gone: made anew");
                self.keep_own(NOTIFY, &socket);
                self.use_notify(socket);
            }
            Err(error) => self.remark(Weight::Always, &error.to_string()),
        }
    }

    /// Hands a copy of one of ham's own over to be kept.
    fn keep_own(&mut self, what: Kept, socket: &impl AsFd) {
        match socket.as_fd().try_clone_to_owned() {
            Ok(copy) => self.keeper.store(what, Name::NONE, copy),
            Err(error) => {
                let text = format!("a socket of ham's own is not kept: {error}");
                self.remark(Weight::Always, &text);
            }
        }
    }

    fn use_listener(&mut self, listener: Listener) {
        // Who waits at the one before would wait for ever.
        self.accept_clients();
        if let Some(before) = &self.listener {
            let _ = self.poller.remove(before);
        }
        let _ = self.poller.add(&listener, LISTENER, Interest::READ);
        self.listener = Some(listener);
    }

    /// The reaper has answered about the control listener. When it cannot even
    /// be asked, the one that was inherited does as well.
    pub(super) fn control_kept(&mut self, answer: Answer) {
        if let Some(fd) = self.own_answer(answer, "control") {
            self.use_listener(Listener::from_fd(fd));
        }
    }

    /// Likewise about the notify socket.
    pub(super) fn notify_kept(&mut self, answer: Answer) {
        if let Some(fd) = self.own_answer(answer, "notify") {
            self.use_notify(Datagrams::from_fd(fd));
        }
    }

    fn own_answer(&mut self, answer: Answer, name: &str) -> Option<OwnedFd> {
        if answer.verb == Verb::Store && answer.errno.0 != 0 {
            let errno = answer.errno;
            let text = format!("the reaper could not keep the {name} socket: {errno}");
            self.remark(Weight::Always, &text);
        }
        answer.fd.filter(|_| answer.verb == Verb::Send && answer.errno.0 == 0)
    }

    /// At the very end: nobody is to wait there any more.
    pub(super) fn end_listening(&mut self) {
        self.keeper.drop(CONTROL);
        self.keeper.drop(NOTIFY);
    }
}
