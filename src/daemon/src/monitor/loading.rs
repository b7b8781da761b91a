//! Loading units, as the monitor sees it: a child is started, its answer is
//! read and checked like any input from outside, and becomes the plan.

use super::ending::host;
use super::memory::{self, SharedMemory};
use super::own_process;
use super::spawners::Job;
use super::standby::plan_in_force;
use super::{Engine, target};
use crate::exit;
use crate::facts::Weight;
use crate::load::{Answer, Request};
use crate::shared::{LOADER_SLOT, OWN_DESCRIPTORS, Shared};
use ham_core::event::Event;
use ham_core::ids::{EntityId, MAX_PLANNED, SlotRef};
use ham_core::monitor::Monitor;
use ham_core::plan::{EntityPlan, encode};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::spawn::Stdio;
use ham_sys::{allocation, clock, process};
use ham_unit::Conf;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// The loader's answer, kept so that a successor can still show its errors.
pub(super) const ANSWER_FILE: &str = "loaded.json";

/// What of it is kept is written here first.
pub(super) const SHORT_ANSWER_FILE: &str = "loaded.json.new";

/// A loader that takes longer is a load error (details 21).
const PATIENCE_NS: u64 = 30_000_000_000;

/// So many loaders are lost before that is a load error, and so long is the
/// pause after each.
const MOST_LOST: u32 = 2;
const PAUSE_NS: u64 = 500_000_000;

/// The pause while a plan is missing that there was before.
const LONG_PAUSE_NS: u64 = 10_000_000_000;

/// More than this is no answer: 10,000 units take about 10 MB.
const ANSWER_LIMIT: u64 = 256 * 1024 * 1024;

/// Where loading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is being loaded.
    Idle,
    /// A loader of a monitor before this one is being ended first.
    Clearing,
    /// The loader runs; it has taken too long at that time.
    Running(u64),
    /// The loader was lost; another is started at that time.
    Again(u64),
}

#[derive(Debug)]
pub(super) struct Loading {
    shared: &'static Shared,
    stage: Stage,
    /// Loaders lost in a row.
    lost: u32,
    /// What the last load had to say, as text.
    pub(super) reports: Vec<String>,
    pub(super) refused: Vec<String>,
    /// What `ham.conf` says, as it was last read without errors.
    pub(super) conf: Conf,
}

impl Loading {
    pub(super) fn new(shared: &'static Shared) -> Loading {
        let (reports, refused) = (Vec::new(), Vec::new());
        let conf = Conf::default();
        Loading { shared, stage: Stage::Idle, lost: 0, reports, refused, conf }
    }

    pub(super) fn due(&self) -> Option<u64> {
        match self.stage {
            Stage::Running(due) | Stage::Again(due) => Some(due),
            Stage::Idle | Stage::Clearing => None,
        }
    }

    fn path(&self) -> PathBuf {
        self.shared.options.runtime.join(ANSWER_FILE)
    }

    /// A successor: what the last load had to say.
    pub(super) fn recall(&mut self) {
        if let Ok(answer) = self.read() {
            self.remember(&answer);
            self.conf = answer.conf.unwrap_or_default();
        }
    }

    fn remember(&mut self, answer: &Answer) {
        self.reports = answer.diagnostics.iter().map(|report| report.rendered.clone()).collect();
        self.refused.clone_from(&answer.refused);
    }

