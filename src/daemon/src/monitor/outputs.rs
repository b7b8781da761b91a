//! Output of entities that goes through ham (`stdout = "ham"`), as the monitor
//! sees it: a pipe for each process, which the reaper keeps, and the helper
//! process that empties them. The monitor itself never reads one.
//!
//! When nobody reads ham's output, the helper waits in a write and neither
//! takes what it is told nor tells of ends. So what waits here for it are words,
//! and only a few of them with a descriptor; and an entity that is started again
//! and again goes on in the pipe that it has.

use super::keeper::Answer;
use super::output_pipes::{self, Ended};
use super::output_starts::Starting;
use super::own_process::{Kind, OwnProcess, Place};
use super::{Engine, OUTPUTS, log};
use crate::container;
use crate::keep::Verb;
use crate::output::{self, MESSAGE_BYTES};
use crate::shared::{OUTPUT_SLOT, Shared};
use ham_core::ids::SlotRef;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::spawn::Stdio;
use ham_sys::{clock, pipe};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long the helper has at the very end to write what is left.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Copies of pipes that are held here, or on their way from the reaper, until
/// the helper takes them.
const MOST_COPIES: usize = 16;

#[derive(Debug)]
pub(super) struct Outputs {
    /// The pipes that the reaper keeps.
    pub(super) kept: output_pipes::Pipes,
    /// Processes that wait until the reaper has their pipes.
    pub(super) starting: BTreeMap<SlotRef, Starting>,
    /// Pipes that the helper is to be told of, once there is room for it.
    untold: BTreeSet<Kept>,
    /// Pipes that the reaper was asked for and has not sent yet.
    asked: usize,
    /// What does not say where its output goes has it led through ham.
    pub(super) usual: bool,
    process: OwnProcess,
}

impl Outputs {
    pub(super) fn new(shared: &'static Shared) -> Outputs {
        let kind = Kind { name: "ham-output", slots: &[OUTPUT_SLOT], token: OUTPUTS };
        Outputs {
            kept: output_pipes::Pipes::default(),
            starting: BTreeMap::new(),
            untold: BTreeSet::new(),
            asked: 0,
            usual: container::is_one(&shared.options, shared.state),
            process: OwnProcess::new(shared, kind),
        }
    }

    /// When a helper is to be started.
    pub(super) fn due(&self) -> Option<u64> {
        self.process.due().filter(|_| !self.kept.is_empty())
    }

    /// To the helper, if there is one; else it gets all when it starts.
    fn tell(&mut self, message: Vec<u8>, fd: OwnedFd) {
        self.process.tell(message, Some(fd));
        self.process.want();
    }

    fn tell_pipe(&mut self, kept: Kept, fd: OwnedFd) {
        let Some((number, name)) = self.kept.get(kept) else { return };
        let Some(origin) = output::of_tag(kept.tag) else { return };
        let message = output::pipe_message(number, origin, name);
        self.tell(message, fd);
    }

    /// The helper is told of a pipe that the reaper keeps: now, or once there is
    /// room for another copy.
    pub(super) fn show(&mut self, kept: Kept, fd: OwnedFd) {
        if self.has_room() {
            self.tell_pipe(kept, fd);
        } else {
            self.untold.insert(kept);
            self.process.want();
        }
    }

    /// Whether another copy of a pipe may be held here.
    fn has_room(&self) -> bool {
        self.asked.saturating_add(self.process.untold()) < MOST_COPIES
    }

    /// The helper has been made.
    pub(super) fn made(&mut self) {
        self.process.made();
    }

    /// The helper is gone, or could not be made.
    pub(super) fn ended(&mut self) {
        self.untold.clear();
        self.process.ended(OUTPUT_SLOT);
    }

    /// Pipes to which nobody writes any more, as the helper has found.
    fn hear(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(packet) = self.process.hear(&mut buffer) {
            let number = output::ended_pipe(packet);
            ended.extend(number.and_then(|number| self.kept.ended(number)));
        }
        ended
    }

