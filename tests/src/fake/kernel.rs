//! The fake kernel and reaper: processes, their ends, and the clock. Two
//! queues: what the *world* does goes on whatever becomes of the monitor; a
//! *task* is in the monitor's own hands (a spawner thread, a pass of clearing,
//! an event on its way) and is gone when the monitor is.

use super::talk::Word;
use super::{Random, SharedMemory, SlotWord, Temper, Watched};
use ham_core::event::{Event, Wait};
use ham_core::ids::{EntityId, SlotRef};
use ham_core::memory::SlotState;
use ham_core::plan::{EntityPlan, KillScope, Kind};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::{Mono, Span};
use ham_core::way::Last;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stage 3 (exec) and ENOENT, as a slot holds the error of a failed exec.
const EXEC_ERROR: u64 = (3 << 32) | 2;

/// A process that was made.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its slot and generation.
    pub slot: SlotRef,
    /// The entity that it is, or whose condition runs it.
    pub entity: EntityId,
    /// Whether it is the entity itself.
    pub main: bool,
    /// Whether it lives.
    pub alive: bool,
    /// Whether it has reached its program.
    pub executed: bool,
    /// Whether it ignores every signal but KILL.
    pub stubborn: bool,
    /// Whether it hangs in its exec so that only KILL reaches it.
    pub deaf_before_exec: bool,
    /// What it runs, or what runs it.
    pub plan: Arc<EntityPlan>,
    /// How it ended.
    pub status: Option<ExitStatus>,
}

/// What a process has left behind, or will.
#[derive(Clone, Copy, Debug)]
pub struct Remains {
    /// The entity.
    pub entity: EntityId,
    /// How many processes.
    pub count: u32,
}

#[derive(Clone, Debug)]
pub(super) enum World {
    Says(i32, Word),
    Executes(i32),
    ExecFails(i32),
    Ends(i32, ExitStatus),
    Reaped(u32, i32),
}

#[derive(Clone, Debug)]
pub(super) enum Task {
    Clone { slot: SlotRef, entity: EntityId, main: bool, plan: Arc<EntityPlan> },
    FindMain { slot: SlotRef },
    Clear { slot: SlotRef },
    Cleared { slot: SlotRef },
    Free { slot: SlotRef },
    Look { entity: EntityId },
    Deliver(Event),
}

/// The machine.
#[derive(Debug)]
pub struct Kernel {
    /// The memory that it shares with the monitor.
    pub memory: SharedMemory,
    /// Its clock.
    pub now: Mono,
    /// Its luck.
    pub random: Random,
    /// Its mood.
    pub temper: Temper,
    /// All processes that were ever made, by id; ids are not used again.
    pub processes: BTreeMap<i32, Process>,
    /// What main processes have left behind.
    pub remains: BTreeMap<SlotRef, Remains>,
    /// What no correct core would have asked for.
    pub faults: Vec<String>,
    /// Exit codes of `Finish`.
    pub finished: Vec<Last>,
    /// Effects carried out.
    pub carried: u64,
    pub(super) made: BTreeSet<SlotRef>,
    pub(super) paths: BTreeMap<String, Option<Mono>>,
    pub(super) watches: BTreeMap<Wait, String>,
    /// Daemons that were left behind, and when their files say so.
    pub(super) pid_files: BTreeMap<SlotRef, (i32, Mono)>,
    /// Runs whose action was answered: it is, once.
    pub(super) asked: BTreeSet<Wait>,
    /// Whose heartbeats are watched, and looks that come too late.
    pub(super) watched: BTreeMap<EntityId, Watched>,
    pub(super) blind_looks: Vec<EntityId>,
    world: BTreeMap<(Mono, u64), World>,
    tasks: BTreeMap<(Mono, u64), Task>,
    sequence: u64,
    pub(super) next_pid: i32,
    last_post: BTreeMap<u32, Mono>,
}

