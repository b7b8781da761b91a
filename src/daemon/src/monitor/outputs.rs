//! Output of entities that goes through ham (`stdout = "ham"`), as the monitor
//! sees it: a pipe for each process, which the reaper keeps, and the helper
//! process that empties them. The monitor itself never reads one.
//!
//! A pipe counts, and its process is made, once the reaper has it: from then
//! on neither the end of the helper nor that of the monitor takes it away.
//!
//! When nobody reads ham's output, the helper waits in a write and neither
//! takes what it is told nor tells of ends. So what waits here for it are words,
//! and only a few of them with a descriptor; and an entity that is started again
//! and again goes on in the pipe that it has.

use super::keeper::Answer;
use super::log;
use super::output_pipes::{self, Ended};
use super::paths::helper_program;
use super::spawners::Job;
use super::streams::Pipes;
use super::{Engine, OUTPUTS};
use crate::facts::{ERROR_OUTPUT, Weight};
use crate::keep::Verb;
use crate::lines::Origin;
use crate::output::{self, MESSAGE_BYTES};
use crate::shared::{OUTPUT_SLOT, OWN_DESCRIPTORS, Shared};
use ham_core::effect::Spawn;
use ham_core::event::Event;
use ham_core::ids::SlotRef;
use ham_core::plan::Stream;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_snapshot::slots::Phase;
use ham_sys::poller::{Interest, Poller};
use ham_sys::spawn::Stdio;
use ham_sys::{Errno, clock, pipe, process, rights, socket};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A helper that ended sooner did not come to its work: another would fare no
/// better at once.
const PAUSE_NS: u64 = 1_000_000_000;

/// How long the helper has at the very end to write what is left.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Copies of pipes that are held here, or on their way from the reaper, until
/// the helper takes them.
const MOST_COPIES: usize = 16;

#[derive(Debug)]
pub(super) struct Outputs {
    shared: &'static Shared,
    /// The pipes that the reaper keeps.
    kept: output_pipes::Pipes,
    /// Processes that wait until the reaper has their pipes.
    starting: BTreeMap<SlotRef, Starting>,
    channel: Option<OwnedFd>,
    /// Pipes that the helper is to be told of, once there is room for it.
    untold: BTreeSet<Kept>,
    /// What the helper has not been told yet: the kernel holds only so much.
    unsent: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    /// Pipes that the reaper was asked for and has not sent yet.
    asked: usize,
    /// Whether the channel is looked at for room to write.
    writing: bool,
    /// The helper is being made.
    making: bool,
    started_at: u64,
    /// When a helper is to be started.
    again_at: Option<u64>,
}

/// A process that is about to be made.
#[derive(Debug)]
struct Starting {
    spawn: Box<Spawn>,
    /// Its own ends.
    pipes: Pipes,
    /// The others, which the reaper has.
    stored: Vec<(Kept, OwnedFd)>,
    /// Pipes of processes before it that it goes on in, until the reaper has
    /// sent them.
    borrowed: Vec<Kept>,
    /// How many the reaper has not acknowledged.
    open: usize,
}

impl Starting {
    fn take(&mut self, tag: u64, writer: OwnedFd) {
        match output::of_tag(tag) {
            Some(Origin::Stderr) => self.pipes.stderr = Some(writer),
            Some(Origin::Stdout | Origin::Log) | None => self.pipes.stdout = Some(writer),
        }
    }
}

impl Outputs {
    pub(super) fn new(shared: &'static Shared) -> Outputs {
        Outputs {
            shared,
            kept: output_pipes::Pipes::default(),
            starting: BTreeMap::new(),
            channel: None,
            untold: BTreeSet::new(),
            unsent: VecDeque::new(),
            asked: 0,
            writing: false,
            making: false,
            started_at: 0,
            again_at: None,
        }
    }

    /// When a helper is to be started.
    pub(super) fn due(&self) -> Option<u64> {
        self.again_at.filter(|_| !self.kept.is_empty())
    }

    /// To the helper, if there is one; else it gets all when it starts.
    fn tell(&mut self, message: Vec<u8>, fd: OwnedFd) {
        if self.channel.is_some() {
            self.unsent.push_back((message, Some(fd)));
        } else if self.again_at.is_none() && !self.making {
            self.again_at = Some(clock::monotonic());
        }
    }

