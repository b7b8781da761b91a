//! A process of ham's own that works for the monitor, as the monitor sees it: in
//! a slot, there while there is work for it, and told what to do by packets. Its
//! death costs a repeat (details 22): it is told everything again.

use super::spawners::Job;
use crate::shared::{OWN_DESCRIPTORS, Shared};
use ham_core::ids::SlotRef;
use ham_snapshot::slots::Phase;
use ham_sys::poller::{Interest, Poller};
use ham_sys::spawn::{Exec, Program, Settings, Stdio};
use ham_sys::{clock, process, rights, socket};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

/// One that ended sooner did not come to its work: another would fare no better
/// at once.
const PAUSE_NS: u64 = 1_000_000_000;

/// One whose channel is closed ends in a moment; if not within this, it hangs.
const LEAVES_WITHIN_NS: u64 = 1_000_000_000;

/// The descriptor that such a process finds its channel at.
const CHANNEL_NUMBER: i32 = 3;

/// What such a process is.
#[derive(Debug)]
pub(super) struct Kind {
    /// As the kernel shows it.
    pub(super) name: &'static str,
    /// It is in the first of them that is free.
    pub(super) slots: &'static [u32],
    /// Of its channel.
    pub(super) token: u64,
}

#[derive(Debug)]
pub(super) struct OwnProcess {
    shared: &'static Shared,
    kind: Kind,
    channel: Option<OwnedFd>,
    /// What it has not been told yet: the kernel holds only so much.
    unsent: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    /// Whether the channel is looked at for room to write.
    writing: bool,
    /// It is being made.
    making: bool,
    /// The slot of the last one that this monitor has begun to make.
    slot: Option<u32>,
    started_at: u64,
    /// It was sent away: its end is none of its own.
    dismissed: bool,
    /// When one is to be made.
    again_at: Option<u64>,
    /// Since when one that is to end is waited for.
    leaving: Option<u64>,
    /// Slots of those that did not end.
    stuck: BTreeSet<u32>,
}

/// Whether one can be made now.
#[derive(Debug)]
pub(super) enum Place {
    /// In this slot. Those in the others do not end, likewise.
    Free(SlotRef, Vec<u32>),
    /// None, before one of those that are there has ended. Those in these slots
    /// do not, as has come out just now.
    Taken(Vec<u32>),
}

impl OwnProcess {
    pub(super) fn new(shared: &'static Shared, kind: Kind) -> OwnProcess {
        OwnProcess {
            shared,
            kind,
            channel: None,
            unsent: VecDeque::new(),
            writing: false,
            making: false,
            slot: None,
            started_at: 0,
            dismissed: false,
            again_at: None,
            leaving: None,
            stuck: BTreeSet::new(),
        }
    }

    /// When one is to be made, if there is work.
    pub(super) fn due(&self) -> Option<u64> {
        self.again_at
    }

    /// Whether it can be told something.
    pub(super) fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    /// There is work. One that is there is told; else it gets all when it starts.
    pub(super) fn want(&mut self) {
        if self.channel.is_none() && !self.making && self.again_at.is_none() {
            self.again_at = Some(clock::monotonic());
        }
    }

    /// To be told, once it has room for it.
    pub(super) fn tell(&mut self, message: Vec<u8>, fd: Option<OwnedFd>) {
        if self.channel.is_some() {
            self.unsent.push_back((message, fd));
        }
    }

    /// How many messages it has not been told.
    pub(super) fn untold(&self) -> usize {
        self.unsent.len()
    }

    /// Tells what it has not been told, as far as there is room.
    pub(super) fn flush(&mut self, poller: &Poller) {
        while let (Some(channel), Some((message, fd))) = (&self.channel, self.unsent.front()) {
            match rights::send_with(channel, message, fd.as_ref().map(AsFd::as_fd)) {
                Ok(true) => {
                    self.unsent.pop_front();
                }
                Ok(false) => break,
                Err(_) => self.lose(),
            }
        }
        let wants = !self.unsent.is_empty();
        if let Some(channel) = &self.channel
            && wants != self.writing
        {
            let interest = if wants { Interest::BOTH } else { Interest::READ };
            if poller.change(channel, self.kind.token, interest).is_ok() {
                self.writing = wants;
            }
        }
    }

