//! What a process is given beside its three streams: descriptors that the
//! entity has handed over before (sd_listen_fds(3)), and where it says that it
//! is ready. The reaper has to send the ones and to keep the other first; the
//! event loop waits for neither, so the start waits here.

use super::Engine;
use super::spawners::Job;
use super::streams::Pipes;
use crate::facts;
use ham_core::effect::{Process, Spawn};
use ham_core::ids::{EntityId, SlotRef};
use ham_core::plan::Readiness;
use ham_snapshot::kept::Name;
use ham_sys::Errno;
use ham_sys::process::copy_above;
use ham_sys::spawn::{Program, SpawnError, Stage};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// The first of them: SD_LISTEN_FDS_START of sd_listen_fds(3).
const FIRST: i32 = 3;
/// Numbers below belong to entities.
const OWN_DESCRIPTORS: i32 = crate::shared::OWN_DESCRIPTORS;

/// What fits below the limit of open files that a process usually has (1,024):
/// with more than that it could not start any more.
const MOST: usize = 1_024 - 3;

/// Variables that are ham's to set here.
const VARIABLES: [&[u8]; 3] = [b"LISTEN_FDS=", b"LISTEN_FDNAMES=", b"LISTEN_PID="];

/// Descriptors for one process.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// To be numbered from 3, with their names.
    stored: Vec<(OwnedFd, Name)>,
    /// And the number that it gets.
    ready: Option<(OwnedFd, i32)>,
    /// Of all of them, above every number that one gets.
    copies: Vec<OwnedFd>,
}

impl Passed {
    /// Says so in the description of the process.
    ///
    /// # Errors
    /// The error word for the slot.
    pub(super) fn give(&mut self, program: &mut Program) -> Result<(), u64> {
        let count = i32::try_from(self.stored.len()).unwrap_or(i32::MAX);
        let targets = (FIRST..).zip(&self.stored).map(|(target, (fd, _))| (fd, target));
        let targets = targets.chain(self.ready.iter().map(|(fd, target)| (fd, *target)));
        let lowest = OWN_DESCRIPTORS.max(FIRST.saturating_add(count));
        for (fd, target) in targets {
            let copy = copy_above(fd, lowest)
                .map_err(|error| SpawnError::new(Stage::Descriptors, error.errno).to_word())?;
            program.passed.push((copy.as_raw_fd(), target));
            self.copies.push(copy);
        }
        if count == 0 {
            return Ok(());
        }
        program.envp.retain(|text| !VARIABLES.iter().any(|name| text.as_bytes().starts_with(name)));
        let names: Vec<&str> = self.stored.iter().map(|(_, name)| name.text()).collect();
        let names = format!("LISTEN_FDNAMES={}", names.join(":"));
        // Neither holds a NUL byte: a name is cut off at the first.
        program.envp.extend(CString::new(format!("LISTEN_FDS={count}")));
        program.envp.extend(CString::new(names));
        program.listen_pid = true;
        Ok(())
    }

    /// To be closed once the process has been made.
    pub(super) fn into_descriptors(self) -> impl Iterator<Item = OwnedFd> {
        let stored = self.stored.into_iter().map(|(fd, _)| fd);
        stored.chain(self.ready.map(|(fd, _)| fd)).chain(self.copies)
    }
}

/// Starts that wait for the reaper.
#[derive(Debug, Default)]
pub(super) struct Starts(BTreeMap<SlotRef, Start>);

#[derive(Debug)]
struct Start {
    spawn: Box<Spawn>,
    passed: Passed,
    /// For its output.
    pipes: Pipes,
    /// Answers that are still to come.
    awaited: usize,
}

impl Engine {
    /// Hands a process over to be made, when all is there that it is given.
    pub(super) fn make(&mut self, spawn: Box<Spawn>, pipes: Pipes) {
        let (slot, entity) = (spawn.slot, spawn.entity);
        let mut start = Start { spawn, passed: Passed::default(), pipes, awaited: 0 };
        if start.spawn.what == Process::Main {
            let plan = &start.spawn.plan;
            let mut most = usize::try_from(plan.fd_store).unwrap_or(usize::MAX).min(MOST);
            if let Readiness::Descriptor(number) = plan.ready {
                start.passed.ready = self.begin_ready(slot, entity, number);
                start.awaited += usize::from(start.passed.ready.is_some());
                most = most.min(usize::try_from(number.saturating_sub(FIRST)).unwrap_or(0));
            }
            start.awaited += self.fetch_stored(entity, most);
        }
        if start.awaited == 0 {
            self.spawners.submit(Job::Entity(start.spawn, start.passed, start.pipes));
        } else {
            self.starts.0.insert(slot, start);
        }
    }

    /// The reaper keeps the other end of where it says that it is ready, or
    /// cannot.
    pub(super) fn ready_kept(&mut self, slot: SlotRef, errno: Errno) {
        if errno.0 != 0
            && let Some((entity, _)) = self.core.owner_of(slot)
        {
            let text = format!(
                "its ready descriptor could not be kept for another monitor: {errno}; should \
                 this one end before it is ready, it has to be started again"
            );
            self.trouble(entity, &text);
        }
        self.start_goes_on(slot, |_| {});
    }

    /// One of the descriptors that it has handed over before is back.
    pub(super) fn stored_sent(
        &mut self,
        entity: EntityId,
        errno: Errno,
        sent: Option<(OwnedFd, Name)>,
    ) {
        let mut starts = self.starts.0.values();
        let slot = starts.find(|start| start.spawn.entity == entity).map(|start| start.spawn.slot);
        let Some(slot) = slot else {
            self.closer.close_all(sent.map(|(fd, _)| fd));
            return;
        };
        if sent.is_none() {
            let text = format!("a descriptor that was kept for it is not there any more: {errno}");
            self.trouble(entity, &text);
        }
        self.start_goes_on(slot, |passed| passed.stored.extend(sent));
    }

    fn start_goes_on(&mut self, slot: SlotRef, change: impl FnOnce(&mut Passed)) {
        let Some(start) = self.starts.0.get_mut(&slot) else { return };
        change(&mut start.passed);
        start.awaited = start.awaited.saturating_sub(1);
        if start.awaited == 0
            && let Some(start) = self.starts.0.remove(&slot)
        {
            self.spawners.submit(Job::Entity(start.spawn, start.passed, start.pipes));
        }
    }

    /// A line about an entity that something is wrong with.
    pub(super) fn trouble(&mut self, entity: EntityId, text: &str) {
        let entry = facts::of_trouble(&self.name(entity), text);
        self.remarks.push(entry);
    }

    /// A line about how something is done for an entity.
    pub(super) fn detail(&mut self, entity: EntityId, text: &str) {
        let text = format!("{}: {text}", self.name(entity));
        self.remark(facts::Weight::Detail, &text);
    }
}