    fn read(&self) -> Result<Answer, String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(self.path())?.take(ANSWER_LIMIT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| format!("could not read its answer: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("its answer is none: {error}"))
    }

    /// Its plan is in the state now. What is left is for successors, who read
    /// it in the middle of a takeover; the whole of it, which has the
    /// environments of all units, is still there when this does not work.
    fn shorten(&self, answer: Answer) {
        let conf = Some(self.conf.clone());
        let short = Answer { entities: Vec::new(), conf, ..answer };
        let path = self.shared.options.runtime.join(SHORT_ANSWER_FILE);
        let write = || -> std::io::Result<()> {
            let _ = std::fs::remove_file(&path);
            let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            serde_json::to_writer(std::io::BufWriter::new(file), &short)?;
            std::fs::rename(&path, self.path())
        };
        if write().is_err() {
            let _ = std::fs::remove_file(&path);
        }
    }

    fn job(&mut self) -> Result<Job, String> {
        let path = self.path();
        let _ = std::fs::remove_file(&path);
        let file = File::options()
            .write(true)
            .create_new(true)
            // It holds the environments of all units.
            .mode(0o600)
            .open(&path)
            .map_err(|error| format!("could not create {}: {error}", path.display()))?;
        let theirs = process::move_above(OwnedFd::from(file), OWN_DESCRIPTORS)
            .map_err(|error| error.to_string())?;
        let options = &self.shared.options;
        let request = Request {
            directories: options.directories.clone(),
            system: options.system_directories,
        };
        let stdout = Stdio::Null;
        let program =
            own_process::program(self.shared, request.words(), stdout, theirs.as_raw_fd());
        self.stage = Stage::Running(clock::monotonic().saturating_add(PATIENCE_NS));
        let slot = self.shared.state.slot(LOADER_SLOT).ok_or("there is no slot for it")?;
        let slot = SlotRef { index: LOADER_SLOT, generation: slot.word().0.wrapping_add(1) };
        Ok(Job::Helper { slot, name: "ham-load", program: Box::new(program), _keep: theirs })
    }
}

impl Engine {
    pub(super) fn begin_load(&mut self) {
        // A loader that a monitor before this one has started must not write
        // into the file of this one's.
        if self.kill_loader() {
            self.loading.stage = Stage::Clearing;
            return;
        }
        match self.loading.job() {
            Ok(job) => {
                self.making.insert(LOADER_SLOT);
                self.spawners.submit(job);
            }
            Err(why) => self.loader_failed(&why),
        }
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
            again @ Stage::Again(_) => self.loading.stage = again,
            Stage::Clearing => self.begin_load(),
            Stage::Running(_) if !status.is_success() => {
                self.loader_lost(&format!("the loader ended with {status}"));
            }
            Stage::Running(_) => match self.loading.read() {
                Ok(answer) => self.take_plan(answer),
                Err(why) => self.loader_failed(&why),
            },
        }
    }

    pub(super) fn loading_due(&mut self, now: u64) {
        match self.loading.stage {
            Stage::Running(due) if due <= now => {
                self.kill_loader();
                self.loader_lost(&format!("the loader took longer than {}", Span(PATIENCE_NS)));
            }
            Stage::Again(due) if due <= now => self.begin_load(),
            Stage::Idle | Stage::Clearing | Stage::Running(_) | Stage::Again(_) => {}
        }
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
        self.loading.stage = Stage::Again(clock::monotonic().saturating_add(PAUSE_NS));
    }

    pub(super) fn loader_failed(&mut self, why: &str) {
        self.loading.stage = Stage::Idle;
        let text = format!("could not load units: {why}");
        self.remark(Weight::Always, &text);
        self.loading.reports = vec![format!("error: {text}")];
        if self.lacks_its_plan() {
            // Entities run, and nobody looks after them until there is one.
            let again = clock::monotonic().saturating_add(LONG_PAUSE_NS);
            self.loading.stage = Stage::Again(again);
        } else if self.shared.options.strict {
            self.end_for_configuration();
        }
    }

    /// There was a plan, and it could not be read any more.
    fn lacks_its_plan(&self) -> bool {
        self.planless && self.state.get(Field::EntitiesUsed) > 0
    }

    fn end_for_configuration(&mut self) {
        let within = self.stop_deadline();
        self.feed(Event::Shutdown { code: exit::CONFIGURATION, within, signals: 0 });
    }

