//! The path watcher as the monitor sees it: a helper process that is there
//! while somebody waits for a path. Its death costs a repeat (details 22).

use super::spawners::Job;
use crate::shared::{OWN_DESCRIPTORS, Shared, WATCHER_SLOT};
use crate::watch::{FIRST_DESCRIPTOR, MESSAGE_BYTES, PATH_BYTES};
use ham_core::event::Wait;
use ham_core::ids::SlotRef;
use ham_snapshot::slots::Phase;
use ham_sys::poller::{Interest, Poller};
use ham_sys::spawn::{Exec, Program, Settings, Stdio};
use ham_sys::{clock, process, socket};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsRawFd, OwnedFd};

/// By how much the time stamp of a file can be behind, with 100 ticks a second
/// of the kernel.
const COARSE_NS: u64 = 10_000_000;

/// A helper that ended sooner did not come to its work: another would fare no
/// better at once.
const PAUSE_NS: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Paths {
    shared: &'static Shared,
    /// Who waits for what, by the number that goes to the helper.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    channel: Option<OwnedFd>,
    /// What the helper has not been told yet: the kernel holds only so much.
    unsent: VecDeque<Vec<u8>>,
    /// Whether the channel is looked at for room to write.
    writing: bool,
    /// The helper is being made.
    making: bool,
    started_at: u64,
    /// When a helper is to be started again.
    again_at: Option<u64>,
}

/// A path that somebody waits for.
#[derive(Debug)]
struct Waiting {
    wait: Wait,
    path: String,
    /// What has not changed since then does not count: nanoseconds since 1970;
    /// 0: anything counts.
    since: u64,
}

impl Paths {
    pub(super) fn new(shared: &'static Shared) -> Paths {
        Paths {
            shared,
            waiting: BTreeMap::new(),
            next: 0,
            channel: None,
            unsent: VecDeque::new(),
            writing: false,
            making: false,
            started_at: 0,
            again_at: None,
        }
    }

    /// When `start` is to be called.
    pub(super) fn due(&self) -> Option<u64> {
        self.again_at.filter(|_| !self.waiting.is_empty())
    }