impl Kernel {
    /// A machine on which nothing runs, one second after its boot.
    #[must_use]
    pub fn new(memory: SharedMemory, random: Random, temper: Temper) -> Kernel {
        Kernel {
            memory,
            now: Mono(Span::seconds(1).0),
            random,
            temper,
            processes: BTreeMap::new(),
            remains: BTreeMap::new(),
            faults: Vec::new(),
            finished: Vec::new(),
            carried: 0,
            made: BTreeSet::new(),
            paths: BTreeMap::new(),
            watches: BTreeMap::new(),
            pid_files: BTreeMap::new(),
            asked: BTreeSet::new(),
            watched: BTreeMap::new(),
            blind_looks: Vec::new(),
            world: BTreeMap::new(),
            tasks: BTreeMap::new(),
            sequence: 0,
            next_pid: 1000,
            last_post: BTreeMap::new(),
        }
    }

    /// Usually 10 µs to 2 ms; now and then long enough for any deadline.
    pub(super) fn delay(&mut self) -> Span {
        if self.random.chance(self.temper.slow) {
            self.random.micros(20_000, 2_500_000)
        } else {
            self.random.micros(10, 2_000)
        }
    }

    pub(super) fn happen(&mut self, after: Span, what: World) {
        self.sequence += 1;
        self.world.insert((self.now.after(after), self.sequence), what);
    }

    pub(super) fn task(&mut self, after: Span, task: Task) {
        self.sequence += 1;
        self.tasks.insert((self.now.after(after), self.sequence), task);
    }

    /// Puts an event on its way. Those about one slot come in the order in
    /// which they happened; any others overtake each other.
    pub fn post(&mut self, event: Event) {
        let index = match &event {
            Event::Spawned { slot, .. }
            | Event::SpawnFailed { slot, .. }
            | Event::Exited { slot, .. }
            | Event::Cleared { slot, .. }
            | Event::SlotFreed { slot } => Some(slot.index),
            _ => None,
        };
        let late = if self.random.chance(self.temper.slow) {
            self.random.micros(0, 60_000)
        } else {
            self.random.micros(0, 300)
        };
        let mut at = self.now.after(late);
        if let Some(index) = index {
            let last = self.last_post.entry(index).or_default();
            at = at.max(*last);
            *last = at;
        }
        self.sequence += 1;
        self.tasks.insert((at, self.sequence), Task::Deliver(event));
    }

    /// When the next thing happens by itself.
    #[must_use]
    pub fn next(&self) -> Option<Mono> {
        let world = self.world.first_key_value().map(|((at, _), _)| *at);
        let tasks = self.tasks.first_key_value().map(|((at, _), _)| *at);
        world.into_iter().chain(tasks).min()
    }

    /// Lets that happen; what it has to tell the monitor is returned.
    pub fn turn(&mut self) -> Option<Event> {
        let at = self.next()?;
        self.now = self.now.max(at);
        if let Some(((due, _), _)) = self.world.first_key_value()
            && *due == at
        {
            let (_, what) = self.world.pop_first()?;
            self.world_turn(what);
            return None;
        }
        let (_, task) = self.tasks.pop_first()?;
        match task {
            Task::Deliver(event) => return Some(event),
            Task::Clone { slot, entity, main, plan } => self.make(slot, entity, main, plan),
            Task::FindMain { slot } => self.find_main(slot),
            Task::Clear { slot } => {
                self.kill_all_of(slot);
                // The reaper has seen the end before the pass finds nothing.
                self.task(Span::millis(2), Task::Cleared { slot });
            }
            Task::Cleared { slot } if !self.living_of(slot).is_empty() => {
                // One was born behind the pass.
                self.kill_all_of(slot);
                self.task(Span::millis(2), Task::Cleared { slot });
            }
            Task::Cleared { slot } => self.cleared(slot),
            Task::Free { slot } => self.free(slot),
            Task::Look { entity } => self.look(entity),
        }
        None
    }

    /// The monitor is dead: all that was in its hands is gone.
    pub fn monitor_dies(&mut self) {
        // What was said and not read is still in its socket.
        self.tasks.retain(|_, task| {
            matches!(task, Task::Deliver(Event::Told { .. } | Event::Ready { .. }))
        });
        self.watches.clear();
        self.last_post.clear();
        self.asked.clear();
        self.watched.clear();
        self.blind_looks.clear();
    }

