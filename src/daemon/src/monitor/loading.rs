//! Loading units, as the monitor sees it: a child is started, and its answer is
//! read and checked like any input from outside. What comes of it is in
//! `first_plan` and `reload`.

use super::own_process;
use super::reload::Asked;
use super::spawners::Job;
use super::{Engine, target};
use crate::facts::Weight;
use crate::load::{
    ANSWER_NUMBER, Answer, Emergency, InForce, Mode, Outcome, Question, Refused, Request,
    STATE_NUMBER, WATCHES_NUMBER,
};
use crate::shared::{LOADER_SLOT, OWN_DESCRIPTORS, Shared};
use ham_core::ids::{EntityId, SlotRef};
use ham_core::monitor::{Base, Desired};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::Span;
use ham_snapshot::slots::Phase;
use ham_sys::inotify::Directories;
use ham_sys::spawn::Stdio;
use ham_sys::{clock, process};
use ham_unit::Conf;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the last load had to say, kept so that a successor can still show it.
const ANSWER_FILE: &str = Answer::FILE;
/// It is written here first.
const SHORT_ANSWER_FILE: &str = "loaded.json.new";
/// What the loader is told, and what it answers with; gone as soon as both have
/// it open.
const QUESTION_FILE: &str = "load.question";
const RAW_ANSWER_FILE: &str = "load.answer";

/// What loaders note for each other, and where they write it first.
const NOTES_FILE: &str = "load.notes";
const UNFINISHED_NOTES_FILE: &str = "load.new";

/// All of them.
pub(super) const FILES: [&str; 6] = [
    ANSWER_FILE,
    SHORT_ANSWER_FILE,
    QUESTION_FILE,
    RAW_ANSWER_FILE,
    NOTES_FILE,
    UNFINISHED_NOTES_FILE,
];

/// A loader that takes longer is a load error (details 21).
const PATIENCE_NS: u64 = 30_000_000_000;

/// So many loaders are lost before that is a load error, and so long is the
/// pause after each.
const MOST_LOST: u32 = 2;
const PAUSE_NS: u64 = 500_000_000;

/// The pause after a load that has failed, while one is needed.
pub(super) const LONG_PAUSE_NS: u64 = 10_000_000_000;

/// More than this is no answer: 10,000 units take about 10 MB.
const ANSWER_LIMIT: u64 = 256 * 1024 * 1024;

/// Where loading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is being loaded.
    Idle,
    /// A loader of before is being ended first; it hangs in the kernel if it is
    /// there at that time.
    Clearing(u64),
    /// The loader runs; it has taken too long at that time.
    Running(u64),
    /// The loader was lost; another is started at that time.
    Again(u64),
    /// Somebody is at work in the directories; they are looked at again at that
    /// time, unless somebody asks for it before.
    Settling(u64),
}

/// What the loader has to know of the entities that there are.
struct Known {
    in_force: Option<InForce>,
    made: Vec<String>,
    instances: Vec<String>,
}

/// What is being loaded.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) mode: Mode,
    /// For whom.
    pub(super) asked: Option<Asked>,
    /// What the plan that comes is made from.
    pub(super) base: Base,
    /// Instances that were wanted when it began.
    pub(super) instances: BTreeSet<String>,
    /// So often it came too late.
    pub(super) stale: u32,
    /// Where directories are watched from this load on.
    watches: Option<Directories>,
    answer: Option<File>,
}

#[derive(Debug)]
pub(super) struct Loading {
    shared: &'static Shared,
    stage: Stage,
    /// Loaders lost in a row.
    lost: u32,
    pub(super) current: Current,
    /// What is to be loaded next: for somebody, or since something may have
    /// changed.
    pub(super) queue: VecDeque<Asked>,
    /// When to look, and when at the latest, whatever still happens.
    pub(super) look_at: Option<(u64, u64)>,
    pub(super) watches: Option<Directories>,
    pub(super) watched: BTreeSet<String>,
    /// Errors of the last load, as text.
    pub(super) reports: Vec<String>,
    pub(super) refused: Vec<Refused>,
    pub(super) missing: Vec<String>,
    /// Units whose files are gone and that stay until somebody says otherwise.
    held_back: Vec<String>,
    /// Files that somebody has written to and not closed, by their names alone:
    /// each load has watches of its own.
    pub(super) written: BTreeSet<OsString>,
    /// So often in a row it was to be looked at again, as somebody is at work.
    pub(super) unsettled: u32,
    /// Whether units say something else than what is in force, and cannot be
    /// applied.
    pub(super) held: bool,
    trace: u64,
    /// Clients whose loads of instances are done, with what was wrong.
    pub(super) tried: BTreeMap<u64, Vec<String>>,
    /// What `ham.conf` says, as it was last read without errors.
    pub(super) conf: Conf,
    /// Whether that was read, by this monitor or one before.
    pub(super) conf_known: bool,
}