    fn tell_pipe(&mut self, kept: Kept, fd: OwnedFd) {
        let Some((number, name)) = self.kept.get(kept) else { return };
        let Some(origin) = output::of_tag(kept.tag) else { return };
        let message = output::pipe_message(number, origin, name);
        self.tell(message, fd);
    }

    /// Whether another copy of a pipe may be held here.
    fn has_room(&self) -> bool {
        self.asked.saturating_add(self.unsent.len()) < MOST_COPIES
    }

    /// Tells the helper what it has not been told, as far as there is room.
    fn flush(&mut self, poller: &Poller) {
        while let (Some(channel), Some((message, fd))) = (&self.channel, self.unsent.front()) {
            match rights::send_with(channel, message, fd.as_ref().map(AsFd::as_fd)) {
                Ok(true) => {
                    self.unsent.pop_front();
                }
                Ok(false) => break,
                // Its exit starts another.
                Err(_) => self.lose_channel(),
            }
        }
        let wants = !self.unsent.is_empty();
        if let Some(channel) = &self.channel
            && wants != self.writing
        {
            let interest = if wants { Interest::BOTH } else { Interest::READ };
            if poller.change(channel, OUTPUTS, interest).is_ok() {
                self.writing = wants;
            }
        }
    }

    fn lose_channel(&mut self) {
        self.channel = None;
        self.untold.clear();
        self.unsent.clear();
    }

    /// The helper has been made.
    pub(super) fn started(&mut self) {
        self.making = false;
    }

    /// The helper is gone, or could not be made.
    pub(super) fn ended(&mut self) {
        self.lose_channel();
        self.making = false;
        let now = clock::monotonic();
        let soon = now.saturating_sub(self.started_at) < PAUSE_NS;
        self.again_at = Some(if soon { now.saturating_add(PAUSE_NS) } else { now });
    }

    /// Pipes to which nobody writes any more, as the helper has found.
    fn read(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(channel) = &self.channel {
            match socket::receive_packet(channel, &mut buffer) {
                // Its exit starts another.
                Ok(Some(0)) | Err(_) => self.lose_channel(),
                Ok(None) => break,
                Ok(Some(count)) => {
                    let number = output::ended_pipe(buffer.get(..count).unwrap_or_default());
                    ended.extend(number.and_then(|number| self.kept.ended(number)));
                }
            }
        }
        ended
    }

    /// Whether a helper of this monitor, or one before it, is there.
    fn is_there(&self) -> bool {
        let Some(slot) = self.shared.state.slot(OUTPUT_SLOT) else { return false };
        match slot.word().1 {
            Phase::Running => true,
            // Without a process it is one that a killed monitor meant to make.
            Phase::Intent => slot.live_pid().is_some(),
            Phase::Free | Phase::Exited => false,
        }
    }
}

/// The streams of a process that go through ham.
fn streams(spawn: &Spawn) -> impl Iterator<Item = Origin> + use<> {
    let wanted = |stream: &Stream, origin| (*stream == Stream::Ham).then_some(origin);
    let out = wanted(&spawn.plan.stdout, Origin::Stdout);
    out.into_iter().chain(wanted(&spawn.plan.stderr, Origin::Stderr))
}

impl Engine {
    /// What a monitor before this one has led through ham goes on.
    pub(super) fn recall_outputs(&mut self) {
        for (place, kept) in self.state.all_kept() {
            if output::is_pipe(kept) && kept.owner != Owner::Manager {
                self.outputs.kept.know(kept, self.state.kept_name(place).text());
            }
        }
        if !self.outputs.kept.is_empty() {
            self.outputs.again_at = Some(clock::monotonic());
        }
    }