    pub(super) fn word(&self, index: u32) -> SlotWord {
        self.memory.store().slots.get(&index).copied().unwrap_or_default()
    }

    pub(super) fn set_word(&mut self, index: u32, word: SlotWord) {
        self.memory.store().slots.insert(index, word);
    }

    pub(super) fn fault(&mut self, what: String) {
        self.faults.push(format!("at {} ns: {what}", self.now.0));
    }

    /// The living main processes of an entity.
    #[must_use]
    pub fn living(&self, entity: EntityId) -> Vec<i32> {
        let mine = |process: &&Process| process.main && process.alive && process.entity == entity;
        let all = self.processes.iter().filter(|(_, process)| mine(process));
        all.map(|(pid, _)| *pid).collect()
    }

    /// All that live of what was made in a slot's generation.
    pub(super) fn living_of(&self, slot: SlotRef) -> Vec<i32> {
        let mine = |process: &Process| process.alive && process.slot == slot;
        let all = self.processes.iter().filter(|(_, process)| mine(process));
        all.map(|(pid, _)| *pid).collect()
    }

    /// The living process of a slot's generation.
    pub(super) fn process_of(&self, slot: SlotRef) -> Option<(i32, &Process)> {
        let word = self.word(slot.index);
        let process = self.processes.get(&word.pid)?;
        (process.slot == slot && process.alive).then_some((word.pid, process))
    }

    fn make(&mut self, slot: SlotRef, entity: EntityId, main: bool, plan: Arc<EntityPlan>) {
        if self.random.chance(self.temper.clone_refused) {
            self.post(Event::SpawnFailed { slot, error: (1 << 32) | 11 });
            return;
        }
        if !self.made.insert(slot) {
            self.fault(format!("{slot} was made twice"));
        }
        if main {
            let living = self.living(entity);
            if !living.is_empty() {
                self.fault(format!("{slot}: entity {} already runs as {living:?}", entity.0));
            }
            let mine = |remains: &&Remains| remains.entity == entity && remains.count > 0;
            if let Some(remains) = self.remains.values().find(mine) {
                self.fault(format!("{slot} was made beside {remains:?}"));
            }
        }
        let pid = self.next_pid;
        self.next_pid += 1;
        // One that ignores TERM and may take for ever would, and should.
        let patient = plan.stop.timeout.is_infinite() || plan.stop.kill == KillScope::None;
        let may_ignore = !main || !patient;
        let stubborn = may_ignore && self.random.chance(self.temper.stubborn);
        let process = Process {
            slot,
            entity,
            main,
            alive: true,
            executed: false,
            stubborn,
            deaf_before_exec: may_ignore,
            plan,
            status: None,
        };
        self.processes.insert(pid, process);
        let mut word = self.word(slot.index);
        word.pid = pid;
        word.last_pid = pid;
        self.set_word(slot.index, word);
        let after = self.delay();
        if self.random.chance(self.temper.exec_fails) {
            self.happen(after, World::ExecFails(pid));
        } else if !self.random.chance(self.temper.exec_hangs) {
            self.happen(after, World::Executes(pid));
        }
    }

    fn world_turn(&mut self, what: World) {
        match what {
            World::Says(pid, word) => self.says(pid, word),
            World::Executes(pid) => self.executes(pid),
            World::ExecFails(pid) => {
                let Some(slot) = self.held_slot(pid) else { return };
                let mut word = self.word(slot.index);
                word.error = EXEC_ERROR;
                self.set_word(slot.index, word);
                // The spawner and the reaper tell of it, in either order; the
                // daemon reads the error word before it calls an end an exit.
                self.post(Event::SpawnFailed { slot, error: EXEC_ERROR });
                self.ends(pid, ExitStatus::Code(127));
            }
            World::Ends(pid, status) => self.ends(pid, status),
            World::Reaped(index, pid) => {
                let mut word = self.word(index);
                if word.pid == pid {
                    word.pid = 0;
                    self.set_word(index, word);
                }
            }
        }
    }