impl Loading {
    pub(super) fn new(shared: &'static Shared) -> Loading {
        Loading {
            shared,
            stage: Stage::Idle,
            lost: 0,
            current: Current::default(),
            queue: VecDeque::new(),
            look_at: None,
            watches: None,
            watched: BTreeSet::new(),
            reports: Vec::new(),
            refused: Vec::new(),
            missing: Vec::new(),
            held_back: Vec::new(),
            written: BTreeSet::new(),
            unsettled: 0,
            held: false,
            trace: 0,
            tried: BTreeMap::new(),
            conf: Conf::default(),
            conf_known: false,
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        match self.stage {
            Stage::Clearing(due)
            | Stage::Running(due)
            | Stage::Again(due)
            | Stage::Settling(due) => Some(due),
            Stage::Idle => self.look_at.map(|(due, last)| due.min(last)),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// The directories are looked at again, a little later.
    pub(super) fn settle(&mut self, after: u64) {
        self.unsettled = self.unsettled.saturating_add(1);
        self.stage = Stage::Settling(clock::monotonic().saturating_add(after));
    }

    /// Somebody asks for what is waited for: it is tried now.
    pub(super) fn hurry(&mut self) {
        if let Stage::Again(due) = &mut self.stage {
            *due = clock::monotonic();
        }
    }

    /// Who asks does not wait for those who write. The look comes after that.
    pub(super) fn give_way(&mut self) {
        if let Stage::Settling(due) = self.stage
            && !self.queue.is_empty()
        {
            self.stage = Stage::Idle;
            self.missing.clear();
            self.look_at = Some((due, due));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.options.runtime.join(name)
    }

    /// A successor: what the last load had to say.
    pub(super) fn recall(&mut self) {
        if let Some(answer) = Answer::kept(&self.shared.options.runtime) {
            self.remember(&answer);
            self.conf_known = answer.conf.is_some();
            self.conf = answer.conf.unwrap_or_default();
        }
    }

    /// What it had to say about the units; names and traces of the directories.
    pub(super) fn remember(&mut self, answer: &Answer) {
        self.reports = answer.diagnostics.iter().map(|report| report.rendered.clone()).collect();
        self.reports.extend(answer.reasons.iter().cloned());
        self.refused.clone_from(&answer.refused);
        self.held_back.clone_from(&answer.held_back);
        self.trace = answer.trace;
        self.held = answer.outcome == Outcome::Kept;
    }

    /// For successors, who read it in the middle of a takeover. Its changes are
    /// told.
    pub(super) fn keep(&self, answer: &Answer) {
        let conf = Some(self.conf.clone());
        let short = Answer { changes: Vec::new(), conf, ..answer.clone() };
        let path = self.path(SHORT_ANSWER_FILE);
        let write = || -> std::io::Result<()> {
            let file = private(&path)?;
            serde_json::to_writer(std::io::BufWriter::new(file), &short)?;
            std::fs::rename(&path, self.path(ANSWER_FILE))
        };
        if write().is_err() {
            let _ = std::fs::remove_file(&path);
        }
    }

    /// A file that has no name any more; the loader has it open.
    fn nameless(&self, name: &str) -> Result<File, String> {
        let path = self.path(name);
        let file = private(&path)
            .map_err(|error| format!("could not create {}: {error}", path.display()))?;
        let _ = std::fs::remove_file(&path);
        Ok(file)
    }

    fn job(&mut self, known: Known) -> Result<Job, String> {
        let Known { in_force, made, mut instances } = known;
        let mode = self.current.mode;
        let names = self.current.asked.as_ref().map(|asked| asked.names.clone());
        let new = self.current.asked.as_ref().map(|asked| asked.instances.clone());
        instances.extend(new.unwrap_or_default());
        let question = Question {
            mode,
            names: names.unwrap_or_default(),
            only_new: self.current.asked.as_ref().is_some_and(|asked| !asked.instances.is_empty()),
            in_force,
            made,
            instances,
            clean: self.reports.is_empty() && !self.held,
            trace: self.trace,
            refused: self.refused.clone(),
            missing: self.missing.clone(),
            notes: self.path(NOTES_FILE),
            held_back: self.held_back.clone(),
            overdue: self.is_overdue(),
            conf: self.conf.clone(),
        };
        let mut asked = self.nameless(QUESTION_FILE)?;
        let write = serde_json::to_vec(&question).map_err(std::io::Error::from);
        write
            .and_then(|text| asked.write_all(&text))
            .and_then(|()| asked.rewind())
            .map_err(|error| format!("could not tell it what to do: {error}"))?;
        let answer = self.nameless(RAW_ANSWER_FILE)?;
        let above = |fd: OwnedFd| {
            process::move_above(fd, OWN_DESCRIPTORS).map_err(|error| error.to_string())
        };
        let copy = |file: &File| file.try_clone().map_err(|error| error.to_string());
        let theirs = above(copy(&answer)?.into())?;
        let asked = above(asked.into())?;
        let options = &self.shared.options;
        let request = Request {
            directories: options.directories.clone(),
            system: options.system_directories,
            emergency: Emergency::of(options),
        };
        let words = request.words();
        let mut program = own_process::program(self.shared, words, Stdio::Null, theirs.as_raw_fd());
        program.stdin = Stdio::Fd(asked.as_raw_fd());
        let mut keep = vec![theirs, asked];
        let state = self.shared.common.state().as_raw_fd();
        // For reading only.
        let state = File::open(format!("/proc/self/fd/{state}"));
        let state = above(state.map_err(|error| format!("the state: {error}"))?.into())?;
        program.passed.push((state.as_raw_fd(), STATE_NUMBER));
        keep.push(state);
        self.current.watches = Directories::new().ok();
        if let Some(watches) = &self.current.watches
            && let Ok(copy) = watches.as_fd().try_clone_to_owned()
        {
            let watches = above(copy)?;
            program.passed.push((watches.as_raw_fd(), WATCHES_NUMBER));
            keep.push(watches);
        }
        debug_assert_eq!(program.passed.first().map(|(_, number)| *number), Some(ANSWER_NUMBER));
        self.current.answer = Some(answer);
        self.stage = Stage::Running(clock::monotonic().saturating_add(PATIENCE_NS));
        let slot = self.shared.state.slot(LOADER_SLOT).ok_or("there is no slot for it")?;
        let slot = SlotRef { index: LOADER_SLOT, generation: slot.word().0.wrapping_add(1) };
        Ok(Job::Helper { slot, name: "ham-load", program: Box::new(program), _keep: keep })
    }
}

/// A new file that nobody else reads: it may hold the environments of all units.
fn private(path: &Path) -> std::io::Result<File> {
    let _ = std::fs::remove_file(path);
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

impl Engine {
    pub(super) fn begin_load(&mut self) {
        // A loader that a monitor before this one has started must not be
        // taken for this one's.
        if self.kill_loader() {
            let patience = clock::monotonic().saturating_add(PATIENCE_NS);
            self.loading.stage = Stage::Clearing(patience);
            return;
        }
        let base = self.core.base();
        let in_force = match self.state.plan_in_force() {
            Some((_, half)) if self.loading.current.mode != Mode::First => {
                Some(InForce::new(half.byte_offset() as u64, &base))
            }
            Some(_) | None => None,
        };
        self.loading.current.base = base;
        let changed = self.core.changed().into_iter().filter(|id| self.core.is_made(*id));
        let made = changed.filter_map(|id| self.core.name(id)).collect();
        let instances = self.instances();
        self.loading.current.instances = instances.iter().cloned().collect();
        match self.loading.job(Known { in_force, made, instances }) {
            Ok(job) => {
                self.making.insert(LOADER_SLOT);
                self.spawners.submit(job);
            }
            Err(why) => self.loader_failed(&why),
        }
    }

    /// Instances of templates that run, or are to: these stay although nobody
    /// has named them in a file.
    pub(super) fn instances(&self) -> Vec<String> {
        let wanted = |id: &EntityId| {
            let view = self.core.view(*id);
            view.desired == Desired::Running || view.pid.is_some()
        };
        let is_instance = |name: &String| name.contains('@');
        let ids = self.core.ids().into_iter();
        let named = ids.filter_map(|id| Some((id, self.core.name(id).filter(is_instance)?)));
        named.filter(|(id, _)| wanted(id)).map(|(_, name)| name).collect()
    }

    /// False when there is none.
    fn kill_loader(&self) -> bool {
        let Some(slot) = self.state.slot(LOADER_SLOT) else { return false };
        let (generation, phase) = slot.word();
        if !matches!(phase, Phase::Intent | Phase::Running) || slot.live_pid().is_none() {
            return false;
        }
        let slot = SlotRef { index: LOADER_SLOT, generation };
        target::signal(self.state, slot, Signal::KILL, None)
    }

    pub(super) fn loader_ended(&mut self, reference: SlotRef, status: ExitStatus) {
        if let Some(slot) = self.state.slot(reference.index) {
            // Its pid may not be cleared yet. That does not matter here: the
            // slot is used for nothing else, and by the next generation only.
            slot.free(reference.generation);
        }
        match std::mem::replace(&mut self.loading.stage, Stage::Idle) {
            Stage::Idle => {}
            // Killed for being late, and not gone before the next was due.
            again @ (Stage::Again(_) | Stage::Settling(_)) => self.loading.stage = again,
            Stage::Clearing(_) => self.begin_load(),
            Stage::Running(_) if !status.is_success() => {
                self.loader_lost(&format!("the loader ended with {status}"));
            }
            Stage::Running(_) => match self.answer() {
                Ok((answer, plan)) => self.answered(answer, &plan),
                Err(why) => self.loader_failed(&why),
            },
        }
        self.load_next();
    }

    fn answer(&mut self) -> Result<(Answer, Vec<u8>), String> {
        let mut file = self.loading.current.answer.take().ok_or("there is no answer")?;
        file.rewind().map_err(|error| error.to_string())?;
        let answer = Answer::read(file, ANSWER_LIMIT)?;
        self.loading.lost = 0;
        self.watch_units();
        Ok(answer)
    }

    /// What the loader has begun to watch is watched from here on.
    fn watch_units(&mut self) {
        if let Some(watches) = self.loading.current.watches.take() {
            if let Some(before) = self.loading.watches.take() {
                let _ = self.poller.remove(&before);
            }
            self.look_after_units(&watches);
            self.loading.watches = Some(watches);
        }
    }

    pub(super) fn loading_due(&mut self, now: u64) {
        match self.loading.stage {
            Stage::Running(due) if due <= now => {
                self.kill_loader();
                self.loader_lost(&format!("the loader took longer than {}", Span(PATIENCE_NS)));
            }
            Stage::Clearing(due) if due <= now => {
                self.loader_failed("the loader of before does not end: a path hangs in the kernel");
            }
            Stage::Again(due) | Stage::Settling(due) if due <= now => self.begin_load(),
            Stage::Idle => self.load_next(),
            Stage::Clearing(_) | Stage::Running(_) | Stage::Again(_) | Stage::Settling(_) => {}
        }
    }

    /// The same again, a little later.
    pub(super) fn load_again(&mut self, after: u64) {
        self.loading.stage = Stage::Again(clock::monotonic().saturating_add(after));
    }

    /// No answer came. What ended the loader (somebody, or a lack of memory)
    /// may be over soon; a manager without units would be one till its end.
    pub(super) fn loader_lost(&mut self, why: &str) {
        self.loading.lost += 1;
        if self.loading.lost > MOST_LOST {
            self.loader_failed(why);
            return;
        }
        self.remark(Weight::Always, &format!("could not load units: {why}; trying again"));
        self.load_again(PAUSE_NS);
    }

    pub(super) fn loader_failed(&mut self, why: &str) {
        self.loading.stage = Stage::Idle;
        self.loading.lost = 0;
        let text = format!("could not load units: {why}");
        self.remark(Weight::Always, &text);
        self.loading.reports = vec![format!("error: {text}")];
        self.loading.held = self.loading.current.mode != Mode::First;
        if !self.loading.held && self.shared.options.strict && !self.lacks_its_plan() {
            self.end_for_configuration();
            return;
        }
        if !self.loading.held && self.has_emergency() {
            // It can be asked, and looks again by itself.
            self.loading.held = true;
        }
        self.not_reloaded();
        if self.loading.held {
            let later = clock::monotonic().saturating_add(LONG_PAUSE_NS);
            self.loading.look_at.get_or_insert((later, later));
        } else {
            // Nobody looks after anything until there is a plan.
            self.load_again(LONG_PAUSE_NS);
        }
    }
}