    /// The first plan.
    fn take_plan(&mut self, answer: Answer) {
        self.loading.remember(&answer);
        self.take_conf(answer.conf.clone());
        for report in &answer.diagnostics {
            self.log.block(format!("{}\n\n", report.rendered.trim_end()));
        }
        for name in &answer.refused {
            self.remark(Weight::Always, &format!("unit {name} has errors and is left out"));
        }
        if self.shared.options.strict && answer.has_errors() && !self.lacks_its_plan() {
            self.remark(Weight::Always, "units have errors, and --strict was given");
            self.end_for_configuration();
            return;
        }
        if answer.entities.is_empty() {
            let all = &self.shared.options.directories;
            let all: Vec<String> = all.iter().map(|path| path.display().to_string()).collect();
            self.remark(Weight::Always, &format!("no units in {}", all.join(", ")));
        }
        if let Err(why) = self.install_plan(&answer) {
            self.loader_failed(&why);
            return;
        }
        self.loading.shorten(answer);
        // A plan takes much more as text and in pieces than what is kept.
        allocation::give_back();
    }

    /// Whose plan could not be read any more, but whose processes run, must be
    /// the same in the new plan: its records go by number.
    fn check_identities(&self, answer: &Answer) -> Result<(), String> {
        if self.lacks_its_plan() && answer.entities.is_empty() {
            return Err("the plan of before is lost, and there are no units".to_owned());
        }
        let running = memory::entities_with_processes(self.state);
        if running.is_empty() {
            return Ok(());
        }
        let names: BTreeMap<EntityId, &str> =
            answer.entities.iter().map(|entity| (entity.id, entity.name.as_str())).collect();
        // Those that no unit has keep what they are.
        for (id, name) in running.into_iter().filter(|(id, _)| id.0 < MAX_PLANNED) {
            // A name that fills its place was perhaps cut.
            let is = |known: &&str| known.as_bytes().starts_with(name.as_bytes());
            if names.get(&id).is_none_or(|known| !is(known)) {
                return Err(format!(
                    "the plan of before is lost, and the units are not the same any more: {name} \
                     runs and would be taken for another, so all is left as it is"
                ));
            }
        }
        Ok(())
    }

    /// An entity that was made at run time lives; a unit of its name would be a
    /// second one (details 30).
    fn without_names_of_run_time(&mut self, answer: &Answer) -> Vec<EntityPlan> {
        let (taken, free): (Vec<EntityPlan>, Vec<EntityPlan>) =
            answer.entities.iter().cloned().partition(|entity| {
                self.core.find(&entity.name).is_some_and(|id| self.core.is_made(id))
            });
        for EntityPlan { name, source, .. } in taken {
            let text = format!(
                "unit {name} ({source}) is left out: the entity {name} was made at run time and \
                 has its name; remove that, or rename the unit"
            );
            self.remark(Weight::Always, &text);
            self.loading.reports.push(format!("error: {text}"));
            self.loading.refused.push(name);
        }
        free
    }

    fn install_plan(&mut self, answer: &Answer) -> Result<(), String> {
        self.check_identities(answer)?;
        let left;
        let entities = if self.core.changed().is_empty() {
            answer.entities.as_slice()
        } else {
            left = self.without_names_of_run_time(answer);
            left.as_slice()
        };
        let bytes = encode(entities).map_err(|error| error.to_string())?;
        let (generation, half) = self.state.free_plan_half();
        self.store
            .reserve_plan(half, bytes.len(), entities.len())
            .map_err(|error| error.to_string())?;
        if !half.write(&bytes) {
            return Err("the plan is too large".to_owned());
        }
        self.state.switch_plan(generation, half);
        let plan = plan_in_force(self.state).map_err(|fatal| fatal.what)?;
        let Some(plan) = plan else { return Err("the plan was not taken".to_owned()) };
        self.shared.common.wake_guardian.post();
        let memory = SharedMemory { state: self.state };
        // Nothing was supervised yet by this monitor: what is found is either
        // nothing, but for a shutdown that was asked for meanwhile, or what
        // one before has left whose plan could not be read any more.
        let (host, now) = (host(self.shared), Mono(clock::monotonic()));
        let (core, resume) = Monitor::restore_on(host, plan, Box::new(memory), now);
        self.core = core;
        self.core.set_stop_deadline(self.stop_deadline());
        self.planless = false;
        self.resume(resume);
        self.feed(Event::Boot);
        Ok(())
    }
}