    /// One packet of what it says; `None`: there is none now, or it is gone.
    pub(super) fn hear<'b>(&mut self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        match socket::receive_packet(self.channel.as_ref()?, buffer) {
            Ok(Some(0)) | Err(_) => {
                self.lose();
                None
            }
            Ok(None) => None,
            Ok(Some(count)) => buffer.get(..count),
        }
    }

    fn close(&mut self) {
        self.channel = None;
        self.unsent.clear();
    }

    /// It is gone, or is about to be: its exit leads to another, or that there
    /// is none for too long.
    fn lose(&mut self) {
        self.close();
        let now = clock::monotonic();
        self.leaving = Some(now);
        self.again_at = Some(now.saturating_add(LEAVES_WITHIN_NS));
    }

    /// It is not needed any more: it ends when its channel is closed.
    pub(super) fn dismiss(&mut self) {
        self.dismissed |= self.channel.is_some();
        self.leaving = None;
        self.close();
    }

    /// It has been made.
    pub(super) fn made(&mut self) {
        self.making = false;
    }

    /// One cannot be made now.
    pub(super) fn fail(&mut self) {
        self.again_at = Some(clock::monotonic().saturating_add(PAUSE_NS));
    }

    /// The one in this slot is gone, or could not be made.
    pub(super) fn ended(&mut self, slot: u32) {
        self.stuck.remove(&slot);
        let another = self.slot.is_some_and(|last| last != slot);
        if another && (self.making || self.channel.is_some()) {
            return;
        }
        self.close();
        self.making = false;
        self.leaving = None;
        let now = clock::monotonic();
        let soon = !self.dismissed && now.saturating_sub(self.started_at) < PAUSE_NS;
        self.again_at = Some(if soon { now.saturating_add(PAUSE_NS) } else { now });
    }

    /// Whether one of this monitor, or of one before it, is there.
    pub(super) fn is_there(&self) -> bool {
        self.kind.slots.iter().any(|slot| self.is_in(*slot))
    }

    fn is_in(&self, index: u32) -> bool {
        let Some(slot) = self.shared.state.slot(index) else { return false };
        match slot.word().1 {
            Phase::Running => true,
            // Without a process it is one that a killed monitor meant to make.
            Phase::Intent => slot.live_pid().is_some(),
            Phase::Free | Phase::Exited => false,
        }
    }

    /// Where one is to be made now; `None`: there is one, or it is too early.
    pub(super) fn place(&mut self) -> Option<Place> {
        self.again_at = None;
        if self.making || self.channel.is_some() {
            return None;
        }
        // Of a monitor before this one, or sent away: its channel is closed, so
        // it ends, and its exit leads here again.
        let is_leaving = |slot: &u32| self.is_in(*slot) && !self.stuck.contains(slot);
        let leaving: Vec<u32> = self.kind.slots.iter().copied().filter(is_leaving).collect();
        if !leaving.is_empty() {
            let now = clock::monotonic();
            let until = self.leaving.get_or_insert(now).saturating_add(LEAVES_WITHIN_NS);
            if now < until {
                self.again_at = Some(until);
                return None;
            }
            self.stuck.extend(&leaving);
        }
        self.leaving = None;
        let free = self.kind.slots.iter().find_map(|index| {
            let slot = self.shared.state.slot(*index).filter(|_| !self.is_in(*index))?;
            Some(SlotRef { index: *index, generation: slot.word().0.wrapping_add(1) })
        });
        Some(match free {
            Some(slot) => Place::Free(slot, leaving),
            None => Place::Taken(leaving),
        })
    }

    /// Begins to make it there, with these words on its command line; from here
    /// on it can be told. `None`: it cannot be made now, and is tried again.
    pub(super) fn make(
        &mut self,
        slot: SlotRef,
        words: Vec<OsString>,
        stdout: Stdio,
        poller: &Poller,
    ) -> Option<Job> {
        self.started_at = clock::monotonic();
        self.dismissed = false;
        let Ok(keep) = self.connect(poller) else {
            self.fail();
            return None;
        };
        self.slot = Some(slot.index);
        self.making = true;
        let program = Box::new(program(self.shared, words, stdout, keep.as_raw_fd()));
        Some(Job::Helper { slot, name: self.kind.name, program, _keep: vec![keep] })
    }

    /// Makes the channel; gives the other end.
    fn connect(&mut self, poller: &Poller) -> ham_sys::Result<OwnedFd> {
        let (ours, theirs) = socket::seqpacket_pair()?;
        let theirs = process::move_above(theirs, OWN_DESCRIPTORS)?;
        poller.add(&ours, self.kind.token, Interest::READ)?;
        self.channel = Some(ours);
        self.writing = false;
        Ok(theirs)
    }
}

/// This program again, in a role of its own, with one descriptor.
pub(super) fn program(
    shared: &Shared,
    words: Vec<OsString>,
    stdout: Stdio,
    descriptor: i32,
) -> Program {
    let text = |word: OsString| CString::new(word.into_vec()).unwrap_or_default();
    let mut argv = vec![c"ham".to_owned()];
    argv.extend(words.into_iter().map(text));
    let envp = std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut both = name.into_vec();
            both.push(b'=');
            both.extend(value.into_vec());
            CString::new(both).ok()
        })
        .collect();
    Program {
        exec: Exec::Fd(shared.common.program.as_raw_fd()),
        argv,
        envp,
        directory: None,
        umask: 0o077,
        stdin: Stdio::Null,
        stdout,
        stderr: Stdio::Inherit,
        ids: None,
        settings: Settings::default(),
        cgroup: None,
        little_memory: false,
        passed: vec![(descriptor, CHANNEL_NUMBER)],
        listen_pid: false,
        watchdog_pid: false,
    }
}