    pub(super) fn living_slot(&self, pid: i32) -> Option<SlotRef> {
        self.processes.get(&pid).filter(|process| process.alive).map(|process| process.slot)
    }

    /// The same of one that ham has not let go of.
    fn held_slot(&self, pid: i32) -> Option<SlotRef> {
        self.living_slot(pid).filter(|slot| slot.generation != 0)
    }

    fn executes(&mut self, pid: i32) {
        let Some(slot) = self.held_slot(pid) else { return };
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.executed = true;
        let (main, entity, plan) = (process.main, process.entity, Arc::clone(&process.plan));
        let mut word = self.word(slot.index);
        word.state = SlotState::Running;
        self.set_word(slot.index, word);
        self.post(Event::Spawned { slot, pid });
        if main {
            self.begins_to_talk(pid, &plan);
        }
        let cleared = plan.stop.kill == KillScope::All;
        if main && cleared && self.random.chance(self.temper.has_offspring) {
            let count = 1 + u32::try_from(self.random.below(3)).unwrap_or(0);
            self.remains.insert(slot, Remains { entity, count });
        }
        if main && matches!(plan.kind, Kind::Oneshot { .. } | Kind::Forking { .. }) {
            let fails = self.random.chance(self.temper.command_fails);
            let status = if fails { self.status(true) } else { ExitStatus::SUCCESS };
            let life = self.random.micros(0, 400_000);
            self.happen(life, World::Ends(pid, status));
        } else if let Some(life) = self.life(main) {
            let status = self.status(main);
            self.happen(life, World::Ends(pid, status));
        }
    }

    pub(super) fn life(&mut self, main: bool) -> Option<Span> {
        let ends = if main { self.temper.dies } else { 100 - self.temper.command_hangs.min(100) };
        if !self.random.chance(ends) {
            return None;
        }
        let most = *self.random.pick(&[300, 30_000, 600_000, 4_000_000]);
        Some(self.random.micros(0, if main { most } else { most / 4 }))
    }

    pub(super) fn status(&mut self, main: bool) -> ExitStatus {
        if !main {
            let fails = self.random.chance(self.temper.command_fails);
            return ExitStatus::Code(u8::from(fails));
        }
        let by = |signal, core| ExitStatus::Signal { signal, core };
        *self.random.pick(&[
            ExitStatus::SUCCESS,
            ExitStatus::Code(1),
            ExitStatus::Code(3),
            by(Signal::TERM, false),
            by(Signal::KILL, false),
            by(Signal(11), true),
            ExitStatus::Unknown,
        ])
    }

    pub(super) fn end_soon(&mut self, pid: i32, after: Span, signal: Signal) {
        self.happen(after, World::Ends(pid, ExitStatus::Signal { signal, core: false }));
    }

    fn ends(&mut self, pid: i32, status: ExitStatus) {
        let Some(slot) = self.living_slot(pid) else { return };
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.alive = false;
        process.status = Some(status);
        let reached = process.executed;
        let forks = process.main && reached && matches!(process.plan.kind, Kind::Forking { .. });
        let mut word = self.word(slot.index);
        if word.pid != pid {
            // The slot is another's: this one is nobody's child of note.
            return;
        }
        if forks && status.is_success() && !self.pid_files.contains_key(&slot) {
            self.leaves_daemon(slot, pid);
        }
        word.state = SlotState::Exited;
        word.exit = Some((status, self.now));
        self.set_word(slot.index, word);
        // clone(2) with CLONE_VFORK returns as well when the child is killed
        // before its exec; the spawner may or may not come to tell.
        if !reached && word.error == 0 && self.random.chance(50) {
            self.post(Event::Spawned { slot, pid });
        }
        self.post(Event::Exited { slot, pid, status, at: self.now });
        let lets_go = self.random.micros(10, 20_000);
        self.happen(lets_go, World::Reaped(slot.index, pid));
    }
}