    /// The helper knows all that it is to know.
    fn is_told_all(&self) -> bool {
        self.asked == 0 && self.untold.is_empty() && self.process.untold() == 0
    }
}

/// The pipes that the helper itself needs, as the reaper keeps them.
fn own_pipes() -> [Kept; 4] {
    output::OWN_PIPES.map(|tag| Kept { owner: Owner::Manager, tag })
}

impl Engine {
    /// What a monitor before this one has led through ham goes on. Looked at
    /// more than once: what it had asked for may be done later than it ended.
    pub(super) fn recall_outputs(&mut self) {
        let is_own = |kept: Kept| output::is_pipe(kept) && kept.owner != Owner::Manager;
        let all = self.state.all_kept().filter(|(_, kept)| is_own(*kept));
        let table = all.map(|(place, kept)| (kept, self.state.kept_name(place))).collect();
        let starting = self.outputs.starting.values().flat_map(|starting| &starting.stored);
        let own: BTreeSet<Kept> = starting.map(|(kept, _)| *kept).collect();
        let is_busy = |kept| own.contains(&kept) || self.keeper.is_open(kept);
        let found = self.outputs.kept.recall(&table, is_busy);
        // Without a helper, the next is told of all.
        if self.outputs.process.is_open() {
            self.outputs.untold.extend(found);
        } else if !self.outputs.kept.is_empty() {
            self.outputs.process.want();
        }
    }

    /// The reaper has answered about a pipe.
    pub(super) fn output_answered(&mut self, answer: Answer) {
        match answer.verb {
            Verb::Store => self.output_stored(answer),
            Verb::Send => self.output_fetched(answer),
            Verb::Drop
            | Verb::Adopt
            | Verb::Gone
            | Verb::Settle
            | Verb::Join
            | Verb::Release
            | Verb::Unknown => {}
        }
        self.tell_output();
    }

    /// Tells the helper of more, as far as there is room.
    pub(super) fn tell_output(&mut self) {
        self.outputs.process.flush(&self.poller);
        if !self.outputs.process.is_open() {
            // The next one gets all.
            self.outputs.untold.clear();
        }
        while self.outputs.has_room()
            && let Some(kept) = self.outputs.untold.pop_first()
        {
            self.outputs.asked += 1;
            self.keeper.fetch(kept);
        }
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
        for ended in self.outputs.hear() {
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
        let Some(Place::Free(slot, _)) = self.outputs.process.place() else { return };
        if self.make_own_pipes().is_err() {
            return self.outputs.process.fail();
        }
        let words = output::words(log::look(self.shared));
        let job = self.outputs.process.make(slot, words, Stdio::Inherit, &self.poller);
        let Some(job) = job else { return };
        self.outputs.untold = self.outputs.kept.all().into_iter().chain(own_pipes()).collect();
        self.tell_output();
        self.making.insert(OUTPUT_SLOT);
        self.spawners.submit(job);
    }

    /// All or none: what a killed monitor has begun was never used.
    fn make_own_pipes(&mut self) -> ham_sys::Result<()> {
        let own = own_pipes();
        if !own.iter().all(|kept| self.state.find_kept(*kept).is_some()) {
            let [(stage_in, stage_out), (taken_in, taken_out)] = [pipe::new()?, pipe::new()?];
            for (kept, fd) in own.into_iter().zip([stage_in, stage_out, taken_in, taken_out]) {
                self.keeper.store(kept, Name::NONE, fd);
            }
        }
        Ok(())
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
            let is_there = self.outputs.process.is_there();
            if told && !is_there {
                break;
            }
            if self.outputs.due().is_some_and(|due| due <= clock::monotonic()) {
                self.start_output();
            }
            let is_ready = self.outputs.is_told_all() && self.outputs.process.is_open();
            if !told && is_ready && is_there {
                self.outputs.process.tell(output::END.to_vec(), None);
                told = true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.outputs.process.dismiss();
    }
}