    /// Somebody waits for a path; what is older than the process of `not_before`
    /// does not count. False when there can be no such path.
    pub(super) fn watch(
        &mut self,
        wait: Wait,
        path: String,
        not_before: Option<SlotRef>,
        poller: &Poller,
    ) -> bool {
        if path.len() > PATH_BYTES || path.contains('\0') {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let since = not_before.map_or(0, |slot| self.began(slot));
        self.waiting.insert(number, Waiting { wait, path, since });
        if self.channel.is_some() {
            self.ask(number);
            self.flush(poller);
        } else if self.again_at.is_none() {
            self.again_at = Some(clock::monotonic());
        }
        true
    }

    /// From when on files can be of the process of a slot. Files are stamped
    /// with the time of the last tick of the kernel.
    fn began(&self, reference: SlotRef) -> u64 {
        let slot = self.shared.state.slot(reference.index);
        let slot = slot.filter(|slot| slot.word().0 == reference.generation);
        match slot.map(|slot| slot.start_time()) {
            // It has ended at once, or cannot be looked at: then what counts is
            // what happens from here on.
            None | Some(0) => clock::realtime(),
            Some(ticks) => clock::realtime_of_ticks(ticks),
        }
        .saturating_sub(COARSE_NS)
    }

    /// Nobody waits for it any more.
    pub(super) fn unwatch(&mut self, wait: Wait, poller: &Poller) {
        let Some(number) = self.number_of(wait) else { return };
        self.waiting.remove(&number);
        self.unsent.push_back(format!("-{number}").into_bytes());
        self.flush(poller);
        self.close_when_idle();
    }

    fn number_of(&self, wait: Wait) -> Option<u64> {
        // One action waits for one path; a later step is another wait.
        let is = |waiting: &Wait| match (*waiting, wait) {
            (Wait::Run(one), Wait::Run(other)) => {
                one.index == other.index && one.serial == other.serial
            }
            (one, other) => one == other,
        };
        self.waiting.iter().find(|(_, waiting)| is(&waiting.wait)).map(|(number, _)| *number)
    }

    /// The helper to be made now, if one is wanted and none is there; it gets
    /// all that is waited for.
    pub(super) fn start(&mut self, poller: &Poller, token: u64) -> Option<Job> {
        self.again_at = None;
        if self.waiting.is_empty() || self.making {
            return None;
        }
        let slot = self.shared.state.slot(WATCHER_SLOT)?;
        let is_there = match slot.word().1 {
            Phase::Running => true,
            // Without a process it is one that a killed monitor meant to make.
            Phase::Intent => slot.live_pid().is_some(),
            Phase::Free | Phase::Exited => false,
        };
        if is_there {
            // Of a monitor before this one: its channel is closed, so it
            // ends, and its exit leads here again.
            return None;
        }
        self.started_at = clock::monotonic();
        let made = self.connect(poller, token);
        if made.is_err() {
            self.again_at = Some(self.started_at.saturating_add(PAUSE_NS));
        }
        let keep = made.ok()?;
        let all: Vec<u64> = self.waiting.keys().copied().collect();
        self.unsent.clear();
        for number in all {
            self.ask(number);
        }
        self.flush(poller);
        self.making = true;
        let program = helper_program(self.shared, vec!["watch".into()], keep.as_raw_fd());
        let slot = SlotRef { index: WATCHER_SLOT, generation: slot.word().0.wrapping_add(1) };
        Some(Job::Helper { slot, name: "ham-watch", program: Box::new(program), _keep: keep })
    }

    /// Makes the channel; gives the helper's end.
    fn connect(&mut self, poller: &Poller, token: u64) -> ham_sys::Result<OwnedFd> {
        let (ours, theirs) = socket::seqpacket_pair()?;
        let theirs = process::move_above(theirs, OWN_DESCRIPTORS)?;
        poller.add(&ours, token, Interest::READ)?;
        self.channel = Some(ours);
        self.writing = false;
        Ok(theirs)
    }

    /// The helper has been made.
    pub(super) fn started(&mut self) {
        self.making = false;
    }

    /// The helper is gone, or could not be made.
    pub(super) fn ended(&mut self) {
        self.channel = None;
        self.making = false;
        let now = clock::monotonic();
        let soon = now.saturating_sub(self.started_at) < PAUSE_NS;
        self.again_at = Some(if soon { now.saturating_add(PAUSE_NS) } else { now });
    }

    /// What the helper has seen.
    pub(super) fn read(&mut self) -> Vec<Wait> {
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
                    if let Some(waiting) =
                        number.and_then(|number: u64| self.waiting.remove(&number))
                    {
                        seen.push(waiting.wait);
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
            self.unsent.clear();
        }
    }

    fn ask(&mut self, number: u64) {
        if let Some(Waiting { path, since, .. }) = self.waiting.get(&number) {
            self.unsent.push_back(format!("+{number} {since} {path}").into_bytes());
        }
    }

    /// Tells the helper what it has not been told, as far as there is room.
    pub(super) fn flush(&mut self, poller: &Poller) {
        while let (Some(channel), Some(message)) = (&self.channel, self.unsent.front()) {
            match socket::send_packet(channel, message) {
                Ok(true) => {
                    self.unsent.pop_front();
                }
                Ok(false) => break,
                // Its exit starts another.
                Err(_) => self.channel = None,
            }
        }
        let wants = !self.unsent.is_empty();
        if let Some(channel) = &self.channel
            && wants != self.writing
        {
            let interest = if wants { Interest::BOTH } else { Interest::READ };
            if poller.change(channel, super::PATHS, interest).is_ok() {
                self.writing = wants;
            }
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
        exec: Exec::Fd(shared.common.program.as_raw_fd()),
        argv,
        envp,
        directory: None,
        umask: 0o077,
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::Inherit,
        ids: None,
        settings: Settings::default(),
        cgroup: None,
        passed: vec![(descriptor, FIRST_DESCRIPTOR)],
        listen_pid: false,
        watchdog_pid: false,
    }
}