    /// Makes a process, once its output has somewhere to go.
    pub(super) fn spawn_with_output(&mut self, spawn: Box<Spawn>) {
        if streams(&spawn).next().is_none() {
            self.make(spawn, Pipes::default());
            return;
        }
        let slot = spawn.slot;
        let owner = Owner::Slot { index: slot.index, generation: slot.generation };
        // Names of entities are not as long as names of descriptors may be.
        let name = Name::new(&spawn.plan.name).unwrap_or(Name::NONE);
        let mut readers = Vec::new();
        let mut starting = Starting {
            spawn,
            pipes: Pipes::default(),
            stored: Vec::new(),
            borrowed: Vec::new(),
            open: 0,
        };
        for origin in streams(&starting.spawn) {
            let tag = output::tag(origin);
            if let Some(kept) = self.outputs.kept.go_on(&starting.spawn.plan.name, tag) {
                starting.borrowed.push(kept);
                continue;
            }
            match pipe::new() {
                Ok((reader, writer)) => {
                    readers.push((Kept { owner, tag }, reader));
                    starting.take(tag, writer);
                }
                Err(error) => return self.no_output(slot, error.errno),
            }
        }
        starting.open = readers.len().saturating_add(starting.borrowed.len());
        let borrowed = starting.borrowed.clone();
        self.outputs.starting.insert(slot, starting);
        for (kept, reader) in readers {
            self.keeper.store(kept, name, reader);
        }
        borrowed.into_iter().for_each(|kept| self.keeper.fetch(kept));
    }

    fn no_output(&mut self, slot: SlotRef, errno: Errno) {
        self.making.remove(&slot.index);
        let error = ERROR_OUTPUT | u64::from(errno.0.unsigned_abs());
        self.feed(Event::SpawnFailed { slot, error });
    }

    /// The reaper has answered about a pipe.
    pub(super) fn output_answered(&mut self, answer: Answer) {
        match answer.verb {
            Verb::Store => self.output_stored(answer),
            Verb::Send => self.output_fetched(answer),
            Verb::Drop | Verb::Adopt | Verb::Gone | Verb::Join | Verb::Release | Verb::Unknown => {}
        }
        self.tell_output();
    }

    /// Tells the helper of more, as far as there is room.
    fn tell_output(&mut self) {
        self.outputs.flush(&self.poller);
        while self.outputs.has_room()
            && let Some(kept) = self.outputs.untold.pop_first()
        {
            self.outputs.asked += 1;
            self.keeper.fetch(kept);
        }
    }

    fn output_stored(&mut self, answer: Answer) {
        let Answer { what, errno, fd, .. } = answer;
        let Owner::Slot { index, generation } = what.owner else {
            if errno.0 != 0 {
                let text = format!("the reaper could not keep a pipe for output: {errno}");
                self.remark(Weight::Always, &text);
            }
            return;
        };
        let slot = SlotRef { index, generation };
        let Some(starting) = self.outputs.starting.get_mut(&slot) else {
            // Another of its pipes was refused.
            return self.keeper.drop(what);
        };
        if let Some(fd) = fd.filter(|_| errno.0 == 0) {
            starting.stored.push((what, fd));
        }
        self.output_settled(slot, errno);
    }

    /// One pipe of a process that is about to be made is there, or cannot be.
    fn output_settled(&mut self, slot: SlotRef, errno: Errno) {
        let Some(starting) = self.outputs.starting.get_mut(&slot) else { return };
        starting.open = starting.open.saturating_sub(1);
        if errno.0 == 0 && starting.open > 0 {
            return;
        }
        let Some(starting) = self.outputs.starting.remove(&slot) else { return };
        if errno.0 != 0 {
            starting.stored.iter().for_each(|(kept, _)| self.keeper.drop(*kept));
            return self.no_output(slot, errno);
        }
        for (kept, reader) in starting.stored {
            self.outputs.kept.know(kept, &starting.spawn.plan.name);
            if self.outputs.has_room() {
                self.outputs.tell_pipe(kept, reader);
            } else {
                self.outputs.untold.insert(kept);
            }
        }
        self.make(starting.spawn, starting.pipes);
    }

    /// The reaper has sent a copy of a pipe, for a process that goes on in it.
    /// False: nobody waits for that.
    fn output_lent(&mut self, kept: Kept, errno: Errno, fd: Option<&OwnedFd>) -> bool {
        let waits = |one: &(&SlotRef, &mut Starting)| one.1.borrowed.contains(&kept);
        let Some((slot, starting)) = self.outputs.starting.iter_mut().find(waits) else {
            return false;
        };
        let slot = *slot;
        starting.borrowed.retain(|one| *one != kept);
        if errno == Errno::ENOENT {
            // Gone against all expectation: the next attempt finds another.
            self.outputs.kept.forget(kept);
        }
        let writer = match fd {
            Some(fd) => pipe::writer_of(fd).map_err(|error| error.errno),
            None if errno.0 == 0 => Err(Errno::EMFILE),
            None => Err(errno),
        };
        let errno = match writer {
            Ok(writer) => {
                starting.take(kept.tag, writer);
                Errno(0)
            }
            Err(errno) => errno,
        };
        self.output_settled(slot, errno);
        true
    }

