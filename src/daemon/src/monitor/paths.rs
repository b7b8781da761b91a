//! The path watcher as the monitor sees it: a helper process that is there
//! while somebody waits for a path. Its death costs a repeat (details 22).

use super::spawners::Job;
use crate::shared::{OWN_DESCRIPTORS, Shared, WATCHER_SLOT};
use crate::watch::{FIRST_DESCRIPTOR, MESSAGE_BYTES};
use ham_core::ids::{RunRef, SlotRef};
use ham_snapshot::slots::Phase;
use ham_sys::poller::{Interest, Poller};
use ham_sys::spawn::{Exec, Program, Stdio};
use ham_sys::{process, socket};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

#[derive(Debug)]
pub(super) struct Paths {
    shared: &'static Shared,
    /// Who waits for what, by the number that goes to the helper.
    waiting: BTreeMap<u64, (RunRef, String)>,
    next: u64,
    channel: Option<OwnedFd>,
    /// The helper's end, until it has been spawned.
    theirs: Option<OwnedFd>,
}

/// The helper is to be started.
pub(super) type Wanted = Option<Job>;

impl Paths {
    pub(super) fn new(shared: &'static Shared) -> Paths {
        Paths { shared, waiting: BTreeMap::new(), next: 0, channel: None, theirs: None }
    }

    /// Somebody waits for a path.
    pub(super) fn watch(
        &mut self,
        run: RunRef,
        path: String,
        poller: &Poller,
        token: u64,
    ) -> Wanted {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (run, path));
        if self.channel.is_some() {
            self.send(number);
            return None;
        }
        self.start(poller, token)
    }

    /// Nobody waits for it any more.
    pub(super) fn unwatch(&mut self, run: RunRef) {
        let Some(number) = self.number_of(run) else { return };
        self.waiting.remove(&number);
        self.tell(format!("-{number}").as_bytes());
        self.close_when_idle();
    }

    fn number_of(&self, run: RunRef) -> Option<u64> {
        // One action waits for one path; a later step is another wait.
        let mut found = self
            .waiting
            .iter()
            .filter(|(_, (waiting, _))| waiting.index == run.index && waiting.serial == run.serial);
        found.next().map(|(number, _)| *number)
    }

    /// The helper's slot has become free, or there was none: a new one, with
    /// all that is waited for.
    pub(super) fn start(&mut self, poller: &Poller, token: u64) -> Wanted {
        if self.waiting.is_empty() {
            return None;
        }
        let slot = self.shared.state.slot(WATCHER_SLOT)?;
        let is_there = match slot.word().1 {
            Phase::Running => true,
            // Without a process it is one that a killed monitor meant to make.
            Phase::Intent => slot.live_pid().is_some(),
            Phase::Free | Phase::Exited => false,
        };
        if is_there || self.theirs.is_some() {
            // The one before is still there, or is being made: its exit leads
            // here again.
            return None;
        }
        let (ours, theirs) = socket::seqpacket_pair().ok()?;
        let theirs = process::move_above(theirs, OWN_DESCRIPTORS).ok()?;
        poller.add(&ours, token, Interest::READ).ok()?;
        self.channel = Some(ours);
        let all: Vec<u64> = self.waiting.keys().copied().collect();
        for number in all {
            self.send(number);
        }
        let program = helper_program(self.shared, vec!["watch".into()], theirs.as_raw_fd());
        self.theirs = Some(theirs);
        let slot = SlotRef { index: WATCHER_SLOT, generation: slot.word().0.wrapping_add(1) };
        Some(Job::Helper { slot, name: "ham-watch", program: Box::new(program) })
    }

    /// The helper has been made: its end of the channel is its own.
    pub(super) fn started(&mut self) {
        self.theirs = None;
    }

    /// The helper is gone.
    pub(super) fn ended(&mut self) {
        self.channel = None;
        self.theirs = None;
    }

    /// What the helper has seen.
    pub(super) fn read(&mut self) -> Vec<RunRef> {
        let mut seen = Vec::new();
        let mut buffer = [0u8; MESSAGE_BYTES];
        loop {
            let Some(channel) = &self.channel else { return seen };
            match socket::receive_packet(channel, &mut buffer) {
                Ok(Some(0)) | Err(_) => {
                    // Its exit starts another.
                    self.channel = None;
                    return seen;
                }
                Ok(Some(count)) => {
                    let text =
                        buffer.get(..count).and_then(|bytes| std::str::from_utf8(bytes).ok());
                    let number = text.and_then(|text| text.parse().ok());
                    if let Some((run, _)) =
                        number.and_then(|number: u64| self.waiting.remove(&number))
                    {
                        seen.push(run);
                    }
                }
                Ok(None) => {
                    self.close_when_idle();
                    return seen;
                }
            }
        }
    }

    fn close_when_idle(&mut self) {
        if self.waiting.is_empty() {
            self.channel = None;
        }
    }

    fn send(&mut self, number: u64) {
        let Some((_, path)) = self.waiting.get(&number) else { return };
        let message = format!("+{number} {path}");
        self.tell(message.as_bytes());
    }

    fn tell(&mut self, message: &[u8]) {
        let Some(channel) = &self.channel else { return };
        // A helper that does not read is none: closing ends it, its exit
        // starts another, which gets everything.
        if !matches!(socket::send_packet(channel, message), Ok(true)) {
            self.channel = None;
        }
    }
}

/// This program again, in a role of its own, with one descriptor.
pub(super) fn helper_program(
    shared: &Shared,
    words: Vec<std::ffi::OsString>,
    descriptor: i32,
) -> Program {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStringExt;
    let text = |word: std::ffi::OsString| CString::new(word.into_vec()).unwrap_or_default();
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
        exec: Exec::Fd(shared.program.as_raw_fd()),
        argv,
        envp,
        directory: None,
        umask: 0o077,
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::Inherit,
        ids: None,
        cgroup: None,
        passed: vec![(descriptor, FIRST_DESCRIPTOR)],
    }
}
