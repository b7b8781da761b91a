//! Processes whose output goes through ham, until they can be made: a pipe
//! counts once the reaper has it. From then on neither the end of the helper
//! nor that of the monitor takes it away.

use super::Engine;
use super::keeper::Answer;
use super::streams::Pipes;
use crate::facts::{ERROR_OUTPUT, Weight};
use crate::lines::Origin;
use crate::output;
use ham_core::effect::Spawn;
use ham_core::event::Event;
use ham_core::ids::SlotRef;
use ham_core::plan::Stream;
use ham_snapshot::kept::{Kept, Name, Owner};
use ham_sys::{Errno, pipe};
use std::os::fd::OwnedFd;

/// A process that is about to be made.
#[derive(Debug)]
pub(super) struct Starting {
    spawn: Box<Spawn>,
    /// Its own ends.
    pipes: Pipes,
    /// The others, which the reaper has.
    pub(super) stored: Vec<(Kept, OwnedFd)>,
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

/// The streams of a process that go through ham; `usual`: also those of which
/// nothing is said.
fn streams(spawn: &Spawn, usual: bool) -> impl Iterator<Item = Origin> + use<> {
    let is_ham = |stream: &Stream| *stream == Stream::Ham || (usual && *stream == Stream::Usual);
    let wanted = |stream: &Stream, origin| is_ham(stream).then_some(origin);
    let out = wanted(&spawn.plan.stdout, Origin::Stdout);
    out.into_iter().chain(wanted(&spawn.plan.stderr, Origin::Stderr))
}

impl Engine {
    /// Makes a process, once its output has somewhere to go.
    pub(super) fn spawn_with_output(&mut self, spawn: Box<Spawn>) {
        if streams(&spawn, self.outputs.usual).next().is_none() {
            self.make(spawn, Pipes::default());
            return;
        }
        let slot = spawn.slot;
        let tags: Vec<u64> = streams(&spawn, self.outputs.usual).map(output::tag).collect();
        let starting = Starting {
            spawn,
            pipes: Pipes::default(),
            stored: Vec::new(),
            borrowed: Vec::new(),
            open: tags.len(),
        };
        self.outputs.starting.insert(slot, starting);
        for tag in tags {
            if let Err(errno) = self.lead(slot, tag) {
                return self.output_settled(slot, errno);
            }
        }
    }

    /// Asks the reaper to keep another pipe for a stream of a process that is
    /// about to be made, or to send the one that it goes on in.
    fn lead(&mut self, slot: SlotRef, tag: u64) -> Result<(), Errno> {
        let Some(starting) = self.outputs.starting.get_mut(&slot) else { return Ok(()) };
        let name = &starting.spawn.plan.name;
        if let Some(kept) = self.outputs.kept.go_on(name, tag) {
            starting.borrowed.push(kept);
            self.keeper.fetch(kept);
            return Ok(());
        }
        let owner = Owner::Slot { index: slot.index, generation: slot.generation };
        // Names of entities are not as long as names of descriptors may be.
        let name = Name::new(name).unwrap_or(Name::NONE);
        let (reader, writer) = pipe::new().map_err(|error| error.errno)?;
        starting.take(tag, writer);
        self.keeper.store(Kept { owner, tag }, name, reader);
        Ok(())
    }

    fn no_output(&mut self, slot: SlotRef, errno: Errno) {
        self.making.remove(&slot.index);
        let error = ERROR_OUTPUT | u64::from(errno.0.unsigned_abs());
        self.feed(Event::SpawnFailed { slot, error });
    }

    /// The reaper has a pipe, or could not take it.
    pub(super) fn output_stored(&mut self, answer: Answer) {
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
            self.outputs.show(kept, reader);
        }
        self.make(starting.spawn, starting.pipes);
    }

    /// The reaper has sent a copy of a pipe, for a process that goes on in it.
    /// False: nobody waits for that.
    pub(super) fn output_lent(&mut self, kept: Kept, errno: Errno, fd: Option<&OwnedFd>) -> bool {
        let waits = |one: &(&SlotRef, &mut Starting)| one.1.borrowed.contains(&kept);
        let Some((slot, starting)) = self.outputs.starting.iter_mut().find(waits) else {
            return false;
        };
        let slot = *slot;
        starting.borrowed.retain(|one| *one != kept);
        if errno == Errno::ENOENT {
            // The monitor before had seen its end, and had asked for it to be
            // dropped: there is room for another.
            self.outputs.kept.forget(kept);
            if let Err(errno) = self.lead(slot, kept.tag) {
                self.output_settled(slot, errno);
            }
            return true;
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
}