    /// The reaper has sent a copy of a pipe, for the helper.
    fn output_fetched(&mut self, answer: Answer) {
        let Answer { what: kept, errno, fd, .. } = answer;
        // Each who has asked gets one answer, and all are the same.
        if self.output_lent(kept, errno, fd.as_ref()) {
            return;
        }
        self.outputs.asked = self.outputs.asked.saturating_sub(1);
        match fd {
            Some(fd) if kept.owner == Owner::Manager => {
                self.outputs.tell(output::own_pipe_message(kept.tag), fd);
            }
            Some(fd) => self.outputs.tell_pipe(kept, fd),
            // It has gone meanwhile.
            None => self.outputs.kept.forget(kept),
        }
    }

    /// The helper has something to say, or there is room to tell it more.
    pub(super) fn hear_output(&mut self) {
        for ended in self.outputs.read() {
            match ended {
                Ended::Drop(kept) => self.keeper.drop(kept),
                Ended::TellAgain(kept) => {
                    self.outputs.untold.insert(kept);
                }
            }
        }
        self.tell_output();
    }

    /// The helper is to be made now, if one is wanted and none is there; it
    /// gets all that the reaper keeps.
    pub(super) fn start_output(&mut self) {
        self.outputs.again_at = None;
        // One of a monitor before this one ends by itself: its channel is
        // closed. Its exit leads here again.
        if self.outputs.making || self.outputs.channel.is_some() || self.outputs.is_there() {
            return;
        }
        self.outputs.started_at = clock::monotonic();
        let Ok(job) = self.output_job() else {
            self.outputs.ended();
            return;
        };
        let own = output::OWN_PIPES.map(|tag| Kept { owner: Owner::Manager, tag });
        self.outputs.untold = self.outputs.kept.all().into_iter().chain(own).collect();
        self.tell_output();
        self.outputs.making = true;
        self.making.insert(OUTPUT_SLOT);
        self.spawners.submit(job);
    }

    fn output_job(&mut self) -> ham_sys::Result<Job> {
        let own = output::OWN_PIPES.map(|tag| Kept { owner: Owner::Manager, tag });
        // All or none: what a killed monitor has begun was never used.
        if !own.iter().all(|kept| self.state.find_kept(*kept).is_some()) {
            let [(stage_in, stage_out), (taken_in, taken_out)] = [pipe::new()?, pipe::new()?];
            for (kept, fd) in own.into_iter().zip([stage_in, stage_out, taken_in, taken_out]) {
                self.keeper.store(kept, Name::NONE, fd);
            }
        }
        let (ours, theirs) = socket::seqpacket_pair()?;
        let theirs = process::move_above(theirs, OWN_DESCRIPTORS)?;
        self.poller.add(&ours, OUTPUTS, Interest::READ)?;
        self.outputs.channel = Some(ours);
        self.outputs.writing = false;
        let words = output::words(log::look(self.shared));
        let mut program = helper_program(self.shared, words, theirs.as_raw_fd());
        program.stdout = Stdio::Inherit;
        let generation =
            self.state.slot(OUTPUT_SLOT).map_or(0, |slot| slot.word().0).wrapping_add(1);
        let slot = SlotRef { index: OUTPUT_SLOT, generation };
        Ok(Job::Helper { slot, name: "ham-output", program: Box::new(program), _keep: theirs })
    }

    /// At the very end, when all is down: what is left is written, if somebody
    /// reads it.
    pub(super) fn drain_output(&mut self) {
        let deadline = Instant::now() + LAST_PATIENCE;
        let mut told = false;
        while !self.outputs.kept.is_empty() && Instant::now() < deadline {
            self.keeper_readable();
            self.take_completions();
            self.woken();
            self.hear_output();
            if told && !self.outputs.is_there() {
                break;
            }
            if self.outputs.due().is_some_and(|due| due <= clock::monotonic()) {
                self.start_output();
            }
            let knows_all = self.outputs.asked == 0
                && self.outputs.untold.is_empty()
                && self.outputs.unsent.is_empty();
            if !told && knows_all && self.outputs.channel.is_some() && self.outputs.is_there() {
                self.outputs.unsent.push_back((output::END.to_vec(), None));
                told = true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.outputs.lose_channel();
    }
}
